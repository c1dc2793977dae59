//! Keys, people and their secrets.

use serde_json::{Value, json};

use super::deployment::{KEY, Stage, list, workspace};

const SECRET: &str = "cfk_live_0123456789_SECRETSECRETSECRETSECRETSECRETSEC123456";

fn key(secret: Option<&str>) -> Value {
    let mut key = json!({
        "id": "key_1", "name": "ci", "project_id": null, "environment": "live", "capability": "read",
        "approver": null, "owner": "usr_1", "created_at": "2026-11-23T00:00:00Z",
        "expires_at": "2027-02-21T00:00:00Z", "revoked_at": null, "replaced_by": null, "last_used_at": null,
    });
    if let Some(secret) = secret {
        key["secret"] = json!(secret);
    }
    key
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.answers("GET /v1/workspaces", 200, list(&[workspace("ws_1")]));
    stage
}

#[tokio::test]
async fn the_secret_of_a_new_key_is_alone_on_standard_output() {
    let stage = stage().await;
    stage
        .answers("POST /v1/workspaces/ws_1/keys", 201, key(Some(SECRET)))
        .answers(
            "POST /v1/workspaces/ws_1/keys/key_1/rotate",
            201,
            key(Some(SECRET)),
        );
    let create = [
        "key",
        "create",
        "ci",
        "--environment",
        "live",
        "--expires-in-days",
        "30",
    ];
    let said = stage.as_person(&create).await;
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, format!("{SECRET}\n").as_str())
    );
    assert!(
        said.err.contains("key_1") && !said.err.contains(SECRET),
        "{}",
        said.err
    );
    let seen = stage.last();
    let body =
        json!({"name": "ci", "environment": "live", "capability": "read", "expires_in_days": 30});
    assert_eq!(seen.body, body);
    assert!(!seen.header("idempotency-key").is_empty());
    assert_eq!(seen.header("authorization"), "Bearer token-of-ada");
    assert_eq!(seen.header("counterfoil-project"), "");

    let said = stage
        .as_person(&["key", "rotate", "key_1", "--grace-hours", "0"])
        .await;
    assert_eq!(said.out, format!("{SECRET}\n"));
    assert_eq!(stage.last().body, json!({"grace_hours": 0}));
    let said = stage.as_person(&[&create[..], &["--json"]].concat()).await;
    assert_eq!(said.json(), key(Some(SECRET)));
}

#[tokio::test]
async fn keys_are_listed_and_revoked() {
    let stage = stage().await;
    let mut revoked = key(None);
    revoked["revoked_at"] = json!("2026-11-26T00:00:00Z");
    stage
        .answers("GET /v1/workspaces/ws_1/keys", 200, list(&[key(None)]))
        .answers("POST /v1/workspaces/ws_1/keys/key_1/revoke", 200, revoked);
    let said = stage.as_person(&["key", "list"]).await;
    assert!(
        said.out.contains("every project, live") && said.out.contains("never"),
        "{}",
        said.out
    );
    let said = stage.as_person(&["key", "revoke", "key_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("revoked at 2026-11-26"), "{}", said.out);
    assert_eq!(stage.last().body, Value::Null);
}

#[tokio::test]
async fn a_sign_in_that_is_too_old_is_told_what_to_do_and_a_lost_secret_too() {
    let stage = stage().await;
    let stale = json!({"title": "The sign-in is too old", "status": 401, "code": "insufficient_user_authentication", "max_age": 900});
    stage.answers("POST /v1/workspaces/ws_1/keys", 401, stale);
    let create = ["key", "create", "ci", "--environment", "live"];
    let said = stage.as_person(&create).await;
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("last 15 minutes: `counterfoil login`"),
        "{}",
        said.err
    );
    let made = json!({"title": "Made already", "status": 409, "code": "already-created", "resource_id": "key_1"});
    stage.answers("POST /v1/workspaces/ws_1/keys", 409, made);
    let said = stage.as_person(&create).await;
    assert!(said.err.contains("key_1"), "{}", said.err);
    stage.answers(
        "POST /v1/workspaces/ws_1/keys",
        503,
        json!({"title": "Later", "request_id": "req_1"}),
    );
    let said = stage.as_person(&create).await;
    assert_eq!(said.status, 2);
    assert!(said.err.contains("req_1"), "{}", said.err);
}

#[tokio::test]
async fn people_are_invited_change_roles_and_join_with_a_token_that_is_no_argument() {
    let stage = stage().await;
    let token = "cfi_0123456789TOKENTOKENTOKEN";
    let invitation = json!({"id": "inv_1", "name": "Bob", "email": "bob@example.com", "role": "approver",
        "invited_by": "usr_1", "created_at": "x", "expires_at": "2026-12-03T00:00:00Z", "token": token});
    let member = |role: &str| json!({"id": "usr_2", "name": "Bob", "role": role, "since": "x", "signs_in": true});
    let joined = json!({"workspace_id": "ws_1", "workspace_name": "Acme", "user_id": "usr_2", "role": "approver"});
    stage
        .answers("POST /v1/workspaces/ws_1/invitations", 201, invitation)
        .answers("POST /v1/invitations/accept", 201, joined)
        .answers(
            "GET /v1/workspaces/ws_1/members/usr_2",
            200,
            member("viewer"),
        )
        .answers(
            "PATCH /v1/workspaces/ws_1/members/usr_2",
            200,
            member("admin"),
        )
        .answers("DELETE /v1/workspaces/ws_1/members/usr_2", 204, json!(null))
        .answers(
            "DELETE /v1/workspaces/ws_1/invitations/inv_1",
            204,
            json!(null),
        );
    let said = stage
        .as_person(&[
            "workspace",
            "invite",
            "bob@example.com",
            "--role",
            "approver",
        ])
        .await;
    assert_eq!(said.out, format!("{token}\n"));
    assert!(!said.err.contains(token), "{}", said.err);
    let said = stage
        .as_person(&["workspace", "role", "usr_2", "admin"])
        .await;
    assert_eq!(
        said.out,
        "Bob was viewer, and is admin with their next request\n"
    );
    assert_eq!(stage.last().header("if-match"), "\"7\"");
    for id in ["usr_2", "inv_1"] {
        assert_eq!(
            stage.as_person(&["workspace", "remove", id]).await.status,
            0
        );
    }
    let accept = [
        "workspace",
        "accept",
        "--your-name",
        "Bob",
        "--api",
        &stage.url,
    ];
    let said = stage.run(&accept, &[], &format!("{token}\n")).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(
        stage.last().body,
        json!({"token": token, "your_name": "Bob"})
    );
    let given = [("COUNTERFOIL_INVITATION", token)];
    assert_eq!(stage.run(&accept, &given, "").await.status, 0);
    let said = stage.run(&[&accept[..], &[token]].concat(), &[], "").await;
    assert_eq!(said.status, 2, "{}", said.err);
}

#[tokio::test]
async fn a_key_is_never_printed() {
    let stage = stage().await;
    for words in [
        &["workspace", "list"][..],
        &["doctor"],
        &["workspace", "show", "--json"],
    ] {
        let said = stage.with_key(words).await;
        assert!(!format!("{said:?}").contains(KEY), "{words:?}");
    }
}
