//! A scan of what has changed: customers that Stripe's events name are read again, and everybody else
//! is carried over from the files of an earlier scan.
//!
//! The carried files are the new scan's own, sealed under its own keys. So comparing, replaying,
//! pruning and erasing know nothing of earlier scans, and the files of each run can go at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use super::{Job, Scans};
use crate::billing::{Customer, Invoice, Subscription};
use crate::ids::RunId;
use crate::ports::{Billing, CreatedRange, ListCursor, PortError, PortErrorKind};
use crate::records::{RecordError, Records};
use crate::redacted::Redacted;
use crate::run::{Instead, Run, Snapshot, Unread};
use crate::scan::{
    AccountSize, EVENTS, FileKind, Refresh, RefreshStep, ScanFile, ScanList, ScanWork, Superseded,
};
use crate::snapshot::{Line, Look, SnapshotError, Writer, changed, each_object, index_files};
use crate::time::Timestamp;
use crate::usecases::reconcile::{LookError, Reconcile, ReconcileError, RunSummary, open_snapshot};
use crate::webhook::{Event, Hint};

/// Events from before the earlier scan that are read once more: Stripe may list one late.
const OVERLAP: Duration = Duration::from_mins(15);

/// Pages of events that are read however small the account is.
const FEW_PAGES: u64 = 20;

/// Where events may not be listed, everything is read once in this time.
const DAY: Duration = Duration::from_hours(24);

/// Customers that are read at the same time.
const AT_ONCE: usize = 4;

/// Why a worker cannot go on.
enum Stopped {
    /// Everything has to be read.
    Full(Instead),
    /// Stripe cannot be read now.
    Look(LookError),
    /// The product's own stores cannot be.
    Failed(ReconcileError),
}

impl From<PortError> for Stopped {
    fn from(error: PortError) -> Self {
        Self::Look(LookError::Stripe(error))
    }
}

impl From<LookError> for Stopped {
    fn from(error: LookError) -> Self {
        Self::Look(error)
    }
}

impl From<ReconcileError> for Stopped {
    fn from(error: ReconcileError) -> Self {
        Self::Failed(error)
    }
}

