//! Key rotation, capped keys, and anchors.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::{self, Seal, SealBody};
use counterfoil_evidence::verify::{PinnedKey, Verdict};

use super::documents::set;
use super::{Row, judge};
use crate::controls::rotation;
use crate::forge::{Forge, Sealer, check, outcome, with};
use crate::rules::{base, simple_run};

pub(super) const ROWS: &[Row] = &[
    (
        "10b",
        "cut tail and newer seals, later export held",
        || cut(2),
        "E_ROLLBACK",
    ),
    (
        "10c",
        "same, the latest seal held, the older package untouched",
        || {
            let forge = second_history();
            let mut old = forge.clone();
            old.seals.truncate(1);
            let mut trust = forge.trust();
            trust.anchors = vec![forge.seals[1].clone()];
            check(&old.run("x"), &trust)
        },
        "E_ROLLBACK",
    ),
    (
        "49c",
        "fork, the latest seal of the true history held",
        || fork(2),
        "E_FORK",
    ),
    (
        "49b",
        "fork signed with the genuine key, earlier seal held",
        || fork(0),
        "E_FORK",
    ),
    (
        "49d",
        "fork as a run package with a consistency proof",
        forked_run,
        "E_FORK",
    ),
    (
        "50",
        "old export replayed as current",
        || cut(1),
        "E_ROLLBACK",
    ),
    (
        "61",
        "seal after the rotation signed by the old key",
        || {
            rotated(|f, old, new| {
                f.sealers = vec![new, old.clone()];
                f.seal();
                f.sealers = vec![old];
                f.seal();
            })
        },
        "E_KEY_RETIRED",
    ),
    (
        "61b",
        "handover seal without the line of the old key",
        || {
            rotated(|f, _, new| {
                f.sealers = vec![new];
                f.seal();
            })
        },
        "E_KEY_ROTATE",
    ),
    (
        "61b2",
        "handover seal signed by the old key only",
        || {
            rotated(|f, old, _| {
                f.sealers = vec![old];
                f.seal();
            })
        },
        "E_KEY_RETIRED",
    ),
    (
        "61c",
        "key capped after a compromise",
        capped,
        "E_KEY_RETIRED",
    ),
    (
        "61d",
        "retired key offered alone for a run package",
        retired_alone,
        "E_NO_TRUSTED_SIG",
    ),
    (
        "61e",
        "two rotations between two seals",
        two_rotations,
        "E_KEY_ROTATE",
    ),
    (
        "61f",
        "rotation retires a key that is not in force",
        || {
            rotated(|f, _, new| {
                let other = Sealer::new(9);
                f.add("key.rotate", None, rotation(&Sealer::new(8), &other), None);
                f.sealers.insert(0, new);
                f.seal();
            })
        },
        "E_KEY_ROTATE",
    ),
    (
        "61g",
        "rotation whose spki is of another key",
        || {
            let mut f = base();
            let (old, new) = (f.sealers[0].clone(), Sealer::new(2));
            let facts = with(
                rotation(&new, &old),
                "add",
                Sealer::new(3).key.hash().into(),
            );
            f.add("key.rotate", None, facts, None);
            f.seal();
            check(&f.export(), &f.trust())
        },
        "E_FACTS",
    ),
    (
        "63",
        "second version of a seal, other root",
        || versions(|b| b.root = b.head),
        "E_EQUIVOCATION",
    ),
    (
        "104",
        "two seals name the same previous seal",
        || versions(|b| b.size += 1),
        "E_EQUIVOCATION",
    ),
    (
        "103b",
        "run package older than the anchor, no proof",
        || old_run(None),
        "E_ROLLBACK",
    ),
    (
        "103c",
        "same with a proof, the anchor is of another history",
        || old_run(Some(())),
        "E_FORK",
    ),
    (
        "105b",
        "anchor by a retired key",
        anchor_of_retired,
        "E_KEY_RETIRED",
    ),
];

#[test]
fn keys_and_anchors_are_refused() {
    judge(ROWS);
}

