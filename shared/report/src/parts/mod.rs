//! What both reports share.

mod checked;
mod feet;
mod glossary;
mod title;

pub(crate) use checked::{checked, fingerprints};
pub(crate) use feet::feet;
pub(crate) use glossary::glossary;
pub(crate) use title::title;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::verify::{Accepted, Governance};

use crate::colour::Tone;
use crate::flow::Flow;
use crate::style::Style;
use crate::wrap::Span;

/// What identifies the package a report is about.
pub(crate) struct Package<'a> {
    pub(crate) accepted: &'a Accepted,
    /// SHA-256 of the package's bytes.
    pub(crate) digest: Hash,
    pub(crate) bytes: u64,
    /// First and last entry.
    pub(crate) entries: Option<(u64, u64)>,
    /// Name of the package as a file.
    pub(crate) file: &'a str,
}

impl Package<'_> {
    /// `30 to 37`
    pub(crate) fn span(&self) -> String {
        match self.entries {
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first} to {last}"),
            None => "none".to_owned(),
        }
    }
}

/// The word of a governance result, its tone, and what it means.
pub(crate) const fn governance(result: Governance) -> (&'static str, Tone, &'static str) {
    match result {
        Governance::Clean => (
            "CLEAN",
            Tone::Good,
            "No decision was left waiting for approval, every effect has its result, and nobody went past the rules.",
        ),
        Governance::Overridden => (
            "OVERRIDDEN",
            Tone::Bad,
            "Somebody used the emergency way past a required approval (break-glass). This stays marked for ever.",
        ),
        Governance::Unresolved => (
            "UNRESOLVED",
            Tone::Wait,
            "When the run ended, a decision still waited for approval, or the outcome of an effect was not known. An answer that came later is in a later run.",
        ),
        Governance::Unknown => (
            "UNKNOWN",
            Tone::Wait,
            "The run began before this package, so its result cannot be computed from it.",
        ),
    }
}

/// Commands, each line on a line of its own.
pub(crate) fn commands(flow: &mut Flow<'_>, commands: &[String]) {
    let spans: Vec<Vec<Span>> = commands
        .iter()
        .flat_map(|command| command.split('\n'))
        .map(|line| vec![Style::Command.span(line)])
        .collect();
    flow.note(Tone::Plain, &spans);
}

/// What the file is, in the words that may be used for it.
pub(crate) const CLAIM: &str = "This file is written as PDF/A-3a and PDF/UA-1, checked by the library krilla while writing; no independent validator has been run.";
