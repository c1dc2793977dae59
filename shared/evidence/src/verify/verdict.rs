//! Step 19: the verdict, for people and for programs (evidence-format sections 13 and 15).

use std::collections::BTreeMap;
use std::fmt;

use super::anchors::Anchored;
use super::external::External;
use super::input::Form;
use super::{Contradiction, Evidence, Report};
use crate::code::Fault;
use crate::hash::Hash;
use crate::json::{Json, object};
use crate::runs::Governance;

/// What the package says about legal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStatus {
    /// Nothing was lost under a hold.
    Kept,
    /// Something was lost under a hold.
    Violated,
    /// A run package does not replay holds.
    Unchecked,
}

impl HoldStatus {
    /// The word that is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Violated => "violated",
            Self::Unchecked => "unchecked",
        }
    }
}

/// A `subject` that was lost while a hold was active on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostUnderHold {
    /// Name of the hold.
    pub hold: String,
    /// The redact entry that records the loss.
    pub redact: u64,
    /// The entry whose part was lost.
    pub seq: u64,
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Assurance level, 2 to 4.
    pub level: u8,
    /// `counterfoil.run/1`, `counterfoil.export/1` or `counterfoil.range/1`.
    pub format: &'static str,
    /// Stream id.
    pub stream: Hash,
    /// Size of the last seal.
    pub size: u64,
    /// Root of the last seal.
    pub root: Hash,
    /// Hash of the last seal.
    pub seal_hash: Hash,
    /// Time of the last seal, ms.
    pub sealed_at: u64,
    /// Number of entries in the package.
    pub entries: u64,
    /// Result of each closed run.
    pub governance: BTreeMap<String, Governance>,
    /// Runs that are not closed.
    pub open: Vec<String>,
    /// Holds that are active at the end.
    pub holds: Vec<String>,
    /// Hold status.
    pub hold_status: HoldStatus,
    /// Losses under a hold.
    pub lost_under_hold: Vec<LostUnderHold>,
    /// Sizes of the anchors that were linked.
    pub anchors: Vec<u64>,
    /// Witnesses that signed the last seal.
    pub witnesses: u64,
    /// Whether a time-stamp that was verified is on the last seal.
    pub timestamp: bool,
    /// What was not checked, one sentence each.
    pub not_checked: Vec<String>,
}

pub(super) fn accepted(
    evidence: &Evidence<'_>,
    mut report: Report,
    anchored: Anchored,
    external: External,
) -> Result<Accepted, Fault> {
    let (format, hold_status) = match evidence.loaded.form {
        Form::Run(_) => (crate::package::RUN_FORMAT, HoldStatus::Unchecked),
        Form::Full => (crate::package::EXPORT_FORMAT, hold_status(&report)),
        Form::Range(_) => (crate::package::RANGE_FORMAT, hold_status(&report)),
    };
    if evidence.descriptor.predecessor.is_some() {
        report.skip("the stream that the descriptor names as predecessor");
    }
    report.skip("actions that were never recorded, and facts that were recorded falsely");
    let last = evidence.last_seal()?;
    Ok(Accepted {
        level: match (anchored.largest, external.timestamp, external.quorum) {
            (_, _, true) | (true, true, _) => 4,
            (true, false, _) => 3,
            _ => 2,
        },
        format,
        stream: evidence.trust.stream,
        size: last.body.size,
        root: last.body.root,
        seal_hash: last.hash,
        sealed_at: last.body.at,
        entries: u64::try_from(evidence.rows().len()).unwrap_or(u64::MAX),
        governance: report.governance,
        open: report.open,
        holds: report.holds,
        hold_status,
        lost_under_hold: report.lost_under_hold,
        anchors: anchored.sizes,
        witnesses: external.witnesses,
        timestamp: external.timestamp,
        not_checked: report.not_checked,
    })
}

const fn hold_status(report: &Report) -> HoldStatus {
    if report.lost_under_hold.is_empty() {
        HoldStatus::Kept
    } else {
        HoldStatus::Violated
    }
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was accepted, or why not.
    pub result: Result<Accepted, Fault>,
    /// The level that the auditor requires.
    pub required: u8,
    /// On `E_FORK` and `E_EQUIVOCATION`: two valid notes that contradict each other, which is proof
    /// against the holder of the key.
    pub contradiction: Option<Box<(String, String)>>,
}