impl From<RecordError> for Stopped {
    fn from(error: RecordError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SnapshotError> for Stopped {
    fn from(error: SnapshotError) -> Self {
        Self::Failed(error.into())
    }
}

/// `Err` inside where another worker has gone on.
type Stepped = Result<Result<(), Superseded>, Stopped>;

impl Scans {
    pub(super) async fn refresh(&self, mut job: Job<'_>) -> Result<RunSummary, ReconcileError> {
        let until = self.reconcile.clock.now().plus(self.limits.hand_over);
        loop {
            let Some(refresh) = job.scan.value.refresh.clone() else {
                // Everything is read, and whoever found that out may not have said so.
                self.ask_for_all(&job).await?;
                return Ok(job.summary());
            };
            let stepped = match refresh.step() {
                RefreshStep::Ask => self.ask(&mut job, &refresh).await,
                RefreshStep::Read(from) => self.read_again(&mut job, &refresh, from, until).await,
                RefreshStep::Carry(from) => self.carry(&mut job, &refresh, from).await,
                RefreshStep::Done => return self.all_read(&job).await,
            };
            match stepped {
                Ok(Ok(())) => {}
                Ok(Err(Superseded)) => return Ok(job.summary()),
                Err(Stopped::Full(instead)) => return self.read_in_full(job, instead).await,
                Err(Stopped::Look(error)) => return self.not_refreshed(job, error).await,
                Err(Stopped::Failed(error)) => return Err(error),
            }
            let left = !job.scan.value.is_read();
            if left && self.reconcile.clock.now() >= until {
                self.send(job.refresh(), Duration::ZERO).await?;
                return Ok(job.summary());
            }
        }
    }

    async fn read_in_full(
        &self,
        mut job: Job<'_>,
        instead: Instead,
    ) -> Result<RunSummary, ReconcileError> {
        let full = |scan: &mut ScanWork| scan.read_in_full(instead);
        if self.update(&mut job, full).await?.is_ok() {
            self.ask_for_all(&job).await?;
        }
        Ok(job.summary())
    }

    /// Stripe could not be read: the same again later, or the scan ends here.
    async fn not_refreshed(
        &self,
        mut job: Job<'_>,
        error: LookError,
    ) -> Result<RunSummary, ReconcileError> {
        let failed = |scan: &mut ScanWork| {
            let refresh = scan.refresh_mut()?;
            refresh.failures = refresh.failures.saturating_add(1);
            Ok((refresh.failures, refresh.step()))
        };
        let Ok((failures, step)) = self.update(&mut job, failed).await? else {
            return Ok(job.summary());
        };
        let asking = step == RefreshStep::Ask;
        let is_final = super::read::is_final(&error);
        if asking && is_final && matches!(error, LookError::Stripe(_)) {
            let read_since = job.work.run.value.read_since();
            if job.scan.value.as_of.since(read_since) >= DAY {
                return self.read_in_full(job, Instead::EventsRefused).await;
            }
        }
        if is_final || failures >= self.limits.failures {
            let what = match error {
                LookError::Stripe(_) if asking => EVENTS,
                _ => error.unread(),
            };
            let unread = Unread {
                what: what.to_owned(),
                range: None,
            };
            return self.close_partial(job, error, unread).await;
        }
        let wait = self.limits.retry.saturating_mul(failures);
        self.send(job.refresh(), wait).await?;
        Ok(job.summary())
    }

    /// Asks Stripe who has changed.
    async fn ask(&self, job: &mut Job<'_>, refresh: &Refresh) -> Stepped {
        let earlier = self.earlier(job, refresh.baseline.run).await?;
        let size = AccountSize::counted(&earlier.counts);
        let billing = self.account(job).await?;
        let as_of = job.scan.value.as_of;
        let mut asked = Asked::new(refresh.baseline.as_of, as_of);
        let mut found = BTreeSet::new();
        // More pages of events than a full scan has of everything.
        let most = size.full().saturating_sub(size.incremental(0));
        let mut pages = 0_u64;
        while let Some(events) = asked.page(billing.as_ref()).await? {
            pages = pages.saturating_add(1);
            if pages > most.max(FEW_PAGES) {
                return Err(Stopped::Full(Instead::TooManyChanges));
            }
            found.extend(events.into_iter().filter_map(|event| match event.hint {
                Hint::Customer(customer) => Some(customer),
                _ => None,
            }));
            let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
            if count > self.limits.changed && !size.is_cheaper(count) {
                return Err(Stopped::Full(Instead::TooManyChanges));
            }
        }
        // Whoever has an incident since is read again, whether or not an event names them: it must not
        // end by what was read before it opened.
        for incident in self.reconcile.incidents(job.work.ctx).await?.into_values() {
            let incident = incident.value;
            let since = incident.seen_at >= refresh.baseline.as_of;
            if since && incident.seen_by != refresh.baseline.run && !incident.is_erased() {
                found.extend(incident.finding.customers);
            }
        }
        let mut writer = Writer::new(&Reconcile::first_line(&job.work, as_of, None));
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        for customer in found {
            writer.line(&Line::Changed { customer });
        }
        let bytes = writer.finish()?;
        let label = "changed".to_owned();
        let kept = self.keep(job, FileKind::Changed, label, &bytes, count);
        let kept = kept.await?;
        let save = |scan: &mut ScanWork| scan.refresh_mut()?.asked(kept.clone());
        Ok(self.update(job, save).await?)
    }

    /// The run of the earlier scan, whose files must not have been given up. It is read when this
    /// run is durable: an erasure that gives them up afterwards finds this run.
    async fn earlier(&self, job: &Job<'_>, run: RunId) -> Result<Run, Stopped> {
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        let found = records.get::<Run>(&run.to_string()).await?;
        found
            .map(|run| run.value)
            .filter(|run| run.pruned.is_none())
            .ok_or(Stopped::Full(Instead::BaselineGone))
    }

    /// Reads some of those again who have changed.
    async fn read_again(
        &self,
        job: &mut Job<'_>,
        refresh: &Refresh,
        from: u64,
        until: Timestamp,
    ) -> Stepped {
        let names = self.changed(job, refresh).await?;
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let billing = self.account(job).await?;
        let mut again = stream::iter(names.into_iter().skip(skip))
            .map(|name| Again::read(billing.as_ref(), name))
            .buffered(AT_ONCE);
        let mut open = Open::new(job);
        let mut count = 0_u64;
        let mut failed = None;
        while let Some(customer) = again.next().await {
            match customer {
                Ok(customer) => customer.put(&mut open),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            count = count.saturating_add(1);
            let full = open.largest() >= self.limits.objects;
            if full || self.reconcile.clock.now() >= until {
                break;
            }
        }
        drop(again);
        let mut files = Vec::new();
        for (list, (writer, objects)) in open.lists {
            let label = format!("{list}-again-{}", from.saturating_add(1));
            let bytes = writer.finish()?;
            let kept = self.keep(job, FileKind::List(list), label, &bytes, objects);
            files.push(kept.await?);
        }
        if count > 0 {
            let save =
                |scan: &mut ScanWork| scan.refresh_mut()?.read_again(from, count, files.clone());
            if self.update(job, save).await?.is_err() {
                return Ok(Err(Superseded));
            }
        }
        failed.map_or(Ok(Ok(())), |error| Err(error.into()))
    }

    /// Carries over the next file of the earlier scan, and more of its list while they are small.
    async fn carry(&self, job: &mut Job<'_>, refresh: &Refresh, from: u64) -> Stepped {
        let earlier = self.earlier(job, refresh.baseline.run).await?;
        let files = self.files_of(job, &earlier).await?;
        let names = self.changed(job, refresh).await?;
        let mut open = Open::new(job);
        let mut next = from;
        let mut left = files
            .iter()
            .skip(usize::try_from(from).unwrap_or(usize::MAX));
        let list = left.clone().next().map(|file| file.kind);
        while let Some(file) = left.next().filter(|file| Some(file.kind) == list) {
            let stored = file.snapshot(job.work.project.id, earlier.id);
            let bytes = self.earlier_file(job, &stored).await?;
            let read = each_object(bytes.reveal(), |list, customer, line| {
                if !names.contains(customer) {
                    open.put(list, line);
                }
            });
            read.map_err(|_| Stopped::Full(Instead::BaselineGone))?;
            next = next.saturating_add(1);
            if open.largest() >= self.limits.objects {
                break;
            }
        }
        let last = next >= u64::try_from(files.len()).unwrap_or(u64::MAX);
        let mut kept = Vec::new();
        for (list, (writer, objects)) in open.lists {
            let label = format!("{list}-carried-{next}");
            let bytes = writer.finish()?;
            let file = self.keep(job, FileKind::List(list), label, &bytes, objects);
            kept.push(file.await?);
        }
        let save = |scan: &mut ScanWork| {
            let refresh = scan.refresh_mut()?;
            refresh.carried(from, next, kept.clone(), last)
        };
        Ok(self.update(job, save).await?)
    }

    /// Who has changed.
    async fn changed(&self, job: &Job<'_>, refresh: &Refresh) -> Result<BTreeSet<String>, Stopped> {
        let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the scan's record");
        let file = refresh.changed.as_ref().ok_or_else(corrupt);
        let (project, run) = job.ids();
        let stored = file.map_err(ReconcileError::from)?.snapshot(project, run);
        let bytes = self.reconcile.kept(&job.work, &stored).await?;
        Ok(changed(bytes.reveal())?)
    }

    /// The files of Stripe's side of the earlier scan.
    async fn files_of(&self, job: &Job<'_>, earlier: &Run) -> Result<Vec<ScanFile>, Stopped> {
        let index = earlier.looks.last();
        let index = index.ok_or(Stopped::Full(Instead::BaselineGone))?;
        let bytes = self.earlier_file(job, index).await?;
        let files = index_files(bytes.reveal());
        // Written by another version, which this one cannot read.
        let mut files = files.map_err(|_| Stopped::Full(Instead::BaselineGone))?;
        files.retain(|file| matches!(file.kind, FileKind::List(_)));
        Ok(files)
    }

    async fn earlier_file(
        &self,
        job: &Job<'_>,
        stored: &Snapshot,
    ) -> Result<Redacted<Vec<u8>>, Stopped> {
        let (vault, objects) = (&self.reconcile.vault, self.reconcile.objects.as_ref());
        let opened = open_snapshot(vault, objects, job.work.ctx, stored).await;
        let opened = opened.map_err(ReconcileError::from)?;
        let same = |file: &Redacted<Vec<u8>>| {
            counterfoil_evidence::hash::digest_string(file.reveal()) == stored.digest
        };
        opened
            .filter(same)
            .ok_or(Stopped::Full(Instead::BaselineGone))
    }
}

/// The way through the events since an earlier scan.
struct Asked {
    range: CreatedRange,
    cursor: Option<ListCursor>,
    ended: bool,
}

impl Asked {
    fn new(since: Timestamp, as_of: Timestamp) -> Self {
        let overlap = i64::try_from(OVERLAP.as_secs()).unwrap_or(i64::MAX);
        Self {
            range: CreatedRange {
                from: since.as_secs().saturating_sub(overlap),
                ..CreatedRange::up_to(as_of)
            },
            cursor: None,
            ended: false,
        }
    }

    async fn page(&mut self, billing: &dyn Billing) -> Result<Option<Vec<Event>>, PortError> {
        if self.ended {
            return Ok(None);
        }
        let page = billing.event_page(self.range, self.cursor.as_ref()).await?;
        if page.next.is_some() && page.next == self.cursor {
            let doing = "following the pages of events of Stripe";
            return Err(PortError::new(PortErrorKind::Corrupt, doing));
        }
        self.ended = page.next.is_none();
        self.cursor = page.next;
        Ok(Some(page.data))
    }
}

/// A customer as the lists of a full scan would show it.
struct Again {
    customer: Option<Customer>,
    subscriptions: Vec<Subscription>,
    invoices: Vec<Invoice>,
}

impl Again {
    async fn read(billing: &dyn Billing, id: String) -> Result<Self, PortError> {
        Ok(Self {
            customer: billing.customer(&id).await?,
            subscriptions: billing.subscriptions_of(&id).await?,
            invoices: billing.open_invoices_of(&id).await?,
        })
    }

    fn put(self, open: &mut Open) {
        let to = open.to;
        let customer = self.customer.filter(|it| !it.deleted && it.created < to);
        if let Some(customer) = customer {
            open.put(ScanList::Customers, &Line::Customer(customer));
        }
        for subscription in self.subscriptions.into_iter().filter(|it| it.created < to) {
            let line = Line::Subscription(subscription);
            open.put(ScanList::Subscriptions, &line);
        }
        let created = |it: &Invoice| it.created.is_none_or(|created| created < to);
        for invoice in self.invoices.into_iter().filter(created) {
            open.put(ScanList::OpenInvoices, &Line::OpenInvoice(invoice));
        }
    }
}

/// Files that are being written, one per list.
struct Open {
    look: Look,
    /// Nothing that was created then or later belongs to the scan.
    to: i64,
    lists: BTreeMap<ScanList, (Writer, u64)>,
}

impl Open {
    fn new(job: &Job<'_>) -> Self {
        let as_of = job.scan.value.as_of;
        Self {
            look: Reconcile::first_line(&job.work, as_of, None),
            to: CreatedRange::up_to(as_of).to,
            lists: BTreeMap::new(),
        }
    }

    fn put(&mut self, list: ScanList, line: &Line) {
        let look = &self.look;
        let open = self.lists.entry(list);
        let (writer, count) = open.or_insert_with(|| (Writer::new(look), 0));
        writer.line(line);
        *count = count.saturating_add(1);
    }

    /// Objects in the largest of them.
    fn largest(&self) -> u64 {
        let counts = self.lists.values().map(|(_, count)| *count);
        counts.max().unwrap_or(0)
    }
}
