//! Snapshots past their window are given up, and the workspace's choice of that window.
//!
//! Order where rules collide: legal hold, then erasure, then retention. A held run keeps its
//! snapshots until the hold is released; an erasure does not wait for the window.

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde_json::json;
use thiserror::Error;

use super::facts::{change, target_named};
use super::governed::Terms;
use super::held_changes::{Changes, Outcome, Settled, from_held};
use super::prune::{Prune, PruneError, RUNS};
use super::second_person::NotSecond;
use super::vault::Vault;
use crate::held_change::{HeldChange, RETENTION};
use crate::json::JsonError;
use crate::policy::{Judgement, Question};
use crate::ports::{
    AppendError, Clock, EvidenceAppend, EvidenceRead, HoldTarget, Holds, Objects, PortError,
    PortErrorKind, Random, State,
};
use crate::records::{Directory, Project, RecordError, Records, Versioned};
use crate::retention::{FLOOR_DAYS, MOST_DAYS, Retention};
use crate::run::{Run, RunStep};
use crate::tenancy::TenantCtx;

/// Why the setting was not changed, or snapshots were not given up.
#[derive(Debug, Error)]
pub enum RetentionError {
    /// The window is out of bounds: 400.
    #[error("the window must be {FLOOR_DAYS} to {MOST_DAYS} days")]
    OutOfBounds,
    /// Somebody changed the setting in the meantime: 412.
    #[error("the setting has changed: read it again")]
    Changed,
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// No such workspace: 404.
    #[error("there is no such record")]
    NotFound,
    /// Evidence could not be written: 503.
    #[error("evidence could not be written: nothing was changed")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// Snapshots could not be given up; the next pass goes on.
    #[error("snapshots could not be given up")]
    Prune(#[from] PruneError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

from_held!(RetentionError);

/// What a request to change the window came to.
pub type RetentionChange = Outcome<Retention>;

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Runs whose snapshots were given up.
    pub pruned: u64,
    /// Objects that were deleted.
    pub objects: u64,
    /// Runs past their window that a legal hold keeps.
    pub held: u64,
}

/// The window, and what it demands.
#[derive(Clone)]
pub struct KeepRetention {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
    /// Snapshots.
    pub objects: Arc<dyn Objects>,
    /// Data keys.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for KeepRetention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeepRetention")
    }
}

impl KeepRetention {
    /// The setting of the caller's workspace; version 0 where nothing was chosen yet.
    pub async fn read(&self, ctx: &TenantCtx) -> Result<Versioned<Retention>, RetentionError> {
        let found = self.directory().retention(ctx.workspace()).await?;
        Ok(found.unwrap_or_else(|| Versioned {
            value: Retention::default(),
            version: 0,
            evidence: None,
        }))
    }

