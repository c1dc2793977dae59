//! What waits, votes on exactly what was displayed, and repairs of one incident or of several.

use serde_json::{Value, json};

use super::deployment::{Stage, incident, list};

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn action(number: u32, state: &str) -> Value {
    let effect = match state {
        "denied" => "DENY",
        "allowed" => "ALLOW",
        _ => "REQUIRE",
    };
    json!({
        "id": format!("act_{number}"), "state": state, "incident": format!("inc_{number}"), "run": "run_1",
        "action_digest": DIGEST, "expires_at": "2026-11-29T00:00:00.000Z",
        "proposer": {"type": "api_key", "id": "key_1"}, "reason": "Support asked for it",
        "decision": {"id": "dec_1", "effect": effect, "approvals": u8::from(effect == "REQUIRE"),
            "rule": "base.some.rule", "reason": "A rule says so"},
        "change": {"table": "public.app_users", "key": "42", "columns": [
            {"column": "plan", "before": "free", "after": "pro"},
            {"column": "premium", "before": "false", "after": "true"},
        ]},
        "approved_by": [], "follow_up_run": null, "failure": null,
    })
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "title": "It does not go", "status": status, "code": code })
}

async fn waiting() -> Stage {
    let stage = Stage::new().await;
    stage
        .answers("GET /v1/actions/act_1", 200, action(1, "held"))
        .answers("GET /v1/incidents/inc_1", 200, incident(1));
    stage
}

const VOTE: [&str; 6] = [
    "approve",
    "act_1",
    "--reason",
    "Checked the invoice",
    "--digest",
    DIGEST,
];

#[tokio::test]
async fn a_vote_shows_what_changes_and_binds_to_what_was_displayed() {
    let stage = waiting().await;
    let vote = "POST /v1/actions/act_1/approvals";
    stage.answers(vote, 200, action(1, "verified"));
    let said = stage.with_key(&[&VOTE[..], &["--yes"]].concat()).await;
    assert_eq!(said.status, 0, "{}", said.err);
    for shown in [
        "writes     one row of public.app_users, key 42",
        "plan     free    -> pro",
        "premium  false   -> true",
        "money      29.00 USD a month, at least",
        "by api_key key_1: Support asked for it",
        "held for the approval of one other person: A rule says so (base.some.rule)",
        "until      2026-11-29T00:00:00.000Z",
        DIGEST,
        "act_1 is verified",
    ] {
        assert!(said.out.contains(shown), "{shown}: {}", said.out);
    }
    let sent = stage.last();
    let ballot =
        json!({ "vote": "approve", "reason": "Checked the invoice", "action_digest": DIGEST });
    assert_eq!((sent.line.as_str(), &sent.body), (vote, &ballot));
    assert_eq!(sent.header("if-match"), "\"7\"");
    assert!(!sent.header("idempotency-key").is_empty());

    stage.answers(vote, 200, action(1, "rejected"));
    let words = [
        "reject",
        "act_1",
        "--reason",
        "They have cancelled",
        "--yes",
        "--json",
    ];
    let said = stage.with_key(&words).await;
    assert_eq!((said.status, said.json()), (0, action(1, "rejected")));
    assert_eq!(stage.last().body["vote"], "reject");
    assert!(said.err.contains("free    -> pro"), "{}", said.err);
}

#[tokio::test]
async fn nothing_is_sent_without_a_yes_a_reason_or_the_digest_that_was_looked_at() {
    let stage = waiting().await;
    let short = ["approve", "act_1", "--reason", "ok", "--yes"];
    let other = [
        "approve",
        "act_1",
        "--reason",
        "Checked the invoice",
        "--digest",
        "sha256:2",
        "--yes",
    ];
    for (words, status, why) in [
        (&VOTE[..], 2, "nobody is at a terminal to confirm it"),
        (&["approve", "act_1", "--yes"], 2, "10 to 1,000 characters"),
        (&short, 2, "10 to 1,000 characters"),
        (&other, 1, "another digest"),
    ] {
        let said = stage.with_key(words).await;
        assert_eq!(said.status, status, "{}", said.err);
        assert!(said.err.contains(why), "{}", said.err);
        assert!(
            said.out.contains("free    -> pro"),
            "what would change is shown"
        );
    }
    stage.answers("GET /v1/actions/act_1", 200, action(1, "rejected"));
    let said = stage.with_key(&[&VOTE[..], &["--yes"]].concat()).await;
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(stage.seen().iter().all(|it| it.line.starts_with("GET ")));
}

