//! Asking for a check, and what is stored about a customer afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::RunId;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{CheckRequest, Checks, PortError, PortErrorKind, ScanRequest};
use counterfoil_core::reconcile::CustomerPresence;
use counterfoil_core::run::{Run, RunResult};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{AskChecks, AskError, Asked, CustomerView, ReadCustomers};

use super::world::{World, customer};

fn checks(world: &World) -> AskChecks {
    static SEED: AtomicU64 = AtomicU64::new(51);
    AskChecks {
        state: world.store.clone(),
        checks: world.mail.clone(),
        scans: world.mail.clone(),
        clock: Arc::new(world.clock.clone()),
        random: Arc::new(counterfoil_testkit::memory::SeededRandom::new(
            SEED.fetch_add(1, Ordering::SeqCst),
        )),
    }
}

async fn ask(
    world: &World,
    ctx: &TenantCtx,
    key: &str,
    customer: Option<&str>,
) -> Result<Asked, AskError> {
    let project = world.project.id.to_string();
    checks(world).ask(ctx, key, &project, customer).await
}

async fn state(world: &World, ctx: &TenantCtx, customer: &str) -> Option<CustomerView> {
    let read = ReadCustomers {
        state: world.store.clone(),
        clock: Arc::new(world.clock.clone()),
    };
    read.get(ctx, customer).await.unwrap()
}

async fn runs(world: &World) -> Vec<Run> {
    let records = counterfoil_core::records::Records::of(world.store.as_ref(), &world.ann);
    let all = records.list::<Run>().await.unwrap();
    all.into_iter().map(|run| run.value).collect()
}

#[tokio::test]
async fn an_asked_for_check_opens_the_incident_and_leaves_both_sides_to_be_read() {
    let world = World::new().await;
    assert!(state(&world, &world.ann, "cus_1").await.is_none());
    let asked = ask(&world, &world.repair_key, "k1", Some("cus_1")).await;
    let asked = asked.unwrap();
    assert!(!asked.again);
    world.deliver_checks().await;
    let run = runs(&world).await.remove(0);
    assert_eq!((run.id, run.result), (asked.run, Some(RunResult::Complete)));
    let view = state(&world, &world.read_key, "cus_1").await.unwrap();
    let seen = view.seen.unwrap();
    assert_eq!((seen.run, seen.looked_at), (asked.run, run.as_of));
    let both = seen.state.unwrap();
    assert_eq!(both.presence, CustomerPresence::Known);
    let [row] = both.rows.as_slice() else {
        panic!("{both:?}")
    };
    assert_eq!(row.row, "u1");
    assert_eq!(row.promise.plan.as_deref(), Some("pro"));
    assert!(row.promise.access && row.promise.subscriptions[0].leads);
    assert_eq!(row.grant.plan.as_deref(), Some("free"));
    assert!(!row.grant.access);
    assert_eq!(view.incidents.len(), 1);
    assert_eq!(view.owed.get("usd"), Some(&2_900));
    assert!(view.leak.is_empty());
}

#[tokio::test]
async fn a_customer_without_a_difference_is_shown_with_both_sides_and_no_money() {
    let world = World::new().await;
    ask(&world, &world.ann, "k1", Some("cus_2")).await.unwrap();
    world.deliver_checks().await;
    let view = state(&world, &world.ann, "cus_2").await.unwrap();
    let both = view.seen.unwrap().state.unwrap();
    assert!(both.rows[0].promise.access && both.rows[0].grant.access);
    assert!(view.incidents.is_empty() && view.owed.is_empty());
    // Nothing was stored about whoever was not asked for, known to Stripe or not.
    for nobody in ["cus_1", "cus_nobody", "not an id"] {
        assert!(state(&world, &world.ann, nobody).await.is_none());
    }
}

#[tokio::test]
async fn the_second_look_is_what_is_shown() {
    let world = World::new().await;
    let request = world.check_of("cus_1", "webhook");
    world.reconcile().handle(&request).await.unwrap();
    assert!(
        state(&world, &world.ann, "cus_1").await.is_none(),
        "nothing is sure yet"
    );
    world.set_row("u1", true);
    world.deliver_checks().await;
    let view = state(&world, &world.ann, "cus_1").await.unwrap();
    let seen = view.seen.unwrap();
    assert!(seen.looked_at > runs(&world).await[0].as_of);
    assert!(seen.state.unwrap().rows[0].grant.access);
    assert!(view.incidents.is_empty());
}

#[tokio::test]
async fn what_a_check_cannot_decide_is_counted_and_left_to_a_scan() {
    let world = World::new().await;
    world.billing.cancel_all("cus_2");
    ask(&world, &world.ann, "k1", Some("cus_2")).await.unwrap();
    world.deliver_checks().await;
    let seen = state(&world, &world.ann, "cus_2")
        .await
        .unwrap()
        .seen
        .unwrap();
    assert_eq!(seen.left_to_scan, 1);
    let both = seen.state.unwrap();
    assert!(!both.rows[0].promise.access && both.rows[0].grant.access);
}

