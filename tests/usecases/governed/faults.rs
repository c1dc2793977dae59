//! Every durable step of a run, failed or failed but happened, and the same request again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::governed_run::{FlowKind, Report, RunState};
use counterfoil_core::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, PortError, PortErrorKind,
};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{Completion, GovernedRuns, RunError, SweepRuns, Voted};
use counterfoil_testkit::memory::MemStore;

use super::super::world::World;
use super::{action, done, flow};

/// Lets appends through until one is lost: not sent, or answered by nobody.
struct Losing {
    store: Arc<MemStore>,
    left: AtomicUsize,
    happens: bool,
}

#[async_trait]
impl EvidenceAppend for Losing {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left != 0 {
            return self.store.append(stream, batch).await;
        }
        self.left.store(usize::MAX, Ordering::SeqCst);
        let lost = |kind| PortError::new(kind, "a planned failure");
        if self.happens {
            drop(self.store.append(stream, batch).await);
            return Err(AppendError::OutcomeUnknown(lost(
                PortErrorKind::OutcomeUnknown,
            )));
        }
        Err(AppendError::Unavailable(lost(PortErrorKind::Unavailable)))
    }
}

fn losing(world: &World, step: usize, happens: bool) -> Arc<Losing> {
    Arc::new(Losing {
        store: world.store.clone(),
        left: AtomicUsize::new(step),
        happens,
    })
}

/// A whole run, in which the caller sends each request until it is answered, as agents do: a repeat of
/// what has happened is told so by the state that it meets.
async fn whole_run(world: &World, runs: &GovernedRuns) {
    let ctx = &world.repair_key;
    let mut opened = runs.open(ctx, flow(FlowKind::Governed)).await;
    if opened.is_err() {
        opened = runs.open(ctx, flow(FlowKind::Governed)).await;
    }
    let run = opened.unwrap().value.id.to_string();
    // The caller's own number says which step it is, so that a repeat is no second action.
    let mut held = action("refund.create", "invoice-1");
    held.seq = Some(0);
    let mut proposed = runs.propose(ctx, &run, &held).await;
    if proposed.is_err() {
        held.seq = None;
        proposed = runs.propose(ctx, &run, &held).await;
    }
    let act = proposed.unwrap().action.value;
    let mut votes = world.vote();
    votes.ports.evidence = runs.evidence.clone();
    let id = act.id.to_string();
    for _ in 0..2 {
        let vote = Voted {
            kind: VoteKind::Approve,
            digest: &act.digest,
            reason: "checked the invoice",
            version: None,
        };
        if Box::pin(votes.vote(&world.ben, &id, &vote)).await.is_ok() {
            break;
        }
    }
    for _ in 0..2 {
        let reported = runs.report(ctx, &id, &done(&act, Report::Executed)).await;
        match reported {
            Ok(_) | Err(RunError::WrongState(ActionState::Executed)) => break,
            Err(_) => {}
        }
    }
    for _ in 0..2 {
        match runs.complete(ctx, &run, &Completion::default()).await {
            Ok(_) | Err(RunError::Ended(RunState::Completed)) => break,
            Err(_) => {}
        }
    }
}

/// Of the run that was completed: one decision, one resolution, one effect, one end.
#[tokio::test]
async fn a_lost_step_of_a_run_happens_once_whether_it_was_lost_before_or_after() {
    for happens in [false, true] {
        for step in 0..5 {
            let world = World::new().await;
            world.register().await;
            let runs = world.governed_on(losing(&world, step, happens));
            whole_run(&world, &runs).await;
            let counts =
                ["run.resolution", "run.action", "run.close"].map(|kind| world.count(kind));
            // A refused second vote has a run of its own, which closes at once.
            let refused = world.count("run.decision") - 1;
            assert_eq!(
                counts,
                [1, 1, 1 + refused],
                "step {step}, happens {happens}"
            );
            assert!(refused <= 1, "step {step}, happens {happens}");
        }
    }
}

/// docs/runs.md: a run ends at the latest after 35 days, and nothing in it waits longer.
#[tokio::test]
async fn nothing_in_a_run_waits_longer_than_the_run_lasts() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let opened = world.clock.now();
    let ends = opened.plus(Duration::from_hours(24 * 35));
    world.clock.advance(Duration::from_hours(24 * 34));
    let late = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!(late.state, ActionState::Held);
    assert_eq!(late.binding.expires_at, ends);
    world.clock.advance(Duration::from_hours(24));
    let new = action("refund.create", "invoice-2");
    let refused = world
        .governed()
        .propose(&world.repair_key, &run, &new)
        .await;
    let ended = matches!(refused, Err(RunError::Ended(RunState::Expired)));
    assert!(ended, "{:?}", refused.err());
}

#[tokio::test]
async fn a_sweep_that_dies_between_its_steps_is_finished_by_the_next_one() {
    for happens in [false, true] {
        for step in 0..3 {
            let world = World::new().await;
            world.register().await;
            let run = world.open_run().await;
            world.act(&run, "refund.create", "invoice-1").await;
            world.act(&run, "mail.send", "ticket-1").await;
            world.clock.advance(Duration::from_hours(24 * 35));
            let sweep = SweepRuns {
                runs: world.governed_on(losing(&world, step, happens)),
            };
            sweep.sweep().await.unwrap();
            let swept = world.sweep_runs().sweep().await.unwrap();
            assert!(swept.failed.is_empty(), "{swept:?}");
            assert_eq!(
                world.count("run.resolution"),
                1,
                "step {step}, happens {happens}"
            );
            assert_eq!(
                world.count("run.close"),
                1,
                "step {step}, happens {happens}"
            );
            let found = world.governed().get(&world.repair_key, &run).await.unwrap();
            assert_eq!(found.value.state, RunState::Aborted);
            assert_eq!(found.value.tally.unresolved, 0);
        }
    }
}
