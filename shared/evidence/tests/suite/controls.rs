//! What must be accepted, and with which result.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::Seal;
use counterfoil_evidence::verify::{Accepted, HoldStatus, Package, Trust, Verdict};

use crate::forge::{Forge, Sealer, check, with};
use crate::rules::{
    base, closing, decision, everything, hold, opening, resolution, seq, simple_run, step, subject,
};
use crate::second::verify;

pub fn accepted(verdict: Verdict) -> Accepted {
    verdict.result.unwrap_or_else(|fault| panic!("{fault}"))
}

fn governance(forge: &Forge) -> Vec<(String, &'static str)> {
    let accepted = accepted(check(&forge.export(), &forge.trust()));
    accepted
        .governance
        .into_iter()
        .map(|(id, is)| (id, is.name()))
        .collect()
}

#[test]
fn all_forms_of_an_untouched_stream_are_accepted() {
    let forge = base();
    let trust = forge.trust();
    assert_eq!(
        accepted(check(&forge.export(), &trust)).hold_status,
        HoldStatus::Kept
    );
    for id in ["r1", "r2"] {
        let run = accepted(check(&forge.run(id), &trust));
        assert_eq!(run.governance[id].name(), "clean");
    }
    for from in 0..forge.entries.len() {
        for to in from + 1..=forge.entries.len() {
            // The redaction of entry 2 lies above the seal that covers such a range.
            let hidden = (from..to).contains(&seq::DECISION) && to <= 12;
            let verdict = check(&forge.range(from, to), &trust);
            assert_eq!(verdict.is_accepted(), !hidden, "{from}..{to}: {verdict}");
        }
    }
}

#[test]
fn a_rotation_with_both_keys_pinned_is_accepted() {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.sealers = vec![new.clone(), old.clone()];
    forge.seal();
    let handover = forge.clone();
    forge.sealers = vec![new.clone()];
    forge.add(
        "stream.close",
        None,
        object([("reason", "moved".into())]),
        None,
    );
    forge.seal();
    let trust = handover.trust();
    accepted(check(&forge.export(), &trust));
    accepted(check(&forge.run("r1"), &trust));
    accepted(check(&forge.range(3, 19), &trust));
    let only_new = accepted(check(&forge.run("r1"), &forge.trust()));
    assert!(
        only_new
            .not_checked
            .iter()
            .any(|what| what.contains("handover"))
    );
}

pub fn rotation(add: &Sealer, retire: &Sealer) -> Json {
    use base64::Engine as _;
    let spki = base64::engine::general_purpose::STANDARD.encode(add.key.spki());
    object([
        ("add", Json::from(add.key.hash())),
        ("retire", retire.key.hash().into()),
        ("spki", spki.into()),
    ])
}

#[test]
fn an_effect_without_result_leaves_the_run_unresolved() {
    for later in [false, true] {
        let mut forge = Forge::new("prj_1", &Sealer::new(1));
        forge.add("run.open", Some("a"), opening(), None);
        let decided = forge.add("run.decision", Some("a"), decision("ALLOW", "x"), None);
        forge.add("repair.started", Some("a"), step(decided, "x"), None);
        forge.add("run.close", Some("a"), closing([1, 1, 0, 0, 0, 0]), None);
        if later {
            forge.add("run.open", Some("b"), opening(), None);
            let again = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
            forge.add("repair.executed", Some("b"), step(again, "x"), None);
            forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
        }
        forge.seal();
        let results = governance(&forge);
        assert_eq!(results[0], ("a".to_owned(), "unresolved"));
        assert_eq!(results.get(1).map(|r| r.1), later.then_some("clean"));
        let run = accepted(check(&forge.run("a"), &forge.trust()));
        assert_eq!(run.governance["a"].name(), "unresolved");
    }
}

#[test]
fn break_glass_lets_a_later_allow_act_and_is_shown() {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let facts = with(decision("REQUIRE", "x"), "approvals", Json::uint(2));
    let held = forge.add("run.decision", Some("a"), facts, None);
    let vote = with(resolution(held, "usr_1", "ALLOW"), "override", true.into());
    forge.add("run.resolution", Some("a"), vote, None);
    let decided = forge.add("run.decision", Some("a"), decision("ALLOW", "x"), None);
    forge.add("repair.started", Some("a"), step(decided, "x"), None);
    forge.add("run.close", Some("a"), closing([2, 1, 1, 0, 1, 1]), None);
    forge.seal();
    assert_eq!(governance(&forge), [("a".to_owned(), "overridden")]);
}

