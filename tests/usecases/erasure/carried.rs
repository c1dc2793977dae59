//! A scan of what has changed carries over what an earlier one has read: an erasure that gives up the
//! earlier one's files finds what was carried over as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ids::RunId;
use counterfoil_core::ports::{AppendError, Batch, Clock, EntryRef, EvidenceAppend, Objects};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::Run;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::Erase;

use super::bench::{Bench, request};

const TWO_HOURS: Duration = Duration::from_hours(2);

/// A shop that one scan has read, two hours ago.
async fn scanned() -> Arc<Bench> {
    let bench = Bench::new().await;
    bench.world.set_row("u1", true);
    bench.world.scan().await;
    bench.world.clock.advance(TWO_HOURS);
    Arc::new(bench)
}

async fn runs(bench: &Bench) -> Vec<Run> {
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let runs = records.list::<Run>().await.unwrap().into_iter();
    runs.map(|run| run.value).collect()
}

/// Opens a scan of what has changed since the last one.
async fn carry_on(bench: &Bench) -> RunId {
    let due = bench.world.scans().scan_due().await.unwrap().remove(0).1;
    let id = due.unwrap().expect("it is due").run;
    let run = runs(bench).await.into_iter().find(|run| run.id == id);
    assert!(run.unwrap().since().is_some());
    id
}

/// When what is kept of each run was read, for runs of which something is.
async fn kept(bench: &Bench) -> Vec<Timestamp> {
    let mut kept = Vec::new();
    for run in runs(bench).await {
        let prefix = format!("snapshots/{}/{}/", bench.world.project.id, run.id);
        if !bench.world.objects.keys(&prefix).await.unwrap().is_empty() {
            kept.push(run.read_since());
        }
    }
    kept
}

async fn erase(erase: &Erase, bench: &Bench) -> ErasureState {
    let erased = erase.customer(&bench.admin, "cus_2", &request()).await;
    erased.unwrap().erasure.state
}

#[tokio::test]
async fn what_scans_have_carried_over_or_are_about_to_goes() {
    let bench = scanned().await;
    carry_on(&bench).await;
    bench.world.deliver_scans().await;
    bench.world.clock.advance(TWO_HOURS);
    carry_on(&bench).await;
    let state = erase(&bench.erase(), &bench).await;
    assert_eq!(state, ErasureState::Cleaning, "one is at work");
    bench.world.deliver_scans().await;
    assert_eq!(bench.erase().finish().await.unwrap(), 1);
    assert_eq!(kept(&bench).await, []);
    // Whoever comes later has read everything.
    bench.world.clock.advance(TWO_HOURS);
    let began = bench.world.clock.now();
    bench.world.scans().scan_due().await.unwrap();
    bench.world.deliver_scans().await;
    assert_eq!(kept(&bench).await, [began]);
}

/// Evidence; when snapshots are about to be given up, a scan goes on from one of them.
struct Overtaken {
    inner: Arc<dyn EvidenceAppend>,
    bench: Arc<Bench>,
    /// How many pieces of work it does meanwhile.
    pieces: usize,
    done: AtomicBool,
}

#[async_trait]
impl EvidenceAppend for Overtaken {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let pruned = batch
            .drafts
            .iter()
            .any(|it| it.kind == Kind::SnapshotPruned);
        if pruned && !self.done.swap(true, Ordering::SeqCst) {
            self.bench.world.clock.advance(Duration::from_secs(1));
            carry_on(&self.bench).await;
            let mut scans = self.bench.world.scans();
            scans.limits.hand_over = Duration::ZERO;
            for _ in 0..self.pieces {
                for (request, _) in self.bench.world.mail.take_scans() {
                    scans.handle(&request).await.unwrap();
                }
            }
        }
        self.inner.append(stream, batch).await
    }
}

#[tokio::test]
async fn a_scan_that_overtakes_the_erasure_does_not_save_what_is_erased() {
    for pieces in [0, 1, 2, 9] {
        let bench = scanned().await;
        let plain = bench.erase();
        let overtaken = Erase {
            evidence: Arc::new(Overtaken {
                inner: plain.evidence.clone(),
                bench: bench.clone(),
                pieces,
                done: AtomicBool::new(false),
            }),
            ..plain
        };
        let state = erase(&overtaken, &bench).await;
        assert_eq!(state, ErasureState::Cleaning, "{pieces} pieces");
        bench.world.deliver_scans().await;
        assert_eq!(bench.erase().finish().await.unwrap(), 1);
        // Also of one that had to read everything in the end: it may have carried something before.
        assert_eq!(kept(&bench).await, [], "{pieces} pieces");
    }
}
