//! What is recorded of a day's deliveries.

use std::time::Duration;

use counterfoil_core::ports::{Clock, StoredEntry, StoredPart};
use counterfoil_core::time::Timestamp;
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
