//! `policy impact`: reports that follow one another are told as one, and what came of them stays where
//! something fails.

use std::fs;

use counterfoil_evidence::hash::digest_string;
use serde_json::{Value, json};

use super::deployment::{Said, Seen, Stage};

const WORKSPACE: &str = "ws_01KARX6M000000000000000003";
const BUNDLE: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const FROM: u64 = 1_788_000_000_000;
const TO: u64 = 1_795_776_000_001;
/// 2026-11-20T00:00:00Z and 2026-11-10T00:00:00Z.
const REACHED: [u64; 2] = [1_795_132_800_001, 1_794_268_800_001];

fn line() -> String {
    format!("POST /v1/workspaces/{WORKSPACE}/policy-bundles/{BUNDLE}/impact")
}

fn flip(number: usize) -> Value {
    json!({"decision": format!("dec_{number}"), "action": "repair.execute",
        "before": {"effect": "ALLOW", "approvals": 0, "rules": ["base.permit.repair"]},
        "after": {"effect": "DENY", "approvals": 0, "rules": ["ws.forbid.repairs"]}})
}

/// A report about `judged` decisions that stayed allowed, those of `flips`, and one that is not comparable.
fn report((from, to): (u64, u64), judged: u64, flips: &[usize], reached: Option<u64>) -> Value {
    let flipped = u64::try_from(flips.len()).unwrap();
    let mut report = json!({
        "schema": "counterfoil.policy-impact/v1", "bundle": BUNDLE, "from": from, "to": to,
        "complete": reached.is_none(), "not_comparable": 1, "judged": judged + flipped,
        "transitions": {"allow": {"allow": judged, "deny": flipped}, "require": {"require": 2}},
        "engine_errors": 1, "flipped": flipped,
        "flips": flips.iter().map(|number| flip(*number)).collect::<Vec<_>>(), "sentence": "of some",
    });
    if let Some(reached) = reached {
        report["reached"] = json!(reached);
    }
    let digest = digest_string(report.to_string().as_bytes());
    json!({"sentence": "of some", "digest": digest, "report": report})
}

/// Three that follow one another.
fn three() -> [Value; 3] {
    [
        report((FROM, TO), 1_998, &[1], Some(REACHED[0])),
        report((FROM, REACHED[0]), 1_999, &[], Some(REACHED[1])),
        report((FROM, REACHED[1]), 10, &[2, 3], None),
    ]
}

async fn stage(answers: impl IntoIterator<Item = (u16, Value)>) -> Stage {
    let stage = Stage::new().await;
    stage.answers_in_turn(&line(), answers);
    stage
}

async fn impact(stage: &Stage, more: &[&str]) -> Said {
    let words = ["policy", "impact", BUNDLE, "--workspace", WORKSPACE];
    stage.as_person(&[&words, more].concat()).await
}

fn bodies(stage: &Stage) -> Vec<Value> {
    let seen = stage.seen().into_iter();
    let seen = seen.filter(|it: &Seen| it.line == line());
    let keys: Vec<(String, Value)> = seen
        .map(|it| (it.header("idempotency-key").to_owned(), it.body))
        .collect();
    for (at, (key, _)) in keys.iter().enumerate() {
        assert!(keys[..at].iter().all(|(other, _)| other != key), "{keys:?}");
    }
    keys.into_iter().map(|(_, body)| body).collect()
}

