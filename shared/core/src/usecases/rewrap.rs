//! Wrapping data keys anew under the newest key material of the key service, so that material that
//! was rotated away protects nothing any more. The sealed values stay as they are.
//!
//! Each function does it for the purposes that its role may open, one progress row per project and
//! purpose. A worker that dies leaves at most a few keys that are wrapped once more. Snapshots are left
//! out: they live for weeks, and a new one has a new key.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::vault::{Vault, VaultError};
use crate::ids::ProjectId;
use crate::ports::{Clock, PortErrorKind, State};
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::sealed::Purpose;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// How often every key is wrapped anew. A key service rotates its material at most yearly by itself.
pub const REWRAP_EVERY: Duration = Duration::from_hours(30 * 24);

/// Keys between two writes of the progress.
const STEP: usize = 20;

/// How far one purpose of one project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrapped {
    /// The purpose.
    pub id: Purpose,
    /// When this pass began.
    pub started_at: Timestamp,
    /// When it had seen every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Name of the last key that is settled.
    pub after: String,
    /// Keys when the pass began.
    pub total: u64,
    /// Keys that were wrapped anew.
    pub done: u64,
    /// Keys that did not open, or are named unlike any key: the next pass begins with the next call.
    pub failed: u64,
    /// Keys that were destroyed meanwhile.
    pub gone: u64,
}

impl Record for Rewrapped {
    const FAMILY: &'static str = "rewrap";

    fn id(&self) -> String {
        self.id.name().to_owned()
    }
}

impl Rewrapped {
    const fn begin(id: Purpose, started_at: Timestamp, total: u64) -> Self {
        Self {
            id,
            started_at,
            finished_at: None,
            after: String::new(),
            total,
            done: 0,
            failed: 0,
            gone: 0,
        }
    }

    fn is_done(&self, now: Timestamp) -> bool {
        let fresh = |at: Timestamp| now.since(at) < REWRAP_EVERY;
        self.failed == 0 && self.finished_at.is_some_and(fresh)
    }
}

/// Why keys could not be wrapped anew. What is done stays done; the next call goes on.
#[derive(Debug, Error)]
pub enum RewrapError {
    /// A record could not be read or written.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// The key service or its table did not answer.
    #[error("the key service or its table did not answer")]
    Vault(#[from] VaultError),
}

/// What kept one project from being done.
#[derive(Debug)]
pub struct RewrapFailure {
    /// The project.
    pub project: ProjectId,
    /// The purpose.
    pub purpose: Purpose,
    /// Why. A key that does not open is left as it is, and the others go on.
    pub error: RewrapError,
}

/// What one call came to.
#[derive(Debug, Default)]
pub struct RewrapSummary {
    /// Keys that were wrapped anew.
    pub done: u64,
    /// Keys that were destroyed meanwhile.
    pub gone: u64,
    /// Whether time ended before the work did.
    pub more: bool,
    /// What failed.
    pub failed: Vec<RewrapFailure>,
}

/// Wraps data keys anew.
#[derive(Clone)]
pub struct Rewrap {
    /// State.
    pub state: Arc<dyn State>,
    /// Keys.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What this function's role may open.
    pub purposes: &'static [Purpose],
    /// For how long one call works.
    pub within: Duration,
}

impl std::fmt::Debug for Rewrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewrap")
            .field("purposes", &self.purposes)
            .finish_non_exhaustive()
    }
}

/// One purpose of one project on its way.
struct Pass<'a> {
    ctx: &'a TenantCtx,
    records: Records<'a>,
    progress: Rewrapped,
    /// Version of the progress row; `None` while there is none.
    version: Option<u64>,
    until: Timestamp,
}

