//! A customer's ledger: the runs that concern them.

use std::collections::BTreeSet;

use super::{ExportError, Exports};
use crate::ids::RunId;
use crate::incident::Incident;
use crate::records::Records;
use crate::repair::Action;
use crate::run::{Run, RunScope};
use crate::tenancy::TenantCtx;

impl Exports {
    /// Runs that looked at the customer alone, that saw a difference of theirs, or that proposed,
    /// judged and made a change of theirs. A scan of everybody that found nothing is not among them.
    pub(super) async fn runs_of_customer(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<BTreeSet<RunId>, ExportError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let mut runs = BTreeSet::new();
        let mut incidents = BTreeSet::new();
        for incident in records.list::<Incident>().await? {
            let incident = incident.value;
            if incident.finding.customers.iter().any(|id| id == customer) {
                incidents.insert(incident.id);
                runs.extend([incident.opened_by, incident.seen_by]);
            }
        }
        for action in records.list::<Action>().await? {
            let action = action.value;
            let repaired = action.binding.resource.incident();
            if repaired.is_some_and(|incident| incidents.contains(&incident)) {
                runs.insert(action.binding.run);
                runs.extend(action.follow_up);
            }
        }
        for run in records.list::<Run>().await? {
            let run = run.value;
            if matches!(&run.scope, RunScope::Check { customer: of } if of == customer) {
                runs.insert(run.id);
            }
        }
        Ok(runs)
    }
}
