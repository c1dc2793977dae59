//! Governed runs at a shell: what is sent, what is told, and when a script may go on.

use serde_json::{Value, json};

use super::deployment::{Stage, list};

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// Of `abc` (FIPS 180-4).
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn run(state: &str) -> Value {
    json!({
        "id": "run_1", "flow": {"id": "refunds", "version_sha256": ABC, "kind": "governed"}, "state": state,
        "opened_at": "2026-11-23T00:00:00.000Z", "closed_at": null, "failure": null, "output": null,
        "artifact_sha256": null, "trace_id": null, "open_actions": ["act_1"],
        "counts": {"decisions": 3, "allow": 1, "require": 1, "deny": 1, "held": 0, "in_hand": 1},
    })
}

fn action(number: u32, state: &str) -> Value {
    let effect = match state {
        "denied" => "DENY",
        "allowed" | "executed" => "ALLOW",
        _ => "REQUIRE",
    };
    json!({
        "id": format!("act_{number}"), "state": state, "type": "run.action", "incident": null, "run": "run_1",
        "action_digest": DIGEST, "expires_at": "2026-11-29T00:00:00.000Z",
        "proposer": {"type": "api_key", "id": "key_1"}, "reason": "ticket 77: charged twice",
        "decision": {"id": "dec_1", "effect": effect, "approvals": u8::from(effect == "REQUIRE"),
            "rule": "base.some.rule", "reason": "A rule says so"},
        "change": null, "approved_by": [], "follow_up_run": null, "failure": null,
        "params": {"kind": "refund.create", "target": "invoice-1042", "amount": {"minor": 2900, "currency": "usd"}},
    })
}

fn judged(state: &str) -> Value {
    let action = action(1, state);
    let decision = json!({
        "decision": "dec_1", "effect": action["decision"]["effect"], "approvals": action["decision"]["approvals"],
        "rule": "base.some.rule", "reason": "A rule says so",
    });
    json!({ "action": action, "decision": decision })
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "title": "It does not go", "status": status, "code": code })
}

const PROPOSE: [&str; 11] = [
    "run",
    "propose",
    "run_1",
    "refund.create",
    "--target",
    "invoice-1042",
    "--amount",
    "2900",
    "--currency",
    "usd",
    "--reason=ticket 77: charged twice",
];

#[tokio::test]
async fn a_run_is_started_with_digests_of_files_that_stay_here() {
    let stage = Stage::new().await;
    let file = |name: &str| {
        let path = stage.home.path().join(name);
        std::fs::write(&path, "abc").unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (program, batch) = (file("refund.sh"), file("batch.json"));
    stage.answers("POST /v1/runs", 201, run("open"));
    let input = format!("s3://inputs/batch-7={batch}");
    let words = ["run", "start", "refunds", "--program", &program];
    let more = ["--input", &input, "--input", &batch];
    let said = stage.with_key(&[&words[..], &more].concat()).await;
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "run_1\n"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("counterfoil run propose run_1"),
        "{}",
        said.err
    );
    let body = json!({
        "flow": {"id": "refunds", "version_sha256": ABC, "kind": "governed"},
        "inputs": [{"ref": "s3://inputs/batch-7", "sha256": ABC, "bytes": 3},
            {"ref": "batch.json", "sha256": ABC, "bytes": 3}],
    });
    assert_eq!(stage.last().body, body);

    let more = [
        "--deterministic",
        &batch,
        "--idempotency-key",
        "batch-7",
        "--json",
    ];
    let said = stage.with_key(&[&words[..], &more].concat()).await;
    assert_eq!((said.status, said.json()), (0, run("open")), "{}", said.err);
    let sent = stage.last();
    assert_eq!(sent.body["flow"]["kind"], "deterministic");
    assert_eq!(sent.body["artifact_sha256"], ABC);
    assert_eq!(sent.header("idempotency-key"), "batch-7");

    // The answer of the same request was lost once: what it made is what is meant.
    let mut lost = problem(409, "already-created");
    lost["resource_id"] = json!("run_1");
    let whole = json!({ "id": "run_1", "closed": false, "entries": [], "governed": run("open") });
    stage
        .answers("POST /v1/runs", 409, lost)
        .answers("GET /v1/runs/run_1", 200, whole);
    let said = stage.with_key(&words).await;
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "run_1\n"),
        "{}",
        said.err
    );

    let sent = stage.seen().len();
    let said = stage
        .with_key(&["run", "start", "refunds", "--program", "/nowhere"])
        .await;
    assert_eq!((said.status, stage.seen().len()), (2, sent), "{}", said.err);
}

