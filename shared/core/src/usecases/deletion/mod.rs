//! Deleting a project or a workspace.
//!
//! Proposed by an owner with a reason, confirmed by a second person, and seven days later carried out
//! by the hourly duty. Until then everything works on, and an admin or owner can withdraw it. A legal
//! hold refuses the proposal and the confirmation, and puts off the rest.
//!
//! It is carried out in two steps. One transaction per project, and one for the workspace, records it
//! and takes away the row without which the id answers as one that never existed ([`strike`]; [`carry`]
//! says when). A workspace is marked before its first project ends: from then on nobody withdraws it
//! and nobody sets a legal hold in it, so that it ends whole or not at all. What is left is removed without a question, each step as often as it takes ([`remove`]): data keys first,
//! which makes every sealed value unreadable in every copy. Headers and facts of the streams stay.

mod carry;
mod judge;
mod remove;
mod strike;

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

pub use carry::CarriedOut;
use judge::denied;

use super::facts::{change, target};
use super::governed::{AdminEffect, DECISION, Governed};
use super::grounds::Rows;
use super::second_person::{NotSecond, Waiting};
use super::vault::{Vault, VaultError};
use crate::deletion::{Confirmation, DELAY, Deletion, DeletionScope};
use crate::idempotency::Once;
use crate::ids::{DecisionId, WorkspaceId};
use crate::json::JsonError;
use crate::policy::{Effect, Judgement};
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, Expect, Objects, PortError,
    PortErrorKind, Random, State, StateWrite,
};
use crate::records::{Directory, RecordError, Records, Versioned};
use crate::tenancy::{Principal, Role, TenantCtx, Via, WorkspaceCtx};
use crate::traced::DecisionMade;

/// Characters of a reason: at least, at most.
const REASON: (usize, usize) = (10, 500);
const NONE_WAITS: DeletionError = DeletionError::WrongState(
    "no deletion waits: it was never proposed, was withdrawn, or nobody confirmed it within 72 hours",
);

/// Why a deletion was not proposed, confirmed, withdrawn or carried out.
#[derive(Debug, Error)]
pub enum DeletionError {
    /// No such project or workspace, or not yours: 404.
    #[error("there is no such record")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: String,
    },
    /// Not in a state for this: 409.
    #[error("{0}")]
    WrongState(&'static str),
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
    /// The deletion has another version than the caller saw: 412.
    #[error("the deletion has another version")]
    Precondition,
    /// A legal hold keeps it: 409. The refusal is recorded.
    #[error("a legal hold keeps this")]
    Held {
        /// The hold.
        hold: String,
        /// Why, in the words of whoever set it.
        reason: String,
    },
    /// A repair of it executes: the duty waits for its outcome.
    #[error("a repair executes")]
    Unsettled,
    /// An emergency stop is in force: the duty waits until it is lifted.
    #[error("an emergency stop is in force")]
    Frozen,
    /// Policy said no: 403, or 401 where only the sign-in is too old.
    #[error("policy denies this: {}", .judgement.reason)]
    Denied {
        /// The judgement.
        judgement: Judgement,
        /// The recorded decision; `None` when only asked beforehand.
        decision: Option<DecisionId>,
    },
    /// Somebody else changes the same records: 409, try again.
    #[error("the record has changed in the meantime")]
    Changed,
    /// Evidence could not be written, so nothing was done: 503.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A data key could not be destroyed: the duty goes on.
    #[error("a data key could not be destroyed")]
    Vault(#[from] VaultError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

/// What a request is about: the context says so.
#[derive(Debug, Clone, Copy)]
pub enum DeletionOf<'a> {
    /// A project.
    Project(&'a TenantCtx),
    /// A workspace.
    Workspace(&'a WorkspaceCtx),
}

impl DeletionOf<'_> {
    /// Who asks.
    pub const fn principal(&self) -> &Principal {
        match self {
            Self::Project(ctx) => ctx.principal(),
            Self::Workspace(ctx) => ctx.principal(),
        }
    }

    const fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Project(ctx) => ctx.workspace(),
            Self::Workspace(ctx) => ctx.workspace(),
        }
    }

    /// What would be deleted.
    pub const fn scope(&self) -> DeletionScope {
        match self {
            Self::Project(ctx) => DeletionScope::Project(ctx.project()),
            Self::Workspace(ctx) => DeletionScope::Workspace(ctx.workspace()),
        }
    }

    fn ctx(&self) -> WorkspaceCtx {
        WorkspaceCtx::new(self.workspace(), self.principal().clone())
    }
}

