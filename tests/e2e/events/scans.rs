//! Scans and checks, and when they happen.

use counterfoil_core::run::RunStep;
use serde_json::{Value, json};

use super::super::stage::wait;
use super::RUN;
use super::real::Real;

/// The run of the scheduled scan, when it has proposed.
pub(super) async fn scan(real: &Real<'_>) -> String {
    let answer = real.other("scheduled-reconcile", "scan", &[]).await;
    let run = answer["runs"][0].as_str().unwrap().to_owned();
    wait("the end of the scan", async || {
        let runs = real.stack.runs(&real.tenant).await;
        let scan = runs.into_iter().find(|known| known.id.to_string() == run);
        (scan?.step == RunStep::Done).then_some(())
    })
    .await;
    let due = real.other("scheduled-reconcile", "due", &[]).await;
    assert_eq!(due, json!({ "runs": [] }), "the next one is hours away");
    schedule(real).await;
    run
}

/// The approver of the files may look at the schedule; the owner changes it.
async fn schedule(real: &Real<'_>) {
    let (status, shown) = real.http("api", "read-schedule", &[]).await;
    assert_eq!((status, &shown["full_every_hours"]), (200, &json!(168)));
    assert_eq!(shown["incremental_every_hours"], json!(2));
    assert!(shown["measured"]["full_scan_seconds"].as_u64() > Some(0));
    let (status, denied) = real.http("api", "change-schedule", &[]).await;
    assert_eq!((status, &denied["code"]), (403, &json!("action-denied")));
    let change = async |more: &[(&'static str, &str)]| {
        let mut event = real.event("api", "change-schedule", more);
        real.as_owner(&mut event);
        real.answered("api", &event).await
    };
    let (status, changed) = change(&[]).await;
    assert_eq!(
        (status, &changed["incremental_every_hours"]),
        (200, &json!(6)),
        "{changed}"
    );
    let (status, stale) = change(&[]).await;
    assert_eq!(
        (status, &stale["code"]),
        (412, &json!("precondition-failed"))
    );
    let hourly = [("\\\"0\\\"", "\\\"1\\\""), (":168,", ":1,")];
    let (status, refused) = change(&hourly).await;
    assert_eq!(status, 400, "{refused}");
    let error = &refused["errors"][0];
    assert_eq!(error["pointer"], "/full_every_hours");
    let rule = error["detail"].as_str().unwrap();
    assert!(rule.contains("hours or less often fits"), "{rule}");
}

pub(super) async fn checks(real: &Real<'_>, run: &str) {
    let before = real.stack.runs(&real.tenant).await.len();
    let answer = real
        .other("scheduled-reconcile", "check-customer", &[])
        .await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let answer = real
        .other("scheduled-reconcile", "check-batch", &[(RUN, run)])
        .await;
    let third = "059f36b4-87a3-44ab-83d2-661970000003";
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": third }] })
    );
    assert!(real.stack.runs(&real.tenant).await.len() >= before + 2);
    let answer = real.other("scheduled-reconcile", "probe-key", &[]).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let entries = real.stack.entries(&real.tenant).await;
    let probed = |facts: &Value| facts["topic"] == "probe.stripe_key" && facts["result"] == "ok";
    assert!(entries.iter().any(|entry| probed(&entry.facts)));
    let (status, health) = real.http("api", "read-webhook-health", &[]).await;
    assert_eq!(
        (status, &health["connection"]["state"]),
        (200, &json!("open"))
    );
    let counts = json!({ "duplicate": 2, "queued": 3 });
    assert_eq!(
        health["today"]["counts"], counts,
        "three signed deliveries are one event"
    );
    // The scan is done: its pieces find nothing left to do.
    let answer = real
        .other("scheduled-reconcile", "scan-pieces", &[(RUN, run)])
        .await;
    let last = "059f36b4-87a3-44ab-83d2-661970000014";
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": last }] })
    );
}