#[test]
fn two_seals_that_contradict_each_other_are_handed_over_as_proof() {
    let contradicting = [
        fork(0),
        fork(1),
        forked_run(),
        versions(|b| b.root = b.head),
    ];
    for verdict in contradicting {
        let notes = verdict.contradiction.as_ref().expect("both notes");
        let (one, other) = (
            Seal::parse(&notes.0).unwrap(),
            Seal::parse(&notes.1).unwrap(),
        );
        let key = Sealer::new(1).key;
        for seal in [&one, &other] {
            let keys = std::slice::from_ref(&key);
            assert_eq!(seal.verified_by(keys).unwrap(), [key.hash()]);
        }
        assert_eq!(one.body.origin, other.body.origin);
        assert_ne!(one.body, other.body);
    }
    assert!(cut(1).contradiction.is_none());
}

/// The anchor itself as a seal of the package, and a last seal that names it as the one before.
fn behind(anchor: &str, forge: &Forge) -> Json {
    let last = Seal::parse(forge.seals.last().unwrap()).unwrap().body;
    let body = SealBody {
        prev: Seal::parse(anchor).unwrap().seal_hash(),
        ..last
    };
    Json::Array(vec![anchor.into(), forge.sign(&body).as_str().into()])
}

#[test]
fn an_anchor_among_the_seals_of_another_history_links_nothing() {
    let (honest, forge) = (base(), second_history());
    let anchor = &honest.seals[1];
    let size = Seal::parse(anchor).unwrap().body.size;
    let mut trust = forge.trust();
    trust.anchors = vec![anchor.clone()];
    for id in ["x", "y", "z", "r1"] {
        let package = with(forge.run(id), "seals", behind(anchor, &forge));
        let verdict = check(&package, &trust);
        match &verdict.result {
            Ok(accepted) => assert_eq!((accepted.level, accepted.anchors.len()), (2, 0), "{id}"),
            Err(fault) => assert_eq!(fault.code.name(), "E_FORK", "{id}"),
        }
    }
    let end = usize::try_from(size).unwrap() + 1;
    for from in 1..end - 1 {
        let package = with(forge.range(from, end), "seals", behind(anchor, &forge));
        let verdict = check(&package, &trust);
        assert_eq!(verdict.exit_status(), 3, "from {from}: {verdict}");
    }
}

#[test]
fn an_anchor_inside_an_honest_range_is_linked() {
    let forge = base();
    let anchor = Seal::parse(&forge.seals[1]).unwrap().body;
    let end = usize::try_from(anchor.size).unwrap() + 1;
    let mut trust = forge.trust();
    trust.anchors = vec![forge.seals[1].clone()];
    for from in 1..end - 1 {
        let accepted = check(&forge.range(from, end), &trust).result.unwrap();
        assert_eq!(
            (accepted.level, &accepted.anchors[..]),
            (3, &[anchor.size][..])
        );
    }
}

#[test]
fn the_roots_of_seals_inside_a_range_are_recomputed() {
    let forge = base();
    let inner = Seal::parse(&forge.seals[1]).unwrap().body;
    let end = usize::try_from(inner.size).unwrap() + 1;
    let mut forged = forge.clone();
    let body = SealBody {
        root: inner.head,
        ..inner
    };
    forged.seals[1] = forge.sign(&body);
    let last = Seal::parse(forge.seals.last().unwrap()).unwrap().body;
    let body = SealBody {
        prev: Seal::parse(&forged.seals[1]).unwrap().seal_hash(),
        ..last
    };
    *forged.seals.last_mut().unwrap() = forge.sign(&body);
    let verdict = check(&forged.range(end - 3, end), &forge.trust());
    assert_eq!(outcome(&verdict), "E_ROOT", "{verdict}");
}

/// The newest entries and seals left out; the last seal is held.
fn cut(seals: usize) -> Verdict {
    let mut forge = second_history();
    let mut trust = forge.trust();
    trust.anchors = vec![forge.seals.last().unwrap().clone()];
    forge.seals.truncate(seals);
    let size = usize::try_from(forge.last_size()).unwrap();
    forge.entries.truncate(size);
    check(&forge.export(), &trust)
}

