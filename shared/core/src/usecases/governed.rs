//! An act that is judged and recorded in a run of its own.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::{self, Closing, Decided, Opening, act_hash, resolution};
use super::proposal::Proposal;
use super::second_person::SOLO;
use crate::ids::{ActionId, DecisionId, RunId, WorkspaceId};
use crate::json::JsonError;
use crate::policy::{Approvals, Asking, Effect, Judgement, Place, Question, Rules};
use crate::ports::{Batch, Clock, EntryRef, Random, State, StateWrite};
use crate::records::{Directory, RecordError};
use crate::repair::{Resource, Work};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::traced::DecisionMade;

/// Index of the decision among the drafts of [`Governed::opened`].
pub(super) const DECISION: usize = 1;

/// What an act is judged with, besides who asks for what.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms<'a> {
    /// The approvals there are, when it is carried out.
    pub(super) approvals: Option<Approvals>,
    /// What an earlier proposal of the same act binds to.
    pub(super) action_hash: Option<&'a str>,
    /// An active legal hold covers the whole project or workspace.
    pub(super) legal_hold: bool,
}

/// Judges acts, and numbers them.
#[derive(Clone, Copy)]
pub(super) struct Judging<'a> {
    pub(super) state: &'a dyn State,
    pub(super) clock: &'a dyn Clock,
    pub(super) random: &'a dyn Random,
}

impl Judging<'_> {
    /// Judges what the caller asks for in their project.
    pub(super) async fn in_project(
        &self,
        ctx: &TenantCtx,
        question: &Question,
        terms: Terms<'_>,
    ) -> Result<Governed, RecordError> {
        let found = Directory::of(self.state).project(ctx.project()).await?;
        let place = match found {
            Some(project) => Place::project(&project.value),
            // Gone at this moment: whoever acts finds out when they write.
            None => Place::of(ctx.workspace(), ctx.project()),
        };
        Box::pin(self.at(place, ctx.principal(), question, terms)).await
    }

    /// Judges what somebody asks for in their workspace.
    pub(super) async fn in_workspace(
        &self,
        workspace: WorkspaceId,
        principal: &Principal,
        question: &Question,
        terms: Terms<'_>,
    ) -> Result<Governed, RecordError> {
        let place = Place::workspace(workspace);
        Box::pin(self.at(place, principal, question, terms)).await
    }

    /// Judges what somebody asks for in a place.
    pub(super) async fn at(
        &self,
        place: Place,
        principal: &Principal,
        question: &Question,
        terms: Terms<'_>,
    ) -> Result<Governed, RecordError> {
        let rules = Rules::load(self.state, place.workspace).await?;
        let mut asking = Asking::new(principal, self.clock.now(), place.held(terms.legal_hold));
        asking.approvals = terms.approvals;
        Ok(self.judged(&rules, question, &asking, terms.action_hash))
    }

    /// Judges by rules that were loaded.
    pub(super) fn judged(
        &self,
        rules: &Rules,
        question: &Question,
        asking: &Asking<'_>,
        action_hash: Option<&str>,
    ) -> Governed {
        let at = asking.at;
        let run = RunId::new(at, self.random.bits128());
        let act = ActionId::new(at, self.random.bits128());
        let fresh = || act_hash(question.action(), act, run);
        Governed {
            judgement: rules.judge(question, asking, self.clock),
            action_hash: action_hash.map_or_else(fresh, str::to_owned),
            run,
            act,
            decision: DecisionId::new(at, self.random.bits128()),
            at,
            hold: None,
            more: Vec::new(),
        }
    }
}

/// A judged act.
#[derive(Debug, Clone)]
pub(super) struct Governed {
    pub(super) judgement: Judgement,
    pub(super) action_hash: String,
    run: RunId,
    act: ActionId,
    decision: DecisionId,
    at: Timestamp,
    /// Until when it waits for approvals, where it does.
    hold: Option<Timestamp>,
    more: Vec<(&'static str, Json)>,
}

impl Governed {
    /// What somebody proposes, judged, as an action that can wait.
    pub(super) const fn proposal(
        &self,
        resource: Resource,
        work: Work,
        salt: [u8; 32],
    ) -> Proposal<'_> {
        Proposal {
            judgement: &self.judgement,
            at: self.at,
            id: self.act,
            decision: self.decision,
            run: self.run,
            ends: None,
            resource,
            work,
            salt,
        }
    }