impl Verdict {
    pub(super) const fn new(result: Result<Accepted, Fault>, required: u8) -> Self {
        Self {
            result,
            required,
            contradiction: None,
        }
    }

    /// A refusal that was found before the verifier began: an archive that breaks a rule.
    pub const fn refused(fault: Fault, required: u8) -> Self {
        Self::new(Err(fault), required)
    }

    pub(super) fn proving(mut self, contradiction: Contradiction) -> Self {
        self.contradiction = contradiction;
        self
    }

    /// Exit status of a program: 0 accepted at the required level, 3 refused, 2 level not reached.
    pub const fn exit_status(&self) -> u8 {
        match &self.result {
            Err(_) => 3,
            Ok(accepted) if accepted.level >= self.required => 0,
            Ok(_) => 2,
        }
    }

    /// Whether it was accepted at a lower level than the required one.
    pub const fn is_short_of_level(&self) -> bool {
        self.exit_status() == 2
    }

    /// Whether the package was accepted at the required level.
    pub const fn is_accepted(&self) -> bool {
        self.exit_status() == 0
    }

    /// `OK L<level> …` or `FAIL <code> …`.
    pub fn first_line(&self) -> String {
        match &self.result {
            Ok(accepted) => {
                let Accepted {
                    level,
                    format,
                    entries,
                    size,
                    ..
                } = accepted;
                format!("OK L{level} {format}: {entries} entries, sealed at size {size}")
            }
            Err(Fault { code, detail }) => {
                // A detail may quote the package; it must not be able to write a line of its own.
                let plain = |c: char| {
                    if c.is_control() || c.is_whitespace() {
                        ' '
                    } else {
                        c
                    }
                };
                format!(
                    "FAIL {code} {}",
                    detail.chars().map(plain).collect::<String>()
                )
            }
        }
    }

    /// The lines after the first: `name: JSON value`.
    pub fn lines(&self) -> Vec<String> {
        let Ok(accepted) = &self.result else {
            return Vec::new();
        };
        let mut lines: Vec<String> = accepted
            .members()
            .into_iter()
            .filter(|(name, _)| *name != "not_checked")
            .map(|(name, value)| format!("{name}: {}", value.canonical_text()))
            .collect();
        for what in &accepted.not_checked {
            lines.push(format!(
                "not_checked: {}",
                Json::from(what.as_str()).canonical_text()
            ));
        }
        lines
    }

    /// The verdict as one JSON object.
    pub fn to_json(&self) -> Json {
        match &self.result {
            Ok(accepted) => {
                let mut members = accepted.members();
                members.push(("result", "ok".into()));
                members.push(("required_level", Json::uint(self.required.into())));
                object(members)
            }
            Err(fault) => object([
                ("result", Json::from("fail")),
                ("code", fault.code.name().into()),
                ("detail", fault.detail.as_str().into()),
                ("meaning", fault.code.meaning().into()),
                ("required_level", Json::uint(self.required.into())),
            ]),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.first_line())?;
        self.lines()
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Accepted {
    fn members(&self) -> Vec<(&'static str, Json)> {
        let texts =
            |items: &[String]| Json::Array(items.iter().map(|i| i.as_str().into()).collect());
        let governance = self
            .governance
            .iter()
            .map(|(run, is)| (run.as_str(), is.name().into()));
        let lost = self.lost_under_hold.iter().map(|lost| {
            object([
                ("hold", lost.hold.as_str().into()),
                ("redact", Json::uint(lost.redact)),
                ("seq", Json::uint(lost.seq)),
            ])
        });
        let anchors = self.anchors.iter().map(|size| Json::uint(*size));
        vec![
            ("stream", self.stream.into()),
            ("format", self.format.into()),
            ("level", Json::uint(self.level.into())),
            ("size", Json::uint(self.size)),
            ("seal_hash", self.seal_hash.into()),
            ("sealed_at", Json::uint(self.sealed_at)),
            ("governance", object(governance)),
            ("open", texts(&self.open)),
            ("holds", texts(&self.holds)),
            ("hold_status", self.hold_status.name().into()),
            ("lost_under_hold", Json::Array(lost.collect())),
            ("anchors", Json::Array(anchors.collect())),
            ("witnesses", Json::uint(self.witnesses)),
            ("timestamp", self.timestamp.into()),
            ("not_checked", texts(&self.not_checked)),
        ]
    }
}
