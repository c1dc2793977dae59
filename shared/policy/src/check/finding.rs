//! Something wrong in a file, where, and what would be right.

use std::ops::Range;

use miette::Diagnostic;
use serde::Serialize;

/// Characters of a line that are kept, and those of them before what is wrong. What stands in a file is
/// somebody's, and as long as they like.
const LONGEST_EXCERPT: usize = 240;
const LONGEST_BEFORE: usize = 160;
/// Characters of what is said, and of what to do, which may be a list of names.
const LONGEST_DETAIL: usize = 500;
const LONGEST_HELP: usize = 2_000;
/// Characters of a file's path.
const LONGEST_FILE: usize = 300;

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
    /// The line itself, of a long one the part around it; empty where it is about a whole file.
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
        let place = place(diagnostic).unwrap_or(policy);
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
        let column = column.saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        Self {
            severity: Severity::Error,
            file: cut(file, LONGEST_FILE),
            offset,
            line,
            column,
            length: place.end.saturating_sub(place.start),
            detail: cut(&detail.into(), LONGEST_DETAIL),
            help: cut(&help.into(), LONGEST_HELP),
            excerpt: rest
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .skip(cut_before(column))
                .take(LONGEST_EXCERPT)
                .collect(),
        }
    }

    /// The part of the line that shows it, of at most `most` characters, and how many of them are
    /// before it.
    pub fn window(&self, most: usize) -> (String, usize) {
        let before = self.column.saturating_sub(1);
        let before = before.saturating_sub(cut_before(self.column));
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

/// Where the engine says that something stands.
pub(super) fn place(diagnostic: &dyn Diagnostic) -> Option<Range<usize>> {
    let label = diagnostic.labels().and_then(|mut labels| labels.next())?;
    Some(label.offset()..label.offset().saturating_add(label.len()))
}

/// Characters of a line that its excerpt begins behind.
const fn cut_before(column: usize) -> usize {
    column.saturating_sub(1).saturating_sub(LONGEST_BEFORE)
}

/// A text, of a long one the beginning.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
