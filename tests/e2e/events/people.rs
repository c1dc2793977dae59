//! What people and their programs ask.

use counterfoil_core::incident::IncidentState;
use counterfoil_testkit::issuer::CLIENT_ID;
use serde_json::json;

use super::super::stage::stage;
use super::real::Real;
use super::{ACTION, INCIDENT, RUN};

/// A key of one project reaches nothing of its workspace, founds nothing and joins nothing.
pub(super) async fn tenants(real: &Real<'_>) {
    let (status, me) = real.http("api", "read-me", &[]).await;
    assert_eq!((status, &me["type"]), (200, &json!("api_key")), "{me}");
    assert_eq!(me["project_id"], json!(real.tenant.project.id));
    assert!(me.get("secret").is_none(), "{me}");
    let (status, mine) = real.http("api", "list-workspaces", &[]).await;
    assert_eq!((status, &mine["items"]), (200, &json!([])));
    for name in ["found-workspace", "accept-invitation"] {
        let (status, refused) = real.http("api", name, &[]).await;
        assert_eq!(
            (status, &refused["code"]),
            (403, &json!("capability-missing"))
        );
    }
    for name in [
        "read-workspace",
        "rename-workspace",
        "list-members",
        "read-member",
        "change-member",
        "remove-member",
        "list-invitations",
        "make-invitation",
        "revoke-invitation",
        "list-keys",
        "make-key",
        "read-key",
        "revoke-key",
        "rotate-key",
    ] {
        let (status, nothing) = real.http("api", name, &[]).await;
        assert_eq!(
            (status, &nothing["code"]),
            (404, &json!("not-found")),
            "{name}"
        );
    }
}

/// Returns the run of the approved repair.
pub(super) async fn requests(real: &Real<'_>, run: &str) -> String {
    let (status, _) = real.http("repair-approve", "not-authenticated", &[]).await;
    assert_eq!(status, 401);
    let (status, inbox) = real.http("repair-approve", "inbox", &[]).await;
    assert_eq!(status, 200);
    let held = inbox["items"].as_array().unwrap();
    assert_eq!(held.len(), 4, "the mapping's limit");
    for action in held {
        assert_eq!(
            action["proposer"],
            json!({ "type": "scheduler", "id": run })
        );
        assert_eq!(action["decision"]["effect"], "REQUIRE");
    }
    let (status, approved) = real.vote("approve", &held[0]).await;
    assert_eq!(
        (status, &approved["state"]),
        (200, &json!("verified")),
        "{approved}"
    );
    let (status, rejected) = real.vote("reject", &held[1]).await;
    assert_eq!(
        (status, &rejected["state"]),
        (200, &json!("rejected")),
        "{rejected}"
    );

    let open = real.incidents(IncidentState::Open).await;
    let open = open
        .iter()
        .find(|incident| incident.finding.not_repairable.is_none());
    let incident = open.unwrap().id.to_string();
    let swaps = [(INCIDENT, incident.as_str())];
    let (status, proposed) = real
        .http("repair-approve", "propose-for-incident", &swaps)
        .await;
    assert_eq!(
        (status, &proposed["state"]),
        (201, &json!("held")),
        "{proposed}"
    );
    let id = [(ACTION, proposed["id"].as_str().unwrap())];
    let (status, read) = real.http("repair-approve", "read-action", &id).await;
    assert_eq!((status, &read), (200, &proposed));
    let (status, refused) = real.vote("execute", &proposed).await;
    assert_eq!((status, &refused["code"]), (409, &json!("action-held")));
    let (status, cancelled) = real.http("repair-approve", "cancel", &id).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    let (status, refused) = real.http("repair-approve", "undo", &id).await;
    assert_eq!((status, &refused["code"]), (409, &json!("wrong-state")));

    // The run is done: its id is no credential any more.
    let swaps = [(RUN, run), (INCIDENT, incident.as_str())];
    let late = real
        .other("repair-approve", "propose-by-scan", &swaps)
        .await;
    assert_eq!(late, json!({ "action": null }));
    let swept = real.other("repair-approve", "sweep", &[]).await;
    let nothing = json!({ "finished": 0, "left": 0, "projects_left": 0 });
    assert_eq!(swept, nothing);
    approved["follow_up_run"].as_str().unwrap().to_owned()
}

pub(super) async fn sign_in(real: &Real<'_>) {
    let (status, place) = real.http("api", "read-login", &[]).await;
    // The issuer of the stage: all stacks have it from their environment.
    let told =
        json!({ "issuer": stage().issuer.url(), "client_id": CLIENT_ID, "scope": "counterfoil" });
    assert_eq!((status, place), (200, told));
    let file = real.other("api", "read-security", &[]).await;
    assert_eq!(file["headers"]["content-type"], "text/plain; charset=utf-8");
    let committed = include_str!("../../../docs/security.txt");
    assert_eq!(
        (&file["statusCode"], &file["body"]),
        (&json!(200), &json!(committed))
    );
}
