//! Seals, keys and anchors.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::seal::{self, Seal, SealBody};
use counterfoil_evidence::verify::Verdict;

use super::{Row, export, judge, pin};
use crate::forge::{Forge, Sealer, at, check, items, outcome, with};
use crate::rules::{base, simple_run};

pub(super) const ROWS: &[Row] = &[
    (
        "12",
        "drop a middle seal",
        || {
            export(|p| {
                items(at(p, "seals")).remove(1);
            })
        },
        "E_SEAL_CHAIN",
    ),
    (
        "13",
        "swap two seals",
        || export(|p| items(at(p, "seals")).swap(0, 1)),
        "E_SEAL_CHAIN",
    ),
    (
        "15",
        "seals of another tenant",
        || export(|p| *at(p, "seals") = other().export().get("seals").unwrap().clone()),
        "E_ORIGIN",
    ),
    (
        "16",
        "chain of another tenant under own descriptor",
        foreign_chain,
        "E_ORIGIN",
    ),
    (
        "18",
        "chain signed with another key",
        || {
            let forge = other_key();
            check(&forge.export(), &base().trust())
        },
        "E_KEY_NOT_IN_DESCRIPTOR",
    ),
    (
        "19",
        "one seal signed again with another key",
        || resigned(1),
        "E_NO_TRUSTED_SIG",
    ),
    (
        "20",
        "edit the time of a seal",
        || note(|n| n.replacen("\nat 1", "\nat 2", 1)),
        "E_SIG",
    ),
    (
        "47",
        "no seal",
        || export(|p| items(at(p, "seals")).clear()),
        "E_NO_SEAL",
    ),
    (
        "48",
        "only a line of an unknown name",
        || note(|n| n.replace("\u{2014} evidence.", "\u{2014} other.")),
        "E_NO_TRUSTED_SIG",
    ),
    ("51", "own key added to the descriptor", own_key, "E_ORIGIN"),
    ("52", "CRLF", || note(|n| n.replace('\n', "\r\n")), "E_NOTE"),
    (
        "53",
        "size with a leading zero",
        || note(|n| n.replacen("\n17\n", "\n017\n", 1)),
        "E_NOTE_SYNTAX",
    ),
    ("62", "(r, n-s) in a middle seal", malleated, "E_SEAL_CHAIN"),
    (
        "62b",
        "signature not in DER",
        || der(|der| [&[0x30, 0x81], &der[1..]].concat()),
        "E_SIG",
    ),
    (
        "62d",
        "bytes after the signature",
        || der(|der| [der, &[0]].concat()),
        "E_SIG",
    ),
    (
        "65g",
        "10^6 signature lines",
        || note(|n| lines(n, 1_000_000)),
        "E_LIMIT",
    ),
    (
        "65h",
        "17 signature lines",
        || note(|n| lines(n, 17)),
        "E_LIMIT",
    ),
    (
        "77",
        "first seal names a previous one",
        || {
            sealed(|f, b| {
                if f.seals.is_empty() {
                    b.prev = b.head;
                }
            })
        },
        "E_SEAL_FIRST",
    ),
    (
        "78",
        "head line of a seal",
        || sealed(|_, b| b.head = b.root),
        "E_HEAD",
    ),
    (
        "78b",
        "root of a seal",
        || sealed(|_, b| b.root = b.head),
        "E_ROOT",
    ),
    (
        "79",
        "seal older than its last entry",
        || sealed(|f, b| b.at = f.at - 1),
        "E_BACKDATED_SEAL",
    ),
    (
        "80",
        "entry older than the seal before it",
        late_seal,
        "E_BACKDATED",
    ),
    (
        "94",
        "extra line in a seal",
        || note(|n| n.replacen("\nprev", "\nx\nprev", 1)),
        "E_NOTE_LINES",
    ),
    (
        "94b",
        "signature line without name",
        || note(no_name),
        "E_SIG_SYNTAX",
    ),
    (
        "94c",
        "seal without final line feed",
        || note(|n| n.trim_end().to_owned()),
        "E_NOTE",
    ),
    (
        "94f",
        "empty line before the body",
        || note(|n| format!("\n{n}")),
        "E_NOTE",
    ),
    (
        "94d",
        "control character in a name",
        || note(|n| n.replace("\u{2014} evidence.", "\u{2014} evi\u{1}dence.")),
        "E_SIG_SYNTAX",
    ),
    (
        "94e",
        "signature line without base64",
        || note(|n| n.replacen(" dMM8", " !", 1).replace("= \n", "") + "\u{2014} a !!\n"),
        "E_B64",
    ),
    (
        "63x",
        "two sizes alike with other roots in the package",
        equal_sizes,
        "E_EQUIVOCATION",
    ),
];