    pub(super) const fn run(&self) -> RunId {
        self.run
    }

    pub(super) const fn act(&self) -> ActionId {
        self.act
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    /// The same as the decision that holds something: what approvals bind to, until when, and what it is.
    pub(super) fn holding(
        self,
        action_hash: String,
        until: Timestamp,
        more: Vec<(&'static str, Json)>,
    ) -> Self {
        Self {
            action_hash,
            hold: Some(until),
            more,
            ..self
        }
    }

    /// The same, denied by a name beside the rules.
    pub(super) fn denied_by(self, name: &str, why: String) -> Self {
        Self {
            judgement: self.judgement.denied_by(name, why),
            ..self
        }
    }

    /// The same as a decision of its own: it refuses an approval, and binds to nothing that waits.
    pub(super) fn of_its_own(self) -> Self {
        let action_hash = act_hash(self.judgement.considered.action, self.act, self.run);
        Self {
            action_hash,
            ..self
        }
    }

    pub(super) const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The decision, as an answer names it.
    pub(super) fn made(&self) -> DecisionMade {
        DecisionMade {
            id: self.decision.to_string(),
            policy: self.judgement.policy().to_owned(),
        }
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
            self.decided(principal, comment, self.more.clone())?,
        ])
    }

    /// `run.open` caused by the held decision, the resolution by `approver`, `run.decision`. The
    /// decision is draft number 2, and says so where nobody but the proposer was there to agree. `answer`
    /// is what the rules say of agreeing, where they were asked.
    pub(super) fn approved(
        &self,
        principal: &Principal,
        (held, approver): (&EntryRef, &str),
        answer: Option<&Judgement>,
        comment: Option<&str>,
    ) -> Result<Vec<Draft>, JsonError> {
        let vote = match answer {
            Some(judged) => facts::answer(held, (approver, true), principal, judged),
            None => resolution(held, approver, true, principal),
        };
        let mut more = self.more.clone();
        if approver.starts_with(SOLO) {
            more.push(("solo", true.into()));
        }
        Ok(vec![
            self.opening(principal, Some(held)),
            self.resolving(vote, comment),
            self.decided(principal, None, more)?,
        ])
    }

    /// A run that says yes or no to what an earlier decision holds, and nothing else. The resolution is
    /// draft number 1.
    pub(super) fn answered(
        &self,
        principal: &Principal,
        held: &EntryRef,
        vote: Json,
        comment: Option<&str>,
    ) -> Vec<Draft> {
        let closing = Closing {
            status: "completed",
            ..Closing::default()
        };
        vec![
            self.opening(principal, Some(held)),
            self.resolving(vote, comment),
            Draft::new(Kind::RunClose, closing.facts()).in_run(self.run),
        ]
    }

    fn resolving(&self, vote: Json, comment: Option<&str>) -> Draft {
        let draft = Draft::new(Kind::RunResolution, vote).in_run(self.run);
        said(draft, comment)
    }

    /// `run.close` of a run that holds this one decision.
    pub(super) fn closing(&self) -> Draft {
        let closing = Closing::of_one(self.judgement.effect);
        Draft::new(Kind::RunClose, closing.facts()).in_run(self.run)
    }

    fn opening(&self, principal: &Principal, cause: Option<&EntryRef>) -> Draft {
        let considered = &self.judgement.considered;
        let policies = considered.policies();
        let purpose = match considered.action {
            "approval.give" | "approval.reject" => "vote",
            action => action,
        };
        let opening = Opening::of_rules(policies, cause, principal, purpose);
        Draft::new(Kind::RunOpen, opening.facts()).in_run(self.run)
    }

    fn decided(
        &self,
        principal: &Principal,
        comment: Option<&str>,
        more: Vec<(&'static str, Json)>,
    ) -> Result<Draft, JsonError> {
        let decided = Decided {
            id: self.decision,
            run: self.run,
            act: self.act,
            action_hash: &self.action_hash,
            judgement: &self.judgement,
            principal,
            at: self.at,
            hold: self.hold,
            more,
        };
        let draft = Draft::new(Kind::RunDecision, decided.facts()?).in_run(self.run);
        Ok(said(draft, comment))
    }
}

/// A person's words are the erasable part of what they said.
fn said(draft: Draft, comment: Option<&str>) -> Draft {
    match comment {
        Some(words) => draft.subject(object([("comment", Json::from(words))])),
        None => draft,
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
