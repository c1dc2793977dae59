//! Changes of settings that wait for further people: one machinery for all of them. Deletions have their
//! own, because what they hold is whole projects; actions wait as actions.
//!
//! A use case says what is asked ([`Wanted`]) and how it is applied. [`Changes::ask`] judges it, and
//! records a refusal. [`Changes::settle`] says whether it happens now. Where rules want approvals, the
//! first request proposes; the same request by another person is their approval, and the last one that is
//! needed carries it out. Anybody who could agree may also say no ([`HeldChanges`]).
//!
//! What if a step fails: a proposal is one transaction of its decision and its row, an approval or a no
//! of its resolution and the row, and the change itself of all of that with its effect. Whatever was
//! lost on the way is seen when the same is asked again, and then nothing is done twice.

mod agree;
mod ask;
mod inbox;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::object;
use counterfoil_evidence::stream::Draft;
use serde_json::Value;

pub use inbox::HeldChanges;

use super::admin::gone;
use super::governed::{DECISION, Governed, Judging};
use super::grounds::Grounds;
use super::second_person::{HELD, NotSecond};
use crate::held_change::HeldChange;
use crate::ids::{DecisionId, ProjectId, UserId, WorkspaceId};
use crate::json::{JsonError, to_json};
use crate::policy::{Effect, HeldFacts, Judgement, Place, Question};
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, PortError, Random, State, StateKey,
    StateWrite,
};
use crate::records::{Directory, Project, Record, RecordError, Records, Versioned, workspace_row};
use crate::tenancy::{Principal, Role, TenantCtx};

/// What a request for a change came to, with the record as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It waits for further people.
    Held(Versioned<T>),
    /// In force.
    Done(Versioned<T>),
}

/// A change that somebody asks for.
pub(super) struct Wanted<'a> {
    /// Whoever asks.
    pub(super) principal: &'a Principal,
    /// Where it is judged.
    pub(super) place: Place,
    /// Where it is recorded.
    pub(super) stream: Hash,
    /// The row in which it waits.
    pub(super) row: StateKey,
    /// The project that the row belongs to.
    pub(super) project: Option<ProjectId>,
    /// What rules are asked.
    pub(super) question: Question,
    /// What is to be, and what it would replace.
    pub(super) value: Value,
    /// The least role of whoever may propose it.
    pub(super) proposes: Role,
    /// Somebody who is never the second person.
    pub(super) never: Option<UserId>,
    /// Why, in their words.
    pub(super) reason: Option<&'a str>,
}

/// What came of asking, as long as nothing is written.
pub(super) struct Asked {
    judged: Governed,
    grounds: Grounds,
    /// What waits in this place, whatever it is.
    row: Option<Versioned<HeldChange>>,
}

impl Asked {
    pub(super) const fn nothing_waits(&self) -> bool {
        self.row.is_none()
    }
}

/// What came of a request.
pub(super) enum Settled {
    /// It waits; the decision, where this request was the first.
    Waits(Option<DecisionId>),
    /// It is for the caller to apply.
    Happens(Box<Happens>),
}

/// What was agreed to, and by whom last.
pub(super) struct Agreed {
    pub(super) change: HeldChange,
    /// The decision that held it.
    pub(super) decision: EntryRef,
    /// Who counts as having agreed.
    pub(super) approver: String,
    /// What the rules say of them agreeing; nothing, where they are the only person and proposed it.
    pub(super) judged: Option<Judgement>,
}

/// A change that may be applied now.
pub(super) struct Happens {
    pub(super) judged: Governed,
    /// What that stands on.
    pub(super) grounds: Grounds,
    pub(super) agreed: Option<Agreed>,
    /// The version of the row that goes.
    row: Option<u64>,
}

/// Why a change was neither held nor may happen.
#[derive(Debug)]
pub(super) enum HeldError {
    Denied(Judgement, DecisionId),
    NotSecond(NotSecond),
    Changed,
    Evidence(AppendError),
    Record(RecordError),
    Json(JsonError),
}

impl From<AppendError> for HeldError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::StateChanged { .. } => Self::Changed,
            error => Self::Evidence(error),
        }
    }
}

