//! Asking for a check: of one customer, or of the whole project.
//!
//! The request gets the id of its run at once, and the message carries it, so that whoever asks can
//! wait for that run and a message that comes twice makes one. The row that remembers the request is
//! written before the message goes out: whoever repeats the request after a lost answer sends the
//! same message again. Whether Stripe knows the customer is not known here, and the answer does not
//! tell. The run is recorded when it opens, with who asked for it.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::billing::is_customer_id;
use crate::ids::{ProjectId, RunId};
use crate::ports::{
    CheckRequest, Checks, Clock, PortError, Random, ScanRequest, ScanRequests, State, StateWrite,
};
use crate::records::{Directory, Missing, Record, RecordError, Records};
use crate::run::Run;
use crate::tenancy::{Principal, TenantCtx};

/// How long a repeat is known.
const REMEMBERED: Duration = Duration::from_hours(24);

/// The longest that a message waits in a queue, and a scan for its turn.
const LONGEST_WAIT: Duration = Duration::from_hours(14 * 24);

/// Why no check was asked for.
#[derive(Debug, Error)]
pub enum AskError {
    /// No such project, or not the caller's: 404.
    #[error("there is no such project")]
    NotFound,
    /// The caller may only read: 403.
    #[error("the caller may not ask for checks")]
    NotAble,
    /// Nothing can be compared yet: 409.
    #[error("the project is not complete")]
    Incomplete(#[source] Missing),
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The same key came with another request: 422.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A queue did not take the message, or the table did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
}

/// A check that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The run that it will be; it opens in a moment.
    pub run: RunId,
    /// It was asked for before with the same key.
    pub again: bool,
}

/// The latest scan that somebody has asked for. One row per project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct NextScan {
    run: RunId,
}

impl Record for NextScan {
    const FAMILY: &'static str = "scan-next";

    fn id(&self) -> String {
        "scan".to_owned()
    }
}

/// The memory of a request: no word of whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    /// SHA-256 of who asked and of their key.
    id: String,
    /// SHA-256 of what they asked for.
    asked: String,
    run: RunId,
}

impl Record for Request {
    const FAMILY: &'static str = "check_request";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Who asked for a run, until it opens: its `run.open` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AskedRun {
    run: RunId,
    by: Principal,
}

impl Record for AskedRun {
    const FAMILY: &'static str = "asked-run";

    fn id(&self) -> String {
        self.run.to_string()
    }
}

/// Who asked for this run; `None` where nobody did.
pub(super) async fn who_asked(
    records: &Records<'_>,
    run: RunId,
) -> Result<Option<Principal>, RecordError> {
    let asked = records.get::<AskedRun>(&run.to_string()).await?;
    Ok(asked.map(|asked| asked.value.by))
}

/// Takes requests for checks.
#[derive(Clone)]
pub struct AskChecks {
    /// State.
    pub state: Arc<dyn State>,
    /// The checks queue.
    pub checks: Arc<dyn Checks>,
    /// The scans queue.
    pub scans: Arc<dyn ScanRequests>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for AskChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskChecks")
    }
}

impl AskChecks {
    /// Whether the caller may ask for checks at all. It comes before what they sent.
    ///
    /// # Errors
    /// [`AskError::NotAble`] for a key that may only read, or a person who may not operate.
    pub fn admit(&self, ctx: &TenantCtx) -> Result<(), AskError> {
        if ctx.principal().may_operate() {
            Ok(())
        } else {
            Err(AskError::NotAble)
        }
    }

    /// Whether the caller may ask for checks of this project.
    ///
    /// # Errors
    /// [`AskError::NotFound`], then [`AskError::NotAble`].
    pub fn able(&self, ctx: &TenantCtx, project: &str) -> Result<(), AskError> {
        // A credential is for one project: every other one is absent.
        if project.parse::<ProjectId>().ok() != Some(ctx.project()) {
            return Err(AskError::NotFound);
        }
        self.admit(ctx)
    }

