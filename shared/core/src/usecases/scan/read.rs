//! One worker at one shard: pages of Stripe become files.

use std::time::Duration;

use super::{Job, Scans};
use crate::ports::{Billing, PortError, PortErrorKind};
use crate::records::Records;
use crate::run::Unread;
use crate::scan::{FileKind, ScanList, Superseded, Walk};
use crate::sealed::Purpose;
use crate::snapshot::{Line, Look, Writer};
use crate::usecases::reconcile::{LookError, Reconcile, ReconcileError, RunSummary};

/// What a worker has read of its shard and not saved.
struct Reader {
    walk: Walk,
    look: Look,
    writer: Writer,
}

impl Scans {
    pub(super) async fn read(
        &self,
        mut job: Job<'_>,
        shard: u32,
    ) -> Result<RunSummary, ReconcileError> {
        // Whoever cut these off may have died before it could say so.
        for child in job.scan.value.unheard_of(shard).collect::<Vec<_>>() {
            self.send(job.read(child), Duration::ZERO).await?;
        }
        let Some(walk) = job.scan.value.walk(shard) else {
            return self.all_read(&job).await;
        };
        let look = Reconcile::first_line(&job.work, job.scan.value.as_of, None);
        let mut reader = Reader {
            walk,
            writer: Writer::new(&look),
            look,
        };
        let billing = match self.account(&job).await {
            Ok(billing) => billing,
            Err(error) => return self.unread(job, reader, error).await,
        };
        let until = self.reconcile.clock.now().plus(self.limits.hand_over);
        loop {
            if let Err(error) = reader.page(billing.as_ref()).await {
                return self.unread(job, reader, LookError::Stripe(error)).await;
            }
            let late = self.reconcile.clock.now() >= until;
            let full = reader.walk.unsaved() >= self.limits.objects;
            if reader.walk.is_done() || late || full {
                if self.save(&mut job, &mut reader).await?.is_err() {
                    return Ok(job.summary());
                }
                if reader.walk.is_done() {
                    return self.all_read(&job).await;
                }
                if late {
                    self.send(job.read(shard), Duration::ZERO).await?;
                    return Ok(job.summary());
                }
            } else if job.scan.value.may_split(&reader.walk) {
                let split = |scan: &mut crate::scan::ScanWork| {
                    let mut walk = reader.walk.clone();
                    let child = scan.split(&mut walk)?;
                    Ok((walk, child))
                };
                let Ok((walk, child)) = self.update(&mut job, split).await? else {
                    return Ok(job.summary());
                };
                reader.walk = walk;
                if let Some(child) = child {
                    self.send(job.read(child), Duration::ZERO).await?;
                }
            }
        }
    }

    /// Asks for the join when nothing is left to read.
    pub(super) async fn all_read(&self, job: &Job<'_>) -> Result<RunSummary, ReconcileError> {
        if job.scan.value.is_read() {
            self.send(job.join(), Duration::ZERO).await?;
        }
        Ok(job.summary())
    }

    pub(super) async fn account(&self, job: &Job<'_>) -> Result<Box<dyn Billing>, LookError> {
        let (ctx, project) = (job.work.ctx, job.work.project);
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let vault = &self.reconcile.vault;
        let key = vault
            .secret(&records, ctx, project.stripe()?, Purpose::Read)
            .await?;
        let account = self.reconcile.billing.account(&key, project.livemode);
        account.await.map_err(LookError::Stripe)
    }

    /// Stores what was read and saves that it is.
    async fn save(
        &self,
        job: &mut Job<'_>,
        reader: &mut Reader,
    ) -> Result<Result<(), Superseded>, ReconcileError> {
        let count = reader.walk.unsaved();
        let file = if count == 0 {
            None
        } else {
            let look = reader.look.clone();
            let writer = std::mem::replace(&mut reader.writer, Writer::new(&look));
            let (list, shard) = (reader.walk.list, reader.walk.shard);
            let label = format!("{list}-{shard}-{}", reader.walk.files().saturating_add(1));
            let kind = FileKind::List(list);
            let bytes = writer.finish()?;
            Some(self.keep(job, kind, label, &bytes, count).await?)
        };
        let walk = reader.walk.clone();
        let save = move |scan: &mut crate::scan::ScanWork| {
            let mut walk = walk.clone();
            scan.save(&mut walk, file.clone())?;
            Ok(walk)
        };
        match self.update(job, save).await? {
            Ok(walk) => {
                reader.walk = walk;
                Ok(Ok(()))
            }
            Err(superseded) => Ok(Err(superseded)),
        }
    }

    /// A page could not be read. What was read before it is saved; the shard is tried again later,
    /// or the scan ends here.
    async fn unread(
        &self,
        mut job: Job<'_>,
        mut reader: Reader,
        error: LookError,
    ) -> Result<RunSummary, ReconcileError> {
        let shard = reader.walk.shard;
        if reader.walk.unsaved() > 0 && self.save(&mut job, &mut reader).await?.is_err() {
            return Ok(job.summary());
        }
        let failed = |scan: &mut crate::scan::ScanWork| Ok(scan.failed(shard));
        let Ok(failures) = self.update(&mut job, failed).await? else {
            return Ok(job.summary());
        };
        if failures == 0 {
            // Somebody else has read it to its end meanwhile.
            return Ok(job.summary());
        }
        if is_final(&error) || failures >= self.limits.failures {
            let (range, _) = reader.walk.next_page();
            let unread = Unread {
                what: reader.walk.list.name().to_owned(),
                range: Some(range),
            };
            return self.close_partial(job, error, unread).await;
        }
        let wait = self.limits.retry.saturating_mul(failures);
        self.send(job.read(shard), wait).await?;
        Ok(job.summary())
    }
}

/// Whether trying again would not help.
pub(super) const fn is_final(error: &LookError) -> bool {
    match error {
        LookError::Stripe(port) | LookError::App(port) | LookError::Product(port) => {
            matches!(port.kind, PortErrorKind::Refused)
        }
        LookError::Vault(_) | LookError::Record(_) => false,
        LookError::RoleCanWrite { .. }
        | LookError::TooManyRows
        | LookError::TooManyCustomers
        | LookError::TooManyNewcomers
        | LookError::Mapping(_) => true,
    }
}

impl Reader {
    async fn page(&mut self, billing: &dyn Billing) -> Result<(), PortError> {
        let (range, cursor) = self.walk.next_page();
        let (objects, next) = match self.walk.list {
            ScanList::Customers => {
                let page = billing.customer_page(range, cursor).await?;
                let objects = page.data.len();
                for customer in page.data {
                    self.writer.line(&Line::Customer(customer));
                }
                (objects, page.next)
            }
            ScanList::Subscriptions => {
                let page = billing.subscription_page(range, cursor).await?;
                let objects = page.data.len();
                for subscription in page.data {
                    self.writer.line(&Line::Subscription(subscription));
                }
                (objects, page.next)
            }
            ScanList::OpenInvoices => {
                let page = billing.open_invoice_page(range, cursor).await?;
                let objects = page.data.len();
                for invoice in page.data {
                    self.writer.line(&Line::OpenInvoice(invoice));
                }
                (objects, page.next)
            }
        };
        if next.is_some() && next.as_ref() == cursor {
            let doing = "following the pages of a list of Stripe";
            return Err(PortError::new(PortErrorKind::Corrupt, doing));
        }
        self.walk.took(objects, next);
        Ok(())
    }
}
