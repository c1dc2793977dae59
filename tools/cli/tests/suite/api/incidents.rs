//! Lists, pages, acts, and what a terminal must not be told.

use serde_json::json;

use super::deployment::{Stage, incident, list};

#[tokio::test]
async fn every_page_is_one_document_and_one_page_names_the_next() {
    let stage = Stage::new().await;
    let page = |items, next| json!({ "items": items, "next_cursor": next });
    let first = page([incident(1), incident(2)], json!("c1"));
    let second = page([incident(3), incident(4)], json!(null));
    stage
        .answers(
            "GET /v1/incidents?state=open&sort=-at_risk&limit=2",
            200,
            first.clone(),
        )
        .answers(
            "GET /v1/incidents?state=open&sort=-at_risk&limit=2&cursor=c1",
            200,
            second,
        );
    let words = [
        "incidents",
        "list",
        "--state",
        "open",
        "--sort",
        "-at_risk",
        "--limit",
        "2",
    ];
    let said = stage.with_key(&[&words[..], &["--json"]].concat()).await;
    assert_eq!((said.status, said.json()), (0, first), "{}", said.err);
    let said = stage.with_key(&words).await;
    assert!(said.err.contains("--cursor c1"), "{}", said.err);
    assert!(said.out.contains("29.00 USD") && said.out.contains("paid without access"));
    let said = stage
        .with_key(&[&words[..], &["--all", "--json"]].concat())
        .await;
    let document = said.json();
    assert_eq!(document["items"].as_array().unwrap().len(), 4);
    assert_eq!(document["next_cursor"], json!(null));
    assert_eq!(document["items"][3], incident(4));
}

#[tokio::test]
async fn a_deployment_that_names_the_same_page_for_ever_is_left() {
    let stage = Stage::new().await;
    let page = json!({ "items": [incident(1)], "next_cursor": "c1" });
    stage
        .answers("GET /v1/incidents", 200, page.clone())
        .answers("GET /v1/incidents?cursor=c1", 200, page);
    let said = stage.with_key(&["incidents", "list", "--all"]).await;
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(said.out.is_empty());
}

#[tokio::test]
async fn an_act_is_sent_once_with_a_key_of_its_own() {
    let stage = Stage::new().await;
    stage
        .answers("POST /v1/incidents/inc_1/ignore", 200, incident(1))
        .answers("POST /v1/incidents/inc_1/acknowledge", 200, incident(1))
        .answers("POST /v1/incidents/inc_1/reopen", 200, incident(1));
    let words = [
        "incidents",
        "ignore",
        "inc_1",
        "--until",
        "2026-12-01T00:00:00Z",
    ];
    let words = [&words[..], &["--reason", "Paid by bank transfer"]].concat();
    for _ in 0..2 {
        assert_eq!(stage.with_key(&words).await.status, 0);
    }
    let reopen = [
        "incidents",
        "reopen",
        "inc_1",
        "--reason",
        "It did not come",
    ];
    assert_eq!(stage.with_key(&reopen).await.status, 0);
    let acknowledge = [
        "incidents",
        "acknowledge",
        "inc_1",
        "--reason",
        "It is real",
    ];
    assert_eq!(stage.with_key(&acknowledge).await.status, 0);
    let seen = stage.seen();
    let body = json!({ "until": "2026-12-01T00:00:00Z", "reason": "Paid by bank transfer" });
    assert_eq!(seen[0].body, body);
    let keys: Vec<&str> = seen.iter().map(|it| it.header("idempotency-key")).collect();
    assert!(keys.iter().all(|key| !key.is_empty()), "{keys:?}");
    assert_ne!(keys[0], keys[1]);
    let said = stage
        .with_key(&[
            "incidents",
            "ignore",
            "inc_1",
            "--days",
            "181",
            "--reason",
            "x",
        ])
        .await;
    assert_eq!(said.status, 2);
    assert_eq!(stage.seen().len(), 4, "nothing was sent");
}

#[tokio::test]
async fn nothing_that_the_api_says_moves_the_cursor_of_a_terminal() {
    let stage = Stage::new().await;
    let odd = "a\u{1b}[2J\u{9b}31m\u{7}\u{202e}b\nfail";
    let mut evil = incident(1);
    for field in ["granted", "promised", "rule", "state", "kind", "opened_at"] {
        evil[field] = json!(odd);
    }
    evil["customers"] = json!([odd]);
    evil["ignored"] = json!({"by": odd, "until": odd, "reason": odd});
    let problem = json!({ "title": odd, "code": "action-denied", "errors": [{"pointer": odd, "detail": odd}] });
    stage
        .answers("GET /v1/incidents/inc_1", 200, evil.clone())
        .answers("GET /v1/incidents", 200, list(&[evil.clone()]))
        .answers("GET /v1/runs/run_1", 403, problem);
    for words in [
        &["incidents", "show", "inc_1"][..],
        &["incidents", "show", "inc_1", "--json"],
        &["incidents", "list"],
        &["incidents", "list", "--json"],
        &["runs", "show", "run_1"],
    ] {
        let said = stage.with_key(words).await;
        let all = format!("{}{}", said.out, said.err);
        let raw = all
            .chars()
            .filter(|it| it.is_control() && *it != '\n')
            .count();
        assert_eq!(raw, 0, "{words:?}: {all:?}");
        assert!(
            !all.contains('\u{202e}') && !all.contains("\nfail"),
            "{words:?}: {all:?}"
        );
    }
    let said = stage
        .with_key(&["incidents", "show", "inc_1", "--json"])
        .await;
    assert_eq!(said.json(), evil, "the document is the same");
}

#[tokio::test]
async fn an_id_that_would_be_another_path_is_never_sent() {
    let stage = Stage::new().await;
    for id in ["../keys", "inc_1?x=1", "", "inc 1", "inc_1/ignore"] {
        let said = stage.with_key(&["incidents", "show", id]).await;
        assert_eq!(said.status, 2, "{id}: {}", said.err);
    }
    assert!(stage.seen().is_empty());
}