#[tokio::test]
async fn a_vote_that_does_not_count_names_the_next_command() {
    let stage = waiting().await;
    for (status, code, next) in [
        (412, "precondition-failed", "counterfoil approvals act_1"),
        (410, "hold-expired", "counterfoil repair inc_1 --reason"),
        (401, "insufficient_user_authentication", "counterfoil login"),
        (403, "action-denied", "It does not go"),
    ] {
        let vote = "POST /v1/actions/act_1/approvals";
        stage.answers(vote, status, problem(status, code));
        let said = stage
            .as_person(&[&VOTE[..], &["--yes", "--project", "prj_1"]].concat())
            .await;
        assert_eq!(said.status, 1, "{code}: {}", said.err);
        assert!(said.err.contains(next), "{code}: {}", said.err);
    }
}

#[tokio::test]
async fn an_approval_whose_effect_did_not_happen_is_no_success() {
    let stage = waiting().await;
    for state in ["stale", "failed"] {
        stage.answers("POST /v1/actions/act_1/approvals", 200, action(1, state));
        let said = stage.with_key(&[&VOTE[..], &["--yes"]].concat()).await;
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(
            said.err.contains("counterfoil incidents show inc_1"),
            "{}",
            said.err
        );
    }
}

#[tokio::test]
async fn what_waits_is_listed_with_its_money_soonest_end_first() {
    let stage = Stage::new().await;
    let (mut late, mut soon) = (action(1, "held"), action(2, "held"));
    for (it, until) in [
        (&mut late, "2026-12-02T00:00:00.000Z"),
        (&mut soon, "2026-12-01T00:00:00.000Z"),
    ] {
        it["etag"] = json!("\"1\"");
        it["expires_at"] = json!(until);
    }
    let waiting = list(&[late, soon]);
    stage
        .answers("GET /v1/changes", 200, list(&[]))
        .answers("GET /v1/approvals?waits_for=review", 200, list(&[]))
        .answers("GET /v1/approvals", 200, waiting.clone())
        .answers(
            "GET /v1/incidents?state=repairing&limit=100",
            200,
            list(&[incident(1), incident(2)]),
        );
    let said = stage.with_key(&["approvals"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let rows: Vec<&str> = said.out.lines().collect();
    assert!(
        rows[1].starts_with("act_2") && rows[2].starts_with("act_1"),
        "{}",
        said.out
    );
    assert!(
        rows[1].contains("29.00 USD") && rows[1].contains("0 of 1") && rows[1].contains("cus_2")
    );
    let said = stage.with_key(&["approvals", "--json"]).await;
    let mut all = waiting.clone();
    all["changes"] = json!([]);
    assert_eq!(said.json(), all);
    stage.answers("GET /v1/approvals", 200, list(&[]));
    let said = stage.with_key(&["approvals"]).await;
    assert_eq!(said.out, "Nothing waits for approval.\n");
}

fn change() -> Value {
    json!({
        "id": "act_7", "scope": "workspace", "name": "retention", "action": "settings.change",
        "value": { "snapshot_days": 40, "instead_of": 90 }, "digest": "sha256:ab",
        "proposed_by": "usr_1", "proposed_at": "2026-11-28T00:00:00.000Z",
        "expires_at": "2026-12-01T00:00:00.000Z", "approvals": 1, "role": "admin", "approved_by": [],
        "reason": "A privacy review asked for it",
    })
}

#[tokio::test]
async fn changes_that_wait_are_sentences_beside_the_actions_and_are_rejected_by_id() {
    let stage = Stage::new().await;
    stage
        .answers("GET /v1/approvals", 200, list(&[]))
        .answers("GET /v1/approvals?waits_for=review", 200, list(&[]))
        .answers("GET /v1/changes", 200, list(&[change()]))
        .answers("POST /v1/changes/act_7/reject", 200, change());
    let said = stage.with_key(&["approvals"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    for part in [
        "act_7 waits until 2026-12-01T00:00:00.000Z for one more admin",
        "kept for 40 days; proposed by usr_1: A privacy review asked for it",
        "counterfoil reject CHANGE",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(!said.out.contains("Nothing waits"), "{}", said.out);
    let short = stage
        .with_key(&["reject", "act_7", "--reason", "no", "--yes"])
        .await;
    assert_eq!(short.status, 2, "{}", short.err);
    let why = "The auditors need the longer window";
    let said = stage
        .with_key(&["reject", "act_7", "--reason", why, "--yes"])
        .await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(stage.last().body["reason"], why);
    let agreed = stage
        .with_key(&["approve", "act_7", "--reason", why, "--yes"])
        .await;
    assert_eq!(agreed.status, 1, "{}", agreed.err);
    assert!(
        agreed.err.contains("PUT /v1/settings/retention"),
        "{}",
        agreed.err
    );
    // What is neither stays what it is: nothing.
    let absent = stage
        .with_key(&["reject", "act_8", "--reason", why, "--yes"])
        .await;
    assert_eq!(absent.status, 1, "{}", absent.err);
}

#[tokio::test]
async fn a_proposal_is_told_with_its_decision_and_executed_only_after_a_yes() {
    let stage = Stage::new().await;
    stage
        .answers("GET /v1/incidents/inc_1", 200, incident(1))
        .answers(
            "POST /v1/incidents/inc_1/repairs",
            201,
            action(1, "allowed"),
        )
        .answers("POST /v1/actions/act_1/execute", 200, action(1, "verified"));
    let words = ["repair", "inc_1", "--reason", "Webhook lost on Monday"];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out
            .contains("allowed without approval: A rule says so (base.some.rule)"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("counterfoil repair inc_1 --execute"),
        "{}",
        said.out
    );
    let body = json!({ "reason": "Webhook lost on Monday", "execute_on_approval": false });
    assert_eq!(stage.last().body, body);

    let said = stage.with_key(&[&words[..], &["--execute"]].concat()).await;
    assert_eq!(said.status, 2, "{}", said.err);
    // It is proposed and not executed, and that is what is said.
    assert!(
        said.err.contains("act_1 is not executed") && said.err.contains("give --yes"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("nothing was sent"), "{}", said.err);
    assert!(
        said.out.contains("counterfoil repair inc_1 --execute"),
        "{}",
        said.out
    );
    assert!(stage.last().line.ends_with("/repairs"), "not executed");
    let said = stage
        .with_key(&[&words[..], &["--execute", "--json"]].concat())
        .await;
    assert_eq!((said.status, said.json()), (2, action(1, "allowed")));

    let said = stage
        .with_key(&[&words[..], &["--execute", "--yes"]].concat())
        .await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("act_1 is verified"), "{}", said.out);

    // What is allowed already is executed, not proposed again.
    let mut open = incident(1);
    (open["state"], open["action"]) = (json!("repairing"), json!("act_1"));
    stage.answers("GET /v1/incidents/inc_1", 200, open).answers(
        "GET /v1/actions/act_1",
        200,
        action(1, "allowed"),
    );
    let before = stage.seen().len();
    let said = stage
        .with_key(&["repair", "inc_1", "--execute", "--yes"])
        .await;
    assert_eq!(said.status, 0, "{}", said.err);
    let sent = stage.seen().split_off(before);
    let posts: Vec<&str> = sent
        .iter()
        .map(|it| it.line.as_str())
        .filter(|it| it.starts_with("POST"))
        .collect();
    assert_eq!(posts, ["POST /v1/actions/act_1/execute"]);
}

#[tokio::test]
async fn several_incidents_are_shown_together_and_each_is_an_action_of_its_own() {
    let stage = Stage::new().await;
    for (number, state) in [(1, "allowed"), (2, "held"), (3, "denied"), (4, "allowed")] {
        stage
            .answers(
                &format!("GET /v1/incidents/inc_{number}"),
                200,
                incident(number),
            )
            .answers(
                &format!("POST /v1/incidents/inc_{number}/repairs"),
                201,
                action(number, state),
            )
            .answers(
                &format!("POST /v1/actions/act_{number}/execute"),
                200,
                action(number, "verified"),
            );
    }
    stage.answers(
        "POST /v1/actions/act_4/execute",
        409,
        problem(409, "scan-needed"),
    );
    let words = [
        "repair",
        "inc_1",
        "inc_2",
        "inc_3",
        "inc_4",
        "inc_5",
        "--execute",
        "--yes",
    ];
    let said = stage
        .with_key(&[&words[..], &["--reason", "Webhooks lost on Monday"]].concat())
        .await;
    assert_eq!(said.status, 1, "{}", said.err);
    for shown in ["act_1 is verified", "act_2 waits for one more approval"] {
        assert!(said.out.contains(shown), "{shown}: {}", said.out);
    }
    for shown in [
        "inc_3: refused: act_3 is denied by base.some.rule",
        "inc_4: refused: 409",
        "inc_5: refused: 404",
        "refused: 3 of the incidents above",
    ] {
        assert!(said.err.contains(shown), "{shown}: {}", said.err);
    }
    assert_eq!(said.out.matches("writes     one row").count(), 4);
    let seen = stage.seen();
    let posts: Vec<_> = seen
        .iter()
        .filter(|it| it.line.starts_with("POST"))
        .collect();
    let executed = posts
        .iter()
        .filter(|it| it.line.ends_with("/execute"))
        .count();
    assert_eq!(
        (posts.len(), executed),
        (6, 2),
        "what is held or denied is not executed"
    );
    let keys: std::collections::BTreeSet<_> = posts
        .iter()
        .map(|it| it.header("idempotency-key"))
        .collect();
    assert_eq!(keys.len(), posts.len());
    let said = stage
        .with_key(&[
            "repair",
            "inc_1",
            "inc_3",
            "--reason",
            "Webhooks lost on Monday",
            "--json",
        ])
        .await;
    assert_eq!(said.json()["items"][1], action(3, "denied"));

    // One reason for all, before anything is sent.
    let before = stage.seen().len();
    let said = stage.with_key(&["repair", "inc_1", "inc_2"]).await;
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(
        said.err.contains("nothing was sent: give --reason"),
        "{}",
        said.err
    );
    let mut sent = stage.seen().split_off(before).into_iter();
    assert!(sent.all(|it| it.line.starts_with("GET ")));
}

#[tokio::test]
async fn nothing_in_an_action_moves_the_cursor_of_a_terminal() {
    let stage = Stage::new().await;
    let odd = "a\u{1b}[2J\u{202e}b\nact_1 is verified";
    let mut evil = action(1, "held");
    for place in [
        "/reason",
        "/decision/rule",
        "/decision/reason",
        "/change/key",
        "/change/columns/0/before",
        "/change/table",
        "/proposer/id",
    ] {
        *evil.pointer_mut(place).unwrap() = json!(odd);
    }
    stage.answers("GET /v1/actions/act_1", 200, evil);
    let said = stage.with_key(&["approvals", "act_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let raw = said
        .out
        .chars()
        .filter(|it| it.is_control() && *it != '\n')
        .count();
    assert_eq!(raw, 0, "{:?}", said.out);
    assert!(
        !said.out.contains('\u{202e}') && !said.out.contains("\nact_1 is verified"),
        "{}",
        said.out
    );
}

fn overridden(reviewed_by: Option<&str>) -> Value {
    let mut action = action(1, "verified");
    action["overridden_by"] = json!("usr_1");
    action["override"] = json!({
        "by": "usr_1", "at": "2026-11-26T01:00:00.000Z", "ticket": "OPS-1042",
        "review": { "until": "2026-12-03T01:00:00.000Z", "by": reviewed_by,
            "at": reviewed_by.map(|_| "2026-11-27T01:00:00.000Z") },
    });
    action
}

const OVERRIDE: [&str; 7] = [
    "override",
    "act_1",
    "--reason",
    "Nobody else answers, they are locked out",
    "--ticket",
    "OPS-1042",
    "--yes",
];

#[tokio::test]
async fn whoever_breaks_the_glass_sees_what_it_is_and_who_reviews_it() {
    let stage = waiting().await;
    let sent = "POST /v1/actions/act_1/override";
    stage.answers(sent, 200, overridden(None));
    let said = stage.with_key(&OVERRIDE).await;
    assert_eq!(said.status, 0, "{}", said.err);
    for shown in [
        "plan     free    -> pro",
        "counterfoil override review act_1",
        "act_1 is verified",
    ] {
        assert!(said.out.contains(shown), "{shown}: {}", said.out);
    }
    let body = json!({
        "reason": OVERRIDE[3], "ticket": "OPS-1042", "action_digest": DIGEST,
    });
    let last = stage.last();
    assert_eq!((last.line.as_str(), &last.body), (sent, &body));
    assert_eq!(last.header("if-match"), "\"7\"");

    let before = stage.seen().len();
    let short = [&OVERRIDE[..3], &["Nobody answers"], &OVERRIDE[4..]].concat();
    for (words, status, why) in [
        (short.as_slice(), 2, "20 to 1,000 characters"),
        (&OVERRIDE[..6], 2, "nobody is at a terminal"),
        (&OVERRIDE[..4], 2, "--ticket"),
    ] {
        let said = stage.with_key(words).await;
        assert_eq!(said.status, status, "{}", said.err);
        assert!(said.err.contains(why), "{why}: {}", said.err);
    }
    let seen = stage.seen().split_off(before);
    assert!(
        seen.iter().all(|it| it.line.starts_with("GET ")),
        "{seen:?}"
    );
    let mut unreviewed = problem(403, "action-denied");
    unreviewed["title"] = json!("an earlier use waits for its review: act_0 of prj_1");
    stage.answers(sent, 403, unreviewed);
    let said = stage.with_key(&OVERRIDE).await;
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("act_0 of prj_1"), "{}", said.err);
}

#[tokio::test]
async fn what_waits_for_a_review_is_listed_and_reviewed() {
    let stage = Stage::new().await;
    let mut waits = overridden(None);
    waits["etag"] = json!("\"3\"");
    stage
        .answers("GET /v1/changes", 200, list(&[]))
        .answers("GET /v1/approvals", 200, list(&[]))
        .answers(
            "GET /v1/approvals?waits_for=review",
            200,
            list(&[waits.clone()]),
        );
    for words in [&["approvals"][..], &["approvals", "--review"]] {
        let said = stage.with_key(words).await;
        assert_eq!(said.status, 0, "{}", said.err);
        let line = "  the glass was broken by usr_1 (OPS-1042) at 2026-11-26T01:00:00.000Z; not reviewed yet, until \
            2026-12-03T01:00:00.000Z another person does: counterfoil override review act_1";
        assert!(said.out.contains(line), "{}", said.out);
    }
    let said = stage.with_key(&["approvals", "--review", "--json"]).await;
    assert_eq!(said.json(), list(&[waits]));

    stage
        .answers("GET /v1/actions/act_1", 200, overridden(None))
        .answers("GET /v1/incidents/inc_1", 200, incident(1))
        .answers(
            "POST /v1/actions/act_1/override/review",
            200,
            overridden(Some("usr_2")),
        );
    let words = [
        "override",
        "review",
        "act_1",
        "--reason",
        "The customer was locked out",
    ];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out
            .contains("reviewed by usr_2 at 2026-11-27T01:00:00.000Z"),
        "{}",
        said.out
    );
    assert_eq!(stage.last().body, json!({ "reason": words[4] }));
}

#[tokio::test]
async fn an_undo_that_came_too_late_is_not_told_to_repair_what_it_takes_back() {
    let stage = Stage::new().await;
    let undo = |state: &str| {
        let mut undo = action(1, state);
        undo["undo_of"] = json!("act_0");
        undo
    };
    stage
        .answers("GET /v1/actions/act_1", 200, undo("held"))
        .answers("GET /v1/incidents/inc_1", 200, incident(1))
        .answers(
            "POST /v1/actions/act_1/approvals",
            410,
            problem(410, "hold-expired"),
        );
    let late = stage.with_key(&[&VOTE[..], &["--yes"]].concat()).await;
    assert_eq!(late.status, 1, "{}", late.err);
    stage.answers("GET /v1/actions/act_1", 200, undo("expired"));
    let shown = stage.with_key(&["approvals", "act_1"]).await;
    for said in [late.err, shown.out] {
        assert!(said.contains("counterfoil undo act_0 --reason"), "{said}");
        assert!(!said.contains("counterfoil repair"), "{said}");
    }
}

/// An undo that people approved is done by the command that proposed it, which does nothing else that waits.
#[tokio::test]
async fn an_approved_undo_is_executed_and_an_approved_repair_in_its_place_is_not() {
    let stage = Stage::new().await;
    let mut undo = action(1, "approved");
    undo["undo_of"] = json!("act_0");
    let mut done = undo.clone();
    done["state"] = json!("verified");
    let mut repaired = action(1, "verified");
    repaired["id"] = json!("act_0");
    let mut open = incident(1);
    (open["state"], open["action"]) = (json!("repairing"), json!("act_1"));
    let execute = "POST /v1/actions/act_1/execute";
    stage
        .answers("GET /v1/actions/act_0", 200, repaired)
        .answers("GET /v1/incidents/inc_1", 200, open)
        .answers("GET /v1/actions/act_1", 200, undo)
        .answers(execute, 200, done);
    let words = ["undo", "act_0", "--execute", "--yes"];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out.contains("the row is what it was before act_0"),
        "{}",
        said.out
    );
    assert_eq!(stage.last().line, execute);

    let said = stage.with_key(&words[..2]).await;
    assert_eq!(said.status, 1, "{}", said.out);
    let already = "act_1 of inc_1 is approved already; look at it: counterfoil approvals act_1";
    assert!(said.err.contains(already), "{}", said.err);

    stage.answers("GET /v1/actions/act_1", 200, action(1, "approved"));
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(said.err.contains(already), "{}", said.err);
    assert_ne!(stage.last().line, execute);
}
