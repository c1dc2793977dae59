//! What is recorded of a day's deliveries.

use std::time::Duration;

use counterfoil_core::connection::Standing;
use counterfoil_core::ports::{Clock, State, StateWrite, StoredEntry, StoredPart};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::WebhookHealth;
use serde_json::{Value, json};

use super::super::world::{NOW, WEBHOOK_SECRET, World};
use super::{EVENT, send};

fn facts(entry: &StoredEntry) -> Option<Value> {
    match entry.facts.as_ref()? {
        StoredPart::Present { bytes, .. } => serde_json::from_slice(bytes).ok(),
        StoredPart::Erased(_) => None,
    }
}

/// The facts of every observation in the project's stream.
pub(super) fn observed(world: &World) -> Vec<Value> {
    let entries = world.store.stream(world.stream());
    let facts = entries.iter().filter_map(facts);
    facts.filter(|facts| facts["topic"].is_string()).collect()
}

/// Forward to a while after the next midnight.
pub(super) fn to_next_day(world: &World) {
    let day = Duration::from_hours(24).as_millis();
    let now = u128::from(world.clock.now().as_millis());
    let left = u64::try_from(day - now % day).unwrap();
    world
        .clock
        .advance(Duration::from_millis(left) + Duration::from_mins(15));
}

/// A world in which the day is an hour old.
pub(super) async fn at_one() -> World {
    let world = World::new().await;
    world.clock.advance(Duration::from_hours(1));
    world
}

fn event(id: &str, created: i64) -> String {
    EVENT.replace("\"evt_1\"", &format!("\"{id}\",\"created\":{created}"))
}

#[tokio::test]
async fn a_day_is_recorded_once_with_what_all_processes_counted() {
    let world = at_one().await;
    let start = world.clock.now().as_secs();
    let (one, other) = (world.webhook(), world.webhook());
    let late = event("evt_a", start - 7);
    send(&world, &one, WEBHOOK_SECRET, &late).await.unwrap();
    send(&world, &other, WEBHOOK_SECRET, &event("evt_b", start))
        .await
        .unwrap();
    world.clock.advance(Duration::from_mins(2));
    send(&world, &other, WEBHOOK_SECRET, &late).await.unwrap();
    for (secret, body) in [
        ("whsec_made_up", late.clone()),
        (WEBHOOK_SECRET, late.replace("true", "false")),
        (WEBHOOK_SECRET, "[]".to_owned()),
        (
            WEBHOOK_SECRET,
            late.replace("{\"id\"", "{\"account\":\"acct_1\",\"id\""),
        ),
    ] {
        send(&world, &one, secret, &body).await.unwrap_err();
    }
    world.clock.advance(Duration::from_mins(2));
    send(&world, &one, WEBHOOK_SECRET, &event("evt_c", start + 240))
        .await
        .unwrap();
    let last = world.clock.now();
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1, "yesterday");
    to_next_day(&world);
    for expected in [1, 0, 0] {
        assert_eq!(health.record(&world.project).await.unwrap(), expected);
    }
    let observed = observed(&world);
    let [before, today, refused] = observed.as_slice() else {
        panic!("{observed:?}");
    };
    assert_eq!(before["result"], "warning", "nothing came");
    assert_eq!(before["taken"], 0);
    let now = Timestamp::from_secs(NOW).to_string();
    let (day, _) = now.split_once('T').unwrap();
    assert_eq!(today["day"], day);
    assert_eq!(today["topic"], "webhook.health");
    assert_eq!(today["result"], "warning");
    assert_eq!(today["counts"], json!({"duplicate": 1, "queued": 3}));
    assert_eq!((&today["taken"], &today["refused"]), (&json!(4), &json!(4)));
    assert_eq!(today["max_lag_ms"], 7_000);
    assert_eq!(today["last_at"], last.as_millis());
    assert_eq!(refused["topic"], "webhook.refused");
    let causes =
        json!({"bad_signature": 1, "not_an_event": 1, "wrong_account": 1, "wrong_mode": 1});
    assert_eq!(refused["counts"], causes);
}

#[tokio::test]
async fn an_ended_connection_is_an_alarm_and_quiet_days_are_caught_up() {
    let world = at_one().await;
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    let ended = EVENT.replace(
        "customer.subscription.updated",
        "account.application.deauthorized",
    );
    send(&world, &world.webhook(), WEBHOOK_SECRET, &ended)
        .await
        .unwrap();
    let at = world.clock.now().as_millis();
    for _ in 0..3 {
        to_next_day(&world);
    }
    assert_eq!(health.record(&world.project).await.unwrap(), 3);
    let observed = observed(&world);
    let results: Vec<_> = observed.iter().map(|facts| &facts["result"]).collect();
    assert_eq!(results, ["warning", "alarm", "warning", "warning"]);
    assert_eq!(observed[1]["deauthorized_at"], at);
}

#[tokio::test]
async fn two_schedules_at_once_record_a_day_once() {
    let world = World::new().await;
    let (one, other) = (world.webhook_health(), world.webhook_health());
    let (one, other) = tokio::join!(one.record(&world.project), other.record(&world.project));
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    assert_eq!(observed(&world).len(), 1);
}

#[tokio::test]
async fn people_read_today_the_last_recorded_day_and_how_long_ago_something_came() {
    let world = at_one().await;
    let read = world.read_webhook_health();
    let view = async || read.get(&world.read_key).await.unwrap().unwrap();
    let before = view().await;
    assert_eq!((before.last_at, before.recorded.clone()), (None, None));
    assert_eq!(before.standing(), Standing::Ok);

    let start = world.clock.now();
    let (receive, health) = (world.webhook(), world.webhook_health());
    let body = event("evt_a", start.as_secs() - 3);
    send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
    world.clock.advance(Duration::from_mins(5));
    let today = view().await;
    assert_eq!(today.last_at, Some(start));
    assert_eq!(today.now.since(start), Duration::from_mins(5));
    assert_eq!(
        (today.today.tally.total(false), today.today.date()),
        (1, "2026-11-23".to_owned())
    );

    // After midnight and before the entry, what came yesterday is not forgotten.
    to_next_day(&world);
    let night = view().await;
    assert_eq!((night.last_at, night.recorded.clone()), (Some(start), None));
    assert_eq!(night.today.tally.total(false), 0);
    health.record(&world.project).await.unwrap();
    let morning = view().await;
    assert_eq!(morning.recorded.as_ref().unwrap().tally, today.today.tally);
    assert_eq!(morning.standing(), Standing::Ok);
    // Nor does a quiet day forget it.
    to_next_day(&world);
    health.record(&world.project).await.unwrap();
    to_next_day(&world);
    let later = view().await;
    assert_eq!(
        (later.last_at, later.standing()),
        (Some(start), Standing::Warning)
    );
}

#[tokio::test]
async fn a_row_of_an_earlier_version_is_still_read() {
    let world = at_one().await;
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let key = records.key::<WebhookHealth>("latest");
    let yesterday = world.clock.now().as_millis() / 86_400_000 - 1;
    let old = StateWrite::create(key, json!({ "day": yesterday }));
    assert!(world.store.write(vec![old]).await.unwrap());
    let view = world.read_webhook_health().get(&world.read_key).await;
    let recorded = view.unwrap().unwrap().recorded.unwrap();
    assert_eq!((recorded.missed, recorded.last_at), (None, None));
    to_next_day(&world);
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
}
