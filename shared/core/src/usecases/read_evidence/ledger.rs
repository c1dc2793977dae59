//! A customer's Access Ledger: every entry that concerns them, newest first.
//!
//! Entries about one customer are found by pseudonym. A scan says what it saw of everybody in one
//! entry with a findings object; of those, the row of an incident names the line. What was erased is
//! not found any more.

use std::collections::BTreeMap;

use super::{EntryLine, Page, PageOf, ReadEvidence, ReadEvidenceError};
use crate::ids::IncidentId;
use crate::incident::Incident;
use crate::records::{Record, RecordError, Records};
use crate::run::{Run, RunScope};
use crate::tenancy::TenantCtx;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/customers/{id}/ledger";

/// Position, and line of a findings object; 0 without one.
type Place = (u64, u64);

/// A record, the position of the entry behind it, and that entry's line.
type Row<T> = (T, Option<u64>, Option<u64>);

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Stream id, hex64.
    pub stream: String,
    /// The entry that says it.
    pub entry: EntryLine,
    /// The line of its findings object, counted from 1, where a scan says it.
    pub line: Option<u64>,
    /// The incident that the line is about.
    pub incident: Option<IncidentId>,
}

impl ReadEvidence {
    /// What concerns a customer of the caller's project.
    ///
    /// # Errors
    /// [`ReadEvidenceError::NotFound`] when nothing does.
    pub async fn ledger(
        &self,
        ctx: &TenantCtx,
        customer: &str,
        page: PageOf<'_>,
    ) -> Result<Page<LedgerRow>, ReadEvidenceError> {
        let cursors = self.cursors(ctx, ROUTE, &customer).await?;
        let after: Option<Place> = cursors.open(page.cursor)?;
        let project = self.project(ctx).await?;
        let stream = project.stream_id()?;
        let places = self.places(ctx, customer).await?;
        if places.is_empty() {
            return Err(ReadEvidenceError::NotFound);
        }
        let newest = places.into_iter().rev();
        let mut rest = newest.filter(|(place, _)| after.is_none_or(|after| *place < after));
        let page_of: Vec<_> = rest.by_ref().take(page.limit).collect();
        let more = rest.next().is_some();
        let last = page_of.last().filter(|_| more);
        let next_cursor = last.and_then(|(place, _)| cursors.seal(place));
        let mut items = Vec::new();
        for ((seq, line), incident) in page_of {
            let next = seq.saturating_add(1);
            let found = self.reader.entries(stream, seq, next).await?;
            let Some(entry) = found.first() else { continue };
            items.push(LedgerRow {
                stream: stream.to_string(),
                entry: EntryLine::of(entry, stream)?,
                line: (line > 0).then_some(line),
                incident,
            });
        }
        Ok(Page { items, next_cursor })
    }

    async fn places(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<BTreeMap<Place, Option<IncidentId>>, ReadEvidenceError> {
        let project = self.project(ctx).await?;
        let stream = project.stream_id()?;
        let records = Records::of(self.state.as_ref(), ctx);
        let name = self.vault.pseudonym(&records, ctx, &project, customer);
        let name = name.await?;
        let about = self.reader.by_subject(stream, &name).await?;
        let mut places: BTreeMap<Place, Option<IncidentId>> =
            about.into_iter().map(|seq| ((seq, 0), None)).collect();
        for stored in self.rows::<Incident>(ctx).await? {
            let (incident, cited, line) = stored;
            if let (true, Some(cited)) = (incident.concerns(customer), cited) {
                places.insert((cited, line.unwrap_or_default()), Some(incident.id));
            }
        }
        for (run, cited, _) in self.rows::<Run>(ctx).await? {
            let theirs = matches!(&run.scope, RunScope::Check { customer: of } if of == customer);
            if let (true, Some(cited)) = (theirs, cited) {
                places.entry((cited, 0)).or_default();
            }
        }
        Ok(places)
    }

    /// Records with the entry, and its line, behind each.
    async fn rows<T: Record>(&self, ctx: &TenantCtx) -> Result<Vec<Row<T>>, ReadEvidenceError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let stored = self.state.list(&records.key::<T>("").pk, "").await?;
        let read = stored.into_iter().map(|stored| {
            let family = T::FAMILY;
            let shape = |source| RecordError::Shape { family, source };
            let value = serde_json::from_value(stored.doc).map_err(shape)?;
            Ok((value, stored.evidence.map(|entry| entry.seq), stored.line))
        });
        read.collect()
    }
}
