//! A customer's ledger: the runs that concern them.

use std::collections::BTreeSet;

use counterfoil_evidence::hash::Hash;
use futures::{StreamExt, TryStreamExt, stream};

use super::proofs::run_of;
use super::{ExportError, Exports};
use crate::ids::RunId;
use crate::incident::Incident;
use crate::records::Records;
use crate::repair::Action;
use crate::run::{Run, RunScope};
use crate::tenancy::TenantCtx;

/// Entries that are read at the same time.
const AT_ONCE: usize = 16;

impl Exports {
    /// Whether anything is recorded about the customer.
    pub(super) async fn knows_customer(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<bool, ExportError> {
        if !self.runs_on_record(ctx, customer).await?.is_empty() {
            return Ok(true);
        }
        let (_, entries) = self.entries_about(ctx, customer).await?;
        Ok(!entries.is_empty())
    }

    /// Runs that looked at the customer alone, that saw a difference of theirs, or that proposed,
    /// judged and made a change of theirs, and those of which an entry is about them alone. A scan of
    /// everybody that found nothing is not among them.
    pub(super) async fn runs_of_customer(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<BTreeSet<RunId>, ExportError> {
        let mut runs = self.runs_on_record(ctx, customer).await?;
        let (stream, entries) = self.entries_about(ctx, customer).await?;
        let read = |seq: u64| self.reader.entries(stream, seq, seq.saturating_add(1));
        let mut read = stream::iter(entries).map(read).buffer_unordered(AT_ONCE);
        while let Some(found) = read.try_next().await? {
            runs.extend(found.iter().filter_map(run_of));
        }
        Ok(runs)
    }

    /// The places of the entries that are about the customer alone.
    async fn entries_about(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<(Hash, Vec<u64>), ExportError> {
        let project = self.project(ctx).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let name = self.vault.pseudonym(&records, ctx, &project, customer);
        let (stream, name) = (project.stream_id()?, name.await?);
        Ok((stream, self.reader.by_subject(stream, &name).await?))
    }

    async fn runs_on_record(
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
                runs.extend(incident.past.iter().map(|life| life.opened_by));
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
