//! What asks for a check of one customer, and when the question was answered already.
//!
//! Events come in bursts: one change of a customer is several events, and each asks for a check.
//! A check reads both sides as they are, so one that began after a request was made answers it.
//! The row that says so is written when a check has looked, never before: a check that dies or
//! cannot read a side answers nobody. Two workers that take requests about one customer at the same
//! moment both check; that costs requests and changes nothing.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};

use super::{Reconcile, ReconcileError, RunSummary, Work, as_opened, summary};
use crate::ids::RunId;
use crate::ports::Expect;
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::run::{MANUAL, Run, RunResult, RunScope, RunStep};
use crate::sealed::Purpose;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::connections::ended_since;

/// How far the clocks of two functions may lie apart. Shorter than the wait before a check, or no
/// check would ever answer a second request.
const CLOCKS: Duration = Duration::from_secs(1);

/// How long an answer is remembered: longer than requests wait in the queue when nothing is wrong.
const REMEMBER: Duration = Duration::from_hours(1);

/// The last check of a customer that looked at both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked {
    /// SHA-256 of the customer's id: the row must not name anybody.
    customer: String,
    /// When it began.
    began_at: Timestamp,
}

impl Record for Checked {
    const FAMILY: &'static str = "checked";

    fn id(&self) -> String {
        self.customer.clone()
    }
}

fn digest(customer: &str) -> String {
    hex::encode(sha256(customer.as_bytes()).as_bytes())
}

impl Reconcile {
    /// Checks a customer, unless a check that began after `asked_at` has answered.
    pub(super) async fn check(
        &self,
        project: &Project,
        customer: &str,
        reason: &str,
        asked_at: Option<Timestamp>,
    ) -> Result<Option<RunSummary>, ReconcileError> {
        let ctx = Directory::system(project, "check");
        if let Some(asked_at) = asked_at
            && self.answered(&ctx, customer, asked_at).await?
        {
            return Ok(None);
        }
        let began_at = self.clock.now();
        let scope = RunScope::Check {
            customer: customer.to_owned(),
        };
        let summary = self.start(&ctx, project, scope, reason).await?;
        let looked = !matches!(
            summary.result,
            Some(RunResult::Partial | RunResult::Aborted)
        );
        if looked {
            // The run stands. Without this row the next request only checks once more.
            drop(self.answer(&ctx, customer, began_at).await);
        }
        Ok(Some(summary))
    }

    /// Checks whoever owns a subscription. Nobody does when Stripe never knew it, and nobody can be
    /// asked when the connection has ended.
    pub(super) async fn check_owner(
        &self,
        project: &Project,
        subscription: &str,
        asked_at: Timestamp,
    ) -> Result<Option<RunSummary>, ReconcileError> {
        let ctx = Directory::system(project, "check");
        let records = Records::of(self.state.as_ref(), &ctx);
        if ended_since(&records, project).await?.is_some() {
            return Ok(None);
        }
        let key = self
            .vault
            .secret(&records, &ctx, project.stripe()?, Purpose::Read)
            .await?;
        let account = self.billing.account(&key, project.livemode).await?;
        let Some(found) = account.subscription(subscription).await? else {
            return Ok(None);
        };
        self.check(project, &found.customer, "webhook", Some(asked_at))
            .await
    }

    /// The check that a person has asked for, under the id that they were given. A message that
    /// comes again goes on where the run is.
    pub(super) async fn asked(
        &self,
        project: &Project,
        customer: &str,
        run: RunId,
    ) -> Result<RunSummary, ReconcileError> {
        let ctx = Directory::system(project, "check");
        let records = Records::of(self.state.as_ref(), &ctx);
        if let Some(known) = records.get::<Run>(&run.to_string()).await? {
            return match known.value.step {
                // Its worker died, or is at it: whoever closes first wins.
                RunStep::Looking => {
                    let project = &as_opened(project, &known.value);
                    let (ctx, run) = (&ctx, known);
                    self.look(Work { ctx, project, run }).await
                }
                // The second look has its own message.
                RunStep::Confirming | RunStep::Done => Ok(summary(&known.value)),
                RunStep::Recording => self.resume(&ctx, project, run).await,
            };
        }
        let scope = RunScope::Check {
            customer: customer.to_owned(),
        };
        let run = Run::opened(run, scope, MANUAL, self.clock.now());
        let work = self.open(&ctx, project, run, Vec::new()).await?;
        self.look(work).await
    }

    async fn answered(
        &self,
        ctx: &TenantCtx,
        customer: &str,
        asked_at: Timestamp,
    ) -> Result<bool, RecordError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let last = records.get::<Checked>(&digest(customer)).await?;
        Ok(last.is_some_and(|last| last.value.began_at >= asked_at.plus(CLOCKS)))
    }

    async fn answer(
        &self,
        ctx: &TenantCtx,
        customer: &str,
        began_at: Timestamp,
    ) -> Result<bool, RecordError> {
        let checked = Checked {
            customer: digest(customer),
            began_at,
        };
        let records = Records::of(self.state.as_ref(), ctx);
        let mut write = records.create(&checked)?.until(began_at.plus(REMEMBER));
        write.expect = Expect::Anything;
        Ok(self.state.write(vec![write]).await?)
    }
}