impl Rewrap {
    /// Goes on wherever a pass is not finished or due, until time is over.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn run(&self) -> Result<RewrapSummary, RecordError> {
        let until = self.clock.now().plus(self.within);
        let mut summary = RewrapSummary::default();
        for project in Directory::of(self.state.as_ref()).projects().await? {
            for purpose in self.purposes {
                if self.clock.now() >= until {
                    summary.more = true;
                    return Ok(summary);
                }
                let done = self.one(&project, *purpose, until, &mut summary).await;
                if let Err(error) = done {
                    summary.failed.push(RewrapFailure {
                        project: project.id,
                        purpose: *purpose,
                        error,
                    });
                }
            }
        }
        Ok(summary)
    }

    async fn one(
        &self,
        project: &Project,
        purpose: Purpose,
        until: Timestamp,
        summary: &mut RewrapSummary,
    ) -> Result<(), RewrapError> {
        let ctx = Directory::system(project, "rewrap");
        let records = Records::of(self.state.as_ref(), &ctx);
        let found = records.get::<Rewrapped>(purpose.name()).await?;
        let now = self.clock.now();
        let version = found.as_ref().map(|found| found.version);
        let progress = match found {
            Some(found) if found.value.is_done(now) => return Ok(()),
            Some(found) if found.value.finished_at.is_none() => found.value,
            _ => Rewrapped::begin(purpose, now, self.count(&ctx, purpose).await?),
        };
        let mut pass = Pass {
            ctx: &ctx,
            records,
            progress,
            version,
            until,
        };
        self.go_on(&mut pass, summary, project.id).await
    }

    async fn go_on(
        &self,
        pass: &mut Pass<'_>,
        summary: &mut RewrapSummary,
        project: ProjectId,
    ) -> Result<(), RewrapError> {
        loop {
            let purpose = pass.progress.id;
            let mut keys = self
                .vault
                .keys_after(pass.ctx, purpose, &pass.progress.after)
                .await?;
            keys.truncate(STEP);
            if keys.is_empty() {
                pass.progress.finished_at = Some(self.clock.now());
                self.keep(pass).await?;
                return Ok(());
            }
            for (context, key) in keys {
                let outcome = match &context {
                    Some(context) => self.vault.rewrap(context, &key).await,
                    None => Err(VaultError::NoSecret),
                };
                let progress = &mut pass.progress;
                match outcome {
                    Ok(true) => {
                        progress.done = progress.done.saturating_add(1);
                        summary.done = summary.done.saturating_add(1);
                    }
                    Ok(false) => {
                        progress.gone = progress.gone.saturating_add(1);
                        summary.gone = summary.gone.saturating_add(1);
                    }
                    Err(error) if is_passing(&error) => {
                        self.keep(pass).await?;
                        return Err(error.into());
                    }
                    Err(error) => {
                        progress.failed = progress.failed.saturating_add(1);
                        summary.failed.push(RewrapFailure {
                            project,
                            purpose,
                            error: error.into(),
                        });
                    }
                }
                pass.progress.after = key.name;
            }
            // Lost to another worker: that one goes on.
            if !self.keep(pass).await? {
                return Ok(());
            }
            if self.clock.now() >= pass.until {
                summary.more = true;
                return Ok(());
            }
        }
    }

    /// Writes the progress; `false` when another worker has written it meanwhile.
    async fn keep(&self, pass: &mut Pass<'_>) -> Result<bool, RecordError> {
        let write = match pass.version {
            None => pass.records.create(&pass.progress)?,
            Some(version) => pass.records.replace(version, &pass.progress)?,
        };
        let kept = self.state.write(vec![write]).await?;
        pass.version = Some(pass.version.unwrap_or(0).saturating_add(1));
        Ok(kept)
    }

    async fn count(&self, ctx: &TenantCtx, purpose: Purpose) -> Result<u64, VaultError> {
        let (mut total, mut after) = (0_u64, String::new());
        loop {
            let keys = self.vault.keys_after(ctx, purpose, &after).await?;
            let Some((_, last)) = keys.last() else {
                return Ok(total);
            };
            after.clone_from(&last.name);
            total = total.saturating_add(u64::try_from(keys.len()).unwrap_or(u64::MAX));
        }
    }
}

/// Whether the same call may go well later: then the pass waits, and nothing counts as failed.
fn is_passing(error: &VaultError) -> bool {
    match error {
        VaultError::Port(error) => {
            !matches!(error.kind, PortErrorKind::Refused | PortErrorKind::Corrupt)
        }
        VaultError::Record(_) => true,
        _ => false,
    }
}
