//! An action: something proposed, with its decision, its votes and what became of it.

use std::collections::BTreeSet;

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};

use super::{IgnorePlan, RepairPlan, Resource, RunWork, Work};
use crate::ids::{ActionId, DecisionId, KeyId, ProjectId, RunId, UserId, WorkspaceId};
use crate::incident::IncidentState;
use crate::json::{JsonError, canonical};
use crate::ports::EntryRef;
use crate::reconcile::Identity;
use crate::tenancy::{Principal, Role};
use crate::time::Timestamp;

/// Why an action failed of which nobody knows what it did: its UPDATE may have been sent, and the row could
/// not be read back.
pub const OUTCOME_UNKNOWN: &str = "outcome-unknown";

/// Where an action is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Policy said DENY. Terminal.
    Denied,
    /// Policy said ALLOW; nothing has happened yet.
    Allowed,
    /// Waits for approvals.
    Held,
    /// Enough people approved.
    Approved,
    /// A person said no. Terminal.
    Rejected,
    /// Nobody approved in time. Terminal.
    Expired,
    /// Withdrawn. Terminal.
    Cancelled,
    /// The effect was authorised and may have begun.
    Executing,
    /// It was done. After a repair, both sides are not looked at again yet.
    Executed,
    /// The row was changed and the promise was compared again. Terminal.
    Verified,
    /// It did not become what was approved, or nobody knows whether it did ([`OUTCOME_UNKNOWN`]). Terminal.
    Failed,
    /// The row, the difference or the rules changed since the approval. Terminal.
    Stale,
}

impl ActionState {
    /// Whether nothing more can happen to the action.
    pub const fn is_terminal(self) -> bool {
        !matches!(
            self,
            Self::Allowed | Self::Held | Self::Approved | Self::Executing | Self::Executed
        )
    }

    /// Whether its effect was not authorised yet: it may still be withdrawn, and its time may end.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Allowed | Self::Held | Self::Approved)
    }
}

/// A person's yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteKind {
    /// Yes.
    Approve,
    /// No; one is enough to end the action.
    Reject,
}

/// A vote that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub approver: UserId,
    /// Yes or no.
    pub kind: VoteKind,
    /// When.
    pub at: Timestamp,
    /// They had signed in with a second factor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_factor: bool,
    /// The approver key that they came with; the vote counts while it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<KeyId>,
    /// Their words; `None` once they were erased, and in votes of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// People who have said yes, each once.
pub fn approvers(votes: &[Vote]) -> Vec<UserId> {
    let yes = votes.iter().filter(|vote| vote.kind == VoteKind::Approve);
    let mut people: Vec<UserId> = yes.map(|vote| vote.approver).collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// What an approval binds to. Its digest is the action's `action_hash` in evidence and the
/// `action_digest` that an approver sends back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionBinding {
    /// Version of this shape.
    pub v: u8,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// Project.
    pub project: ProjectId,
    /// The proposing run.
    pub run: RunId,
    /// The action.
    pub act: ActionId,
    /// `repair.execute`, `incident.ignore` or `run.action`.
    pub kind: String,
    /// Type of the proposer.
    pub principal_type: String,
    /// Opaque id of the proposer.
    pub principal: String,
    /// The person for whom the proposer acts, where it is an agent without a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<UserId>,
    /// What it is done to.
    pub resource: Resource,
    /// Salted digest of what would be done ([`Work::digest`]).
    pub plan: String,
    /// End of the hold.
    pub expires_at: Timestamp,
}

impl ActionBinding {
    /// SHA-256 over the canonical JSON.
    ///
    /// # Errors
    /// Never for values this product makes; a time beyond 2^53 ms has no canonical form.
    pub fn digest(&self) -> Result<String, JsonError> {
        Ok(digest_string(&canonical(self)?))
    }
}

/// An action as the state table holds it. Row values are here and in `subject` parts, nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Id.
    pub id: ActionId,
    /// State.
    pub state: ActionState,
    /// What approvals bind to.
    pub binding: ActionBinding,
    /// Digest of `binding`.
    pub digest: String,
    /// What would be done. Rows of earlier builds hold repairs alone, under this name.
    #[serde(rename = "plan")]
    pub work: Work,
    /// Salt of the plan's digest, hex64.
    pub salt: String,
    /// Pseudonym of the customer whom the row belongs to: entries about it can be found by this.
    #[serde(default)]
    pub about: Option<String>,
    /// Who proposed.
    pub proposer: Principal,
    /// The person's words, if a person proposed.
    pub reason: Option<String>,
    /// The first decision.
    pub decision: DecisionId,
    /// Its entry; set from the second version of the record on (the first one cites it itself).
    pub decided: Option<EntryRef>,
    /// ALLOW, REQUIRE or DENY.
    pub effect: crate::policy::Effect,
    /// Approvals needed (0 unless REQUIRE).
    pub approvals: u8,
    /// The least role whose approvals count; `None` in actions of earlier builds: approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Digest of the workspace's bundle that judged; empty in actions of earlier builds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The decisive rule.
    pub rule: String,
    /// Its sentence.
    pub why: String,
    /// Whether the last approval executes at once.
    pub execute_on_approval: bool,
    /// Votes that count, in order.
    pub votes: Vec<Vote>,
    /// The run that carries votes, execution and result, once there is one.
    pub follow_up: Option<RunId>,
    /// When execution was authorised; the sweep waits from here.
    pub started_at: Option<Timestamp>,
    /// Why it failed or went stale: a stable code.
    pub failure: Option<String>,
    /// An owner broke the glass for it: this stays for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Overridden>,
    /// What it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// What a repair means, as the rules were told when it was proposed; `None` in actions of earlier
    /// builds, and in what is no repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
}