    /// A shorter window that waits for a second person.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn waiting(&self, ctx: &TenantCtx) -> Result<Option<HeldChange>, RetentionError> {
        Ok(self
            .changes()
            .of_workspace(ctx.workspace(), RETENTION)
            .await?)
    }

    /// Whether the caller may change the window at all; records nothing. It comes before what they sent.
    ///
    /// # Errors
    /// [`RetentionError::Denied`].
    pub async fn admit(&self, ctx: &TenantCtx) -> Result<(), RetentionError> {
        let question = question(false);
        let (judging, terms) = (self.changes().judging, Terms::default());
        let judged = judging.in_workspace(ctx.workspace(), ctx.principal(), &question, terms);
        let judged = judged.await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(RetentionError::Denied(judged.judgement))
        }
    }

    /// Changes the window. Keeping longer is one person's decision; keeping less waits for a second
    /// one, who sends the same request.
    ///
    /// # Errors
    /// [`RetentionError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn change(
        &self,
        ctx: &TenantCtx,
        days: u64,
        reason: Option<&str>,
        version: u64,
    ) -> Result<RetentionChange, RetentionError> {
        let now = self.read(ctx).await?;
        if !(FLOOR_DAYS..=MOST_DAYS).contains(&days) {
            return Err(RetentionError::OutOfBounds);
        }
        let stream = self.workspace_stream(ctx).await?;
        let before = now.value.snapshot_days;
        let (changes, at) = (self.changes(), (ctx.workspace(), ctx.principal()));
        let value = json!({ "instead_of": before, "snapshot_days": days });
        let mut wanted =
            Changes::in_workspace(at, stream, RETENTION, question(days < before), value);
        wanted.reason = reason;
        let asked = changes.ask(&wanted).await?;
        if now.version != version {
            return Err(RetentionError::Changed);
        }
        let Settled::Happens(happens) = changes.settle(&wanted, asked).await? else {
            return Ok(Outcome::Held(now));
        };
        let facts = change(
            ctx.principal(),
            target_named("setting", "retention"),
            [
                ("snapshot_days", Json::uint(days)),
                ("snapshot_days_before", Json::uint(before)),
            ],
        );
        let side = |days| object([("snapshot_days", Json::uint(days))]);
        let sides = object([("after", side(days)), ("before", side(before))]);
        let draft = Draft::new(Kind::ConfigChanged, facts).subject(sides);
        let after = Retention {
            snapshot_days: days,
        };
        let key = Directory::retention_key(ctx.workspace());
        let row = Directory::write(key, (version > 0).then_some(version), &after)?;
        let evidence = changes.carry_out(&wanted, &happens, draft, [row]).await?;
        Ok(Outcome::Done(Versioned {
            value: after,
            version: version.saturating_add(1),
            evidence,
        }))
    }

    fn changes(&self) -> Changes<'_> {
        let (clock, random) = (self.clock.as_ref(), self.random.as_ref());
        Changes::of(self.evidence.as_ref(), (self.state.as_ref(), clock, random))
    }

    /// One pass over every project. One that fails does not stop the others: the first error is
    /// returned at the end.
    pub async fn enforce(&self) -> Result<Enforced, RetentionError> {
        let mut done = Enforced::default();
        let mut first_error = None;
        for project in self.directory().projects().await? {
            if let Err(error) = self.enforce_in(&project, &mut done).await {
                first_error = first_error.or(Some(error));
            }
        }
        first_error.map_or(Ok(done), Err)
    }

    async fn enforce_in(
        &self,
        project: &Project,
        done: &mut Enforced,
    ) -> Result<(), RetentionError> {
        let ctx = Directory::system(project, "retention");
        let stream = project.stream_id()?;
        let window = self.read(&ctx).await?.value;
        let now = self.clock.now();
        let records = Records::of(self.state.as_ref(), &ctx);
        let prune = Prune {
            evidence: self.evidence.as_ref(),
            state: self.state.as_ref(),
            objects: self.objects.as_ref(),
            vault: &self.vault,
            clock: self.clock.as_ref(),
            ctx: &ctx,
        };
        let past = |run: &Versioned<Run>| {
            run.value.step == RunStep::Done
                && run.value.pruned.is_none()
                && run.value.has_read()
                && !window.keeps(&run.value, now)
        };
        let runs = records.list::<Run>().await?;
        let due: Vec<_> = runs.iter().filter(|run| past(run)).cloned().collect();
        for chunk in due.chunks(RUNS) {
            let holds = self.reader.holds(stream).await?;
            let mut free = Vec::new();
            for run in chunk {
                if self.is_held(stream, &holds, &run.value).await? {
                    done.held = done.held.saturating_add(1);
                } else {
                    free.push(run.clone());
                }
            }
            match prune.record(stream, &free, &holds, "retention", None).await {
                Ok(()) => {
                    let pruned = u64::try_from(free.len()).unwrap_or(u64::MAX);
                    done.pruned = done.pruned.saturating_add(pruned);
                }
                // A hold was set or a run changed at this moment: the next pass judges again.
                Err(PruneError::Evidence(
                    AppendError::HoldsChanged | AppendError::StateChanged { .. },
                )) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for run in records.list::<Run>().await? {
            if run.value.pruned.is_some_and(|it| !it.gone || it.again) {
                // Recorded before a hold was set: what is still there stays.
                let holds = self.reader.holds(stream).await?;
                if self.is_held(stream, &holds, &run.value).await? {
                    done.held = done.held.saturating_add(1);
                    continue;
                }
                let deleted = prune.delete(&run).await?;
                done.objects = done.objects.saturating_add(deleted);
            }
        }
        Ok(())
    }

    async fn is_held(
        &self,
        stream: Hash,
        holds: &Holds,
        run: &Run,
    ) -> Result<bool, RetentionError> {
        let id = run.id.to_string();
        let by_place = holds
            .active
            .iter()
            .any(|active| matches!(active.target, HoldTarget::Range { .. }));
        let entries = if by_place {
            self.reader.run(stream, &id).await?
        } else {
            Vec::new()
        };
        Ok(holds.active.iter().any(|active| match &active.target {
            HoldTarget::Range { .. } => entries
                .iter()
                .any(|entry| active.target.keeps(entry.seq, Some(&id))),
            whole => whole.keeps(0, Some(&id)),
        }))
    }

    fn directory(&self) -> Directory<'_> {
        Directory::of(self.state.as_ref())
    }

    async fn workspace_stream(&self, ctx: &TenantCtx) -> Result<Hash, RetentionError> {
        let found = self.directory().workspace(ctx.workspace()).await?;
        let workspace = found.ok_or(RetentionError::NotFound)?.value;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        Ok(workspace.stream.parse().map_err(corrupt)?)
    }
}

const fn question(loosening: bool) -> Question {
    Question::ChangeSetting {
        name: "retention",
        loosening,
    }
}
