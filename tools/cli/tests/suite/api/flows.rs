//! What a flow has registered, and who registers it.

use serde_json::{Value, json};

use super::deployment::Stage;

fn flow(kinds: &[(&str, bool)], proposed: &Value) -> Value {
    let one =
        |(kind, destructive): &(&str, bool)| json!({ "kind": kind, "destructive": destructive });
    json!({
        "id": "refunds.eu", "actions": kinds.iter().map(one).collect::<Vec<_>>(), "proposed": proposed,
    })
}

const READ: &str = "GET /v1/flows/refunds.eu";
const PUT: &str = "PUT /v1/flows/refunds.eu";

#[tokio::test]
async fn a_flow_is_told_kind_by_kind_with_what_waits() {
    let stage = Stage::new().await;
    let wanted = json!({
        "actions": [{ "kind": "mail.send", "destructive": false }],
        "proposed_by": "usr_1", "proposed_at": "2026-11-26T01:00:00.000Z",
    });
    let known = flow(&[("mail.send", false), ("refund.create", true)], &wanted);
    stage.answers(READ, 200, known.clone());
    let said = stage.with_key(&["flow", "show", "refunds.eu"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let rows: Vec<&str> = said.out.lines().collect();
    assert!(
        rows[1].starts_with("mail.send") && rows[1].contains("harmless"),
        "{rows:?}"
    );
    assert!(
        rows[2].contains("destroys") && rows[2].contains("waits for a person"),
        "{rows:?}"
    );
    assert!(
        rows[3].contains("usr_1 wants refunds.eu to have mail.send;")
            && rows[3].contains("same command"),
        "{rows:?}"
    );
    let said = stage
        .with_key(&["flow", "show", "refunds.eu", "--json"])
        .await;
    assert_eq!(said.json(), known);
    stage.answers(READ, 200, flow(&[], &Value::Null));
    let said = stage.with_key(&["flow", "show", "refunds.eu"]).await;
    assert!(
        said.out
            .contains("counterfoil flow register refunds.eu --kind KIND"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn kinds_that_are_not_named_stay_and_what_waits_names_the_second_person() {
    let stage = Stage::new().await;
    let known = flow(&[("file.delete", true), ("mail.send", false)], &Value::Null);
    stage
        .answers(READ, 200, known)
        .answers(PUT, 200, flow(&[], &Value::Null));
    let register = ["flow", "register", "refunds.eu"];
    let more = [
        "--kind",
        "refund.create:destructive",
        "--remove",
        "mail.send",
    ];
    let said = stage.with_key(&[&register[..], &more].concat()).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let kinds = json!([{ "kind": "file.delete", "destructive": true },
        { "kind": "refund.create", "destructive": true }]);
    let sent = stage.last();
    assert_eq!(
        (sent.line.as_str(), &sent.body),
        (PUT, &json!({ "actions": kinds }))
    );
    assert_eq!(sent.header("if-match"), "\"7\"");

    let wanted = json!({
        "actions": [{ "kind": "file.delete", "destructive": false }],
        "proposed_by": "usr_1", "proposed_at": "2026-11-26T01:00:00.000Z",
    });
    stage.answers(PUT, 202, flow(&[("file.delete", true)], &wanted));
    let harmless = [&register[..], &["--kind", "file.delete"]].concat();
    let said = stage.with_key(&harmless).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out
            .contains("another admin or owner runs the same command within 72 hours"),
        "{}",
        said.out
    );
    let before = stage.seen().len();
    for (words, status) in [
        (&["--remove", "nothing.there"][..], 1),
        (&["--kind", "Refund"], 2),
        (&["--kind", "refund.create:harmless"], 2),
        (&[], 2),
    ] {
        let said = stage.with_key(&[&register[..], words].concat()).await;
        assert_eq!(said.status, status, "{}", said.err);
    }
    let seen = stage.seen().split_off(before);
    assert!(seen.iter().all(|it| it.line == READ), "{seen:?}");
    let said = stage.with_key(&["flow", "show", "../me"]).await;
    assert_eq!(said.status, 2, "{}", said.err);
}
