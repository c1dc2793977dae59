//! Something wrong in a file, where, and what would be right.

use std::ops::Range;

use miette::Diagnostic;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is activated.
    Error,
    /// To be looked at.
    Warning,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file; empty where it is about the whole bundle.
    pub file: String,
    /// Bytes before it.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// Bytes that it covers.
    pub length: usize,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub help: String,
    /// The line itself; empty where it is about a whole file.
    pub excerpt: String,
}

impl Finding {
    /// What the engine found in a file: where it knows no place, in the policy at `policy`; where it
    /// has no idea what would be right, `help`.
    pub(super) fn of(
        file: &str,
        text: &str,
        policy: Range<usize>,
        diagnostic: &dyn Diagnostic,
        help: &str,
    ) -> Self {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let place = label.as_ref().map_or(policy, |label| {
            label.offset()..label.offset().saturating_add(label.len())
        });
        let idea = diagnostic.help().map(|help| help.to_string());
        let idea = idea.or_else(|| label?.label().map(str::to_owned));
        let help = idea.unwrap_or_else(|| help.to_owned());
        Self::at(file, text, place, diagnostic.to_string(), help)
    }

    /// What is wrong with a whole file, or with all of them, and what to do.
    pub fn whole(file: &str, detail: impl Into<String>, help: impl Into<String>) -> Self {
        Self::at(file, "", 0..0, detail, help)
    }

    /// What is wrong with some bytes of a file, and what to do.
    pub(super) fn at(
        file: &str,
        text: &str,
        place: Range<usize>,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        // What is missing at the end is missing behind the last word, not in an empty line.
        let offset = text.floor_char_boundary(place.start.min(text.trim_end().len()));
        let before = text.get(..offset).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.get(start..).unwrap_or_default().chars().count();
        let rest = text.get(start..).unwrap_or_default();
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            offset,
            line,
            column: column.saturating_add(1),
            length: place.end.saturating_sub(place.start),
            detail: detail.into(),
            help: help.into(),
            excerpt: rest.lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// The part of the line that shows it, of at most `most` characters, and how many of them are
    /// before it.
    pub fn window(&self, most: usize) -> (String, usize) {
        let before = self.column.saturating_sub(1);
        let left = before.saturating_sub(most / 2);
        let fits = self.excerpt.chars().count() <= most;
        let skipped = if fits { 0 } else { left };
        let shown = self.excerpt.chars().skip(skipped).take(most);
        (shown.collect(), before.saturating_sub(skipped))
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}