#[test]
fn a_hold_may_be_approved_and_done_in_a_later_run() {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let held = forge.add("run.decision", Some("a"), decision("REQUIRE", "x"), None);
    let closed = forge.add("run.close", Some("a"), closing([1, 0, 1, 0, 1, 0]), None);
    let cause = object([("entry", Json::from(held)), ("seq", Json::uint(2))]);
    let facts = with(with(opening(), "cause", cause), "prior_run", closed.into());
    forge.add("run.open", Some("b"), facts, None);
    forge.add(
        "run.resolution",
        Some("b"),
        resolution(held, "usr_1", "ALLOW"),
        None,
    );
    let decided = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.started", Some("b"), step(decided, "x"), None);
    forge.add("repair.failed", Some("b"), step(decided, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    forge.seal();
    let results = governance(&forge);
    assert_eq!(
        results,
        [("a".to_owned(), "unresolved"), ("b".to_owned(), "clean")]
    );
    let run = accepted(check(&forge.run("b"), &forge.trust()));
    assert!(
        run.not_checked
            .iter()
            .any(|what| what.starts_with("cause of entry"))
    );
}

#[test]
fn a_loss_under_a_hold_is_listed_for_every_hold() {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", everything()), None);
    forge.add(
        "hold.set",
        None,
        hold("h3", object([("run", "r1".into())])),
        None,
    );
    let by = forge.redact(seq::EXECUTED, "lost");
    forge.add("hold.release", None, object([("hold", "h3".into())]), None);
    forge.seal();
    let whole = accepted(check(&forge.export(), &forge.trust()));
    assert_eq!(whole.hold_status, HoldStatus::Violated);
    let lost: Vec<_> = whole
        .lost_under_hold
        .iter()
        .map(|l| (l.hold.as_str(), l.redact))
        .collect();
    assert_eq!(lost, [("h2", by), ("h3", by)]);
    assert_eq!(whole.holds, ["h2"]);
    let size = forge.entries.len();
    let range = accepted(check(&forge.range(size - 4, size), &forge.trust()));
    assert_eq!(range.hold_status, HoldStatus::Violated);
    let run = accepted(check(&forge.run("r1"), &forge.trust()));
    assert_eq!(run.hold_status, HoldStatus::Unchecked);
}

#[test]
fn a_heartbeat_repeats_the_size() {
    let mut forge = base();
    forge.at += 1_000;
    forge.seal();
    accepted(check(&forge.export(), &forge.trust()));
}

#[test]
fn both_forms_of_the_last_signature_are_the_same_statement() {
    let mut forge = base();
    forge.seals.pop();
    let body = forge.next_body();
    let (r, s) = forge.sealers[0].signature(&body).split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let der = other.to_der().to_bytes().to_vec();
    let line = (forge.sealers[0].key.clone(), der);
    forge
        .seals
        .push(counterfoil_evidence::seal::note(&body, &[line]));
    accepted(check(&forge.export(), &forge.trust()));
}

#[test]
fn an_anchor_that_is_linked_gives_level_3_and_only_the_largest_counts() {
    let forge = base();
    let anchored = |anchors: &[&String]| {
        let mut trust = forge.trust();
        trust.anchors = anchors.iter().map(|note| (*note).clone()).collect();
        trust
    };
    let [first, middle, last] = [0, 1, 2].map(|index| &forge.seals[index]);
    assert_eq!(
        accepted(check(&forge.export(), &anchored(&[first, middle]))).level,
        3
    );
    assert_eq!(
        accepted(check(&forge.run("r1"), &anchored(&[last]))).level,
        3
    );
    assert_eq!(
        accepted(check(&forge.run("r1"), &anchored(&[first]))).level,
        2
    );
    let link = |sizes: &[u64]| {
        let items = sizes.iter().map(|size| {
            object([
                ("proof", forge.link(*size, 17)),
                ("size", Json::uint(*size)),
            ])
        });
        with(forge.run("r1"), "consistency", Json::Array(items.collect()))
    };
    assert_eq!(accepted(check(&link(&[6]), &anchored(&[first]))).level, 3);
    assert_eq!(
        accepted(check(&link(&[6, 12]), &anchored(&[first, middle]))).level,
        3
    );
    let partly = accepted(check(&link(&[6]), &anchored(&[first, middle])));
    assert_eq!((partly.level, partly.anchors), (2, vec![6]));
}

#[test]
fn an_older_package_is_linked_to_a_newer_anchor() {
    let forge = base();
    let mut old = forge.clone();
    old.seals.truncate(2);
    let mut trust = forge.trust();
    trust.anchors = vec![forge.seals[2].clone()];
    let proof = object([("proof", forge.link(12, 17)), ("size", Json::uint(17))]);
    let proof = Json::Array(vec![proof]);
    let mut run = old.run("r2");
    run = with(run, "consistency", proof.clone());
    assert_eq!(accepted(check(&run, &trust)).level, 3);
    let range = with(old.range(3, 9), "consistency", proof);
    assert_eq!(accepted(check(&range, &trust)).level, 3);
}

#[test]
fn a_forged_seal_version_of_a_retired_key_is_listed_and_ignored() {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.sealers = vec![new.clone(), old.clone()];
    forge.seal();
    let mut trust = forge.trust();
    let mut body = Seal::parse(forge.seals.last().unwrap()).unwrap().body;
    body.root = body.head;
    let forged = counterfoil_evidence::seal::note(&body, &[(old.key.clone(), old.der(&body))]);
    trust.versions = vec![forge.seals.last().unwrap().clone(), forged];
    let verdict = accepted(check(&forge.export(), &trust));
    assert_eq!(verdict.level, 3);
    assert!(
        verdict
            .not_checked
            .iter()
            .any(|what| what.contains("E_KEY_RETIRED"))
    );
}

#[test]
fn a_period_is_proved_by_its_neighbours() {
    let forge = base();
    let (from, to) = (3, 9);
    let from_at = forge.entries[from].at() - 1;
    let to_at = forge.entries[to - 1].at() + 1;
    let period = |package: Json, from_at: u64, to_at: u64| {
        let package = with(package, "from_at", Json::uint(from_at));
        with(package, "to_at", Json::uint(to_at))
    };
    accepted(check(
        &period(forge.range(from, to), from_at, to_at),
        &forge.trust(),
    ));
    let to_at = forge.entries[12].at() + 1;
    accepted(check(&period(forge.range(0, 13), 0, to_at), &forge.trust()));
    let sealed = Seal::parse(&forge.seals[2]).unwrap().body.at;
    accepted(check(
        &period(forge.range(from, 17), from_at, sealed),
        &forge.trust(),
    ));
}

#[test]
fn a_level_that_is_not_reached_is_not_decided() {
    let forge = base();
    let mut trust = forge.trust();
    trust.level = 3;
    let verdict = check(&forge.export(), &trust);
    assert_eq!(verdict.exit_status(), 2);
    assert!(!verdict.is_accepted());
}

#[test]
fn outputs_are_recognised_by_reference_and_digest() {
    let forge = base();
    let mut trust = forge.trust();
    let digest = counterfoil_evidence::hash::sha256(b"report");
    trust.outputs = vec![("out/report".to_owned(), digest)];
    accepted(check(&forge.run("r1"), &trust));
}

#[test]
fn a_comment_of_an_approver_can_be_erased() {
    let mut forge = base();
    forge.redact(seq::VOTE_1 + 1, "erasure_request");
    forge.seal();
    assert_eq!(governance(&forge)[1], ("r2".to_owned(), "clean"));
    accepted(check(&forge.run("r2"), &forge.trust()));
}

#[test]
fn what_one_package_cannot_show_is_accepted_and_said() {
    // A tail and its seals left out; another tenant's package under its own pin; two branches of a
    // run, of which the run package holds one.
    let mut cut = Forge::new("prj_1", &Sealer::new(1));
    simple_run(&mut cut, "r1");
    cut.seal();
    simple_run(&mut cut, "r2");
    cut.seal();
    let trust = cut.trust();
    cut.entries.truncate(6);
    cut.seals.truncate(1);
    let verdict = accepted(check(&cut.export(), &trust));
    assert!(
        verdict
            .not_checked
            .iter()
            .any(|what| what.contains("rollback"))
    );
    let mut other = Forge::new("prj_other", &Sealer::new(1));
    simple_run(&mut other, "r1");
    other.seal();
    accepted(check(
        &other.export(),
        &Trust::new(Sealer::new(1).key, other.stream),
    ));
    let mut branched = Forge::new("prj_2", &Sealer::new(1));
    branched.add("run.open", Some("r"), opening(), Some(subject("one")));
    branched.add("run.close", Some("r"), closing([0; 6]), None);
    branched.forget_run("r");
    branched.add("run.open", Some("r"), opening(), Some(subject("two")));
    branched.add("run.close", Some("r"), closing([0; 6]), None);
    branched.seal();
    accepted(check(&branched.run_of("r", &[1, 2]), &branched.trust()));
}

#[test]
fn lines_are_name_and_json_value() {
    let verdict = check(&base().export(), &base().trust());
    let lines = verdict.lines();
    for name in [
        "governance",
        "open",
        "holds",
        "hold_status",
        "lost_under_hold",
        "timestamp",
    ] {
        let prefix = format!("{name}: ");
        let line = lines.iter().find(|line| line.starts_with(&prefix)).unwrap();
        let value = line.strip_prefix(&prefix).unwrap();
        serde_json::from_str::<serde_json::Value>(value).unwrap();
    }
    assert_eq!(
        verdict.to_json().get("result").unwrap().as_str(),
        Some("ok")
    );
    let document = base().run("r1").canonical();
    assert_eq!(
        verify(Package::of_file(&document), &base().trust()).exit_status(),
        0
    );
}
