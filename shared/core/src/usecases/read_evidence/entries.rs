//! The entries of a project's stream, oldest first.

use super::{EntryLine, Page, PageOf, ReadEvidence, ReadEvidenceError};
use crate::ports::{PortError, PortErrorKind, StoredPart};
use crate::tenancy::TenantCtx;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/entries";

/// Positions `from..to`; `to` of `None` is the end of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The first position.
    pub from: u64,
    /// The first position after it.
    pub to: Option<u64>,
}

/// An entry with what stays of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryContents {
    /// Stream id, hex64.
    pub stream: String,
    /// The entry.
    pub line: EntryLine,
    /// Its facts: no personal data, no text of people. `None` where the store lost them.
    pub facts: Option<serde_json::Value>,
}

impl ReadEvidence {
    /// Entries of the project's stream, ascending.
    ///
    /// # Errors
    /// [`ReadEvidenceError::Invalid`] for a span that is none, or a cursor of another list.
    pub async fn entries(
        &self,
        ctx: &TenantCtx,
        span: Span,
        page: PageOf<'_>,
    ) -> Result<Page<EntryLine>, ReadEvidenceError> {
        if span.to.is_some_and(|to| to <= span.from) {
            return Err(ReadEvidenceError::Invalid {
                field: "/to",
                rule: "must be greater than `from`: it is the first position after the span",
            });
        }
        let filter = (span.from, span.to);
        let cursors = self.cursors(ctx, ROUTE, &filter).await?;
        let first: u64 = cursors.open(page.cursor)?.unwrap_or(span.from);
        let stream = self.project(ctx).await?.stream_id()?;
        let limit = u64::try_from(page.limit).unwrap_or(u64::MAX);
        // One more than the page tells whether there is a next one.
        let end = first.saturating_add(limit).saturating_add(1);
        let end = span.to.map_or(end, |to| to.min(end));
        let found = self.reader.entries(stream, first, end).await?;
        let next = found.get(page.limit).map(|entry| entry.seq);
        let page = found.iter().take(page.limit);
        let items = page.map(|entry| EntryLine::of(entry, stream));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next_cursor: next.and_then(|next| cursors.seal(&next)),
        })
    }

    /// One entry of the project's stream.
    ///
    /// # Errors
    /// [`ReadEvidenceError::NotFound`] when the stream has no such position.
    pub async fn entry(
        &self,
        ctx: &TenantCtx,
        seq: u64,
    ) -> Result<EntryContents, ReadEvidenceError> {
        let stream = self.project(ctx).await?.stream_id()?;
        let found = self.reader.entries(stream, seq, seq.saturating_add(1));
        let found = found.await?;
        let entry = found.first().ok_or(ReadEvidenceError::NotFound)?;
        let facts = match &entry.facts {
            Some(StoredPart::Present { bytes, .. }) => {
                let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading facts");
                Some(serde_json::from_slice(bytes).map_err(corrupt)?)
            }
            Some(StoredPart::Erased(_)) | None => None,
        };
        Ok(EntryContents {
            stream: stream.to_string(),
            line: EntryLine::of(entry, stream)?,
            facts,
        })
    }
}