/// What a request did, and by which decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided<T> {
    /// What there is now.
    pub now: T,
    /// The decision.
    pub decision: DecisionMade,
}

/// Deletes projects and workspaces.
#[derive(Clone)]
pub struct Delete {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
    /// Objects of the data bucket.
    pub objects: Arc<dyn Objects>,
    /// Data keys.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Delete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Delete")
    }
}

impl Delete {
    /// The deletion that waits, if one does. A proposal that nobody confirmed in time is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(
        &self,
        of: DeletionOf<'_>,
    ) -> Result<Option<Versioned<Deletion>>, DeletionError> {
        let found = self.stored(of).await?;
        Ok(found.filter(|found| !found.value.has_lapsed(self.clock.now())))
    }

    /// The deletion of a project's workspace that waits, for whoever sees the project.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find_around(
        &self,
        ctx: &TenantCtx,
    ) -> Result<Option<Versioned<Deletion>>, DeletionError> {
        let workspace = WorkspaceCtx::new(ctx.workspace(), ctx.principal().clone());
        self.find(DeletionOf::Workspace(&workspace)).await
    }

    /// Whether the caller may propose; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// [`DeletionError::NotFound`], then [`DeletionError::Denied`].
    pub async fn admit(&self, of: DeletionOf<'_>) -> Result<(), DeletionError> {
        self.admit_as(of, Role::Owner).await
    }

    /// Whether the caller may confirm; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// As [`Delete::admit`].
    pub async fn admit_confirming(&self, of: DeletionOf<'_>) -> Result<(), DeletionError> {
        self.admit_as(of, Role::Admin).await
    }

    /// Whether the caller may withdraw; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// [`DeletionError::Denied`].
    pub async fn admit_keeping(&self, of: DeletionOf<'_>) -> Result<(), DeletionError> {
        let judged = self.judge_keeping(of).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(denied(judged, None))
        }
    }

    async fn admit_as(&self, of: DeletionOf<'_>, at_least: Role) -> Result<(), DeletionError> {
        self.stream(of).await?;
        let waiting = match at_least {
            Role::Owner => None,
            _ => self.find(of).await?,
        };
        let judged = match &waiting {
            Some(waiting) => {
                self.judge_confirmation(of, false, &waiting.value, None)
                    .await?
            }
            // An admin learns that none waits; what is judged is who they are.
            None if at_least <= Role::Admin && administers(of) => return Ok(()),
            None => self.judge_proposal(of, false).await?,
        };
        match judged.judgement.effect {
            Effect::Deny => Err(denied(judged, None)),
            Effect::Allow | Effect::Require => Ok(()),
        }
    }

    /// Proposes it, for owners; `once` is the memory of the request.
    ///
    /// # Errors
    /// [`DeletionError::Held`] and [`DeletionError::Denied`], which are recorded;
    /// [`DeletionError::WrongState`] when one waits already.
    pub async fn propose(
        &self,
        of: DeletionOf<'_>,
        reason: &str,
        once: Option<&Once>,
    ) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let stream = self.stream(of).await?;
        let held = self.held(of.workspace(), of.scope()).await?;
        let principal = of.principal();
        let judged = self.judge_proposal(of, held.is_some()).await?;
        let (Effect::Require, Some(by)) = (judged.judgement.effect, principal.person()) else {
            return Err(self.refuse(stream, principal, judged, held).await);
        };
        let reason = words(reason)?;
        let known = self.stored(of).await?;
        if known
            .as_ref()
            .is_some_and(|it| !it.value.has_lapsed(self.clock.now()))
        {
            return Err(DeletionError::WrongState(
                "a deletion waits already: confirm it as another person, or withdraw it",
            ));
        }
        let deletion = Deletion {
            scope: of.scope(),
            by,
            at: self.clock.now(),
            reason: reason.to_owned(),
            action_hash: judged.action_hash.clone(),
            confirmed: None,
            put_off_at: None,
            waits_since: None,
            carrying_since: None,
        };
        let mut batch = Batch::of(judged.opened(principal, Some(reason))?);
        batch.drafts.push(judged.closing());
        let version = known.map(|known| known.version);
        self.write(of, stream, batch, DECISION, (version, deletion), once)
            .await
            .map(|now| decided(now, &judged))
    }

    /// Confirms it, as an admin or owner who did not propose it; in a workspace of one person as that
    /// person, a day later. `seen` is the version that the caller saw.
    ///
    /// # Errors
    /// As [`Delete::propose`].
    pub async fn confirm(
        &self,
        of: DeletionOf<'_>,
        seen: Option<u64>,
        once: Option<&Once>,
    ) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let stream = self.stream(of).await?;
        let held = self.held(of.workspace(), of.scope()).await?;
        let principal = of.principal();
        let waiting = self.find(of).await?;
        // A stop, a revoked bundle or a demotion that was acknowledged before it is written is heard.
        let grounds = Rows::of(of.workspace())
            .asked_in(of.scope().project())
            .principal(principal)
            .people(waiting.iter().map(|waiting| waiting.value.by));
        let grounds = grounds.read(self.state.as_ref()).await?;
        let refusal = match &waiting {
            Some(waiting) => {
                let judged = self.judge_confirmation(of, held.is_some(), &waiting.value, None);
                judged.await?
            }
            None if administers(of) => return Err(NONE_WAITS),
            None => self.judge_proposal(of, false).await?,
        };
        let (true, Some(by)) = (refusal.allowed(), principal.person()) else {
            // A refused confirmation is a decision of its own, with a hash of its own.
            return Err(self.refuse(stream, principal, refusal, held).await);
        };
        let waiting = waiting.ok_or(NONE_WAITS)?;
        if seen.is_some_and(|seen| seen != waiting.version) {
            return Err(DeletionError::Precondition);
        }
        if waiting.value.confirmed.is_some() {
            return Err(DeletionError::WrongState(
                "it is confirmed: it is carried out when it is due",
            ));
        }
        let approver = self.approver(of, &waiting.value).await?;
        let proposed = waiting.evidence.clone().ok_or(DeletionError::Changed)?;
        let hash = Some(waiting.value.action_hash.as_str());
        let judged = self.judge_confirmation(of, held.is_some(), &waiting.value, hash);
        let judged = judged.await?;
        // A sign-in grows old between two questions.
        if !judged.allowed() {
            let refusal = judged.of_its_own();
            return Err(self.refuse(stream, principal, refusal, held).await);
        }
        let now = self.clock.now();
        let mut after = waiting.value.clone();
        after.confirmed = Some(Confirmation {
            by,
            at: now,
            due_at: now.plus(DELAY),
            decision: None,
        });
        let mut batch =
            Batch::of(judged.approved(principal, (&proposed, &approver), None, None)?);
        let decision = batch.drafts.len().saturating_sub(1);
        batch.drafts.push(judged.closing());
        let batch = grounds.under(batch);
        let row = (Some(waiting.version), after);
        self.write(of, stream, batch, decision, row, once)
            .await
            .map(|now| decided(now, &judged))
    }

    /// Takes it back, for admins and owners.
    ///
    /// # Errors
    /// [`DeletionError::WrongState`] when none waits, or it is being carried out;
    /// [`DeletionError::Denied`], which is recorded.
    pub async fn withdraw(
        &self,
        of: DeletionOf<'_>,
        seen: Option<u64>,
    ) -> Result<Decided<()>, DeletionError> {
        let stream = self.stream(of).await?;
        let principal = of.principal();
        let judged = self.judge_keeping(of).await?;
        if !judged.allowed() {
            return Err(self.refuse(stream, principal, judged, None).await);
        }
        let waiting = self.find(of).await?.ok_or(NONE_WAITS)?;
        if seen.is_some_and(|seen| seen != waiting.version) {
            return Err(DeletionError::Precondition);
        }
        if waiting.value.carrying_since.is_some() {
            return Err(DeletionError::WrongState(
                "it is being carried out: nothing stops it any more",
            ));
        }
        let withdrawn = [("deletion", Json::from("withdrawn"))];
        let effect = AdminEffect {
            draft: Draft::new(
                Kind::ConfigChanged,
                change(principal, scope_target(of.scope()), withdrawn),
            ),
            rows: vec![gone(of.workspace(), &waiting)],
        };
        let batch = judged.batch(principal, None, vec![effect])?;
        self.append(stream, batch).await?;
        Ok(decided((), &judged))
    }

    /// Who a confirmation counts as.
    async fn approver(
        &self,
        of: DeletionOf<'_>,
        waiting: &Deletion,
    ) -> Result<String, DeletionError> {
        let second = Waiting {
            by: waiting.by,
            at: waiting.at,
            proposes: Role::Owner,
            confirms: Role::Admin,
        };
        let (directory, now) = (self.directory(), self.clock.now());
        let confirmed = second.confirmed_by(directory, of.workspace(), of.principal(), now);
        confirmed.await?.map_err(DeletionError::NotSecond)
    }

    /// Appends a batch with the row that its entry number `decision` explains.
    async fn write(
        &self,
        of: DeletionOf<'_>,
        stream: Hash,
        batch: Batch,
        decision: usize,
        (version, deletion): (Option<u64>, Deletion),
        once: Option<&Once>,
    ) -> Result<Versioned<Deletion>, DeletionError> {
        let ctx = of.ctx();
        let records = Records::of(self.state.as_ref(), &ctx);
        let write = match version {
            Some(version) => records.replace(version, &deletion)?,
            None => records.create(&deletion)?,
        };
        let mut batch = batch.with(write.explained_by(decision));
        if let Some(once) = once {
            batch = batch.with(once.done(&deletion.scope).explained_by(decision));
        }
        let entries = self.append(stream, batch).await?;
        Ok(Versioned {
            value: deletion,
            version: version.map_or(1, |version| version.saturating_add(1)),
            evidence: entries.get(decision).cloned(),
        })
    }

    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, DeletionError> {
        match self.evidence.append(stream, batch).await {
            Ok(entries) => Ok(entries),
            Err(AppendError::StateChanged { .. } | AppendError::HoldsChanged) => {
                Err(DeletionError::Changed)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn stored(
        &self,
        of: DeletionOf<'_>,
    ) -> Result<Option<Versioned<Deletion>>, DeletionError> {
        let ctx = of.ctx();
        let records = Records::of(self.state.as_ref(), &ctx);
        Ok(records.get::<Deletion>(&of.scope().to_string()).await?)
    }

    fn directory(&self) -> Directory<'_> {
        Directory::of(self.state.as_ref())
    }

    /// The stream that acts on it are recorded in.
    async fn stream(&self, of: DeletionOf<'_>) -> Result<Hash, DeletionError> {
        let directory = self.directory();
        let stream = match of {
            DeletionOf::Project(ctx) => {
                let found = directory.project(ctx.project()).await?;
                let found = found.filter(|found| found.value.workspace == ctx.workspace());
                found.map(|found| found.value.stream)
            }
            DeletionOf::Workspace(ctx) => {
                let found = directory.workspace(ctx.workspace()).await?;
                found.map(|found| found.value.stream)
            }
        };
        Ok(stream_id(&stream.ok_or(DeletionError::NotFound)?)?)
    }
}

/// A person who signed in and has the role to confirm.
fn administers(of: DeletionOf<'_>) -> bool {
    matches!(
        of.principal(),
        Principal::User { role, via: Via::Login { .. }, .. } if role.may_administer()
    )
}

fn decided<T>(now: T, judged: &Governed) -> Decided<T> {
    Decided {
        now,
        decision: judged.made(),
    }
}

/// A reason as it is stored.
fn words(given: &str) -> Result<&str, DeletionError> {
    let given = given.trim();
    let (least, most) = REASON;
    if (least..=most).contains(&given.chars().count()) {
        return Ok(given);
    }
    Err(DeletionError::Invalid {
        field: "/reason",
        rule: format!("must have {least} to {most} characters: it is what the second person reads"),
    })
}

/// The write after which a deletion waits no more.
fn gone(workspace: WorkspaceId, waiting: &Versioned<Deletion>) -> StateWrite {
    let key = Directory::deletion_key(workspace, waiting.value.scope);
    StateWrite {
        expect: Expect::Version(waiting.version),
        ..StateWrite::delete(key)
    }
}

/// What an entry about it is about.
fn scope_target(scope: DeletionScope) -> Json {
    match scope {
        DeletionScope::Project(id) => target("project", id),
        DeletionScope::Workspace(id) => target("workspace", id),
    }
}

fn stream_id(stream: &str) -> Result<Hash, PortError> {
    let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
    stream.parse().map_err(corrupt)
}
