//! Asking for an export: exists, judged, recorded, queued.

use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::kind::Kind;

use super::judge::Ruling;
use super::proofs::kind_of;
use super::{ExportError, Exports};
use crate::export::{Asked, Export, ExportScope, ExportState, Progress, Wanted};
use crate::ids::{DecisionId, ExportId, RunId};
use crate::ports::{AppendError, Batch, ExportRequest, PortError, PortErrorKind};
use crate::records::{Directory, Project, Records, Versioned};
use crate::tenancy::TenantCtx;

/// An export that was asked for.
#[derive(Debug)]
pub struct Accepted {
    /// Its record and version.
    pub export: Versioned<Export>,
    /// The decision that permitted it; `None` for a repetition.
    pub decision: Option<DecisionId>,
    /// Why no worker was told: reading the export tells one later.
    pub not_sent: Option<PortError>,
}

impl Exports {
    /// Accepts a request. With an idempotency key, the same request again gives the same export;
    /// without one, every request is an export of its own.
    pub async fn create(
        &self,
        ctx: &TenantCtx,
        wanted: impl Into<Wanted> + Send,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, ExportError> {
        let wanted = wanted.into();
        let scope = wanted.scope.clone();
        self.may_know(ctx, self.check_period(&scope)).await?;
        let project = self.project(ctx).await?;
        let stream = self.stream_of(ctx, &project, &scope).await?;
        let exists = self.exists(ctx, &project, &scope).await;
        self.may_know(ctx, exists).await?;
        let asked = idempotency_key.map(|key| asked_id(ctx, key));
        if let Some(again) = self.asked_before(ctx, asked.as_deref(), &wanted).await? {
            return Ok(again);
        }
        let ruling = self.rule(ctx, &project, &scope).await?;
        let decision = ruling.decision;
        let drafts = ruling.permit(self, stream).await?;
        let now = self.clock.now();
        let export = Export {
            id: ExportId::new(now, self.random.bits128()),
            scope: scope.clone(),
            inputs: wanted.inputs,
            by: ctx.principal().clone(),
            state: ExportState::Queued,
            stream: stream.to_string(),
            asked_at: now,
            touched_at: now,
            attempt: 0,
            progress: Progress::default(),
            made: None,
            failure: None,
        };
        let records = Records::of(self.state.as_ref(), ctx);
        let created = records.create(&export)?.explained_by(Ruling::DECISION);
        let mut batch = Batch::of(drafts).with(created);
        if let Some(id) = &asked {
            let row = Asked {
                id: id.clone(),
                scope: scope.clone(),
                inputs: wanted.inputs,
                export: export.id,
            };
            let until = now.plus(std::time::Duration::from_hours(24));
            let row = records.create(&row)?.until(until);
            batch = batch.with(row.explained_by(Ruling::DECISION));
        }
        let refs = match self.evidence.append(stream, batch).await {
            Ok(refs) => refs,
            // Somebody asked with the same key at the same moment, and was first.
            Err(AppendError::StateChanged { .. }) => {
                let again = self.asked_before(ctx, asked.as_deref(), &wanted).await?;
                return again.ok_or_else(|| unsettled().into());
            }
            Err(other) => return Err(other.into()),
        };
        let not_sent = self.send(ctx, &export).await.err();
        Ok(Accepted {
            export: Versioned {
                value: export,
                version: 1,
                evidence: refs.get(Ruling::DECISION).cloned(),
            },
            decision: Some(decision),
            not_sent,
        })
    }

    pub(super) async fn send(&self, ctx: &TenantCtx, export: &Export) -> Result<(), PortError> {
        let request = ExportRequest {
            project: ctx.project(),
            export: export.id,
        };
        self.queue.send(&request).await
    }

    pub(super) async fn project(&self, ctx: &TenantCtx) -> Result<Project, ExportError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.map(|project| project.value);
        project
            .filter(|project| project.workspace == ctx.workspace())
            .ok_or(ExportError::NotFound)
    }

    pub(super) async fn stream_of(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: &ExportScope,
    ) -> Result<Hash, ExportError> {
        if *scope != ExportScope::Workspace {
            return Ok(project.stream_id()?);
        }
        let found = Directory::of(self.state.as_ref())
            .workspace(ctx.workspace())
            .await?;
        let workspace = found.ok_or(ExportError::NotFound)?.value;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        Ok(workspace.stream.parse().map_err(corrupt)?)
    }

    /// What is wrong with a request, for whoever may export: others are told that they may not.
    async fn may_know(
        &self,
        ctx: &TenantCtx,
        checked: Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        if let Err(ExportError::Period { .. } | ExportError::RunOpen) = checked {
            self.admit(ctx).await?;
        }
        checked
    }

    fn check_period(&self, scope: &ExportScope) -> Result<(), ExportError> {
        let wrong = |field, rule| Err(ExportError::Period { field, rule });
        match scope {
            ExportScope::Period { from, to } if from == to => wrong(
                "to",
                "`from` and `to` are the same moment and `to` is not part of the period: make it later",
            ),
            ExportScope::Period { from, to } if from > to => {
                wrong("to", "`to` is before `from`: exchange them")
            }
            ExportScope::Period { to, .. } if *to > self.clock.now() => wrong(
                "to",
                "`to` is in the future, where nothing can be proved: use a time that has passed",
            ),
            _ => Ok(()),
        }
    }

    /// Whether what is asked about exists for this caller: before anything is judged.
    async fn exists(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: &ExportScope,
    ) -> Result<(), ExportError> {
        match scope {
            ExportScope::Run { run_id } => self.closed(project.stream_id()?, *run_id).await,
            ExportScope::Customer { customer } => {
                if !Box::pin(self.knows_customer(ctx, customer)).await? {
                    return Err(ExportError::NotFound);
                }
                Ok(())
            }
            ExportScope::Period { .. } | ExportScope::All | ExportScope::Workspace => Ok(()),
        }
    }

    async fn closed(&self, stream: Hash, run: RunId) -> Result<(), ExportError> {
        let entries = self.reader.run(stream, &run.to_string()).await?;
        let last = entries.last().ok_or(ExportError::NotFound)?;
        if kind_of(last) == Some(Kind::RunClose) {
            Ok(())
        } else {
            Err(ExportError::RunOpen)
        }
    }

    /// The export that this key was used for before.
    async fn asked_before(
        &self,
        ctx: &TenantCtx,
        asked: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Option<Accepted>, ExportError> {
        let Some(id) = asked else { return Ok(None) };
        let records = Records::of(self.state.as_ref(), ctx);
        let Some(row) = records.get::<Asked>(id).await? else {
            return Ok(None);
        };
        if (&row.value.scope, row.value.inputs) != (&wanted.scope, wanted.inputs) {
            return Err(ExportError::KeyReused);
        }
        let export = self.find(ctx, &row.value.export.to_string()).await?;
        Ok(Some(Accepted {
            export,
            decision: None,
            not_sent: None,
        }))
    }
}

/// A key belongs to whoever sent it.
fn asked_id(ctx: &TenantCtx, key: &str) -> String {
    sha256(format!("{}\n{key}", ctx.principal().account()).as_bytes()).to_string()
}

fn unsettled() -> PortError {
    PortError::new(PortErrorKind::Unavailable, "recording the export")
}
