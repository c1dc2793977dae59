//! Projects, mappings and credentials.

use serde_json::{Value, json};

use super::deployment::{KEY, Stage, list};
use crate::csv::MAPPING;

const STRIPE: &str = "rk_live_SECRETSECRETSECRET";

fn project(missing: &[&str]) -> Value {
    json!({
        "id": "prj_1", "workspace": "ws_1", "name": "Web", "environment": "live", "auto_propose": false, "mapping": null,
        "connections": {"stripe": null, "database": null, "repair": null, "webhook_secrets": 0}, "missing": missing,
    })
}

#[tokio::test]
async fn a_project_is_made_shown_with_what_it_misses_and_renamed_as_it_was_displayed() {
    let stage = Stage::new().await;
    let made = project(&["Stripe is not connected: store a restricted key (rk_...)"]);
    stage
        .answers("POST /v1/workspaces/ws_1/projects", 201, made.clone())
        .answers("GET /v1/projects/prj_1", 200, made.clone())
        .answers("PATCH /v1/projects/prj_1", 200, made.clone());
    let words = [
        "project",
        "create",
        "Web",
        "--environment",
        "live",
        "--workspace",
        "ws_1",
    ];
    let said = stage.as_person(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(!stage.last().header("idempotency-key").is_empty());
    let said = stage.as_person(&["project", "show"]).await;
    assert!(
        said.out.contains("missing: Stripe is not connected"),
        "{}",
        said.out
    );
    assert!(
        said.out.ends_with("next: counterfoil connect stripe\n"),
        "{}",
        said.out
    );
    assert!(said.err.contains("prj_1 (used last"), "{}", said.err);
    let said = stage.as_person(&["project", "show", "--json"]).await;
    assert_eq!(said.json(), made);
    assert_eq!(
        stage
            .as_person(&["project", "rename", "Web EU"])
            .await
            .status,
        0
    );
    let seen = stage.last();
    assert_eq!(
        (seen.header("if-match"), seen.body.clone()),
        ("\"7\"", json!({"name": "Web EU"}))
    );
}

#[tokio::test]
async fn a_credential_comes_from_standard_input_or_a_variable_and_goes_nowhere_else() {
    let stage = Stage::new().await;
    let stored = json!({"kind": "stripe", "id": "sec_1", "hint": "rk_live_…", "version": 1,
        "added_at": "2026-11-26T00:00:00Z", "retire_at": null, "standing": "ok",
        "probed_at": "2026-11-26T00:00:00Z", "sentences": ["The key reads customers."]});
    let path = "PUT /v1/projects/prj_1/connections/stripe";
    stage
        .answers("GET /v1/projects/prj_1/connections", 200, list(&[]))
        .answers(path, 200, stored.clone());
    let words = ["connect", "stripe", "--project", "prj_1"];
    let said = stage.run_with_key(&words, &format!("{STRIPE}\n")).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out.contains("The key reads customers."),
        "{}",
        said.out
    );
    assert_eq!(stage.last().body, json!({ "secret": STRIPE }));
    assert_eq!(stage.last().header("if-match"), "\"7\"");
    assert!(!said.out.contains("db.example.com"), "{}", said.out);
    let given = [
        ("COUNTERFOIL_API", stage.url.as_str()),
        ("COUNTERFOIL_API_KEY", KEY),
        ("COUNTERFOIL_SECRET", STRIPE),
    ];
    assert_eq!(stage.run(&words, &given, "").await.status, 0);
    let asked = stage.seen().len();
    for input in ["", "\n", "two\nlines"] {
        let said = stage.run_with_key(&words, input).await;
        assert_eq!(said.status, 2, "{input:?}: {}", said.err);
    }
    let said = stage
        .run_with_key(&[&words[..], &[STRIPE]].concat(), "")
        .await;
    assert_eq!(said.status, 2, "no argument takes it");
    assert_eq!(stage.seen().len(), asked, "nothing was sent");
    let problem = json!({"title": "The credential does not fit", "status": 422, "code": "connection-refused", "errors": [
        {"pointer": "/secret", "detail": "may write charges: make a key that only reads"},
        {"pointer": "/secret", "detail": "may not read prices: give it that right"}]});
    for status in [404, 422, 500] {
        stage.answers(path, status, problem.clone());
        let said = stage.run_with_key(&words, STRIPE).await;
        assert!(
            !format!("{said:?}").contains(STRIPE),
            "{status}: {}",
            said.err
        );
        assert!(
            said.err
                .contains("only reads\n  /secret may not read prices"),
            "{}",
            said.err
        );
        assert_eq!(said.status, if status == 500 { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_mapping_that_is_none_is_refused_here() {
    let stage = Stage::new().await;
    let file = stage.home.path().join("m.toml");
    std::fs::write(&file, MAPPING.replace("rank", "rnak")).unwrap();
    let said = stage
        .with_key(&["project", "map", file.to_str().unwrap()])
        .await;
    assert_eq!(said.status, 2, "{}", said.err);
    let line = MAPPING
        .lines()
        .position(|line| line.contains("rank"))
        .unwrap()
        + 1;
    let column = MAPPING.lines().nth(line - 1).unwrap().find("rank").unwrap() + 1;
    let wanted = format!(
        "{}:{line}:{column}: plans[0].rnak: there is no such field; did you mean `rank`?",
        file.display()
    );
    assert!(said.err.contains(&wanted), "{wanted}\n{}", said.err);
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn a_mapping_that_only_the_deployment_refuses_is_told_with_its_lines() {
    let stage = Stage::new().await;
    let file = stage.home.path().join("m.toml");
    std::fs::write(&file, MAPPING).unwrap();
    let problem = json!({"type": "https://counterfoil.example/problems/mapping-invalid", "status": 422,
        "code": "mapping-invalid", "title": "This is not a mapping, so nothing was stored", "errors": [{
            "pointer": "/text", "detail": "plans[0].rank: must be odd; add 1", "path": "plans[0].rank",
            "rule": "must be odd", "fix": "add 1", "line": 12, "column": 3}]});
    stage.answers("POST /v1/projects/prj_1/mappings", 422, problem);
    let words = [
        "project",
        "map",
        file.to_str().unwrap(),
        "--project",
        "prj_1",
    ];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 1, "{}", said.err);
    let told = "/text:12:3 plans[0].rank: must be odd; add 1";
    assert!(said.err.contains(told), "{}", said.err);
}

#[tokio::test]
async fn a_mapping_is_stored_and_activated_as_the_project_was_read_and_a_second_person_may_be_needed()
 {
    let stage = Stage::new().await;
    let file = stage.home.path().join("counterfoil.toml");
    std::fs::write(&file, MAPPING).unwrap();
    let hash = format!("sha256:{}", "ab".repeat(32));
    let activate = format!("POST /v1/projects/prj_1/mappings/{hash}/activate");
    stage
        .answers(
            "POST /v1/projects/prj_1/mappings",
            201,
            json!({ "hash": hash }),
        )
        .answers("GET /v1/projects/prj_1", 200, project(&[]))
        .answers(&activate, 200, project(&[]));
    let words = [
        "project",
        "map",
        file.to_str().unwrap(),
        "--project",
        "prj_1",
    ];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("does not count yet"), "{}", said.out);
    assert_eq!(stage.last().body["text"], MAPPING);
    let words = [&words[..], &["--activate"]].concat();
    let said = stage.with_key(&words).await;
    assert!(said.out.contains("is active"), "{}", said.out);
    assert_eq!(stage.last().header("if-match"), "\"7\"");
    stage.answers(&activate, 202, project(&[]));
    let said = stage.with_key(&words).await;
    assert!(said.out.contains("second person"), "{}", said.out);
}

#[tokio::test]
async fn what_is_connected_is_shown_and_taken_away_without_the_credential() {
    let stage = Stage::new().await;
    let old = json!({"kind": "webhook", "hint": "whsec_…", "version": 1, "added_at": "2026-11-26T00:00:00Z",
        "retire_at": "2026-11-27T00:00:00Z", "standing": null, "probed_at": null, "sentences": []});
    stage
        .answers("GET /v1/projects/prj_1/connections", 200, list(&[old]))
        .answers(
            "DELETE /v1/projects/prj_1/connections/webhook",
            200,
            list(&[]),
        );
    let said = stage
        .with_key(&["connect", "--show", "--project", "prj_1"])
        .await;
    assert_eq!(
        said.out,
        "webhook  whsec_…  not probed, accepted until 2026-11-27T00:00:00Z\n"
    );
    let said = stage
        .with_key(&["connect", "--remove", "webhook", "--project", "prj_1"])
        .await;
    assert!(said.out.contains("is gone"), "{}", said.out);
    assert_eq!(
        stage.last().line,
        "DELETE /v1/projects/prj_1/connections/webhook"
    );
    assert_eq!(stage.last().header("if-match"), "\"7\"");
}
