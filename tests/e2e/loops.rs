//! From webhook to evidence.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::verify::{Package, Trust, verify};
use counterfoil_core::incident::IncidentState;
use counterfoil_local::FUNCTIONS;

use super::calls::Answer;
use super::stage::{Stage, stage};
use super::tenant::{SECRET_MARK, Tenant};

#[test]
fn a_lost_webhook_is_repaired_by_one_approved_update_and_leaves_a_package_that_verifies() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        assert_eq!(incident.finding.kind.name(), "paid_no_access");
        let action = stage.propose(&tenant, &incident).await;
        assert_eq!(action.field("/state"), "held");
        assert!(!stage.granted(&tenant, &user));
        let before = stage.rows(&tenant);

        let done = stage.vote(&action, &tenant.ben, "approve").await;
        assert_eq!(done.says(), (200, "verified".to_owned()), "{}", done.text);
        assert!(stage.granted(&tenant, &user));
        let after = stage.rows(&tenant);
        let changed = before.lines().zip(after.lines());
        assert_eq!(changed.filter(|(before, after)| before != after).count(), 1);
        let again = stage.vote(&done, &tenant.ben, "approve").await;
        assert_eq!(again.status, 403, "{}", again.text);
        assert_eq!(stage.updates(&tenant), 1);
        let resolved = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(resolved.state, IncidentState::Resolved);

        let made = stage
            .export(&tenant.ada, &done.field("/follow_up_run"))
            .await;
        let package = stage.fetched(&tenant.ada, &made, "package").await;
        let again = stage.fetched(&tenant.ada, &made, "package").await;
        assert_eq!(package, again);
        is_the_whole_story(stage, &tenant, &done, &package).await;
        facts_name_nobody(stage, &tenant, [&customer, &user]).await;
        logs_hold_no_secret(stage, [&customer, &user]).await;
    });
}

async fn is_the_whole_story(stage: &Stage, tenant: &Tenant, done: &Answer, package: &[u8]) {
    let stream = tenant.project.stream_id().unwrap();
    let trust = Trust::new(stage.main.seal_key().await, stream);
    let accepted = verify(Package::Document(package), &trust).result.unwrap();
    let run = done.field("/follow_up_run");
    assert_eq!(accepted.governance[&run].name(), "clean");
    let document = Json::parse_document(package).unwrap();
    let entries = document.get("entries").and_then(Json::as_array).unwrap();
    let kind = |entry: &Json| {
        let kind = entry.get("h").and_then(|header| header.get("kind"));
        kind.and_then(Json::as_str).unwrap().to_owned()
    };
    let kinds: Vec<String> = entries.iter().map(kind).collect();
    let story = [
        "run.open",
        "run.resolution",
        "run.decision",
        "repair.started",
        "repair.executed",
        "repair.verified",
        "incident.resolved",
        "run.close",
    ];
    assert_eq!(kinds, story);
    let stranger = Trust::new(stage.main.seal_key().await, {
        stage.tenant().await.project.stream_id().unwrap()
    });
    let refused = verify(Package::Document(package), &stranger);
    assert!(!refused.is_accepted(), "a package of another stream");
}

/// Facts are for ever: in the whole stream none holds personal data.
async fn facts_name_nobody(stage: &Stage, tenant: &Tenant, people: [&str; 2]) {
    let entries = stage.main.entries(tenant).await;
    let kinds = [
        "run.open",
        "run.decision",
        "run.close",
        "export.issued",
        "observation.recorded",
    ];
    for kind in kinds {
        assert!(entries.iter().any(|entry| entry.kind == kind), "{kind}");
    }
    for entry in entries {
        // Names of columns and plans are the mapping's, and policy reads them.
        let facts = entry.facts.to_string();
        for word in people.into_iter().chain(["cus_", "sub_", "@"]) {
            assert!(
                !facts.contains(word),
                "{} names {word}: {facts}",
                entry.kind
            );
        }
    }
}

/// Whatever the other tests are doing at the same time.
async fn logs_hold_no_secret(stage: &Stage, people: [&str; 2]) {
    let secret = [
        SECRET_MARK,
        "whsec_",
        "rk_test_",
        "cfk_test_",
        "postgres://",
        "@example",
    ];
    let duty = serde_json::json!({ "detail": { "job": "retention" } });
    drop(stage.main.invoke("ApiFunctionName", &duty).await);
    // Nobody here has called `mcp`; what it logs is searched with everything else (canary).
    for function in FUNCTIONS.into_iter().filter(|it| *it != "mcp") {
        let lines = stage.main.logged(function).await;
        assert!(!lines.is_empty(), "{function} has logged nothing");
        for line in lines {
            for word in people.into_iter().chain(secret) {
                assert!(!line.contains(word), "{function} has logged {word}: {line}");
            }
        }
    }
}
