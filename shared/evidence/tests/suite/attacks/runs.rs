//! Run packages and the rules of runs.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::Verdict;

use super::documents::set;
use super::{Row, judge, run};
use crate::forge::{at, check, items, recommit};
use crate::rules::{base, seq};

pub(super) const ROWS: &[Row] = &[
    (
        "26",
        "drop a decision",
        || {
            run(|p| {
                items(at(p, "entries")).remove(1);
            })
        },
        "E_RUN_LINK",
    ),
    (
        "27",
        "drop run.close",
        || {
            run(|p| {
                items(at(p, "entries")).remove(4);
            })
        },
        "E_RUN_INCOMPLETE",
    ),
    (
        "28",
        "splice a decision of another run",
        || package(&[1, seq::HELD, 3, 4, 5, 14]),
        "E_RUN_LINK",
    ),
    (
        "28b",
        "prepend another whole run",
        || package(&[6, 7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 14]),
        "E_RUN_FOREIGN",
    ),
    (
        "28c",
        "an observation in a run package",
        || package(&[1, 2, 3, 4, 5, 14, 15]),
        "E_RUN_FOREIGN",
    ),
    (
        "28d",
        "an unused redact entry",
        || {
            let forge = base();
            check(
                &forge.run_of("r2", &[6, 7, 8, 9, 10, 11, 14]),
                &forge.trust(),
            )
        },
        "E_RUN_FOREIGN",
    ),
    (
        "28e",
        "seq does not ascend",
        || package(&[14, 1, 2, 3, 4, 5]),
        "E_SEQ",
    ),
    (
        "29",
        "proof with one more hash",
        || {
            run(|p| {
                let proof = items(at(p, "entries/0/proof"));
                proof.push(proof[0].clone());
            })
        },
        "E_PROOF_LEN",
    ),
    (
        "30",
        "proof with one hash less",
        || {
            run(|p| {
                items(at(p, "entries/0/proof")).pop();
            })
        },
        "E_PROOF_LEN",
    ),
    (
        "44",
        "kind changed",
        || run(|p| *at(p, "entries/3/h/kind") = "repair.failed".into()),
        "E_INCLUSION",
    ),
    (
        "46",
        "interior node offered as a leaf",
        interior,
        "E_INCLUSION",
    ),
    (
        "91",
        "proof of an entry beyond the seal",
        beyond,
        "E_PROOF_INDEX",
    ),
    (
        "92",
        "proof hash of 31 bytes",
        || proof_hash(&"A".repeat(40)),
        "E_HASH_LEN",
    ),
    (
        "93",
        "non-canonical base64",
        || proof_hash("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="),
        "E_B64_NONCANONICAL",
    ),
    ("93b", "no base64", || proof_hash("*"), "E_B64"),
    (
        "93c",
        "no proof",
        || {
            run(|p| {
                crate::forge::fields(at(p, "entries/0")).remove("proof");
            })
        },
        "E_ENTRY_FIELDS",
    ),
];

#[test]
fn runs_are_refused() {
    judge(ROWS);
}

/// A package of `r1` with these entries, in this order.
fn package(seqs: &[usize]) -> Verdict {
    let forge = base();
    check(&forge.run_of("r1", seqs), &forge.trust())
}

fn proof_hash(text: &str) -> Verdict {
    let forge = base();
    let mut package = forge.run("r1");
    *at(&mut package, "entries/0/proof/0") = text.into();
    check(&package, &forge.trust())
}

/// The proof of an inner node, given with an entry: the entry is not that node.
fn interior() -> Verdict {
    let forge = base();
    let mut package = forge.run("r1");
    let mut proof = items(at(&mut package, "entries/0/proof")).clone();
    proof.remove(0);
    // Index 0 of a tree of half the size has a path that is one shorter.
    set(
        at(&mut package, "entries/0"),
        "proof",
        Json::Array(proof.clone()),
    );
    items(at(&mut package, "entries/0/proof")).push(proof[0].clone());
    check(&package, &forge.trust())
}

fn beyond() -> Verdict {
    let mut forge = base();
    let full = forge.clone();
    forge.seals.truncate(1);
    let mut package = full.run("r2");
    set(
        &mut package,
        "seals",
        Json::Array(vec![forge.seals[0].as_str().into()]),
    );
    check(&package, &forge.trust())
}

#[test]
fn a_changed_part_with_a_new_commitment_is_not_in_the_tree() {
    let verdict = run(|package| {
        set(at(package, "entries/0/p/facts/d"), "extra", Json::Int(1));
        recommit(at(package, "entries/0"));
    });
    assert_eq!(crate::forge::outcome(&verdict), "E_INCLUSION");
}
