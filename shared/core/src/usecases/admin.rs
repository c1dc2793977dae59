//! What administrative acts on a workspace share: their ports, their errors, and how a judged act is
//! recorded together with its effect.

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::governed::{AdminEffect, DECISION, Governed, Judging, Terms};
use super::pages::{Cursors, NotACursor, Page, PageOf};
use crate::idempotency::Once;
use crate::ids::{DecisionId, WorkspaceId};
use crate::json::JsonError;
use crate::policy::{Judgement, Question};
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, PortError, PortErrorKind, Random, State,
    StateKey,
};
use crate::records::{Directory, Record, RecordError, Records, Versioned};
use crate::tenancy::{Principal, WorkspaceCtx};
use crate::traced::DecisionMade;

/// Attempts when others change the same rows at the same time.
pub(super) const ATTEMPTS: u32 = 5;

/// Why an administrative act was not done.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Absent, or out of reach: 404.
    #[error("there is no such record")]
    NotFound,
    /// The caller's role does not reach this: 403.
    #[error("owners and admins may see this")]
    NotForRole,
    /// A machine asks for what only people who signed in may: 403.
    #[error("a person must sign in for this")]
    NotAPerson,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The record has another version than the caller saw: 412.
    #[error("the record has another version")]
    Precondition,
    /// Not in a state for this: 409.
    #[error("{0}")]
    WrongState(&'static str),
    /// Policy said no, and this is recorded: 403, or 401 where only the sign-in is too old.
    #[error("policy denies this: {}", .judgement.reason)]
    Denied {
        /// The judgement.
        judgement: Judgement,
        /// The recorded decision; `None` when only asked beforehand.
        decision: Option<DecisionId>,
    },
    /// Others keep changing the same records: 409, try again.
    #[error("the record has changed in the meantime")]
    Changed,
    /// The random source gave unusable bytes.
    #[error("the random source gave unusable bytes")]
    Random,
    /// Evidence could not be written, so nothing was done: 503.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

impl From<NotACursor> for AdminError {
    fn from(_: NotACursor) -> Self {
        Self::Invalid {
            field: NotACursor::FIELD,
            rule: NotACursor::RULE,
        }
    }
}

/// What was done, and by which decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted<T> {
    /// The record as it is now.
    pub record: Versioned<T>,
    /// The decision; `None` where nothing had to change.
    pub decision: Option<DecisionMade>,
}

impl<T> Acted<T> {
    /// What was so already.
    pub(super) const fn nothing(record: Versioned<T>) -> Self {
        Self {
            record,
            decision: None,
        }
    }
}

/// The ports of administrative acts.
#[derive(Clone)]
pub struct AdminPorts {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids, keys, tokens.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for AdminPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminPorts")
    }
}

/// What came of recording a judged act.
pub(super) enum Recorded {
    /// All of it happened; one reference per entry.
    Done(Vec<EntryRef>),
    /// A row has changed meanwhile: nothing happened, look again.
    Again,
}

impl AdminPorts {
    pub(super) fn records<'a>(&'a self, ctx: &'a WorkspaceCtx) -> Records<'a, WorkspaceCtx> {
        Records::of(self.state.as_ref(), ctx)
    }

    /// A record of the workspace.
    pub(super) async fn find<T: Record<WorkspaceCtx>>(
        &self,
        ctx: &WorkspaceCtx,
        id: impl ToString,
    ) -> Result<Versioned<T>, AdminError> {
        let found = self.records(ctx).get::<T>(&id.to_string()).await?;
        found.ok_or(AdminError::NotFound)
    }

    /// A page of the workspace's records of one family, in the order of `place`.
    pub(super) async fn page<T: Record<WorkspaceCtx>, P>(
        &self,
        ctx: &WorkspaceCtx,
        route: &'static str,
        place: impl Fn(&T) -> P,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<T>>, AdminError>
    where
        P: Ord + Serialize + DeserializeOwned,
    {
        let ports = (self.state.as_ref(), self.random.as_ref());
        let cursors = Cursors::of(ports, ctx, route, &()).await?;
        let items = self.records(ctx).list::<T>().await?;
        Ok(cursors.page(items, |found| place(&found.value), page)?)
    }

    pub(super) fn directory(&self) -> Directory<'_> {
        Directory::of(self.state.as_ref())
    }

