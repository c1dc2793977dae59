//! The crate's own writer, sealer and packager against its own verifier.

use counterfoil_evidence::code::Code;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::seal::{SegmentCheck, SegmentEntry, SegmentPart};
use counterfoil_evidence::stream::Draft;
use counterfoil_evidence::verify::Package;

use crate::forge::{Sealer, with};
use crate::rules::{closing, decision, opening, party, resolution, step, subject};
use crate::store::Store;

#[test]
fn a_governed_repair_from_proposal_to_verification_is_accepted_in_every_form() {
    let mut store = Store::new();
    let held = with(decision("REQUIRE", "act"), "approvals", Json::uint(1));
    let leaves = store.append(&[
        Draft::new(Kind::RunOpen, opening()).in_run("propose"),
        Draft::new(Kind::RunDecision, held)
            .in_run("propose")
            .subject(subject("a")),
        Draft::new(Kind::RunClose, closing([1, 0, 1, 0, 1, 0])).in_run("propose"),
    ]);
    store.seal();
    let cause = object([("entry", Json::from(leaves[1])), ("seq", Json::uint(2))]);
    let without_decision = crate::forge::without(step(Hash::ZERO, "act"), "decision");
    let vote = resolution(leaves[1], "usr_2", "ALLOW");
    let leaves = store.append(&[
        Draft::new(Kind::RunOpen, with(opening(), "cause", cause)).in_run("execute"),
        Draft::new(Kind::RunResolution, vote).in_run("execute"),
        Draft::new(Kind::RunDecision, decision("ALLOW", "act")).in_run("execute"),
        Draft::new(Kind::RepairStarted, without_decision)
            .in_run("execute")
            .cite("decision", 2),
    ]);
    store.seal();
    let done = step(leaves[2], "act");
    let executed = store.append(&[Draft::new(Kind::RepairExecuted, done)
        .in_run("execute")
        .subject(subject("b"))]);
    let verified = object([
        ("repair", Json::from(executed[0])),
        ("result", "match".into()),
    ]);
    let resolved = object([("actor", party("a")), ("target", party("b"))]);
    store.append(&[
        Draft::new(Kind::RepairVerified, verified).in_run("execute"),
        Draft::new(Kind::IncidentResolved, resolved).in_run("execute"),
        Draft::new(Kind::RunClose, closing([1, 1, 0, 0, 0, 0])).in_run("execute"),
    ]);
    store.redact(2);
    store.seal();
    store.assert_accepted();
    let verdict = store.verify(Package::Document(&store.export().document()));
    let results = verdict.result.unwrap().governance;
    assert_eq!(results["propose"].name(), "unresolved");
    assert_eq!(results["execute"].name(), "clean");
}

#[test]
fn the_sealer_refuses_what_does_not_recompute() {
    let mut store = Store::new();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    let refusal = |change: &dyn Fn(&mut SegmentEntry<'_>)| {
        let mut check = SegmentCheck::from_genesis(store.head.stream);
        check.push(&store.stored(0)).unwrap();
        let mut entry = store.stored(1);
        change(&mut entry);
        let fault = check.push(&entry).unwrap_err();
        assert_eq!(fault.code, Code::SealerMismatch);
        fault.detail
    };
    let flipped: Vec<Vec<u8>> = (0..store.entries[1].bytes.len())
        .map(|at| {
            let mut bytes = store.entries[1].bytes.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    for bytes in &flipped {
        // One flipped bit between hashing and writing.
        let mut check = SegmentCheck::from_genesis(store.head.stream);
        check.push(&store.stored(0)).unwrap();
        let entry = SegmentEntry {
            header: bytes,
            ..store.stored(1)
        };
        assert_eq!(check.push(&entry).unwrap_err().code, Code::SealerMismatch);
    }
    assert!(refusal(&|entry| entry.facts = None).contains("E_FACTS_PROTECTED"));
    assert!(refusal(&|entry| entry.nodes = &[]).contains("nodes"));
    assert!(refusal(&|entry| entry.seq = 5).contains("E_SEQ"));
    let other = SegmentPart::Present {
        bytes: b"{}",
        salt: &[0; 32],
    };
    assert!(refusal(&move |entry| entry.facts = Some(other)).contains("E_PART_HASH"));
    assert!(refusal(&move |entry| entry.subject = Some(other)).contains("E_PART_SET"));
    let mut short = SegmentCheck::from_genesis(store.head.stream);
    short.push(&store.stored(0)).unwrap();
    assert_eq!(
        short.finish(&store.head).unwrap_err().code,
        Code::SealerMismatch
    );
}

#[test]
fn the_sealer_refuses_a_second_run_under_one_id_and_an_unknown_rotation() {
    let mut store = Store::new();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    store.append(&[Draft::new(Kind::RunClose, closing([0; 6])).in_run("a")]);
    store.seal();
    store.runs.clear();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    let mut check = store.check(3);
    let entry = store.stored(3);
    assert!(
        check
            .clone()
            .push(&entry)
            .unwrap_err()
            .detail
            .contains("not looked up")
    );
    assert_eq!(check.run_needed(&entry).unwrap().as_deref(), Some("a"));
    let of_run = [1, 2, 3].map(|seq| store.stored(seq));
    check.know_run("a", &of_run).unwrap();
    assert!(
        check
            .push(&entry)
            .unwrap_err()
            .detail
            .contains("E_RUN_AFTER_CLOSE")
    );

    let mut store = Store::new();
    let next = Sealer::new(4);
    let rotation = crate::controls::rotation(&next, &store.sealer);
    store.append(&[Draft::new(Kind::KeyRotate, rotation)]);
    let mut check = SegmentCheck::from_genesis(store.head.stream);
    check.push(&store.stored(0)).unwrap();
    let (old, new) = (store.sealer.key.hash(), next.key.hash());
    let mut told = check.clone().with_rotation(old, new);
    let mut other = check.clone().with_rotation(store.head.stream, new);
    assert!(
        check
            .push(&store.stored(1))
            .unwrap_err()
            .detail
            .contains("E_KEY_ROTATE")
    );
    assert!(other.push(&store.stored(1)).is_err(), "retires another key");
    told.push(&store.stored(1)).unwrap();
    assert!(told.rotated());
}