impl From<RecordError> for HeldError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<JsonError> for HeldError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// The error of a use case that says the same things by the same names.
macro_rules! from_held {
    ($error:ty) => {
        impl From<$crate::usecases::held_changes::HeldError> for $error {
            fn from(error: $crate::usecases::held_changes::HeldError) -> Self {
                use $crate::usecases::held_changes::HeldError;
                match error {
                    HeldError::Denied(judgement, _) => Self::Denied(judgement),
                    HeldError::NotSecond(why) => Self::NotSecond(why),
                    HeldError::Changed => Self::Changed,
                    HeldError::Evidence(error) => error.into(),
                    HeldError::Record(error) => error.into(),
                    HeldError::Json(error) => error.into(),
                }
            }
        }
    };
}
pub(super) use from_held;

/// What is known of a change, for whoever answers.
fn held_facts(change: &HeldChange) -> HeldFacts {
    HeldFacts {
        id: change.id.to_string(),
        kind: change.action.clone(),
        effect: "REQUIRE",
        machine: false,
        proposers: vec![change.by],
        owners: Vec::new(),
        approvers: change.given.iter().map(|given| given.by).collect(),
    }
}

/// Changes that may wait.
#[derive(Clone, Copy)]
pub(super) struct Changes<'a> {
    pub(super) evidence: &'a dyn EvidenceAppend,
    pub(super) judging: Judging<'a>,
}

impl<'a> Changes<'a> {
    pub(super) const fn of(
        evidence: &'a dyn EvidenceAppend,
        (state, clock, random): (&'a dyn State, &'a dyn Clock, &'a dyn Random),
    ) -> Self {
        let judging = Judging {
            state,
            clock,
            random,
        };
        Self { evidence, judging }
    }

    /// A change of a project.
    pub(super) fn in_project(
        &self,
        ctx: &'a TenantCtx,
        project: &Project,
        name: &str,
        question: Question,
        value: Value,
    ) -> Result<Wanted<'a>, PortError> {
        Ok(Wanted {
            principal: ctx.principal(),
            place: Place::project(project),
            stream: project.stream_id()?,
            row: Records::of(self.judging.state, ctx).key::<HeldChange>(name),
            project: Some(ctx.project()),
            question,
            value,
            proposes: Role::Admin,
            never: None,
            reason: None,
        })
    }

    /// A change of a workspace, whose stream is `stream`.
    pub(super) fn in_workspace(
        (workspace, principal): (WorkspaceId, &'a Principal),
        stream: Hash,
        name: &str,
        question: Question,
        value: Value,
    ) -> Wanted<'a> {
        Wanted {
            principal,
            place: Place::workspace(workspace),
            stream,
            row: workspace_row(workspace, <HeldChange as Record>::FAMILY, name),
            project: None,
            question,
            value,
            proposes: Role::Admin,
            never: None,
            reason: None,
        }
    }

    /// What waits in a project under a name.
    pub(super) async fn of_project(
        &self,
        ctx: &TenantCtx,
        name: &str,
    ) -> Result<Option<HeldChange>, RecordError> {
        let row = Records::of(self.judging.state, ctx).key::<HeldChange>(name);
        self.waiting(&row).await
    }

    /// What waits in a workspace under a name.
    pub(super) async fn of_workspace(
        &self,
        workspace: WorkspaceId,
        name: &str,
    ) -> Result<Option<HeldChange>, RecordError> {
        let row = workspace_row(workspace, <HeldChange as Record>::FAMILY, name);
        self.waiting(&row).await
    }

    async fn waiting(&self, row: &StateKey) -> Result<Option<HeldChange>, RecordError> {
        let found = self.directory().held_change(row).await?;
        let now = self.judging.clock.now();
        Ok(found.map(|it| it.value).filter(|it| it.waits(now)))
    }

