//! What others do while something is deleted: withdraw it, set a hold, repair.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::deletion::{DELAY, Deletion};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, State as _,
};
use counterfoil_core::records::{Directory, Records, Unfinished, Versioned};
use counterfoil_core::repair::VoteKind;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    Delete, DeletionError, DeletionOf, HoldError, LegalHolds, NewHold, SweepRepairs, Voted,
};

use super::bench::Bench;
use crate::erasure::bench::ALL;
use crate::repairs::meanwhile::demoted;

type Then = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Evidence; right before or after an entry of the kind given somebody does something, once.
struct Interrupted {
    inner: Arc<dyn EvidenceAppend>,
    at: Kind,
    before: bool,
    then: Mutex<Option<Then>>,
}

impl Interrupted {
    fn new(
        bench: &Bench,
        (at, before): (Kind, bool),
        then: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: bench.shop.world.store.clone(),
            at,
            before,
            then: Mutex::new(Some(Box::pin(then))),
        })
    }

    fn came(&self) -> bool {
        self.then.lock().unwrap().is_none()
    }
}

#[async_trait]
impl EvidenceAppend for Interrupted {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let hit = batch.drafts.iter().any(|draft| draft.kind == self.at);
        let then = hit.then(|| self.then.lock().unwrap().take()).flatten();
        let Some(then) = then else {
            return self.inner.append(stream, batch).await;
        };
        if self.before {
            then.await;
            return self.inner.append(stream, batch).await;
        }
        let done = self.inner.append(stream, batch).await;
        then.await;
        done
    }
}

fn during(bench: &Bench, evidence: &Arc<Interrupted>) -> Delete {
    Delete {
        evidence: evidence.clone(),
        ..bench.delete()
    }
}

async fn waiting(bench: &Bench) -> Option<Versioned<Deletion>> {
    let second = bench.office(&bench.shop.second).await;
    let of = DeletionOf::Workspace(&second);
    bench.delete().find(of).await.unwrap()
}

async fn withdraw(bench: &Bench) -> Result<(), DeletionError> {
    let second = bench.office(&bench.shop.second).await;
    let of = DeletionOf::Workspace(&second);
    bench.delete().withdraw(of, None).await.map(drop)
}

/// An admin's view of the other project.
async fn of_sibling(bench: &Bench) -> TenantCtx {
    let (world, admin) = (&bench.shop.world, &bench.shop.admin);
    let directory = Directory::of(world.store.as_ref());
    let id = admin.principal().person().unwrap();
    let member = directory.member(admin.workspace(), id).await.unwrap();
    let caller = world.presence(&member.unwrap().value.name).await;
    let id = bench.sibling.id.to_string();
    caller
        .project(world.store.as_ref(), Some(&id))
        .await
        .unwrap()
}

async fn hold(holds: &LegalHolds, ctx: &TenantCtx, workspace: bool) -> Result<String, HoldError> {
    let new = NewHold {
        idempotency_key: format!("meanwhile-{workspace}"),
        workspace,
        target: ALL,
        reason: "litigation against the shop".to_owned(),
    };
    let set = holds.set(ctx, &new).await?;
    Ok(set.value.id.to_string())
}

#[tokio::test]
async fn once_the_first_project_of_a_workspace_ended_nothing_stops_the_rest() {
    let bench = Arc::new(Bench::new().await);
    bench.all_due().await;
    let other = bench.clone();
    let evidence = Interrupted::new(&bench, (Kind::ProjectDeleted, false), async move {
        let shown = waiting(&other).await.unwrap();
        assert!(shown.value.carrying_since.is_some(), "and it says so");
        let refused = withdraw(&other).await;
        assert!(
            matches!(refused, Err(DeletionError::WrongState(why)) if why.contains("carried out")),
            "{refused:?}"
        );
        let holds = other.shop.holds();
        for workspace in [false, true] {
            for ctx in [of_sibling(&other).await, other.shop.admin.clone()] {
                let refused = hold(&holds, &ctx, workspace).await;
                assert!(
                    matches!(refused, Err(HoldError::Ending | HoldError::NotFound)),
                    "{refused:?}"
                );
            }
        }
    });
    let out = during(&bench, &evidence).carry_out().await.unwrap();
    assert!(evidence.came());
    assert_eq!(out.deleted, 3);
    bench.to_the_end().await;
}

#[tokio::test]
async fn a_deletion_that_is_withdrawn_right_before_the_first_project_ends_nothing() {
    let bench = Arc::new(Bench::new().await);
    bench.all_due().await;
    let other = bench.clone();
    let evidence = Interrupted::new(&bench, (Kind::ConfigChanged, true), async move {
        withdraw(&other).await.unwrap();
    });
    let lost = during(&bench, &evidence).carry_out().await;
    assert!(matches!(lost, Err(DeletionError::Changed)), "{lost:?}");
    assert!(evidence.came());
    assert_eq!(bench.carry_out().await.deleted, 0);
    assert!(bench.left().await.is_empty());
    assert!(bench.reaches().await.is_ok());
}