    /// Asks for a check of `customer`, or of everybody. `key` is the caller's `Idempotency-Key`.
    ///
    /// # Errors
    /// See [`AskError`]. After a 503 the same request asks for the same run.
    pub async fn ask(
        &self,
        ctx: &TenantCtx,
        key: &str,
        project: &str,
        customer: Option<&str>,
    ) -> Result<Asked, AskError> {
        self.able(ctx, project)?;
        if customer.is_some_and(|customer| !is_customer_id(customer)) {
            return Err(AskError::Invalid {
                field: "/customer",
                rule: "must be a Stripe customer id, such as cus_NffrFeUfNV2Hib",
            });
        }
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let found = found.ok_or(AskError::NotFound)?.value;
        if let Some(missing) = found.missing().first() {
            return Err(AskError::Incomplete(*missing));
        }
        let (request, again) = self.remember(ctx, key, customer).await?;
        self.send(ctx, request.run, customer).await?;
        Ok(Asked {
            run: request.run,
            again,
        })
    }

    /// The request under this key, made or found.
    async fn remember(
        &self,
        ctx: &TenantCtx,
        key: &str,
        customer: Option<&str>,
    ) -> Result<(Request, bool), AskError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let now = self.clock.now();
        let fresh = RunId::new(now, self.random.bits128());
        let (run, turn) = match customer {
            Some(_) => (fresh, None),
            None => self.next_scan(&records, fresh).await?,
        };
        let new = Request {
            id: digest(&[&ctx.principal().account(), key]),
            asked: digest(&[customer.unwrap_or_default()]),
            run,
        };
        let mut writes = vec![records.create(&new)?.until(now.plus(REMEMBERED))];
        if run == fresh {
            let asker = AskedRun {
                run,
                by: ctx.principal().clone(),
            };
            writes.push(records.create(&asker)?.until(now.plus(LONGEST_WAIT)));
        }
        writes.extend(turn);
        // A failed write may have happened: the row, where there is one, tells.
        let written = self.state.write(writes).await;
        let known = records.get::<Request>(&new.id).await?;
        match known.map(|known| known.value) {
            Some(known) if known.asked != new.asked => Err(AskError::KeyReused),
            Some(known) => {
                let again = known.run != new.run || matches!(written, Ok(false));
                Ok((known, again))
            }
            None => Err(match written {
                Err(error) => error.into(),
                Ok(_) => PortError::new(
                    crate::ports::PortErrorKind::Unavailable,
                    "remembering a request",
                )
                .into(),
            }),
        }
    }

    /// The scan that whoever asks now will get: one that was asked for and has not opened reads later
    /// than the question, so it answers it as well. Otherwise `fresh`, with the row that says so.
    async fn next_scan(
        &self,
        records: &Records<'_>,
        fresh: RunId,
    ) -> Result<(RunId, Option<StateWrite>), AskError> {
        let new = NextScan { run: fresh };
        let Some(next) = records.get::<NextScan>(&new.id()).await? else {
            return Ok((fresh, Some(records.create(&new)?)));
        };
        let waits = next.value.run;
        if records.get::<Run>(&waits.to_string()).await?.is_none() {
            return Ok((waits, None));
        }
        Ok((fresh, Some(records.replace(next.version, &new)?)))
    }

    async fn send(
        &self,
        ctx: &TenantCtx,
        run: RunId,
        customer: Option<&str>,
    ) -> Result<(), PortError> {
        let project = ctx.project();
        if let Some(customer) = customer {
            let request = CheckRequest::Asked {
                workspace: ctx.workspace(),
                project,
                customer: customer.to_owned(),
                run,
            };
            self.checks.send(&request, Duration::ZERO).await
        } else {
            let request = ScanRequest::Start { project, run };
            self.scans.send(&request, Duration::ZERO).await
        }
    }
}

fn digest(parts: &[&str]) -> String {
    hex::encode(sha256(parts.join("\n").as_bytes()).as_bytes())
}
