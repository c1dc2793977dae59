//! The report of a bulk delivery.

mod tables;

use std::collections::BTreeMap;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::verify::Accepted;

use crate::file::{self, Cover};
use crate::flow::Flow;
use crate::font::Fonts;
use crate::parts::{self, Package};
use crate::style::{Style, label};
use crate::table::Field;
use crate::values::{count, grouped};
use crate::wrap::Span;
use crate::{About, ReportError, time};

/// Most rows of each table that a report prints.
pub const MAX_ROWS: usize = 5_000;

/// A period, half open, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First millisecond.
    pub from: u64,
    /// First millisecond after it.
    pub to: u64,
}

/// One run of a delivery. Its governance result is taken from the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Id of the run.
    pub run: String,
    /// Time of its first entry in the package, ms.
    pub at: u64,
    /// Purpose as recorded, or what the run is.
    pub purpose: String,
    /// Status of `run.close`; `None` while the run is open.
    pub status: Option<String>,
    /// ALLOW, REQUIRE and DENY decisions.
    pub decisions: (u64, u64, u64),
    /// The entry that answers what the run left held, where a later run in the package has it.
    pub answer: Option<u64>,
}

/// One event of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Position of the entry.
    pub seq: u64,
    /// Time, ms.
    pub at: u64,
    /// Id of the incident.
    pub incident: String,
    /// `opened`, `changed`, `ignored`, `resolved`.
    pub event: String,
}

/// One attempt to change a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairRow {
    /// Position of the entry.
    pub seq: u64,
    /// Time, ms.
    pub at: u64,
    /// Id of the run.
    pub run: String,
    /// `executed`, `failed`, or `unknown` where nobody knows.
    pub outcome: String,
    /// What a reading afterwards gave: `match` or `mismatch`; `None` where the package has none.
    pub checked: Option<String>,
    /// What was changed, in words; empty or "erased by entry N" where it is gone.
    pub change: String,
}

/// What the exporter collected while it streamed the package, and the verdict on that package.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Names and time of issue.
    pub about: &'a About,
    /// The verdict of the verifier on `evidence.tar`.
    pub accepted: &'a Accepted,
    /// SHA-256 of `evidence.tar`.
    pub package_digest: Hash,
    /// Size of `evidence.tar`.
    pub package_bytes: u64,
    /// SHA-256 of the public keys that were pinned.
    pub keys: &'a [Hash],
    /// `manifest.json`, which is attached.
    pub manifest: &'a [u8],
    /// The period that was asked for, if one was.
    pub period: Option<Period>,
    /// First entry and first entry after it; equal when there is none.
    pub entries: (u64, u64),
    /// Entries by kind; they add up to the number of entries.
    pub kinds: &'a BTreeMap<String, u64>,
    /// Runs, in the order to print. [`MAX_ROWS`] are printed.
    pub runs: &'a [RunRow],
    /// All runs of the package, also those that are not in `runs`.
    pub runs_total: u64,
    /// Events of incidents.
    pub incidents: &'a [IncidentRow],
    /// All of them.
    pub incidents_total: u64,
    /// Repairs that were executed or failed.
    pub repairs: &'a [RepairRow],
    /// All of them.
    pub repairs_total: u64,
}

/// Renders the report of a bulk delivery whose package was accepted, with `manifest.json` attached.
///
/// The same input gives the same bytes.
///
/// # Errors
/// [`ReportError::Summary`] when the summary contradicts the verdict; the other variants are
/// failures of rendering.
pub fn delivery_report(delivery: &Delivery<'_>) -> Result<Vec<u8>, ReportError> {
    check(delivery)?;
    let (from, to) = delivery.entries;
    let package = Package {
        accepted: delivery.accepted,
        digest: delivery.package_digest,
        bytes: delivery.package_bytes,
        entries: to
            .checked_sub(1)
            .filter(|last| *last >= from)
            .map(|last| (from, last)),
        file: "evidence.tar",
    };
    let fonts = Fonts::load()?;
    let mut flow = Flow::new(&fonts);
    let title = "Evidence delivery";
    parts::title(&mut flow, delivery.about, title, &package)?;
    summary(&mut flow, delivery);
    tables::kinds(&mut flow, delivery);
    tables::runs(&mut flow, delivery);
    tables::incidents(&mut flow, delivery);
    tables::repairs(&mut flow, delivery);
    parts::fingerprints(&mut flow, &package);
    parts::checked(&mut flow, &package);
    how_to_verify(&mut flow, delivery);
    parts::glossary(&mut flow);
    parts::feet(&mut flow, &package);
    let attachment = (
        "manifest.json",
        "The manifest of the delivery: its members with their SHA-256",
        delivery.manifest,
    );
    let cover = Cover {
        title: format!("{title}: {}", delivery.about.project),
        subject: format!("Evidence of stream {}", delivery.accepted.stream),
        id: format!(
            "counterfoil-report-{}-{}",
            delivery.about.report, package.digest
        ),
        issued_at: delivery.about.issued_at,
        attachment,
    };
    file::write(flow, &cover)
}

