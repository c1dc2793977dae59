//! What the doctor looks at, and what it says to do.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::deployment::{KEY, Stage, list, workspace};

async fn healthy() -> Stage {
    let stage = Stage::new().await;
    let me = json!({"type": "user", "id": "usr_1", "issuer": "https://issuer.example.com",
        "signed_in_at": "2026-11-26T00:00:00Z", "second_factor": true, "workspaces": []});
    let probed = json!({"standing": "ok", "probed_at": "2199-11-26T00:00:00Z"});
    let listed = json!({"id": "prj_1", "name": "Web", "environment": "live", "complete": true});
    let project = json!({
        "id": "prj_1", "workspace": "ws_1", "name": "Web", "environment": "live", "mapping": "sha256:1",
        "connections": {"stripe": probed, "database": probed, "repair": null, "webhook_secrets": 1}, "missing": [],
    });
    let connection = json!({"kind": "stripe", "hint": "rk_live_", "added_at": "2026-11-26T00:00:00Z",
        "standing": "ok", "probed_at": "2199-11-26T00:00:00Z", "sentences": ["The key reads customers."]});
    let health = json!({"result": "ok", "last_delivery_at": "2026-11-26T00:00:00Z", "connection": {"state": "open"}});
    let schedule = json!({"full_every_hours": 24, "measured": {"reads_per_30_days": 1, "full_scan_seconds": 1, "warning": null}});
    stage
        .answers("GET /v1/login", 200, json!({}))
        .answers("GET /v1/me", 200, me)
        .answers("GET /v1/workspaces", 200, list(&[workspace("ws_1")]))
        .answers("GET /v1/workspaces/ws_1/projects", 200, list(&[listed]))
        .answers("GET /v1/projects/prj_1", 200, project)
        .answers(
            "GET /v1/projects/prj_1/connections",
            200,
            list(&[connection]),
        )
        .answers("GET /v1/webhooks/health", 200, health)
        .answers("GET /v1/settings/schedule", 200, schedule);
    stage
}

fn state(said: &Value, name: &str) -> Value {
    let checks = said["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == name);
    check.unwrap_or_else(|| panic!("{name}: {said}"))["state"].clone()
}

#[tokio::test]
async fn a_healthy_project_has_nothing_to_fix_and_the_doctor_changes_nothing() {
    let stage = healthy().await;
    let said = stage.as_person(&["doctor"]).await;
    assert_eq!(said.status, 0, "{}", said.out);
    assert!(
        !said.out.contains("fail") && !said.out.contains("next:"),
        "{}",
        said.out
    );
    assert!(
        stage
            .seen()
            .iter()
            .all(|seen| seen.line.starts_with("GET "))
    );
    let said = stage.as_person(&["doctor", "--json"]).await.json();
    for name in [
        "sign-ins",
        "address",
        "reachable",
        "clock",
        "credential",
        "workspace",
        "project",
        "stripe",
        "webhooks",
        "scan",
    ] {
        assert_eq!(state(&said, name), "ok", "{said}");
    }
}

#[tokio::test]
async fn what_does_not_work_fails_with_the_command_that_fixes_it() {
    let stage = healthy().await;
    let alarm = json!({"kind": "stripe", "hint": "rk_live_", "added_at": "2026-11-26T00:00:00Z",
        "standing": "alarm", "probed_at": "2026-11-26T00:00:00Z", "sentences": ["The key may write: make one that only reads."]});
    stage
        .answers("GET /v1/projects/prj_1/connections", 200, list(&[alarm]))
        .answers(
            "GET /v1/webhooks/health",
            200,
            json!({"result": "warning", "connection": {"state": "open"}}),
        )
        .answers(
            "GET /v1/settings/schedule",
            200,
            json!({"full_every_hours": 24, "measured": null}),
        );
    let said = stage.as_person(&["doctor"]).await;
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(
        said.out.contains("make one that only reads."),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("next: counterfoil connect stripe"),
        "{}",
        said.out
    );
    let json = stage.as_person(&["doctor", "--json"]).await;
    assert_eq!(json.status, 1);
    let json = json.json();
    assert_eq!(json["exit_status"], 1);
    assert_eq!(state(&json, "stripe"), "fail");
    assert_eq!(state(&json, "webhooks"), "warn");
    assert_eq!(state(&json, "scan"), "warn");
}

#[tokio::test]
async fn sign_ins_that_others_can_read_fail_and_a_dead_credential_stops_the_rest() {
    let stage = healthy().await;
    stage.as_person(&["doctor"]).await;
    let file = stage.home.path().join("counterfoil/credentials.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = stage.as_person(&["doctor"]).await;
    assert_eq!(said.status, 1);
    assert!(said.out.contains("chmod 600"), "{}", said.out);
    let problem = json!({"title": "Who are you", "status": 401, "code": "unauthenticated"});
    stage.answers("GET /v1/me", 401, problem);
    let said = stage.with_key(&["doctor"]).await;
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(
        said.out.contains("fail    credential") && !said.out.contains("project"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_key_that_ends_soon_is_a_warning() {
    let stage = healthy().await;
    let key = |until: &str| {
        json!({"type": "api_key", "id": "key_1", "capability": "read", "project_id": "prj_1",
        "expires_at": until, "workspace_id": "ws_1"})
    };
    stage.answers("GET /v1/me", 200, key("2020-01-01T00:00:00Z"));
    let said = stage.with_key(&["doctor", "--json"]).await.json();
    assert_eq!(state(&said, "credential"), "warn");
    stage.answers("GET /v1/me", 200, key("2199-01-01T00:00:00Z"));
    let said = stage.with_key(&["doctor", "--json"]).await.json();
    assert_eq!(state(&said, "credential"), "ok");
}

#[tokio::test]
async fn without_a_network_this_machine_is_looked_at_and_the_rest_is_said_to_be_unknown() {
    let stage = Stage::new().await;
    // Nobody listens on a port that was given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let given = [
        ("COUNTERFOIL_API", api.as_str()),
        ("COUNTERFOIL_API_KEY", KEY),
    ];
    let said = stage.run(&["doctor"], &given, "").await;
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(said.out.contains("could not be reached"), "{}", said.out);
    assert!(said.out.contains("not looked at"), "{}", said.out);
}

#[tokio::test]
async fn what_the_project_says_of_its_connections_is_enough_where_their_list_is_refused() {
    let stage = healthy().await;
    let problem = json!({"title": "There is no such record", "status": 404, "code": "not-found"});
    stage.answers("GET /v1/projects/prj_1/connections", 404, problem);
    let said = stage.as_person(&["doctor", "--json"]).await.json();
    assert_eq!(state(&said, "stripe"), "ok", "{said}");
    assert_eq!(state(&said, "database"), "ok", "{said}");
}
