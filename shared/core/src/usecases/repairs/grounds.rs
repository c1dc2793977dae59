//! What a judgement stands on: rows that may change between the question and the act.
//!
//! They are read before the question is asked, and are conditions of the transaction that acts on the
//! answer. So an emergency stop, a revoked bundle, or a demotion that was acknowledged before that
//! transaction is always heard: the action is judged anew.

use std::collections::BTreeSet;

use super::{ActionError, RepairPorts};
use crate::bundles::PolicyState;
use crate::incident::Incident;
use crate::ports::{Batch, Expect, StateCheck};
use crate::records::{Directory, Project, workspace_row};
use crate::repair::Action;
use crate::tenancy::{Principal, TenantCtx};

/// The rows that were read, each with the version that it had.
#[derive(Debug, Clone)]
pub(super) struct Grounds(Vec<StateCheck>);

impl Grounds {
    /// Reads which versions they have: the project, the rules in force, the people who count, and the
    /// incident of a repair. Whoever judges reads them after that, so what is judged is never older; the
    /// project as it is then comes with them.
    pub(super) async fn read(
        ports: &RepairPorts,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<(Self, Project), ActionError> {
        let mut people: BTreeSet<_> = action.approvers().into_iter().collect();
        people.extend(action.proposer.proposers());
        people.extend(action.proposer.owners());
        people.extend(action.overridden.as_ref().map(|broken| broken.by));
        let mut keys = vec![
            Directory::project_key(ctx.project()),
            PolicyState::key(ctx.workspace()),
        ];
        // An ignore writes its incident, which is a condition of that transaction already.
        if let Some(incident) = action.binding.resource.incident()
            && action.ignore().is_none()
        {
            let records = ports.records(ctx);
            keys.push(records.key::<Incident>(&incident.to_string()));
        }
        if let Principal::ApiKey { .. } | Principal::Agent { .. } = &action.proposer {
            keys.push(workspace_row(ctx.workspace(), "key", action.proposer.id()));
        }
        let member = |person| Directory::member_key(ctx.workspace(), person);
        keys.extend(people.into_iter().map(member));
        let mut checks = Vec::with_capacity(keys.len());
        for key in keys {
            let found = ports.state.get(&key).await?;
            let expect = found.map_or(Expect::Absent, |row| Expect::Version(row.version));
            checks.push(StateCheck { key, expect });
        }
        Ok((Self(checks), ports.project(ctx).await?))
    }

    /// The batch, which is appended only while all of it is as it was.
    pub(super) fn under(self, mut batch: Batch) -> Batch {
        batch.checks.extend(self.0);
        batch
    }
}
