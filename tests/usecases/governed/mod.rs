//! Governed runs: what an agent proposes is judged and recorded, people answer, and the run ends once.

mod acting;
mod again;
mod ending;
mod faults;
mod refusals;
mod repairs;

use std::sync::Arc;

use counterfoil_core::governed_run::{
    Flow, FlowActions, FlowKind, GovernedRun, Registered, Report,
};
use counterfoil_core::ports::{EvidenceAppend, State, StateWrite};
use counterfoil_core::records::{Directory, Project, Records, Versioned};
use counterfoil_core::repair::{Action, ActionState, RunWork, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ActionError, Completion, GovernedRuns, NewAction, NewRun, ReportOf, RunError, SweepRuns, Voted,
};

use super::world::World;

pub(crate) fn hash(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub(crate) fn flow(kind: FlowKind) -> NewRun {
    NewRun {
        flow: Flow {
            id: "refunds".to_owned(),
            version: hash('a'),
            kind,
        },
        artifact: (kind == FlowKind::Deterministic).then(|| hash('b')),
        inputs: Vec::new(),
        trace_id: None,
    }
}

/// An action of a kind, done to something.
pub(crate) fn action(kind: &str, target: &str) -> NewAction {
    NewAction {
        work: RunWork {
            kind: kind.to_owned(),
            amount: None,
            target: Some(target.to_owned()),
        },
        reason: Some("a customer asked".to_owned()),
        seq: None,
    }
}

pub(crate) fn done(action: &Action, status: Report) -> ReportOf {
    ReportOf {
        status,
        digest: action.digest.clone(),
        output: None,
        error: None,
    }
}

impl World {
    pub(crate) fn governed(&self) -> GovernedRuns {
        self.governed_on(self.store.clone())
    }

    pub(crate) fn governed_on(&self, evidence: Arc<dyn EvidenceAppend>) -> GovernedRuns {
        GovernedRuns {
            evidence,
            state: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            random: self.random(),
        }
    }

    pub(crate) fn sweep_runs(&self) -> SweepRuns {
        SweepRuns {
            runs: self.governed(),
        }
    }

    /// The flow `refunds` may do `mail.send`, which is harmless, and `refund.create`, which is not.
    pub(crate) async fn register(&self) {
        let actions = [("mail.send", false), ("refund.create", true)];
        let actions =
            actions.map(|(kind, destructive)| (kind.to_owned(), Registered { destructive }));
        let flow = FlowActions {
            actions: actions.into_iter().collect(),
            ..FlowActions::none("refunds")
        };
        let ctx = Directory::system(&self.project, "test");
        let row = Records::of(self.store.as_ref(), &ctx)
            .create(&flow)
            .unwrap();
        assert!(self.store.write(vec![row]).await.unwrap());
    }

    /// A run of the repair key.
    pub(crate) async fn open_run(&self) -> String {
        let runs = self.governed();
        let opened = runs.open(&self.repair_key, flow(FlowKind::Governed)).await;
        opened.unwrap().value.id.to_string()
    }

    /// What the repair key proposes.
    pub(crate) async fn act(&self, run: &str, kind: &str, target: &str) -> Versioned<Action> {
        let new = action(kind, target);
        let proposed = self.governed().propose(&self.repair_key, run, &new).await;
        proposed.unwrap().action
    }

    pub(crate) async fn report(
        &self,
        action: &Action,
        status: Report,
    ) -> Result<ActionState, RunError> {
        let (runs, id) = (self.governed(), action.id.to_string());
        let report = done(action, status);
        let reported = runs.report(&self.repair_key, &id, &report).await?;
        Ok(reported.value.state)
    }

    pub(crate) async fn answer(
        &self,
        who: &TenantCtx,
        action: &Action,
        kind: VoteKind,
    ) -> Result<ActionState, ActionError> {
        let voted = Voted {
            kind,
            digest: &action.digest,
            reason: "checked the invoice",
            version: None,
        };
        let (votes, id) = (self.vote(), action.id.to_string());
        let after = Box::pin(votes.vote(who, &id, &voted)).await?;
        Ok(after.action.value.state)
    }

    /// Pulls the emergency stop of the project, or lifts it.
    pub(crate) async fn freeze(&self, frozen: bool) {
        let directory = Directory::of(self.store.as_ref());
        let found = directory.project(self.project.id).await.unwrap().unwrap();
        let after = Project {
            frozen,
            ..found.value
        };
        let key = Directory::project_key(after.id);
        let row = serde_json::to_value(&after).unwrap();
        let write = StateWrite::replace(key, found.version, row);
        assert!(self.store.write(vec![write]).await.unwrap());
    }

    pub(crate) async fn complete_run(&self, run: &str) -> Result<GovernedRun, RunError> {
        let (runs, completion) = (self.governed(), Completion::default());
        let completed = runs.complete(&self.repair_key, run, &completion).await?;
        Ok(completed.value)
    }

    /// Kinds of entries of the stream's run, in order.
    pub(crate) fn kinds_since(&self, before: usize) -> Vec<String> {
        self.kinds().split_off(before)
    }
}