/// What a repair means, in names of the mapping. The finding of its incident is replaced by later runs;
/// this is what was approved, and what taking it back reverses. Kind and field of the difference are
/// not here: they name the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// What the row grants before.
    pub from: String,
    /// What it grants afterwards.
    pub to: String,
    /// How the customer was matched; `None` where no customer belongs to the row.
    pub identity: Option<Identity>,
}

impl Meaning {
    /// What the repair back means: of the same row, so as sure of whose it is.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            from: self.to.clone(),
            to: self.from.clone(),
            identity: self.identity,
        }
    }
}

/// Whoever replaced missing approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overridden {
    /// The owner.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Where it is written down.
    pub ticket: String,
    /// Their words; `None` once they were erased, and in actions of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The words of whoever reviewed it, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
}

/// What an action takes back: another one, whose before-values it would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The action that is taken back.
    pub of: ActionId,
    /// What the incident was when this was proposed, and is again if nothing comes of it.
    pub incident_was: IncidentState,
}

impl Action {
    /// The change of a row that it is, if it is one.
    pub const fn repair(&self) -> Option<&RepairPlan> {
        match &self.work {
            Work::Repair(plan) => Some(plan),
            Work::Run(_) | Work::Ignore(_) => None,
        }
    }

    /// What an agent does itself in a governed run, if it is that.
    pub const fn run_work(&self) -> Option<&RunWork> {
        match &self.work {
            Work::Run(work) => Some(work),
            Work::Repair(_) | Work::Ignore(_) => None,
        }
    }

    /// The difference that is lived with, if it is that.
    pub const fn ignore(&self) -> Option<&IgnorePlan> {
        match &self.work {
            Work::Ignore(plan) => Some(plan),
            Work::Repair(_) | Work::Run(_) => None,
        }
    }

    /// Whether nothing more can come of it. Only after a repair both sides are looked at again.
    pub const fn is_over(&self) -> bool {
        let done = matches!(self.state, ActionState::Executed) && self.repair().is_none();
        done || self.state.is_terminal()
    }

    /// Whether it is done by whoever runs the flow, and not by the product.
    pub const fn is_external(&self) -> bool {
        self.run_work().is_some()
    }

    /// Whether votes, execution and result are in the run in which it was proposed, because somebody
    /// holds that run open.
    pub fn is_in_governed_run(&self) -> bool {
        self.follow_up == Some(self.binding.run)
    }

    /// Whether what it leads to cites the decision that was made of its proposal: in an open run there
    /// is no other one, unless the glass was broken for it.
    pub fn cites_its_first_decision(&self) -> bool {
        self.is_in_governed_run() && self.overridden.is_none()
    }

    /// People who have said yes, each once.
    pub fn approvers(&self) -> Vec<UserId> {
        approvers(&self.votes)
    }

    /// Whether the record holds as many approvals as its decision asked for. What was recorded stays
    /// so, whoever counts by now: this is what a verifier counts, and not what lets it be carried out.
    pub fn is_answered(&self) -> bool {
        let broken = self.overridden.iter().map(|broken| broken.by);
        let people: BTreeSet<UserId> = self.approvers().into_iter().chain(broken).collect();
        people.len() >= usize::from(self.approvals)
    }

    /// What its incident is again when nothing comes of the action. Where nobody knows what came of it, nobody
    /// knows either that a promise still holds.
    pub fn gives_back(&self) -> IncidentState {
        if self.failure.as_deref() == Some(OUTCOME_UNKNOWN) {
            return IncidentState::Open;
        }
        self.undo
            .map_or(IncidentState::Open, |undo| undo.incident_was)
    }

    /// When it was proposed: its id says so.
    pub fn proposed_at(&self) -> Timestamp {
        self.id.made_at()
    }

    /// The least role whose approvals count.
    pub fn approver_role(&self) -> Role {
        self.role.unwrap_or(Role::Approver)
    }

    /// Whether its row values were erased.
    pub fn is_erased(&self) -> bool {
        self.salt.is_empty() && self.work.is_erased()
    }

    /// The action without row values, words and the salt that tied its digest to them.
    #[must_use]
    pub fn erased(self) -> Self {
        let silent = |vote: Vote| Vote {
            reason: None,
            ..vote
        };
        Self {
            work: self.work.erased(),
            salt: String::new(),
            reason: None,
            about: None,
            votes: self.votes.into_iter().map(silent).collect(),
            overridden: self.overridden.map(|broken| Overridden {
                reason: None,
                review: None,
                ..broken
            }),
            ..self
        }
    }

    /// The action after an erasure of a run. A review of break-glass has a run of its own, and only the
    /// words of the review go with that one.
    #[must_use]
    pub fn erased_with(mut self, run: RunId) -> Self {
        if self.binding.run == run || self.follow_up == Some(run) {
            return self.erased();
        }
        if let Some(broken) = &mut self.overridden {
            broken.review = None;
        }
        self
    }

    /// Whether it holds the words of a review.
    pub fn has_review(&self) -> bool {
        let broken = self.overridden.as_ref();
        broken.is_some_and(|broken| broken.review.is_some())
    }
}
