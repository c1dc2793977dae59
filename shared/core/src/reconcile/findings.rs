//! The findings of a run as evidence keeps them (evidence-format section 9).
//!
//! Pseudonyms and symbols of the mapping only: no row value, no Stripe id, no e-mail address. So
//! erasing a customer never breaks the digest of the object.

use counterfoil_evidence::hash::sha256;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::finding::{Field, Finding, Symbol};
use crate::json::{JsonError, canonical};
use crate::money::Money;

/// HMAC-SHA-256 of a subject under the project's pseudonym key, hex.
pub fn pseudonym(key: &[u8; 32], subject: &str) -> String {
    // HMAC takes a key of any length; the branch is for a library that would not.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| sha256(key).to_string(),
        |mut mac| {
            mac.update(subject.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    subject: String,
    field: Option<&'static str>,
    expected: Symbol,
    actual: Symbol,
    rule: &'static str,
    repairable: bool,
    at_risk: Option<&'a Money>,
    direction: Option<&'static str>,
}

/// Canonical JSON lines under the given pseudonyms, sorted by kind and subject pseudonym, each ended by a line feed.
///
/// # Errors
/// When an amount is beyond 2^53 minor units.
pub fn lines(
    findings: &[Finding],
    pseudonym: impl Fn(&str) -> String,
) -> Result<Vec<u8>, JsonError> {
    let mut lines: Vec<Line<'_>> = findings
        .iter()
        .map(|finding| Line {
            kind: finding.kind.name(),
            subject: pseudonym(&finding.subject),
            field: finding.field.map(Field::name),
            expected: named(finding.field, &finding.expected),
            actual: named(finding.field, &finding.actual),
            rule: finding.rule.name(),
            repairable: finding.not_repairable.is_none(),
            at_risk: finding.at_risk.as_ref(),
            direction: finding.direction.map(super::Direction::name),
        })
        .collect();
    // Stable: `numbers` counts on the same order.
    lines.sort_by(|a, b| (a.kind, &a.subject, a.field).cmp(&(b.kind, &b.subject, b.field)));
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(canonical(&line)?);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The number of each finding's line in [`lines`], counted from 1, in the order of `findings`.
pub fn numbers(findings: &[Finding], pseudonym: impl Fn(&str) -> String) -> Vec<u64> {
    let mut places: Vec<_> = findings
        .iter()
        .enumerate()
        .map(|(at, finding)| {
            let field = finding.field.map(Field::name);
            (finding.kind.name(), pseudonym(&finding.subject), field, at)
        })
        .collect();
    places.sort();
    let mut numbers: Vec<(usize, u64)> = places.iter().map(|place| place.3).zip(1..).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|(_, line)| line).collect()
}

/// A symbol as evidence names it. The end of a trial is a row value: it says only that there is one.
pub(crate) fn named(field: Option<Field>, symbol: &Symbol) -> Symbol {
    match (field, symbol) {
        (Some(Field::Trial), Symbol::Name(_)) => Symbol::name("trial"),
        (_, symbol) => symbol.clone(),
    }
}
