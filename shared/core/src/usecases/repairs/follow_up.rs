//! The run that carries votes and effect of an action, and its end without an effect.

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::asking::{self, opening_about};
use super::{ActionError, RepairPorts};
use crate::ids::RunId;
use crate::policy::Judgement;
use crate::ports::{EntryRef, PortError, PortErrorKind};
use crate::records::{Directory, Project};
use crate::repair::Action;
use crate::tenancy::Principal;
use crate::usecases::facts::{Opening, actor, answer, repair_step, resolution, target};

/// Why an action is not carried out any more that was approved.
pub(super) const STALE: &str = "changed-since-approval";

/// A person's words with their vote, and how it was judged.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) reason: &'a str,
    pub(super) judgement: &'a Judgement,
}

/// That an action is not begun any more. Where its decision is in the same run, it is the end of what was
/// decided; one approval that was replaced does not make two, and the end of such an action is no act
/// under its decision.
pub(super) fn given_up(votes: &FollowUp, action: &Action, by: &Principal, code: &str) -> Draft {
    let draft = if action.cites_its_first_decision() {
        let mut facts = repair_step(&votes.decision.leaf, &action.digest, action.id);
        facts.push(("code", code.into()));
        Draft::new(Kind::RepairFailed, object(facts))
    } else {
        let facts = [
            ("actor", actor(by)),
            ("code", code.into()),
            ("result", "ok".into()),
            ("target", target("action", action.id)),
            ("topic", "action.given_up".into()),
        ];
        Draft::new(Kind::ObservationRecorded, object(facts))
    };
    draft.in_run(votes.run)
}

/// The run that carries votes and effect. The first vote opens it.
pub(super) struct FollowUp {
    pub(super) run: RunId,
    open: Option<Draft>,
    pub(super) decision: EntryRef,
    about: Option<String>,
}

pub(super) async fn follow_up(
    ports: &RepairPorts,
    project: &Project,
    principal: &Principal,
    action: &mut Action,
) -> Result<FollowUp, ActionError> {
    let decision = action
        .decided
        .clone()
        .ok_or_else(|| PortError::new(PortErrorKind::Corrupt, "reading the action's decision"))?;
    if let Some(run) = action.follow_up {
        return Ok(FollowUp {
            run,
            open: None,
            decision,
            about: action.about.clone(),
        });
    }
    let run = RunId::new(ports.clock.now(), ports.random.bits128());
    action.follow_up = Some(run);
    let purpose = asking::purpose(action);
    let directory = Directory::of(ports.state.as_ref());
    let policies = Box::pin(directory.policies_in_force(project.workspace));
    let opening = Opening {
        policies: policies.await?,
        ..opening_about(action, project, principal, purpose, Some(&decision))?
    };
    let open = Draft::new(Kind::RunOpen, opening.facts()).in_run(run);
    Ok(FollowUp {
        run,
        open: Some(open),
        decision,
        about: action.about.clone(),
    })
}

impl FollowUp {
    /// `run.open` where this is the first vote, or nothing.
    pub(super) fn opening(&self) -> Vec<Draft> {
        self.open.iter().cloned().collect()
    }

    /// `run.open` where needed, and the resolution of one vote, expiry or withdrawal.
    pub(super) fn drafts(
        &self,
        principal: &Principal,
        approver: &str,
        allow: bool,
        said: Option<Said<'_>>,
    ) -> Vec<Draft> {
        let mut drafts = self.opening();
        let facts = match said {
            Some(said) => answer(&self.decision, (approver, allow), principal, said.judgement),
            None => resolution(&self.decision, approver, allow, principal),
        };
        let mut draft = Draft::new(Kind::RunResolution, facts).in_run(self.run);
        if let Some(said) = said {
            draft = draft
                .subject(object([("comment", said.reason.into())]))
                .about(self.about.clone());
        }
        drafts.push(draft);
        drafts
    }
}
