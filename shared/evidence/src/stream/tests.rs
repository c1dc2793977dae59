use std::collections::BTreeMap;

use super::*;
use crate::code::Code;
use crate::descriptor::Descriptor;
use crate::json::{Json, object};
use crate::kind::Kind;

fn descriptor() -> Descriptor {
    Descriptor::for_owner("prj_1", [7; 32], 1_000, vec![Hash::ZERO])
}

fn genesis() -> Draft {
    Draft::new(
        Kind::Genesis,
        object([("descriptor", descriptor().to_json())]),
    )
}

fn opening() -> Draft {
    let digest = crate::hash::digest_string(b"flow");
    let facts = object([
        ("flow", digest.as_str().into()),
        ("artifact", digest.as_str().into()),
        ("policy_bundles", Json::Array(vec![])),
        ("inputs", Json::Array(vec![])),
    ]);
    Draft::new(Kind::RunOpen, facts).in_run("r1")
}

fn action(kind: Kind) -> Draft {
    let hash = crate::hash::digest_string(b"act");
    Draft::new(kind, object([("action_hash", hash.into())])).in_run("r1")
}

fn decision() -> Draft {
    let digest = |text: &str| Json::from(crate::hash::digest_string(text.as_bytes()));
    let facts = object([
        ("action", "repair.execute".into()),
        ("action_hash", digest("act")),
        ("effect", "ALLOW".into()),
        ("policy", digest("policy")),
        ("baseline", digest("policy")),
        ("rule", "base.permit".into()),
        ("reason", "Allowed.".into()),
    ]);
    Draft::new(Kind::RunDecision, facts).in_run("r1")
}

fn extend_at(head: &Head, drafts: &[Draft], now: u64) -> Result<Extension, DraftError> {
    let mut count = 0;
    extend(head, &BTreeMap::new(), drafts, now, &mut || {
        count += 1;
        [count; 32]
    })
}

fn refusal(head: &Head, drafts: &[Draft]) -> Code {
    match extend_at(head, drafts, 2_000) {
        Err(DraftError::Refused { fault, .. }) => fault.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn entries_link_and_cite_each_other() {
    let head = Head::new(descriptor().stream_id());
    let drafts = [
        genesis(),
        opening(),
        decision(),
        action(Kind::RepairStarted).cite("decision", 2),
    ];
    let done = extend_at(&head, &drafts, 2_000).unwrap();
    let [first, second, third, fourth] = &done.entries[..] else {
        panic!()
    };
    assert_eq!(first.header.prev, head.stream);
    assert_eq!(second.header.prev, first.leaf);
    assert_eq!(third.header.run.as_ref().unwrap().prev, second.leaf);
    let facts = Json::parse_canonical(&fourth.parts[0].bytes).unwrap();
    assert_eq!(
        facts.get("decision").unwrap().as_str().unwrap(),
        third.leaf.to_string()
    );
    assert_eq!(done.head.size, 4);
    assert_eq!(done.runs["r1"].next, 3);
    assert_ne!(first.parts[0].salt, second.parts[0].salt);
}

#[test]
fn time_never_goes_back_and_a_wrong_clock_is_refused() {
    let mut head = extend_at(&Head::new(descriptor().stream_id()), &[genesis()], 5_000)
        .unwrap()
        .head;
    head.floor = 6_000;
    assert_eq!(
        extend_at(&head, &[opening()], 1_000).unwrap().entries[0]
            .header
            .at,
        6_000
    );
    head.floor = 1_000 + MAX_SKEW_MS + 1;
    let error = extend_at(&head, &[opening()], 1_000).unwrap_err();
    assert_eq!(
        error,
        DraftError::Clock {
            ahead_ms: MAX_SKEW_MS + 1
        }
    );
}

#[test]
fn what_a_verifier_would_refuse_is_refused_before() {
    let empty = Head::new(descriptor().stream_id());
    assert_eq!(refusal(&empty, &[opening()]), Code::Genesis);
    assert_eq!(refusal(&empty, &[genesis(), genesis()]), Code::Genesis);
    assert_eq!(refusal(&Head::new(Hash::ZERO), &[genesis()]), Code::Genesis);
    let head = extend_at(&empty, &[genesis()], 2_000).unwrap().head;
    assert_eq!(
        refusal(&head, &[opening(), action(Kind::RepairStarted)]),
        Code::Facts
    );
    let mut outside = opening();
    outside.run = None;
    assert_eq!(refusal(&head, &[outside]), Code::RunField);
    let big = opening().subject(object([("text", "x".repeat(262_144).into())]));
    assert_eq!(refusal(&head, &[big]), Code::Limit);
    let close = Draft::new(Kind::StreamClose, object([("reason", "moved".into())]));
    assert_eq!(refusal(&head, &[close, opening()]), Code::AfterClose);
}

#[test]
fn a_run_begins_once_and_ends_once() {
    let empty = Head::new(descriptor().stream_id());
    let head = extend_at(&empty, &[genesis()], 2_000).unwrap().head;
    let run = "r1".to_owned();
    let error = extend_at(&head, &[action(Kind::RepairFailed)], 2_000).unwrap_err();
    assert_eq!(error, DraftError::RunUnknown { run: run.clone() });
    let error = extend_at(&head, &[opening(), opening()], 2_000).unwrap_err();
    assert_eq!(error, DraftError::RunExists { run: run.clone() });
    let mut closed = RunHead::new("r1", head.stream);
    closed.next = 2;
    closed.closed = true;
    let runs = BTreeMap::from([(run.clone(), closed)]);
    let drafts = [action(Kind::RepairFailed)];
    let error = extend(&head, &runs, &drafts, 2_000, &mut || [0; 32]).unwrap_err();
    assert_eq!(error, DraftError::RunClosed { run });
}

#[test]
fn a_cite_must_be_of_an_earlier_entry() {
    let empty = Head::new(descriptor().stream_id());
    let head = extend_at(&empty, &[genesis()], 2_000).unwrap().head;
    let drafts = [opening(), action(Kind::RepairStarted).cite("decision", 1)];
    let error = extend_at(&head, &drafts, 2_000).unwrap_err();
    assert_eq!(error, DraftError::Cite { draft: 1, entry: 1 });
}

#[test]
fn debug_output_shows_no_subject() {
    let draft = opening().subject(object([("email", "a@b.example".into())]));
    assert!(!format!("{draft:?}").contains("example"));
}

#[test]
fn a_run_that_breaks_its_own_rules_is_refused_when_it_is_written() {
    let empty = Head::new(descriptor().stream_id());
    let head = extend_at(&empty, &[genesis()], 2_000).unwrap().head;
    let count = [
        "decisions",
        "allow",
        "require",
        "deny",
        "unresolved",
        "overrides",
    ];
    let close = |value: u64| {
        let counts = count.map(|name| (name, Json::uint(value)));
        let rest = [
            ("outputs", Json::Array(vec![])),
            ("status", "completed".into()),
        ];
        Draft::new(Kind::RunClose, object(counts.into_iter().chain(rest))).in_run("r1")
    };
    assert!(extend_at(&head, &[opening(), close(0)], 2_000).is_ok());
    assert_eq!(refusal(&head, &[opening(), close(1)]), Code::RunCount);
    let undecided = action(Kind::RepairStarted).cite("decision", 0);
    assert_eq!(
        refusal(&head, &[opening(), undecided]),
        Code::ActionBeforeDecision
    );
}