#[test]
fn seals_keys_and_anchors_are_refused() {
    judge(ROWS);
}

fn other() -> Forge {
    let mut forge = Forge::new("prj_other", &Sealer::new(1));
    simple_run(&mut forge, "r1");
    forge.seal();
    forge
}

fn other_key() -> Forge {
    let mut forge = Forge::new("prj_base", &Sealer::new(7));
    simple_run(&mut forge, "r1");
    forge.seal();
    forge
}

/// The export with its last note changed.
fn note(change: impl Fn(&str) -> String) -> Verdict {
    let forge = base();
    let mut package = forge.export();
    let last = forge.seals.last().unwrap();
    *items(at(&mut package, "seals")).last_mut().unwrap() = change(last).into();
    check(&package, &forge.trust())
}

fn lines(note: &str, count: usize) -> String {
    let (body, line) = note.split_once("\n\n").unwrap();
    format!("{body}\n\n{}", line.repeat(count))
}

fn no_name(note: &str) -> String {
    let (body, line) = note.split_once("\n\n").unwrap();
    let payload = line.rsplit_once(' ').unwrap().1;
    format!("{body}\n\n\u{2014} {payload}")
}

/// The export with a last seal that carries another encoding of its signature.
fn der(change: fn(&[u8]) -> Vec<u8>) -> Verdict {
    let mut forge = base();
    forge.seals.pop();
    let body = forge.next_body();
    let sealer = forge.sealers[0].clone();
    let line = (sealer.key.clone(), change(&sealer.der(&body)));
    forge.seals.push(seal::note(&body, &[line]));
    check(&forge.export(), &forge.trust())
}

fn malleated() -> Verdict {
    let forge = base();
    let mut package = forge.export();
    let body = Seal::parse(&forge.seals[1]).unwrap().body;
    *at(&mut package, "seals/1") = other_form(&forge, &body).into();
    check(&package, &forge.trust())
}

/// A note whose signature is (r, n-s) instead of (r, s).
pub fn other_form(forge: &Forge, body: &SealBody) -> String {
    let (r, s) = forge.sealers[0].signature(body).split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let der = other.to_der().to_bytes().to_vec();
    seal::note(body, &[(forge.sealers[0].key.clone(), der)])
}

fn resigned(index: usize) -> Verdict {
    let forge = base();
    let mut package = forge.export();
    let body = Seal::parse(&forge.seals[index]).unwrap().body;
    let stranger = Sealer::new(7);
    let note = seal::note(&body, &[(stranger.key.clone(), stranger.der(&body))]);
    items(at(&mut package, "seals"))[index] = note.into();
    check(&package, &forge.trust())
}

fn own_key() -> Verdict {
    let forge = base();
    let mut package = forge.export();
    let own = Sealer::new(7);
    items(at(&mut package, "descriptor/sealers")).push(own.key.hash().into());
    let mut trust = pin(&package, forge.trust());
    trust.keys.push(own.key.into());
    check(&package, &trust)
}

fn foreign_chain() -> Verdict {
    let forge = base();
    let package = with(other().export(), "descriptor", forge.descriptor.to_json());
    check(&package, &forge.trust())
}

/// A stream whose three seals the operator changed before signing.
fn sealed(change: fn(&Forge, &mut SealBody)) -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    for id in ["a", "b"] {
        simple_run(&mut forge, id);
        let mut body = forge.next_body();
        change(&forge, &mut body);
        forge.seals.push(forge.sign(&body));
        forge.at += 100;
    }
    check(&forge.export(), &forge.trust())
}

fn late_seal() -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    let mut body = forge.next_body();
    body.at += 1_000;
    forge.seals.push(forge.sign(&body));
    simple_run(&mut forge, "a");
    forge.at += 2_000;
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn equal_sizes() -> Verdict {
    let mut forge = base();
    let mut body = forge.next_body();
    body.root = Hash::ZERO;
    forge.seal_as(&body);
    check(&forge.export(), &forge.trust())
}

#[test]
fn an_invalid_line_of_an_unknown_key_is_ignored() {
    let verdict = note(|note| format!("{note}\u{2014} witness.example AAAAAAAA\n"));
    assert!(outcome(&verdict).starts_with("OK L2"), "{verdict}");
}
