//! Something wrong in a file, and where.

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
    /// What would be right, where the engine has an idea.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line itself.
    pub excerpt: String,
}

impl Finding {
    /// What the engine found in a file.
    pub(super) fn of(file: &str, text: &str, diagnostic: &dyn Diagnostic) -> Self {
        let span = diagnostic.labels().and_then(|mut labels| labels.next());
        let (offset, length) = span.map_or((0, 0), |span| (span.offset(), span.len()));
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let label = label.and_then(|label| label.label().map(str::to_owned));
        let help = diagnostic.help().map(|help| help.to_string()).or(label);
        let mut finding = Self::at(file, text, offset, length, diagnostic.to_string());
        finding.help = help;
        finding
    }

    /// What is wrong with a policy that stands in a file as `source`.
    pub(super) fn at_text(file: &str, text: &str, source: &str, detail: impl Into<String>) -> Self {
        let offset = text.find(source);
        let length = offset.map_or(0, |_| source.len());
        Self::at(file, text, offset.unwrap_or(0), length, detail.into())
    }

    /// What is wrong with a whole file, or with all of them.
    pub fn whole(file: &str, detail: impl Into<String>) -> Self {
        Self::at(file, "", 0, 0, detail.into())
    }

    fn at(file: &str, text: &str, offset: usize, length: usize, detail: String) -> Self {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let before = text.get(..offset).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = before.matches('\n').count().saturating_add(1);
        let column = before
            .get(start..)
            .unwrap_or_default()
            .chars()
            .count()
            .saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            offset,
            line,
            column,
            length,
            detail,
            help: None,
            excerpt: rest.lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// The same with what would be right.
    #[must_use]
    pub fn helped(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}
