//! Looking at an export and fetching it.

use std::time::Duration;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::work::LEASE;
use super::{ExportError, Exports, LINK_VALID};
use crate::export::{Export, ExportFile, ExportState};
use crate::ids::{DecisionId, ExportId};
use crate::ports::Batch;
use crate::records::{Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{actor, target};

/// How long an export may wait for a worker before one is told again.
const PATIENCE: Duration = Duration::from_mins(1);

/// A file that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The export.
    pub export: Export,
    /// The file.
    pub file: ExportFile,
    /// A link that ends after [`LINK_VALID`].
    pub url: String,
    /// The decision that permitted it.
    pub decision: DecisionId,
}

impl Exports {
    /// What is known about an export. One that nobody works on is queued again.
    pub async fn find(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Export>, ExportError> {
        // A text that is not an id names nothing, and the table is not asked for it.
        let id: ExportId = id.parse().map_err(|_| ExportError::NotFound)?;
        let records = Records::of(self.state.as_ref(), ctx);
        let found = records.get::<Export>(&id.to_string()).await?;
        let found = found.ok_or(ExportError::NotFound)?;
        let quiet = self.clock.now().since(found.value.touched_at);
        let forgotten = match found.value.state {
            ExportState::Queued => quiet > PATIENCE,
            ExportState::Running => quiet > LEASE,
            ExportState::Ready | ExportState::Failed => false,
        };
        if forgotten {
            return self.wake(ctx, found).await;
        }
        Ok(found)
    }

    /// Queues an export again; of several who notice it, one does.
    async fn wake(
        &self,
        ctx: &TenantCtx,
        found: Versioned<Export>,
    ) -> Result<Versioned<Export>, ExportError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let again = Export {
            state: ExportState::Queued,
            touched_at: self.clock.now(),
            ..found.value.clone()
        };
        let mut write = records.replace(found.version, &again)?;
        write.cites.clone_from(&found.evidence);
        if !self.state.write(vec![write]).await? {
            return Ok(found);
        }
        // When this fails, a later look tries again.
        drop(self.send(ctx, &again).await);
        Ok(Versioned {
            value: again,
            version: found.version.saturating_add(1),
            evidence: found.evidence,
        })
    }

    /// A fresh link to a part of a finished export, `package` or `report`. It is judged anew, and
    /// each link is recorded.
    pub async fn download(
        &self,
        ctx: &TenantCtx,
        id: &str,
        part: &str,
    ) -> Result<Fetched, ExportError> {
        let export = self.find(ctx, id).await?.value;
        let project = self.project(ctx).await?;
        let stream = self.stream_of(ctx, &project, &export.scope).await?;
        let ruling = self.rule(ctx, &project, &export.scope).await?;
        let decision = ruling.decision;
        let mut drafts = ruling.permit(self, stream).await?;
        let file = self.fetchable(&export, part)?.clone();
        let facts = object([
            ("actor", actor(ctx.principal())),
            ("package", file.digest.as_str().into()),
            ("part", file.part.as_str().into()),
            ("result", "ok".into()),
            ("target", target("export", export.id)),
            ("topic", "export.downloaded".into()),
        ]);
        drafts.push(Draft::new(Kind::ObservationRecorded, facts));
        self.evidence.append(stream, Batch::of(drafts)).await?;
        let url = self
            .objects
            .link(&file.object, &file.filename, LINK_VALID)
            .await?;
        Ok(Fetched {
            export,
            file,
            url,
            decision,
        })
    }

    fn fetchable<'a>(&self, export: &'a Export, part: &str) -> Result<&'a ExportFile, ExportError> {
        if let Some(failure) = &export.failure {
            return Err(ExportError::Failed(failure.clone()));
        }
        if export.state != ExportState::Ready {
            return Err(ExportError::NotReady);
        }
        if export
            .expires_at()
            .is_some_and(|end| end <= self.clock.now())
        {
            return Err(ExportError::Expired);
        }
        export.file(part).ok_or(ExportError::NoPart)
    }
}