#[tokio::test]
async fn a_script_goes_on_only_where_the_action_may_be_done() {
    let stage = Stage::new().await;
    for (state, status, says) in [
        (
            "allowed",
            0,
            "allowed without approval: A rule says so (base.some.rule)",
        ),
        ("denied", 5, "it must not be done"),
        ("held", 4, "counterfoil run wait act_1"),
    ] {
        stage.answers("POST /v1/runs/run_1/actions", 201, judged(state));
        let said = stage.with_key(&PROPOSE).await;
        assert_eq!(said.status, status, "{state}: {}", said.err);
        assert_eq!(said.out, "act_1\n", "{state}");
        assert!(said.err.contains(says), "{state}: {}", said.err);
        assert!(said.err.contains(DIGEST), "{state}: {}", said.err);
    }
    let body = json!({
        "type": "run.action", "reason": "ticket 77: charged twice",
        "params": {"kind": "refund.create", "target": "invoice-1042", "amount": {"minor": 2900, "currency": "usd"}},
    });
    assert_eq!(stage.last().body, body);
    let said = stage.with_key(&[&PROPOSE[..], &["--json"]].concat()).await;
    assert_eq!(
        (said.status, said.json()),
        (4, judged("held")),
        "{}",
        said.err
    );
    let said = stage.with_key(&PROPOSE[..8]).await;
    assert_eq!(said.status, 2, "an amount has a currency: {}", said.err);
    // A run that takes no more, or a key that may not, is no decision about the action.
    for (status, code) in [
        (409, "wrong-state"),
        (403, "capability-missing"),
        (401, "unauthenticated"),
    ] {
        stage.answers("POST /v1/runs/run_1/actions", status, problem(status, code));
        let said = stage.with_key(&PROPOSE).await;
        assert_eq!(
            (said.status, said.out.as_str()),
            (1, ""),
            "{code}: {}",
            said.err
        );
    }
}

#[tokio::test]
async fn whoever_waits_because_a_kind_is_not_registered_is_told_who_registers_it() {
    let stage = Stage::new().await;
    let mut held = judged("held");
    held["action"]["decision"]["rule"] = json!("base.require.machine-destructive");
    held["decision"]["rule"] = json!("base.require.machine-destructive");
    let whole = json!({ "id": "run_1", "closed": false, "entries": [], "governed": run("open") });
    let flow = |kinds: Value| json!({ "id": "refunds", "actions": kinds, "proposed": null });
    stage
        .answers("POST /v1/runs/run_1/actions", 201, held)
        .answers("GET /v1/runs/run_1", 200, whole)
        .answers("GET /v1/flows/refunds", 200, flow(json!([])));
    let said = stage.with_key(&PROPOSE).await;
    assert_eq!(said.status, 4, "{}", said.err);
    let command = "counterfoil flow register refunds --kind refund.create";
    assert!(said.err.contains(command), "{}", said.err);
    // One that is registered waits because it destroys.
    let known = json!([{ "kind": "refund.create", "destructive": true }]);
    stage.answers("GET /v1/flows/refunds", 200, flow(known));
    let said = stage.with_key(&PROPOSE).await;
    assert_eq!(said.status, 4, "{}", said.err);
    assert!(!said.err.contains("flow register"), "{}", said.err);
}