#[tokio::test]
async fn a_hold_on_one_project_right_before_the_first_one_ends_keeps_all_of_them() {
    let bench = Arc::new(Bench::new().await);
    bench.all_due().await;
    let other = bench.clone();
    let evidence = Interrupted::new(&bench, (Kind::ConfigChanged, true), async move {
        hold(&other.shop.holds(), &of_sibling(&other).await, false)
            .await
            .unwrap();
    });
    let out = during(&bench, &evidence).carry_out().await.unwrap();
    assert!(evidence.came());
    assert_eq!((out.deleted, out.put_off), (0, 1));
    let kept = waiting(&bench).await.unwrap().value;
    assert!(kept.put_off_at.is_some() && kept.carrying_since.is_none());
    assert_eq!(bench.carry_out().await.put_off, 1);
    withdraw(&bench).await.unwrap();
    assert!(bench.left().await.is_empty());
    bench
        .stream_verifies(&bench.shop.world.workspace.stream)
        .await;
}

#[tokio::test]
async fn a_hold_that_comes_while_a_workspace_begins_to_end_is_refused_and_keeps_nothing_up() {
    for workspace in [false, true] {
        let bench = Arc::new(Bench::new().await);
        bench.all_due().await;
        let other = bench.clone();
        let evidence = Interrupted::new(&bench, (Kind::RunDecision, true), async move {
            // The turn ends after the mark.
            other.shop.world.store.appends_left(Some(1));
            other.delete().carry_out().await.unwrap_err();
            other.shop.world.store.appends_left(None);
        });
        let holds = LegalHolds {
            evidence: evidence.clone(),
            ..bench.shop.holds()
        };
        let refused = hold(&holds, &of_sibling(&bench).await, workspace).await;
        assert!(evidence.came());
        assert!(matches!(refused, Err(HoldError::Ending)), "{refused:?}");
        let out = bench.carry_out().await;
        assert_eq!((out.deleted, out.put_off), (3, 0), "the next turn goes on");
        bench.to_the_end().await;
    }
}

#[tokio::test]
async fn a_hold_on_a_project_that_ends_just_then_is_none() {
    let bench = Arc::new(Bench::new().await);
    bench.due().await;
    let other = bench.clone();
    let evidence = Interrupted::new(&bench, (Kind::RunDecision, true), async move {
        assert_eq!(other.carry_out().await.deleted, 1);
    });
    let holds = LegalHolds {
        evidence: evidence.clone(),
        ..bench.shop.holds()
    };
    let refused = hold(&holds, &bench.shop.admin, false).await;
    assert!(evidence.came());
    assert!(matches!(refused, Err(HoldError::NotFound)), "{refused:?}");
    let world = &bench.shop.world;
    let directory = Directory::of(world.store.as_ref());
    let holds = directory.holds(world.workspace.id).await.unwrap();
    assert!(holds.is_empty(), "{holds:?}");
    let stream = world.project.stream.parse().unwrap();
    assert!(world.store.holds(stream).await.unwrap().active.is_empty());
    bench.to_the_end().await;
    bench.all_due().await;
    bench.to_the_end().await;
}

async fn unfinished(bench: &Bench) -> usize {
    let ctx = Directory::system(&bench.shop.world.project, "test");
    let records = Records::of(bench.shop.world.store.as_ref(), &ctx);
    records.list::<Unfinished>().await.unwrap().len()
}

/// A repair begins, and evidence does not take its outcome.
async fn a_repair_executes(bench: &Bench) {
    let world = &bench.shop.world;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let action = propose
        .propose(&world.repair_key, &incident, Some("support asked"), true)
        .await
        .unwrap()
        .action;
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    world.store.appends_left(Some(2));
    let votes = world.vote();
    let voted = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &vote)).await;
    world.store.appends_left(None);
    drop(voted);
    assert_eq!(unfinished(bench).await, 1, "it began and has no outcome");
}

#[tokio::test]
async fn a_project_does_not_end_while_its_repair_executes() {
    for all in [false, true] {
        let bench = Bench::new().await;
        if all {
            bench.all_due().await;
        } else {
            bench.due().await;
        }
        Box::pin(a_repair_executes(&bench)).await;
        for _ in 0..2 {
            let out = bench.carry_out().await;
            assert_eq!((out.deleted, out.put_off), (0, 1));
        }
        bench.later(Duration::from_hours(1));
        let world = &bench.shop.world;
        let ports = world.ports();
        let swept = Box::pin(SweepRepairs { ports }.sweep()).await.unwrap();
        assert!(swept.failed.is_empty(), "{:?}", swept.failed);
        assert_eq!(unfinished(&bench).await, 0);
        assert_eq!(bench.carry_out().await.deleted, if all { 3 } else { 1 });
        let kinds = bench.kinds(&world.project.stream);
        let place = |kind: &str| kinds.iter().position(|it| it == kind);
        assert!(place("repair.executed").or(place("repair.failed")) < place("project.deleted"));
        let ends = world.facts("project.deleted");
        assert!(ends.iter().all(|facts| facts.get("unsettled").is_none()));
        bench.to_the_end().await;
    }
}

