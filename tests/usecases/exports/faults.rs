//! Whatever breaks or dies, wherever: asking and looking again ends with one export.

use std::time::Duration;

use counterfoil_core::export::{ExportScope, ExportState};
use counterfoil_core::usecases::Worked;

use super::desk::{Desk, Fault, unpack};

const PATIENCE: Duration = Duration::from_mins(6);

/// Steps of an export in which nothing breaks.
async fn steps() -> (usize, usize) {
    let desk = Desk::new().await;
    let asked = desk
        .exports
        .create(&desk.world.ben, ExportScope::All, Some("k"))
        .await;
    let id = asked.unwrap().export.value.id.to_string();
    let asking = desk.steps.count();
    desk.deliver().await;
    let worked = desk.steps.count();
    desk.fetch(&id).await;
    (asking, worked)
}

/// Looks, and delivers what looking queues, until the export is made.
async fn until_ready(desk: &Desk, id: &str) {
    for _ in 0..6 {
        desk.world.clock.advance(PATIENCE);
        if desk.find(id).await.state == ExportState::Ready {
            return;
        }
        desk.deliver().await;
    }
    panic!("not ready: {:?}", desk.find(id).await);
}

async fn one_export(desk: &Desk, id: &str, case: &str) {
    let fetched = desk.fetch(id).await;
    let members = unpack(&fetched.bytes);
    let accepted = desk.verify(&members["evidence.tar"]).await;
    assert!(accepted.is_ok(), "{case}: {accepted:?}");
    assert_eq!(desk.world.count("export.issued"), 1, "{case}");
    let objects = desk.exports.objects.keys("exports/").await.unwrap();
    assert_eq!(objects.len(), 2, "{case}: {objects:?}");
}

#[tokio::test]
async fn every_step_of_asking_may_fail_or_only_seem_to() {
    let (asking, _) = Box::pin(steps()).await;
    assert_eq!(asking, 3, "the baseline, the record, the message");
    for step in 1..=asking {
        for fault in [Fault::Failed, Fault::Happened] {
            let case = format!("step {step}, {fault:?}");
            let desk = Desk::new().await;
            desk.steps.break_at(step, fault);
            let ask = async || {
                let ben = &desk.world.ben;
                desk.exports.create(ben, ExportScope::All, Some("k")).await
            };
            let first = ask().await;
            assert!(desk.steps.broken(), "{case}");
            let asked = ask().await.unwrap();
            let id = asked.export.value.id;
            if let Ok(first) = first {
                assert_eq!(first.export.value.id, id, "{case}");
            }
            until_ready(&desk, &id.to_string()).await;
            one_export(&desk, &id.to_string(), &case).await;
        }
    }
}

#[tokio::test]
async fn every_step_of_the_worker_may_fail_or_be_its_last() {
    let (asking, all) = Box::pin(steps()).await;
    assert!(all >= asking + 5, "{all} steps");
    for step in 1..=all - asking {
        for fault in [
            Fault::Failed,
            Fault::Happened,
            Fault::KilledBefore,
            Fault::KilledAfter,
        ] {
            let case = format!("step {step}, {fault:?}");
            let desk = Desk::new().await;
            let id = desk.ask(ExportScope::All).await;
            let message = desk.world.mail.take_exports().remove(0);
            desk.steps.break_at(step, fault);
            desk.work_or_die(&message).await;
            assert!(desk.steps.broken(), "{case}");
            until_ready(&desk, &id).await;
            one_export(&desk, &id, &case).await;
        }
    }
}

#[tokio::test]
async fn a_message_that_finds_a_live_worker_comes_again() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    let message = desk.world.mail.take_exports().remove(0);
    // The first worker has taken over, and dies at its next step.
    desk.steps.break_at(2, Fault::KilledBefore);
    desk.work_or_die(&message).await;
    assert!(
        desk.exports.work(&message).await.is_err(),
        "it may be alive"
    );
    desk.world.clock.advance(PATIENCE);
    assert_eq!(desk.exports.work(&message).await.unwrap(), Worked::Ready);
    assert_eq!(desk.find(&id).await.attempt, 2);
    one_export(&desk, &id, "taken over").await;
}

#[tokio::test]
async fn an_export_that_never_works_is_given_up() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    let message = desk.world.mail.take_exports().remove(0);
    for attempt in 1..=5 {
        // Sealing is the second step of an attempt.
        desk.steps.break_at(2, Fault::Failed);
        let worked = desk.exports.work(&message).await;
        assert_eq!(
            worked.is_err(),
            attempt < 5,
            "attempt {attempt}: {worked:?}"
        );
    }
    let export = desk.find(&id).await;
    assert_eq!(export.state, ExportState::Failed);
    assert_eq!(export.failure.unwrap().code, "gave-up");
}

#[tokio::test]
async fn an_export_whose_workers_die_without_a_word_is_given_up() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    let request = desk.world.mail.take_exports().remove(0);
    for _ in 0..5 {
        // Takes over, and dies.
        desk.steps.break_at(1, Fault::KilledAfter);
        desk.work_or_die(&request).await;
        desk.world.clock.advance(PATIENCE);
    }
    let worked = desk.exports.work(&request).await.unwrap();
    assert!(matches!(worked, Worked::Failed(_)), "{worked:?}");
    assert_eq!(desk.find(&id).await.failure.unwrap().code, "gave-up");
}
