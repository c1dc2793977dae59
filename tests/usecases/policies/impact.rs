//! What a bundle would have decided.

use std::time::Duration;

use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::{Json, object};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{Batch, Clock as _, EvidenceAppend};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, PolicyError};
use counterfoil_policy::check::scenario::Scenario;

use super::desk::{Desk, PERMIT, STRICT};

/// Records decisions as the product does: what was asked, and what the answer was.
async fn decided(desk: &Desk, action: &str, effect: &str, how_many: usize) {
    let resource = match action {
        "evidence.export" => "Evidence/ev",
        _ => "Incident/inc",
    };
    let scenario = Scenario {
        principal: "User/owner".to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
        ..Scenario::default()
    };
    let request = Json::parse(scenario.question().unwrap().to_string().as_bytes()).unwrap();
    let digest = digest_string(b"x");
    let stream = desk.bench.workspace.stream.parse().unwrap();
    for number in 0..how_many {
        let run = format!("run_{action}{number}").replace('.', "");
        let facts = object([
            ("action", Json::from(action)),
            ("action_hash", digest.as_str().into()),
            ("baseline", digest.as_str().into()),
            ("decision", format!("dec_{number}").into()),
            ("effect", effect.into()),
            ("phase", "propose".into()),
            ("policy", digest.as_str().into()),
            ("reason", "it was so".into()),
            ("request", request.clone()),
            ("rule", "base.permit.export".into()),
        ]);
        let open = object([
            ("artifact", Json::from(digest.as_str())),
            ("flow", digest.as_str().into()),
            ("inputs", Json::Array(Vec::new())),
            ("policy_bundles", Json::Array(Vec::new())),
        ]);
        let batch = Batch::of([
            Draft::new(Kind::RunOpen, open).in_run(&run),
            Draft::new(Kind::RunDecision, facts).in_run(&run),
        ]);
        desk.bench.store.append(stream, batch).await.unwrap();
    }
}

#[tokio::test]
async fn decisions_that_a_bundle_would_flip_are_counted_and_named() {
    let desk = Desk::new().await;
    decided(&desk, "evidence.export", "ALLOW", 3).await;
    decided(&desk, "repair.execute", "ALLOW", 2).await;
    let digest = desk.stored(STRICT, 1, None).await;
    let ctx = desk.ctx("ann").await;
    let asked = desk.policies();
    let (report, sealed) = asked
        .impact(&ctx, &digest, (None, None), None)
        .await
        .unwrap();
    assert!(report.complete);
    assert_eq!(report.impact.flipped, 3);
    assert_eq!(report.impact.flips[0].after.rules, ["ws.forbid.export"]);
    assert_eq!(report.impact.transitions["allow"]["deny"], 3);
    // Beside those two, the decisions by which the desk was set up.
    assert_eq!(report.impact.transitions["allow"]["allow"], 2 + 2);
    assert_eq!(report.impact.engine_errors, 0);
    assert!(report.sentence.contains("would have denied 3 more"));
    assert_eq!(sealed, digest_string(&report.canonical().unwrap()));
    // The activation cites it.
    for who in ["ann", "ben"] {
        desk.activate(who, &digest).await.unwrap();
    }
    let entries = desk.bench.entries();
    let activated = entries
        .iter()
        .find(|(kind, _)| *kind == Kind::PolicyActivated);
    let cited = activated.unwrap().1.get("impact").and_then(Json::as_str);
    assert_eq!(cited, Some(sealed.as_str()));
}

#[tokio::test]
async fn only_decisions_of_the_time_asked_for_count_and_a_limit_is_said() {
    let desk = Desk::new().await;
    decided(&desk, "evidence.export", "ALLOW", 3).await;
    desk.bench.later(Duration::from_hours(24));
    let day = desk.bench.clock.now();
    decided(&desk, "repair.execute", "ALLOW", 2).await;
    desk.bench.later(Duration::from_secs(1));
    let digest = desk.stored(PERMIT, 1, None).await;
    let ctx = desk.ctx("ann").await;
    let asked = desk.policies();
    let (report, _) = asked
        .impact(&ctx, &digest, (Some(day), None), None)
        .await
        .unwrap();
    assert_eq!((report.impact.judged, report.complete), (2, true));
    let (report, _) = asked
        .impact(&ctx, &digest, (None, None), Some(1))
        .await
        .unwrap();
    assert_eq!(report.impact.judged.max(report.not_comparable), 1);
    assert!(!report.complete);
}

#[tokio::test]
async fn auditors_may_ask_and_viewers_may_not() {
    let desk = Desk::new().await;
    desk.bench.join("aud", Role::Auditor).await;
    desk.bench.join("vic", Role::Viewer).await;
    let digest = desk.stored(PERMIT, 1, None).await;
    let ctx = desk.ctx("aud").await;
    let asked = desk.policies();
    let done = asked.impact(&ctx, &digest, (None, None), None).await;
    assert!(done.is_ok());
    let ctx = desk.ctx("vic").await;
    let done = asked.impact(&ctx, &digest, (None, None), None).await;
    assert!(matches!(
        done,
        Err(PolicyError::Admin(AdminError::NotForRole))
    ));
}
