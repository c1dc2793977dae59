//! Deletion: what is said before, what is asked, and that nothing is asked for without the name.

use serde_json::{Value, json};

use super::deployment::Stage;

const PROJECT: &[&str] = &["--project", "prj_1"];
const WORKSPACE: &[&str] = &["--workspace", "ws_1"];

fn deletion(state: &str) -> Value {
    let waits = state == "proposed";
    let some = |is: bool, what: &str| if is { json!(what) } else { Value::Null };
    json!({
        "state": state, "proposed_by": "usr_1", "proposed_at": "2026-11-26T10:00:00Z",
        "reason": "We sold this shop", "lapses_at": some(waits, "2026-11-29T10:00:00Z"),
        "confirmed_by": some(!waits, "usr_2"), "confirmed_at": some(!waits, "2026-11-26T11:00:00Z"),
        "due_at": some(!waits, "2026-12-03T11:00:00Z"),
    })
}

fn none() -> Value {
    json!({
        "state": "none", "proposed_by": null, "proposed_at": null, "reason": null, "lapses_at": null,
        "confirmed_by": null, "confirmed_at": null, "due_at": null,
    })
}

fn project() -> Value {
    json!({
        "id": "prj_1", "workspace": "ws_1", "name": "Web", "environment": "live",
        "auto_propose": false, "mapping": null, "missing": [], "deletion": null,
        "workspace_deletion": null,
        "connections": {"stripe": null, "database": null, "repair": null, "webhook_secrets": 0},
    })
}

async fn stage(waiting: Value) -> Stage {
    let stage = Stage::new().await;
    let workspace = json!({ "id": "ws_1", "name": "Acme", "role": "owner", "deletion": null });
    stage
        .answers("GET /v1/projects/prj_1", 200, project())
        .answers("GET /v1/projects/prj_1/deletion", 200, waiting.clone())
        .answers("GET /v1/workspaces/ws_1", 200, workspace)
        .answers("GET /v1/workspaces/ws_1/deletion", 200, waiting)
        .answers(
            "POST /v1/projects/prj_1/deletion",
            202,
            deletion("proposed"),
        )
        .answers(
            "POST /v1/workspaces/ws_1/deletion",
            202,
            deletion("proposed"),
        )
        .answers(
            "POST /v1/projects/prj_1/deletion/confirm",
            202,
            deletion("confirmed"),
        )
        .answers(
            "POST /v1/workspaces/ws_1/deletion/confirm",
            202,
            deletion("confirmed"),
        )
        .answers("DELETE /v1/projects/prj_1/deletion", 204, Value::Null)
        .answers("DELETE /v1/workspaces/ws_1/deletion", 204, Value::Null);
    stage
}

fn changes(stage: &Stage) -> Vec<String> {
    let seen = stage.seen().into_iter().map(|seen| seen.line);
    seen.filter(|line| !line.starts_with("GET ")).collect()
}

#[tokio::test]
async fn a_proposal_says_what_goes_and_stays_and_wants_the_name() {
    for (words, name, place) in [
        (["project", "delete"], "Web", PROJECT),
        (["workspace", "delete"], "Acme", WORKSPACE),
    ] {
        let stage = stage(none()).await;
        let mut line = words.to_vec();
        line.extend(["--reason", "We sold this shop"]);
        line.extend(place);
        for typed in ["", "web\n", "yes\n"] {
            let said = stage.run_with_key(&line, typed).await;
            assert_eq!(said.status, 2, "{said:?}");
            assert!(said.err.contains("nothing was asked for"), "{}", said.err);
        }
        assert_eq!(changes(&stage), Vec::<String>::new());
        let said = stage.run_with_key(&line, &format!("{name}\n")).await;
        assert_eq!(said.status, 0, "{said:?}");
        for part in ["goes:", "stays:", "seven days", "credentials", "backup"] {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
        assert!(said.out.contains("delete --confirm"), "{}", said.out);
        assert!(said.out.contains("2026-11-29T10:00:00Z"), "{}", said.out);
        let sent = stage.last();
        assert_eq!(sent.body, json!({ "reason": "We sold this shop" }));
        assert!(!sent.header("idempotency-key").is_empty());
        line.extend(["--yes", "--json"]);
        let said = stage.run_with_key(&line, "").await;
        assert_eq!(said.json(), deletion("proposed"));
    }
}

#[tokio::test]
async fn whoever_confirms_reads_the_reason_first_and_confirms_what_they_read() {
    for (word, place) in [("project", PROJECT), ("workspace", WORKSPACE)] {
        let stage = stage(deletion("proposed")).await;
        let mut line = vec![word, "delete", "--confirm", "--yes"];
        line.extend(place);
        let said = stage.run_with_key(&line, "").await;
        assert_eq!(said.status, 0, "{said:?}");
        assert!(said.err.contains("We sold this shop"), "{}", said.err);
        assert!(said.out.contains("2026-12-03T11:00:00Z"), "{}", said.out);
        assert!(said.out.contains(&format!("{word} keep")), "{}", said.out);
        let sent = stage.last();
        assert!(sent.line.ends_with("/deletion/confirm"), "{}", sent.line);
        assert_eq!(sent.header("if-match"), "\"7\"");
    }
}

#[tokio::test]
async fn what_does_not_wait_for_a_second_person_is_not_confirmed() {
    for waiting in [none(), deletion("confirmed")] {
        let stage = stage(waiting).await;
        let mut line = vec!["project", "delete", "--confirm", "--yes"];
        line.extend(PROJECT);
        let said = stage.run_with_key(&line, "").await;
        assert_eq!(said.status, 2, "{said:?}");
        assert_eq!(changes(&stage), Vec::<String>::new());
    }
    let stage = stage(none()).await;
    for line in [
        &["project", "delete"][..],
        &[
            "project",
            "delete",
            "--confirm",
            "--reason",
            "We sold this shop",
        ],
    ] {
        let said = stage.run_with_key(line, "").await;
        assert_eq!(
            said.status, 2,
            "either a reason or a confirmation: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_project_and_a_workspace_say_that_they_end_and_are_kept() {
    let stage = stage(none()).await;
    let mut ending = project();
    ending["deletion"] = deletion("put_off");
    stage.answers("GET /v1/projects/prj_1", 200, ending);
    let said = stage
        .run_with_key(&["project", "show", "--project", "prj_1"], "")
        .await;
    assert!(said.out.contains("a legal hold keeps it"), "{}", said.out);
    for (word, place) in [("project", PROJECT), ("workspace", WORKSPACE)] {
        let mut line = vec![word, "keep"];
        line.extend(place);
        let said = stage.run_with_key(&line, "").await;
        assert_eq!(said.out, format!("the {word} stays\n"));
        assert!(stage.last().line.starts_with("DELETE "));
        line.push("--json");
        let said = stage.run_with_key(&line, "").await;
        assert_eq!(said.json(), none());
    }
}