#[tokio::test]
async fn waiting_ends_with_what_people_decided_or_when_patience_ends() {
    let stage = Stage::new().await;
    stage.answers("POST /v1/runs/run_1/actions", 201, judged("held"));
    let waited = "GET /v1/actions/act_1?wait=20";
    for (state, status, says) in [
        (
            "approved",
            0,
            "until 2026-11-29T00:00:00.000Z at most: act_1 waits for one more approval",
        ),
        ("rejected", 5, "is rejected: it must not be done"),
        ("expired", 5, "counterfoil run propose run_1 refund.create"),
        ("cancelled", 5, "is withdrawn"),
    ] {
        stage.answers(waited, 200, action(1, state));
        let said = stage.with_key(&[&PROPOSE[..], &["--wait"]].concat()).await;
        assert_eq!(
            (said.status, said.out.as_str()),
            (status, "act_1\n"),
            "{state}: {}",
            said.err
        );
        assert!(said.err.contains(says), "{state}: {}", said.err);
    }
    // What is over is not done again.
    stage.answers("GET /v1/actions/act_1", 200, action(1, "executed"));
    let said = stage.with_key(&["run", "wait", "act_1"]).await;
    assert_eq!(said.status, 1, "{}", said.err);
    stage
        .answers("GET /v1/actions/act_1", 200, action(1, "held"))
        .answers("GET /v1/actions/act_1?wait=1", 200, action(1, "held"));
    let said = stage
        .with_key(&["run", "wait", "act_1", "--at-most", "1", "--json"])
        .await;
    assert_eq!(
        (said.status, said.json()),
        (4, action(1, "held")),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_result_names_the_digest_of_what_was_done() {
    let stage = Stage::new().await;
    let told = "POST /v1/actions/act_1/result";
    stage
        .answers("GET /v1/actions/act_1", 200, action(1, "allowed"))
        .answers(told, 200, action(1, "executed"));
    let said = stage
        .with_key(&["run", "result", "act_1", "executed"])
        .await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("act_1 is executed"), "{}", said.out);
    assert_eq!(
        stage.last().body,
        json!({ "status": "executed", "action_digest": DIGEST })
    );
    let mut failed = action(1, "failed");
    failed["failure"] = json!("card-declined");
    stage.answers(told, 200, failed);
    let other = ABC;
    let words = [
        "run",
        "result",
        "act_1",
        "failed",
        "--error",
        "card-declined",
        "--digest",
        other,
    ];
    let said = stage.with_key(&words).await;
    assert_eq!(
        said.status, 0,
        "a failure that is told is told: {}",
        said.err
    );
    assert!(said.out.contains("failed (card-declined)"), "{}", said.out);
    let body = json!({ "status": "failed", "action_digest": other, "error": "card-declined" });
    assert_eq!(stage.last().body, body);
    for (code, next) in [
        ("action-held", "counterfoil run wait act_1"),
        ("action-stale", "counterfoil approvals act_1"),
        ("wrong-state", "counterfoil approvals act_1"),
    ] {
        stage.answers(told, 409, problem(409, code));
        let said = stage.with_key(&words).await;
        assert_eq!(said.status, 1, "{code}: {}", said.err);
        assert!(said.err.contains(next), "{code}: {}", said.err);
    }
    stage.answers("POST /v1/actions/act_1/cancel", 200, action(1, "cancelled"));
    let said = stage.with_key(&["run", "withdraw", "act_1"]).await;
    assert!(
        said.status == 0 && said.out.contains("withdrawn"),
        "{said:?}"
    );
}

#[tokio::test]
async fn whoever_begins_sends_the_digest_and_is_told_that_it_is_theirs() {
    let stage = Stage::new().await;
    let begin = "POST /v1/actions/act_1/execute";
    stage
        .answers("GET /v1/actions/act_1", 200, action(1, "approved"))
        .answers(begin, 200, action(1, "executing"));
    let said = stage.with_key(&["run", "begin", "act_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("yours alone"), "{}", said.out);
    assert_eq!(stage.last().body, json!({ "action_digest": DIGEST }));
    for (code, state, status) in [
        ("action-held", "held", 4),
        ("wrong-state", "executing", 1),
        ("wrong-state", "rejected", 5),
        ("action-stale", "stale", 5),
        ("action-stale", "approved", 1),
        ("hold-expired", "expired", 5),
    ] {
        stage.answers(begin, 409, problem(409, code)).answers(
            "GET /v1/actions/act_1",
            200,
            action(1, state),
        );
        let said = stage
            .with_key(&["run", "begin", "act_1", "--digest", ABC])
            .await;
        assert_eq!(said.status, status, "{code} {state}: {}", said.err);
    }
    let sent = stage.seen();
    let sent = sent.iter().rfind(|it| it.line == begin).unwrap();
    assert_eq!(sent.body, json!({ "action_digest": ABC }));
    stage.answers(begin, 200, action(1, "stale"));
    let said = stage.with_key(&["run", "begin", "act_1"]).await;
    assert_eq!(said.status, 5, "{}", said.err);
    assert!(said.err.contains("must not be done"), "{}", said.err);
}

#[tokio::test]
async fn a_run_ends_when_its_actions_have_and_a_bad_end_is_no_success() {
    let stage = Stage::new().await;
    let complete = "POST /v1/runs/run_1/complete";
    stage.answers(complete, 200, run("completed"));
    let said = stage.with_key(&["run", "complete", "run_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out.contains("run_1 is completed, with 3 decisions"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("counterfoil export --run run_1"),
        "{}",
        said.out
    );
    let mut failed = run("failed");
    failed["failure"] = json!("artifact_mismatch");
    stage.answers(complete, 200, failed);
    let said = stage.with_key(&["run", "complete", "run_1"]).await;
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(
        said.err.contains("failed (artifact mismatch)"),
        "{}",
        said.err
    );
    stage.answers(complete, 409, problem(409, "run-has-open-actions"));
    let said = stage.with_key(&["run", "complete", "run_1"]).await;
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(
        said.err.contains("counterfoil run show run_1"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_run_is_told_action_by_action_with_the_rule_and_its_sentence() {
    let stage = Stage::new().await;
    let kinds = [
        "run.open",
        "run.decision",
        "run.decision",
        "run.decision",
        "run.resolution",
        "run.close",
    ];
    let entry = |(seq, kind): (usize, &&str)| json!({ "seq": seq, "kind": kind, "at": "2026-11-23T00:00:00.000Z" });
    let entries: Vec<Value> = kinds.iter().enumerate().map(entry).collect();
    let mut closed = run("completed");
    closed["closed_at"] = json!("2026-11-23T01:00:00.000Z");
    let whole = json!({ "id": "run_1", "closed": true, "entries": entries, "governed": closed });
    stage.answers("GET /v1/runs/run_1", 200, whole.clone());
    let of = |seq: usize, facts: Value| {
        json!({ "stream": "00", "seq": seq, "kind": kinds[seq], "at": "2026-11-23T00:00:00.000Z", "leaf": "00",
            "erasable": true, "facts": facts })
    };
    for (seq, act) in [(1, "act_1"), (2, "act_2"), (3, "act_3")] {
        stage.answers(
            &format!("GET /v1/entries/{seq}"),
            200,
            of(seq, json!({ "act": act })),
        );
    }
    let close = of(5, json!({ "overrides": 0, "unresolved": 0 }));
    stage.answers("GET /v1/entries/5", 200, close);
    let mut approved = action(2, "approved");
    approved["state"] = json!("failed");
    approved["failure"] = json!("card-declined");
    approved["approved_by"] = json!(["usr_1"]);
    let actions = [action(1, "executed"), approved, action(3, "denied")];
    for (number, action) in (1..).zip(&actions) {
        stage.answers(
            &format!("GET /v1/actions/act_{number}"),
            200,
            action.clone(),
        );
    }
    let said = stage.with_key(&["run", "show", "run_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "run_1 of refunds is completed");
    for line in [
        "  decisions  3: 1 allowed, 1 held for people, 1 denied",
        "  governance clean: every decision is resolved, and nobody overrode one",
        "act_1  refund.create to invoice-1042, 29.00 USD: executed",
        "  allowed without approval: A rule says so (base.some.rule)",
        "act_2  refund.create to invoice-1042, 29.00 USD: failed (card-declined)",
        "  held for the approval of one other person: A rule says so (base.some.rule); approved by usr_1",
        "act_3  refund.create to invoice-1042, 29.00 USD: denied",
        "  denied: A rule says so (base.some.rule)",
    ] {
        assert!(lines.contains(&line), "{line}: {}", said.out);
    }
    let document = stage
        .with_key(&["run", "show", "run_1", "--json"])
        .await
        .json();
    assert_eq!(document["actions"], json!(actions));
    assert_eq!(document["governance"], "clean");
    assert_eq!(document["governed"], whole["governed"]);
}

#[tokio::test]
async fn an_action_of_a_run_is_shown_to_whoever_approves_as_what_it_is() {
    let stage = Stage::new().await;
    let mut held = action(1, "held");
    stage.answers("GET /v1/actions/act_1", 200, held.clone());
    let said = stage.with_key(&["approvals", "act_1"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    for line in [
        "  does       refund.create to invoice-1042, 29.00 USD",
        "  in         run_1",
        "by api_key key_1: ticket 77: charged twice",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    assert!(!said.out.contains("writes"), "{}", said.out);
    held["etag"] = json!("\"1\"");
    stage
        .answers("GET /v1/changes", 200, list(&[]))
        .answers("GET /v1/approvals?waits_for=review", 200, list(&[]))
        .answers("GET /v1/approvals", 200, list(&[held]))
        .answers(
            "GET /v1/incidents?state=repairing&limit=100",
            200,
            list(&[]),
        );
    let said = stage.with_key(&["approvals"]).await;
    let row = said.out.lines().nth(1).unwrap();
    assert!(
        row.contains("29.00 USD") && row.contains("refund.create invoice-1042"),
        "{row}"
    );
    assert!(!row.contains("a month"), "{row}");
}

#[tokio::test]
async fn runs_are_listed_by_cause_and_state() {
    let stage = Stage::new().await;
    let listed = json!({
        "id": "run_1", "purpose": "governed", "scope": "customer", "status": "open", "customer": null,
        "flow": "refunds", "as_of": "2026-11-23T00:00:00.000Z", "findings": 0, "mass_drift": false, "evidence": null,
    });
    let page = list(&[listed]);
    stage.answers(
        "GET /v1/runs?purpose=governed&status=open",
        200,
        page.clone(),
    );
    let words = ["run", "list", "--purpose", "governed", "--status", "open"];
    let said = stage.with_key(&words).await;
    assert_eq!(said.status, 0, "{}", said.err);
    let row = said.out.lines().nth(1).unwrap();
    assert!(
        row.contains("refunds") && row.contains("2026-11-23T00:00:00.000Z"),
        "{row}"
    );
    // As it was called before.
    let said = stage
        .with_key(&[&["runs"], &words[1..], &["--json"]].concat())
        .await;
    assert_eq!(said.json(), page);
}
