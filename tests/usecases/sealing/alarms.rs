//! An alarm has one entry in the stream of the workspace, however often it is reported.

use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::{RefusalCause, SealStore, StoredPart};
use counterfoil_core::usecases::{Alarm, Change, Noted};

use super::truth::verdict;
use crate::world::World;

fn changed(world: &World, event: &str) -> Alarm {
    Alarm::ItemChanged {
        stream: world.stream(),
        seq: 1,
        change: Change::Modify,
        event: event.to_owned(),
        before: Some(b"before".to_vec()),
        after: Some(b"after".to_vec()),
    }
}

/// Facts of the alarms in the workspace's stream.
fn alarms(world: &World) -> Vec<Json> {
    let stream: Hash = world.workspace.stream.parse().unwrap();
    let facts = world.store.stream(stream).into_iter().map(|entry| {
        let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
            panic!("facts are kept");
        };
        Json::parse(&bytes).unwrap()
    });
    let topic = |facts: &Json| {
        let topic = facts.get("topic").and_then(Json::as_str);
        topic.is_some_and(|topic| topic.starts_with("tamper."))
    };
    facts.filter(topic).collect()
}

fn text<'a>(facts: &'a Json, name: &str) -> &'a str {
    facts.get(name).and_then(Json::as_str).unwrap()
}

#[tokio::test]
async fn a_record_that_is_delivered_twice_is_one_entry() {
    let world = World::new().await;
    let record = world.record_alarm();
    let first = record.record(&changed(&world, "e1")).await.unwrap();
    assert!(matches!(first, Noted::Recorded(_)), "{first:?}");
    for _ in 0..2 {
        let again = record.record(&changed(&world, "e1")).await.unwrap();
        assert_eq!(again, Noted::Known);
    }
    record.record(&changed(&world, "e2")).await.unwrap();
    let alarms = alarms(&world);
    assert_eq!(alarms.len(), 2);
    assert_eq!(text(&alarms[0], "topic"), "tamper.item_changed");
    assert_eq!(text(&alarms[0], "result"), "alarm");
    assert_eq!(text(&alarms[0], "change"), "MODIFY");
    assert!(text(&alarms[0], "before").starts_with("sha256:"));
    let target = alarms[0].get("target").unwrap();
    assert_eq!(text(target, "id"), world.stream().to_string());
}

#[tokio::test]
async fn two_that_report_the_same_at_once_make_one_entry() {
    let world = World::new().await;
    let reports = [0, 1, 2].map(|_| {
        let (record, alarm) = (world.record_alarm(), changed(&world, "e1"));
        tokio::spawn(async move { record.record(&alarm).await.unwrap() })
    });
    for report in reports {
        report.await.unwrap();
    }
    assert_eq!(alarms(&world).len(), 1);
}

#[tokio::test]
async fn a_refusal_is_recorded_once_per_cause_and_again_after_a_later_seal() {
    let world = World::new().await;
    let record = world.record_alarm();
    let refused = |cause, last| Alarm::SealRefused {
        stream: world.stream(),
        cause,
        last,
    };
    for _minute in 0..5 {
        for cause in [RefusalCause::Clock, RefusalCause::ItemChanged] {
            record.record(&refused(cause, None)).await.unwrap();
        }
    }
    assert_eq!(alarms(&world).len(), 2);
    world.sealer().seal(world.stream()).await.unwrap();
    let last = world.store.last(world.stream()).await.unwrap().unwrap();
    record
        .record(&refused(RefusalCause::Clock, Some(last.seal_hash)))
        .await
        .unwrap();
    let alarms = alarms(&world);
    assert_eq!(alarms.len(), 3);
    assert_eq!(text(&alarms[2], "cause"), "clock");
    assert_eq!(text(&alarms[2], "seal"), last.seal_hash.to_string());
}

#[tokio::test]
async fn an_alarm_that_could_not_be_recorded_is_recorded_by_the_next_report() {
    let world = World::new().await;
    world.store.appends_left(Some(0));
    let record = world.record_alarm();
    record.record(&changed(&world, "e1")).await.unwrap_err();
    world.store.appends_left(None);
    let noted = record.record(&changed(&world, "e1")).await.unwrap();
    assert!(matches!(noted, Noted::Recorded(_)), "{noted:?}");
    assert_eq!(alarms(&world).len(), 1);
}

#[tokio::test]
async fn an_alarm_about_a_stream_of_nobody_is_left_to_the_log() {
    let world = World::new().await;
    let alarm = Alarm::SealRefused {
        stream: Hash::new([7; 32]),
        cause: RefusalCause::Rollback,
        last: None,
    };
    let noted = world.record_alarm().record(&alarm).await.unwrap();
    assert_eq!(noted, Noted::NoOwner);
}

#[tokio::test]
async fn the_stream_of_the_workspace_is_sealed_like_any_other_with_its_alarms() {
    let world = World::new().await;
    world
        .record_alarm()
        .record(&changed(&world, "e1"))
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(1));
    let stream: Hash = world.workspace.stream.parse().unwrap();
    world.sealer().seal(stream).await.unwrap();
    let verdict = verdict(&world, stream, &[world.seal_key().await]).await;
    assert!(verdict.is_accepted(), "{}", verdict.first_line());
}

/// Every cause has its page, and the page names it.
#[test]
fn every_cause_has_a_runbook_that_names_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let index = std::fs::read_to_string(root.join("docs/runbooks/README.md")).unwrap();
    for cause in RefusalCause::ALL {
        assert_eq!(RefusalCause::from_name(cause.name()), Some(*cause));
        let page = std::fs::read_to_string(root.join(cause.runbook()));
        let page = page.unwrap_or_else(|_| panic!("{}", cause.runbook()));
        for text in [&page, &index] {
            assert!(text.contains(cause.name()), "{}", cause.runbook());
        }
        for part in [
            "**What you see.**",
            "**What it means.**",
            "**What to check.**",
            "**How to repair.**",
            "**How to confirm.**",
        ] {
            assert!(page.contains(part), "{}: {part}", cause.runbook());
        }
    }
}