#[tokio::test]
async fn reports_that_follow_one_another_are_told_as_one() {
    let parts = three();
    let stage = stage(parts.clone().map(|it| (200, it))).await;
    let file = stage.home.path().join("impact.json");
    let said = impact(&stage, &["--out", file.to_str().unwrap()]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    // Each goes on where the one before it came to; the time since when stays the same.
    let (since, first) = ("2026-08-29T10:40:00.000Z", "2026-11-20T00:00:00.001Z");
    let second = "2026-11-10T00:00:00.001Z";
    assert_eq!(
        bodies(&stage),
        [
            json!({"from": null, "to": null, "limit": 2000}),
            json!({"from": since, "to": first, "limit": 2000}),
            json!({"from": since, "to": second, "limit": 2000}),
        ]
    );
    for what in [
        "of 4010 recorded decisions, this bundle would have denied 3 more",
        "DENY     0              0                 0",
        "REQUIRE  0              6                 0",
        "ALLOW    3              0                 4007",
        "dec_1     repair.execute  ALLOW  base.permit.repair  DENY      ws.forbid.repairs",
        "dec_3     repair.execute  ALLOW",
        "in 3 of them a policy could not be evaluated",
        "3 decisions cannot be judged again",
        parts[2]["digest"].as_str().unwrap(),
        "the reports are in",
        "next: counterfoil policy activate",
    ] {
        assert!(said.out.contains(what), "{what}: {}", said.out);
    }
    assert!(!said.out.contains("the others"), "{}", said.out);
    let progress = format!("2000 so far, back to {first}; going on");
    assert!(said.err.contains(&progress), "{}", said.err);
    // What was kept is what the digests are over, the one first that an activation cites.
    let kept = fs::read_to_string(&file).unwrap();
    let kept: Vec<String> = kept
        .split('\n')
        .map(|it| digest_string(it.as_bytes()))
        .collect();
    let digests = parts.map(|it| it["digest"].as_str().unwrap().to_owned());
    assert_eq!(kept, digests);
}

/// What is in force is not to be activated.
#[tokio::test]
async fn what_is_in_force_has_no_next_command() {
    let mut answer = report((FROM, TO), 10, &[], None);
    answer["report"]["active"] = json!(BUNDLE);
    let stage = stage([(200, answer)]).await;
    let said = impact(&stage, &[]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("of 10 recorded"), "{}", said.out);
    assert!(!said.out.contains("next:"), "{}", said.out);
}

#[tokio::test]
async fn as_json_it_is_one_document() {
    let parts = three();
    let stage = stage(parts.clone().map(|it| (200, it))).await;
    let said = impact(&stage, &["--json"]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let document = said.json();
    assert_eq!(document["digest"], parts[0]["digest"]);
    let digests = parts.clone().map(|it| it["digest"].clone());
    assert_eq!(document["digests"], json!(digests));
    let report = &document["report"];
    assert_eq!(report["complete"], true);
    assert_eq!(report.get("reached"), None);
    assert_eq!(report["from"], FROM);
    assert_eq!(report["to"], TO);
    assert_eq!(report["judged"], 4_010);
    assert_eq!(report["not_comparable"], 3);
    assert_eq!(
        report["transitions"]["allow"],
        json!({"allow": 4_007, "deny": 3})
    );
    assert_eq!(report["flips"], json!([flip(1), flip(2), flip(3)]));
    assert_eq!(report["sentence"], document["sentence"]);
}

#[tokio::test]
async fn what_came_before_a_failure_is_told_and_how_to_go_on() {
    let [first, ..] = three();
    let gone = json!({"title": "Try again later", "status": 503, "code": "unavailable"});
    let stage = stage([(200, first.clone()), (503, gone)]).await;
    let said = impact(&stage, &[]).await;
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("of 1999 recorded decisions"),
        "{}",
        said.out
    );
    let on = format!(
        "counterfoil policy impact {BUNDLE} --from 2026-08-29T10:40:00.000Z --to 2026-11-20T00:00:00.001Z"
    );
    assert!(said.out.contains(&on), "{}", said.out);
    assert!(!said.out.contains("next:"), "{}", said.out);
    assert!(
        said.err.contains("2000 decisions were looked at"),
        "{}",
        said.err
    );
    assert!(said.err.contains("Try again later"), "{}", said.err);

    let stage = self::stage([(200, first), (503, json!({}))]).await;
    let said = impact(&stage, &["--json"]).await;
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    assert_eq!(said.json()["report"]["reached"], REACHED[0]);
    assert_eq!(said.json()["report"]["complete"], false);

    // Where nothing came, nothing is told.
    let stage = self::stage([(503, json!({}))]).await;
    let said = impact(&stage, &[]).await;
    assert_eq!((said.status, said.out.as_str()), (2, ""), "{}", said.err);
}

#[tokio::test]
async fn it_stops_at_the_limit_and_where_a_deployment_goes_in_circles() {
    let endless = (0..6).map(|at| {
        let (to, reached) = (TO - at * 86_400_000, TO - (at + 1) * 86_400_000);
        (200, report((FROM, to), 1_999, &[], Some(reached)))
    });
    let stage = stage(endless.clone()).await;
    let said = impact(&stage, &[]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert_eq!(bodies(&stage).len(), 5);
    assert!(
        said.out.contains("the others: counterfoil policy impact"),
        "{}",
        said.out
    );

    let stage = self::stage(endless).await;
    let said = impact(&stage, &["--limit", "2500"]).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let limits = bodies(&stage).into_iter().map(|it| it["limit"].clone());
    assert_eq!(limits.collect::<Vec<_>>(), [2000, 500]);

    let stage = self::stage([(200, three()[0].clone())]).await;
    let said = impact(&stage, &[]).await;
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    assert_eq!(bodies(&stage).len(), 2);
    assert!(
        said.err.contains("the same decisions again"),
        "{}",
        said.err
    );
}