    /// The workspace's own stream.
    pub(super) async fn stream(&self, workspace: WorkspaceId) -> Result<Hash, AdminError> {
        let found = self.directory().workspace(workspace).await?;
        let stream = found.ok_or(AdminError::NotFound)?.value.stream;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        Ok(stream.parse().map_err(corrupt)?)
    }

    /// Judges what the caller asks for in their workspace.
    pub(super) async fn judge(
        &self,
        ctx: &WorkspaceCtx,
        question: &Question,
    ) -> Result<Governed, AdminError> {
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        let judged =
            judging.in_workspace(ctx.workspace(), ctx.principal(), question, Terms::default());
        Ok(judged.await?)
    }

    /// Whether this would be allowed; records nothing. For a request whose body is bad.
    pub(super) async fn admit(
        &self,
        ctx: &WorkspaceCtx,
        question: &Question,
    ) -> Result<(), AdminError> {
        let judged = self.judge(ctx, question).await?;
        if judged.allowed() {
            return Ok(());
        }
        Err(AdminError::Denied {
            judgement: judged.judgement,
            decision: None,
        })
    }

    /// Records a judged act with its effects, and `once` as one of its rows, in one transaction. A
    /// refusal is recorded and returned as the error.
    pub(super) async fn record(
        &self,
        ctx: &WorkspaceCtx,
        judged: &Governed,
        comment: Option<&str>,
        effects: Vec<AdminEffect>,
        once: Option<(&Once, &str)>,
    ) -> Result<Recorded, AdminError> {
        let stream = self.stream(ctx.workspace()).await?;
        self.record_as(stream, ctx.principal(), judged, comment, effects, once)
            .await
    }

    async fn record_as(
        &self,
        stream: Hash,
        principal: &Principal,
        judged: &Governed,
        comment: Option<&str>,
        effects: Vec<AdminEffect>,
        once: Option<(&Once, &str)>,
    ) -> Result<Recorded, AdminError> {
        let allowed = judged.allowed();
        let mut batch = judged.batch(principal, comment, effects)?;
        if let (Some((once, resource)), true) = (once, allowed) {
            let done = once.done(&resource).explained_by(DECISION);
            batch = batch.with(done);
        }
        match append(self.evidence.as_ref(), stream, batch).await? {
            Recorded::Done(_) if !allowed => Err(AdminError::Denied {
                judgement: judged.judgement.clone(),
                decision: Some(judged.decision()),
            }),
            recorded => Ok(recorded),
        }
    }
}

/// Appends; a row that has changed is no failure.
pub(super) async fn append(
    evidence: &dyn EvidenceAppend,
    stream: Hash,
    batch: Batch,
) -> Result<Recorded, AdminError> {
    match evidence.append(stream, batch).await {
        Ok(entries) => Ok(Recorded::Done(entries)),
        Err(AppendError::StateChanged { .. }) => Ok(Recorded::Again),
        Err(error) => Err(error.into()),
    }
}

/// A record as an act left it: version `version`, explained by the first effect of [`Governed::batch`].
pub(super) fn acted<T>(
    value: T,
    version: u64,
    entries: &[EntryRef],
    judged: &Governed,
) -> Acted<T> {
    let effect = DECISION.saturating_add(1);
    Acted {
        record: Versioned {
            value,
            version,
            evidence: entries.get(effect).cloned(),
        },
        decision: Some(judged.made()),
    }
}

/// The write that deletes version `version` of a row.
pub(super) fn gone(key: StateKey, version: u64) -> crate::ports::StateWrite {
    crate::ports::StateWrite {
        expect: crate::ports::Expect::Version(version),
        ..crate::ports::StateWrite::delete(key)
    }
}

/// A name that people give: 1 to 100 characters, none of them a control character.
pub(super) fn name<'a>(field: &'static str, text: &'a str) -> Result<&'a str, AdminError> {
    let fits = text.chars().count() <= 100 && !text.chars().any(char::is_control);
    let text = text.trim();
    if fits && !text.is_empty() {
        return Ok(text);
    }
    let rule = "must have 1 to 100 characters, and no line breaks or control characters";
    Err(AdminError::Invalid { field, rule })
}

impl AdminPorts {
    /// 128 random bytes: enough for a key or a token.
    pub(super) fn random_bytes(&self) -> Vec<u8> {
        (0..4).flat_map(|_| self.random.bytes32()).collect()
    }
}