#[tokio::test]
async fn a_repair_that_nobody_can_settle_puts_it_off_for_a_day_and_is_counted() {
    let bench = Bench::new().await;
    bench.propose().await.unwrap();
    bench.confirm().await.unwrap();
    Box::pin(a_repair_executes(&bench)).await;
    bench.later(DELAY);
    assert_eq!(bench.carry_out().await.put_off, 1);
    bench.later(Duration::from_hours(23));
    assert_eq!(bench.carry_out().await.put_off, 1);
    bench.later(Duration::from_hours(1));
    assert_eq!(bench.carry_out().await.deleted, 1);
    let ends = bench.shop.world.facts("project.deleted");
    assert_eq!(ends[0].get("unsettled"), Some(&Json::uint(1)));
    bench.to_the_end().await;
    bench
        .stream_verifies(&bench.shop.world.project.stream)
        .await;
}

/// Whoever is no admin any more when it is written has confirmed nothing.
#[tokio::test]
async fn a_confirmation_by_somebody_who_is_demoted_right_before_it_is_none() {
    let bench = Arc::new(Bench::new().await);
    bench.propose().await.unwrap();
    let admin = bench.shop.fresh(&bench.shop.admin).await;
    let (other, who) = (bench.clone(), admin.clone());
    let evidence = Interrupted::new(&bench, (Kind::RunDecision, true), async move {
        let store = &other.shop.world.store;
        let write = demoted(store, &who).await;
        assert!(store.write(vec![write]).await.unwrap());
    });
    let of = DeletionOf::Project(&admin);
    let lost = during(&bench, &evidence).confirm(of, None, None).await;
    assert!(matches!(lost, Err(DeletionError::Changed)), "{lost:?}");
    assert!(evidence.came());
    let waits = bench.delete().find(of).await.unwrap().unwrap();
    assert!(waits.value.confirmed.is_none());
}

/// docs/workspaces.md: what is due waits until the emergency stop is lifted.
#[tokio::test]
async fn an_emergency_stop_puts_off_what_is_due() {
    for whole in [false, true] {
        let bench = Bench::new().await;
        if whole {
            bench.all_due().await;
        } else {
            bench.due().await;
        }
        let world = &bench.shop.world;
        world.freeze(true).await;
        let out = bench.carry_out().await;
        assert_eq!((out.deleted, out.put_off), (0, 1), "{whole}");
        assert!(bench.left().await.is_empty());
        assert!(bench.reaches().await.is_ok());
        world.freeze(false).await;
        assert!(bench.carry_out().await.deleted > 0, "{whole}");
    }
}

/// A clock that jumps by six minutes, once, after so many looks at it.
struct Jumping {
    inner: Arc<dyn Clock>,
    looks: AtomicU32,
    after: u32,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let looks = self.looks.fetch_add(1, Ordering::SeqCst);
        let now = self.inner.now();
        if looks < self.after {
            now
        } else {
            now.plus(Duration::from_mins(6))
        }
    }
}

/// A sign-in is too old a moment after it was not: what confirms is the decision that allows it.
#[tokio::test]
async fn a_sign_in_that_grows_old_between_two_questions_confirms_nothing() {
    let mut refused = 0;
    for after in 0..8 {
        let bench = Bench::new().await;
        bench.propose().await.unwrap();
        let admin = bench.shop.fresh(&bench.shop.admin).await;
        let of = DeletionOf::Project(&admin);
        let mut delete = bench.delete();
        delete.clock = Arc::new(Jumping {
            inner: delete.clock,
            looks: AtomicU32::new(0),
            after,
        });
        let told = delete.confirm(of, None, None).await;
        let waits = bench.delete().find(of).await.unwrap().unwrap();
        assert_eq!(
            told.is_ok(),
            waits.value.confirmed.is_some(),
            "{after}: {told:?}"
        );
        let decided = bench.shop.world.facts("run.decision").pop().unwrap();
        let effect = decided.get("effect").and_then(Json::as_str);
        assert_eq!(effect == Some("ALLOW"), told.is_ok(), "{after}: {told:?}");
        refused += u32::from(told.is_err());
    }
    // Before the first question, and between the two.
    assert!((2..8).contains(&refused), "{refused}");
}
