//! A person's act on evidence itself: judged, and recorded in a run of its own.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::{Closing, Decided, Opening, act_hash, resolution};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::JsonError;
use crate::policy::{AdminFacts, Effect, Judgement, Question, Who, bundle_digest, evaluate};
use crate::ports::{Batch, Clock, EntryRef, Random, StateWrite};
use crate::tenancy::{Capability, Principal, Via};
use crate::time::Timestamp;

/// Index of the decision among the drafts of [`Governed::opened`].
pub(super) const DECISION: usize = 1;

/// A judged act.
#[derive(Debug)]
pub(super) struct Governed {
    pub(super) judgement: Judgement,
    pub(super) action_hash: String,
    question: Question,
    run: RunId,
    act: ActionId,
    decision: DecisionId,
    at: Timestamp,
}

impl Governed {
    /// Judges. `action_hash` is that of an earlier proposal of the same act, if there was one.
    pub(super) fn judge(
        question: Question,
        action_hash: Option<&str>,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Self {
        let at = clock.now();
        let run = RunId::new(at, random.bits128());
        let act = ActionId::new(at, random.bits128());
        let decision = DecisionId::new(at, random.bits128());
        let fresh = || act_hash(question.action(), act, run);
        Self {
            judgement: evaluate(&question),
            action_hash: action_hash.map_or_else(fresh, str::to_owned),
            question,
            run,
            act,
            decision,
            at,
        }
    }

    pub(super) const fn run(&self) -> RunId {
        self.run
    }

    pub(super) const fn decision(&self) -> DecisionId {
        self.decision
    }

    pub(super) fn allowed(&self) -> bool {
        self.judgement.effect == Effect::Allow
    }

    /// `run.open` and `run.decision`, which carries the person's words as its erasable part.
    pub(super) fn opened(
        &self,
        principal: &Principal,
        comment: Option<&str>,
    ) -> Result<Vec<Draft>, JsonError> {
        Ok(vec![
            self.opening(principal, None),
            self.decided(principal, "propose", comment)?,
        ])
    }

    /// `run.open` caused by the held decision, the resolution by `approver`, `run.decision`. The
    /// decision is draft number 2.
    pub(super) fn approved(
        &self,
        principal: &Principal,
        held: &EntryRef,
        approver: &str,
    ) -> Result<Vec<Draft>, JsonError> {
        let vote = resolution(held, approver, true, principal);
        Ok(vec![
            self.opening(principal, Some(held)),
            Draft::new(Kind::RunResolution, vote).in_run(self.run),
            self.decided(principal, "execute", None)?,
        ])
    }

    /// `run.close` of a run that holds this one decision.
    pub(super) fn closing(&self) -> Draft {
        let one = |effect| u64::from(self.judgement.effect == effect);
        let closing = Closing {
            decisions: (one(Effect::Allow), one(Effect::Require), one(Effect::Deny)),
            unresolved: one(Effect::Require),
            status: "completed",
            ..Closing::default()
        };
        Draft::new(Kind::RunClose, closing.facts()).in_run(self.run)
    }

    fn opening(&self, principal: &Principal, cause: Option<&EntryRef>) -> Draft {
        // What runs here is the product's rules; there is no artifact beside them.
        let opening = Opening {
            flow: bundle_digest(),
            artifact: bundle_digest(),
            inputs: &[],
            cause,
            principal,
            purpose: self.question.action(),
            as_of: None,
            asked_by: None,
        };
        Draft::new(Kind::RunOpen, opening.facts()).in_run(self.run)
    }

    fn decided(
        &self,
        principal: &Principal,
        phase: &str,
        comment: Option<&str>,
    ) -> Result<Draft, JsonError> {
        let decided = Decided {
            id: self.decision,
            run: self.run,
            act: self.act,
            action_hash: &self.action_hash,
            phase,
            question: &self.question,
            judgement: &self.judgement,
            principal,
            at: self.at,
        };
        let draft = Draft::new(Kind::RunDecision, decided.facts()?).in_run(self.run);
        Ok(match comment {
            Some(words) => draft.subject(counterfoil_evidence::json::object([(
                "comment",
                Json::from(words),
            )])),
            None => draft,
        })
    }
}

/// An effect of an administrative act: an entry that cites the decision, and the rows it explains.
pub(super) struct AdminEffect {
    /// The entry.
    pub(super) draft: Draft,
    /// Rows that the entry explains.
    pub(super) rows: Vec<StateWrite>,
}

impl Governed {
    /// The whole act in one batch: `run.open`, `run.decision`, its effects where it is allowed,
    /// `run.close`.
    pub(super) fn batch(
        &self,
        principal: &Principal,
        comment: Option<&str>,
        effects: Vec<AdminEffect>,
    ) -> Result<Batch, JsonError> {
        let mut batch = Batch::of(self.opened(principal, comment)?);
        if self.allowed() {
            for AdminEffect { draft, rows } in effects {
                let entry = batch.drafts.len();
                batch.drafts.push(draft.cite("decision", DECISION));
                for row in rows {
                    batch = batch.with(row.explained_by(entry));
                }
            }
        }
        batch.drafts.push(self.closing());
        Ok(batch)
    }
}

/// Whether a person came with an approver key, and how many seconds ago they proved who they are.
pub(super) fn came(principal: &Principal, now: Timestamp) -> (bool, u64) {
    match principal {
        Principal::User { via, .. } => (matches!(via, Via::Key { .. }), via.age(now).as_secs()),
        Principal::ApiKey { .. } | Principal::Scheduler { .. } | Principal::System { .. } => {
            (false, 0)
        }
    }
}

/// What the rules about administration know of a principal; `may` says whether their role may do it.
pub(super) fn admin_facts(principal: &Principal, may: bool, now: Timestamp) -> AdminFacts {
    let (by_key, login_age_s) = came(principal, now);
    AdminFacts {
        who: who(principal),
        role_may: may,
        by_key,
        login_age_s,
        own: false,
        last_owner: false,
        legal_hold: false,
        approvals: 0,
    }
}

/// Who a principal is for the rules about evidence.
pub(super) const fn who(principal: &Principal) -> Who {
    match principal {
        Principal::User { role, .. } if role.may_approve() => Who::Approver,
        Principal::User { role, .. } if role.may_hold() => Who::Auditor,
        Principal::User { .. } => Who::Viewer,
        Principal::ApiKey {
            capability: Capability::Repair,
            ..
        } => Who::RepairKey,
        Principal::ApiKey { .. } => Who::ReadKey,
        Principal::Scheduler { .. } => Who::Scheduler,
        Principal::System { .. } => Who::System,
    }
}