    /// Says whether what was judged happens now; if not, it is proposed, or agreed to.
    pub(super) async fn settle(
        &self,
        wanted: &Wanted<'_>,
        asked: Asked,
    ) -> Result<Settled, HeldError> {
        let Asked {
            judged,
            grounds,
            row,
        } = asked;
        let person = wanted.principal.person();
        match (judged.judgement.effect, person) {
            (Effect::Allow, _) => Ok(Settled::Happens(Box::new(Happens {
                judged,
                grounds,
                agreed: None,
                row: row.map(|it| it.version),
            }))),
            (Effect::Require, Some(person)) => {
                let same = row
                    .as_ref()
                    .filter(|it| it.value.waits(judged.at()) && it.value.value == wanted.value);
                if let Some(waiting) = same
                    && let Some(settled) = {
                        let asked = (&judged, &grounds);
                        self.agree(wanted, asked, waiting, person).await?
                    }
                {
                    return Ok(settled);
                }
                self.propose(wanted, judged, row, person).await
            }
            (Effect::Require | Effect::Deny, _) => Err(self.refuse(wanted, judged).await),
        }
    }

    /// Records the proposal with its row; it takes the place of an earlier one.
    async fn propose(
        &self,
        wanted: &Wanted<'_>,
        judged: Governed,
        row: Option<Versioned<HeldChange>>,
        by: UserId,
    ) -> Result<Settled, HeldError> {
        let considered = &judged.judgement.considered;
        let lasts = considered.hold.map_or(HELD, |hold| hold.min(HELD));
        let mut change = HeldChange {
            id: judged.act(),
            name: wanted.row.sk.clone(),
            action: considered.action.to_owned(),
            project: wanted.project,
            value: wanted.value.clone(),
            digest: String::new(),
            by,
            at: judged.at(),
            expires_at: judged.at().plus(lasts),
            needed: judged.judgement.approvals,
            role: considered.role,
            given: Vec::new(),
            decided: None,
            reason: wanted.reason.map(str::to_owned),
        };
        change.digest = change.bound(wanted.place.workspace)?;
        let what = object([
            ("name", change.name.as_str().into()),
            ("value", to_json(&change.value)?),
        ]);
        let judged = judged.holding(
            change.digest.clone(),
            change.expires_at,
            vec![("change", what)],
        );
        let version = row.map(|it| it.version);
        let row = Directory::write(wanted.row.clone(), version, &change)?;
        let batch = judged.batch(wanted.principal, wanted.reason, Vec::new())?;
        let batch = batch.with(row.until(change.expires_at).explained_by(DECISION));
        self.evidence.append(wanted.stream, batch).await?;
        Ok(Settled::Waits(Some(judged.decision())))
    }

    /// What a change begins with: its run up to the decision, which is the last draft, and the end of
    /// what waited.
    pub(super) fn begun(wanted: &Wanted<'_>, happens: &Happens) -> Result<Batch, HeldError> {
        let (judged, principal) = (&happens.judged, wanted.principal);
        let batch = Batch::of(match &happens.agreed {
            Some(agreed) => {
                let held = (&agreed.decision, agreed.approver.as_str());
                judged.approved(principal, held, agreed.judged.as_ref(), wanted.reason)?
            }
            None => judged.opened(principal, wanted.reason)?,
        });
        Ok(match happens.row {
            Some(version) => batch.with(gone(wanted.row.clone(), version)),
            None => batch,
        })
    }

    /// Carries a change out: the entry that says so, and the rows that it explains. Returns that entry.
    pub(super) async fn carry_out(
        &self,
        wanted: &Wanted<'_>,
        happens: &Happens,
        draft: Draft,
        rows: impl IntoIterator<Item = StateWrite> + Send,
    ) -> Result<Option<EntryRef>, HeldError> {
        let mut batch = Self::begun(wanted, happens)?;
        let entry = batch.drafts.len();
        let draft = draft.cite("decision", entry.saturating_sub(1));
        batch.drafts.extend([draft, happens.judged.closing()]);
        let rows = rows.into_iter().map(|row| row.explained_by(entry));
        batch.state.extend(rows);
        let batch = happens.grounds.under(batch);
        let entries = self.evidence.append(wanted.stream, batch).await?;
        Ok(entries.get(entry).cloned())
    }

    fn directory(&self) -> Directory<'a> {
        Directory::of(self.judging.state)
    }
}
