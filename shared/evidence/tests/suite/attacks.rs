//! The attack table: each row changes a fresh valid package, and must be refused with its code.
//!
//! Numbers are those of the acceptance list of the format. Rows that must be accepted are in
//! `controls`.

pub mod anchors;
mod documents;
mod entries;
mod erasure;
pub mod folders;
mod governed;
mod ranges;
mod runs;
pub mod seals;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::{Package, Trust, Verdict};

use crate::forge::{Forge, check, outcome};
use crate::rules::base;
use crate::second::verify;

/// Number, what is done, how, and the code.
pub type Row = (&'static str, &'static str, fn() -> Verdict, &'static str);

/// Every table.
pub const TABLES: &[&[Row]] = &[
    anchors::ROWS,
    documents::ROWS,
    entries::ROWS,
    erasure::ROWS,
    folders::ROWS,
    governed::ROWS,
    ranges::ROWS,
    runs::ROWS,
    seals::ROWS,
];

fn judge(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (number, name, attack, expected) in rows {
        let verdict = attack();
        let got = outcome(&verdict);
        if got != *expected || verdict.exit_status() != 3 {
            wrong.push(format!(
                "{number} {name}: expected {expected}, got {verdict}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pins the stream that the package names, as if the attacker had supplied the pin.
fn pin(package: &Json, mut trust: Trust) -> Trust {
    let descriptor = package.get("descriptor").unwrap().canonical();
    trust.stream = counterfoil_evidence::hash::stream_id(&descriptor);
    trust
}

/// A changed full export.
fn export(change: fn(&mut Json)) -> Verdict {
    let forge = base();
    let mut package = forge.export();
    change(&mut package);
    check(&package, &pin(&package, forge.trust()))
}

/// A changed run package of `r1`.
fn run(change: fn(&mut Json)) -> Verdict {
    let forge = base();
    let mut package = forge.run("r1");
    change(&mut package);
    check(&package, &pin(&package, forge.trust()))
}

/// A full export whose text was changed.
fn text(from: &str, to: &str) -> Verdict {
    let forge = base();
    let text = forge.export().canonical_text();
    assert!(text.contains(from), "{from}");
    verify(
        Package::Document(text.replacen(from, to, 1).as_bytes()),
        &forge.trust(),
    )
}

/// A stream that the operator wrote and sealed so.
fn written(write: fn(&mut Forge)) -> Verdict {
    let mut forge = base();
    write(&mut forge);
    forge.seal();
    check(&forge.export(), &forge.trust())
}
