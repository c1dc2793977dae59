//! Which deployment, workspace and project a command is about when it is not told.

use serde_json::json;

use super::deployment::{Stage, incident, list, workspace};

fn project(id: &str) -> serde_json::Value {
    json!({"id": id, "name": "Web", "environment": "live", "complete": false})
}

#[tokio::test]
async fn the_only_project_is_used_and_then_the_one_used_last_and_the_command_says_so() {
    let stage = Stage::new().await;
    stage
        .answers("GET /v1/workspaces", 200, list(&[workspace("ws_1")]))
        .answers(
            "GET /v1/workspaces/ws_1/projects",
            200,
            list(&[project("prj_1")]),
        )
        .answers("GET /v1/incidents", 200, list(&[incident(1)]));
    let words = ["incidents", "list"];
    let said = stage.as_person(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.err.contains(&format!("deployment: {}", stage.url)),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("project: prj_1 (the only one)"),
        "{}",
        said.err
    );
    assert_eq!(stage.last().header("counterfoil-project"), "prj_1");
    let asked = stage.seen().len();
    let said = stage.as_person(&words).await;
    assert!(
        said.err.contains("project: prj_1 (used last"),
        "{}",
        said.err
    );
    assert_eq!(stage.seen().len(), asked + 1, "nothing else is asked");
    let said = stage
        .as_person(&["incidents", "list", "--project", "prj_2"])
        .await;
    assert!(!said.err.contains("used last"), "{}", said.err);
    assert_eq!(stage.last().header("counterfoil-project"), "prj_2");
    stage.as_person(&words).await;
    assert_eq!(stage.last().header("counterfoil-project"), "prj_2");
    let said = stage
        .run(&words, &[("COUNTERFOIL_PROJECT", "prj_3")], "")
        .await;
    assert_eq!(
        stage.last().header("counterfoil-project"),
        "prj_3",
        "{}",
        said.err
    );
}

#[tokio::test]
async fn of_several_one_is_named_and_none_leads_to_the_command_that_makes_one() {
    let stage = Stage::new().await;
    stage.answers(
        "GET /v1/workspaces",
        200,
        list(&[workspace("ws_1"), workspace("ws_2")]),
    );
    let said = stage.as_person(&["key", "list"]).await;
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("--workspace") && said.err.contains("ws_2 (Acme)"),
        "{}",
        said.err
    );
    stage.answers("GET /v1/workspaces", 200, list(&[]));
    let said = stage.as_person(&["project", "list"]).await;
    assert!(
        said.err.contains("counterfoil workspace create"),
        "{}",
        said.err
    );
    let said = stage.as_person(&["workspace", "list"]).await;
    assert!(
        said.out.contains("counterfoil workspace create"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_key_goes_before_what_was_used_last() {
    let stage = Stage::new().await;
    stage.answers("GET /v1/incidents", 200, list(&[]));
    assert_eq!(
        stage
            .as_person(&["incidents", "list", "--project", "prj_9"])
            .await
            .status,
        0
    );
    let said = stage.with_key(&["incidents", "list"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(stage.last().header("counterfoil-project"), "");
    assert!(!said.err.contains("prj_9"), "{}", said.err);
}

#[tokio::test]
async fn without_any_deployment_the_command_says_how_to_name_one() {
    let stage = Stage::new().await;
    let said = stage.run(&["incidents", "list"], &[], "").await;
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains("counterfoil login --api URL"),
        "{}",
        said.err
    );
}

/// A key is a member of nothing and lists no workspaces: it says itself which one it is of.
#[tokio::test]
async fn the_workspace_of_a_key_is_the_one_that_it_is_of() {
    let stage = Stage::new().await;
    let me = json!({"type": "api_key", "id": "key_1", "capability": "read", "project_id": "prj_1",
        "expires_at": "2199-01-01T00:00:00Z", "workspace_id": "ws_9"});
    stage
        .answers("GET /v1/me", 200, me)
        .answers("GET /v1/workspaces", 200, list(&[]))
        .answers("GET /v1/workspaces/ws_9/members", 200, list(&[]));
    let said = stage.with_key(&["workspace", "members"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let asked = "GET /v1/workspaces/ws_9/members";
    assert!(stage.seen().iter().any(|it| it.line == asked));
}