/// A second history of the same descriptor, signed with the genuine key.
pub fn second_history() -> Forge {
    let mut forge = Forge::new("prj_base", &Sealer::new(1));
    for id in ["x", "y", "z", "r1"] {
        simple_run(&mut forge, id);
        forge.seal();
    }
    forge
}

fn fork(index: usize) -> Verdict {
    let mut trust = base().trust();
    trust.anchors = vec![base().seals[index].clone()];
    check(&second_history().export(), &trust)
}

fn forked_run() -> Verdict {
    let forge = second_history();
    let mut trust = base().trust();
    trust.anchors = vec![base().seals[1].clone()];
    let proof = forge.link(12, forge.last_size());
    let proof = object([("proof", proof), ("size", Json::uint(12))]);
    let package = with(forge.run("r1"), "consistency", Json::Array(vec![proof]));
    check(&package, &trust)
}

fn old_run(proof: Option<()>) -> Verdict {
    let mut forge = base();
    let newer = second_history();
    let mut trust = forge.trust();
    trust.anchors = vec![newer.seals.last().unwrap().clone()];
    forge.seals.truncate(2);
    let mut package = forge.run("r2");
    if proof.is_some() {
        let size = newer.last_size();
        let item = object([("proof", newer.link(12, size)), ("size", Json::uint(size))]);
        set(&mut package, "consistency", Json::Array(vec![item]));
    }
    check(&package, &trust)
}

/// A rotation at the end of the base stream, then what `finish` does; both keys pinned.
fn rotated(finish: fn(&mut Forge, Sealer, Sealer)) -> Verdict {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    finish(&mut forge, old.clone(), new.clone());
    let mut trust = forge.trust();
    trust.keys = [old, new]
        .map(|sealer| PinnedKey::from(sealer.key))
        .to_vec();
    check(&forge.export(), &trust)
}

fn handed_over() -> (Forge, Sealer, Sealer) {
    let mut forge = base();
    let (old, new) = (forge.sealers[0].clone(), Sealer::new(2));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.sealers = vec![new.clone(), old.clone()];
    forge.seal();
    (forge, old, new)
}

fn capped() -> Verdict {
    let forge = base();
    let mut trust = forge.trust();
    trust.keys[0].max_size = Some(12);
    check(&forge.export(), &trust)
}

fn retired_alone() -> Verdict {
    let (mut forge, old, new) = handed_over();
    forge.sealers = vec![new];
    forge.add(
        "export.issued",
        None,
        object([("from", Json::uint(0)), ("to", Json::uint(1))]),
        None,
    );
    forge.seal();
    let mut trust = forge.trust();
    trust.keys = vec![old.key.into()];
    check(&forge.run("r1"), &trust)
}

fn two_rotations() -> Verdict {
    let mut forge = base();
    let (old, new, third) = (forge.sealers[0].clone(), Sealer::new(2), Sealer::new(3));
    forge.add("key.rotate", None, rotation(&new, &old), None);
    forge.add("key.rotate", None, rotation(&third, &new), None);
    forge.sealers = vec![third, new, old];
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn versions(change: fn(&mut SealBody)) -> Verdict {
    let forge = base();
    let mut body = Seal::parse(&forge.seals[1]).unwrap().body;
    change(&mut body);
    let mut trust = forge.trust();
    trust.versions = forge.seals.clone();
    trust.versions.push(forge.sign(&body));
    check(&forge.export(), &trust)
}

fn anchor_of_retired() -> Verdict {
    let (forge, old, new) = handed_over();
    let body = Seal::parse(forge.seals.last().unwrap()).unwrap().body;
    let mut trust = forge.trust();
    trust.keys = [old.clone(), new]
        .map(|sealer| PinnedKey::from(sealer.key))
        .to_vec();
    trust.anchors = vec![seal::note(&body, &[(old.key.clone(), old.der(&body))])];
    check(&forge.export(), &trust)
}