#[tokio::test]
async fn a_check_that_cannot_read_a_side_leaves_what_was_seen_before() {
    let world = World::new().await;
    ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    // What one look has found is looked at again.
    world.deliver_checks().await;
    let before = state(&world, &world.ann, "cus_1").await.unwrap();
    world.app.unreadable(true);
    ask(&world, &world.ann, "k2", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    let partial = runs(&world).await.into_iter();
    assert_eq!(
        partial
            .filter(|run| run.result == Some(RunResult::Partial))
            .count(),
        1
    );
    let after = state(&world, &world.ann, "cus_1").await.unwrap();
    assert_eq!(after.seen, before.seen);
    assert_eq!(after.incidents, before.incidents);
}

#[tokio::test]
async fn a_repeated_request_is_the_same_run_and_another_one_is_refused() {
    let world = World::new().await;
    let first = ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    let again = ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    assert_eq!((again.run, again.again), (first.run, true));
    let other = ask(&world, &world.ann, "k1", Some("cus_2")).await;
    assert!(matches!(other, Err(AskError::KeyReused)), "{other:?}");
    let other = ask(&world, &world.ann, "k1", None).await;
    assert!(matches!(other, Err(AskError::KeyReused)), "{other:?}");
    // Somebody else's key is another key.
    let second = ask(&world, &world.repair_key, "k1", Some("cus_1")).await;
    assert_ne!(second.unwrap().run, first.run);
    // Both messages of the first request, and each once more.
    let messages = world.mail.take_checks();
    assert_eq!(messages.len(), 3);
    for (request, _) in messages.iter().chain(&messages) {
        world.reconcile().handle(request).await.unwrap();
    }
    assert_eq!(runs(&world).await.len(), 2, "one run for each request");
    assert_eq!(world.incidents().await.len(), 1);
    world.clock.advance(Duration::from_hours(25));
    let later = ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    assert!(!later.again && later.run != first.run);
}

#[tokio::test]
async fn readers_and_strangers_ask_for_nothing() {
    let world = World::new().await;
    let denied = ask(&world, &world.read_key, "k1", Some("cus_1")).await;
    assert!(matches!(denied, Err(AskError::NotAble)), "{denied:?}");
    let stranger = world.another_project().await;
    for customer in [Some("cus_1"), None] {
        let absent = ask(&world, &stranger, "k1", customer).await;
        assert!(matches!(absent, Err(AskError::NotFound)), "{absent:?}");
    }
    let nowhere = RunId::from_bits(7).to_string();
    let absent = checks(&world).ask(&world.ann, "k1", &nowhere, None).await;
    assert!(matches!(absent, Err(AskError::NotFound)), "{absent:?}");
    let bad = ask(&world, &world.ann, "k1", Some("u1")).await;
    assert!(
        matches!(
            bad,
            Err(AskError::Invalid {
                field: "/customer",
                ..
            })
        ),
        "{bad:?}"
    );
    assert!(world.mail.take_checks().is_empty() && world.mail.take_scans().is_empty());
    ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    assert!(state(&world, &stranger, "cus_1").await.is_none());
}

#[tokio::test]
async fn whoever_asks_while_a_scan_waits_gets_that_one() {
    let world = World::new().await;
    let first = ask(&world, &world.ann, "k1", None).await.unwrap();
    for key in ["k2", "k3", "k4"] {
        let also = ask(&world, &world.ben, key, None).await.unwrap();
        assert_eq!(also.run, first.run, "{key}");
    }
    // It begins: what it has read by now may be older than the next question.
    let (start, _) = world.mail.take_scans().remove(0);
    world.scans().handle(&start).await.unwrap();
    let later = ask(&world, &world.ben, "k5", None).await.unwrap();
    assert_ne!(later.run, first.run);
    let again = ask(&world, &world.ben, "k2", None).await.unwrap();
    assert_eq!((again.run, again.again), (first.run, true));
}

#[tokio::test]
async fn a_scan_that_was_asked_for_is_opened_once_and_finds_everything() {
    let world = World::new().await;
    let asked = ask(&world, &world.ann, "k1", None).await.unwrap();
    ask(&world, &world.ann, "k1", None).await.unwrap();
    let messages = world.mail.take_scans();
    assert_eq!(messages.len(), 2);
    for (request, _) in messages {
        assert!(matches!(request, ScanRequest::Start { run, .. } if run == asked.run));
        world.scans().handle(&request).await.unwrap();
    }
    loop {
        let messages = world.mail.take_scans();
        let waits =
            |(request, _): &(ScanRequest, Duration)| matches!(request, ScanRequest::Confirm { .. });
        if messages.iter().all(waits) {
            assert!(!messages.is_empty(), "the race grace, and a second look");
            assert!(world.incidents().await.is_empty());
            for (request, delay) in messages {
                world.mail_again(&request, delay).await;
            }
            break;
        }
        for (request, _) in messages {
            world.scans().handle(&request).await.unwrap();
        }
    }
    world.deliver_scans().await;
    let [run] = runs(&world).await.try_into().unwrap();
    assert_eq!((run.id, run.result), (asked.run, Some(RunResult::Complete)));
    assert_eq!(world.incident().await.state, IncidentState::Open);
    // A scan has looked at everybody and keeps nobody's two sides: only the incident is shown.
    let view = state(&world, &world.ann, "cus_1").await.unwrap();
    assert!(view.seen.is_none());
    assert_eq!(view.incidents.len(), 1);
}

#[tokio::test]
async fn old_looks_and_long_resolved_incidents_are_not_shown() {
    let world = World::new().await;
    ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    world.set_row("u1", true);
    ask(&world, &world.ann, "k2", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    let view = state(&world, &world.ann, "cus_1").await.unwrap();
    assert_eq!(view.incidents[0].state, IncidentState::Resolved);
    assert!(view.owed.is_empty(), "what is resolved is no money at risk");
    world.clock.advance(Duration::from_hours(24 * 31));
    assert!(state(&world, &world.ann, "cus_1").await.is_none());
}

/// Two customers of one row: a look at either one shows both.
#[tokio::test]
async fn another_customer_of_the_row_is_named() {
    let world = World::new().await;
    world.app.put(
        Cell::Text("u1".to_owned()),
        [
            ("stripe_customer_id", Cell::Text("cus_other".to_owned())),
            ("plan", Cell::Text("free".to_owned())),
            ("premium", Cell::Bool(false)),
        ],
    );
    world.billing.add_customer(customer("cus_other", "u1"));
    ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    world.deliver_checks().await;
    let seen = state(&world, &world.ann, "cus_1")
        .await
        .unwrap()
        .seen
        .unwrap();
    assert_eq!(
        seen.state.unwrap().rows[0].customers,
        ["cus_1", "cus_other"]
    );
}

/// The queue that does not take messages for a while.
#[derive(Debug)]
struct Closed;

#[async_trait::async_trait]
impl Checks for Closed {
    async fn send(&self, _: &CheckRequest, _: Duration) -> Result<(), PortError> {
        Err(PortError::new(
            PortErrorKind::Unavailable,
            "sending a check",
        ))
    }
}

#[tokio::test]
async fn evidence_says_who_asked_for_a_run() {
    let world = World::new().await;
    for (ctx, key, customer) in [
        (&world.ann, "k1", Some("cus_1")),
        (&world.repair_key, "k2", Some("cus_2")),
        (&world.ben, "k3", None),
    ] {
        ask(&world, ctx, key, customer).await.unwrap();
        world.deliver_checks().await;
        world.deliver_scans().await;
        let opened = world.facts("run.open").pop().unwrap();
        let actor = opened.get("actor").unwrap().get("type").unwrap();
        assert_eq!(actor.as_str(), Some("system"), "the product acts");
        let by = opened.get("asked_by").unwrap();
        let text = |name: &str| by.get(name).and_then(Json::as_str).unwrap().to_owned();
        let asker = ctx.principal();
        assert_eq!(
            (text("type"), text("id")),
            (asker.kind().to_owned(), asker.id())
        );
    }
    world.scan().await;
    let opened = world.facts("run.open").pop().unwrap();
    assert!(opened.get("asked_by").is_none(), "nobody did");
}

#[tokio::test]
async fn a_request_whose_message_did_not_go_out_is_sent_again_as_the_same_run() {
    let world = World::new().await;
    let project = world.project.id.to_string();
    let closed = AskChecks {
        checks: Arc::new(Closed),
        ..checks(&world)
    };
    let failed = closed.ask(&world.ann, "k1", &project, Some("cus_1")).await;
    assert!(matches!(failed, Err(AskError::Port(_))), "{failed:?}");
    let again = ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
    assert!(again.again);
    world.deliver_checks().await;
    assert_eq!(runs(&world).await[0].id, again.run);
}

/// Evidence that cannot be written, at either of a check's two transactions: the message comes again.
#[tokio::test]
async fn an_asked_for_check_that_could_not_be_recorded_is_finished_by_the_same_message() {
    for appends in [0, 1] {
        let world = World::new().await;
        let asked = ask(&world, &world.ann, "k1", Some("cus_1")).await.unwrap();
        let (request, _) = world.mail.take_checks().remove(0);
        world.store.appends_left(Some(appends));
        world.reconcile().handle(&request).await.unwrap_err();
        assert!(
            state(&world, &world.ann, "cus_1").await.is_none(),
            "{appends}"
        );
        world.store.appends_left(None);
        world.reconcile().handle(&request).await.unwrap();
        let [run] = runs(&world).await.try_into().unwrap();
        assert_eq!((run.id, run.result), (asked.run, Some(RunResult::Complete)));
        let view = state(&world, &world.ann, "cus_1").await.unwrap();
        assert_eq!(
            (view.seen.unwrap().run, view.incidents.len()),
            (asked.run, 1)
        );
        assert_eq!(world.count("run.open"), world.count("run.close"));
    }
}