/// The summary must fit the verdict.
fn check(delivery: &Delivery<'_>) -> Result<(), ReportError> {
    let (from, to) = delivery.entries;
    if to.checked_sub(from) != Some(delivery.accepted.entries) {
        return Err(ReportError::Summary(
            "the sequence range is not the number of entries",
        ));
    }
    if delivery.kinds.values().sum::<u64>() != delivery.accepted.entries {
        return Err(ReportError::Summary(
            "the kinds do not add up to the number of entries",
        ));
    }
    let lists = [
        (delivery.runs.len(), delivery.runs_total),
        (delivery.incidents.len(), delivery.incidents_total),
        (delivery.repairs.len(), delivery.repairs_total),
    ];
    if lists
        .iter()
        .any(|(listed, total)| u64::try_from(*listed).is_ok_and(|n| n > *total))
    {
        return Err(ReportError::Summary("more rows are listed than there are"));
    }
    Ok(())
}

fn summary(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "In short");
    let lead = match delivery.period {
        Some(period) => format!(
            "This delivery holds everything that was recorded in its stream from {} until {}.",
            time::utc(period.from),
            time::utc(period.to)
        ),
        None => "This delivery holds everything that was recorded in these entries.".to_owned(),
    };
    flow.text(Style::Lead, &lead);
    flow.text(
        Style::Body,
        "The evidence itself is the file evidence.tar beside this report. The report was written only after that file had passed verification. The names of workspace and project, the report id and the time of issue were added by whoever issued it.",
    );
    let results = &delivery.accepted.governance;
    let mut by_result: BTreeMap<&str, (u64, Vec<Span>)> = BTreeMap::new();
    for result in results.values() {
        let (word, tone, meaning) = parts::governance(*result);
        let spans = || vec![label(tone, word), Style::Small.span(format!("  {meaning}"))];
        by_result.entry(word).or_insert_with(|| (0, spans())).0 += 1;
    }
    let mut fields = vec![
        Field::text("Entries", grouped(delivery.accepted.entries)),
        Field::text("Runs", grouped(delivery.runs_total)),
        Field::text(
            "Still open",
            grouped(u64::try_from(delivery.accepted.open.len()).unwrap_or(u64::MAX)),
        ),
        Field::text("Incident events", grouped(delivery.incidents_total)),
        Field::text("Repairs", attempts(delivery)),
    ];
    for (_, (number, spans)) in by_result {
        fields.push(Field::new(count(number, "run is", "runs are"), spans));
    }
    flow.fields(fields);
}

/// How often a row was to be changed, and how often that failed.
fn attempts(delivery: &Delivery<'_>) -> String {
    let all = grouped(delivery.repairs_total);
    match delivery.kinds.get("repair.failed") {
        Some(failed) => format!("{all}, of which {} failed", grouped(*failed)),
        None => all,
    }
}

fn how_to_verify(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "Verify it yourself");
    flow.text(
        Style::Body,
        "You do not need an account, a network or our word. Take evidence.tar out of the delivery, compare its SHA-256 with the one above, and give it to the verifier together with the public key and the stream id. Get those two from somebody you trust: the keys in the delivery are a convenience, not the proof.",
    );
    parts::commands(
        flow,
        &[
            "sha256sum evidence.tar".to_owned(),
            format!(
                "counterfoil verify evidence.tar --key key.pem \\\n  --stream {}",
                delivery.accepted.stream
            ),
        ],
    );
    let keys = delivery.keys.iter();
    flow.fields(keys.map(|key| Field::id("SHA-256 of a pinned key", key.to_string())));
    flow.text(Style::Small, parts::CLAIM);
}
