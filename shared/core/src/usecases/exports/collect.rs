//! Reading the entries of a span into working space, one chunk in memory at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::package::folder::{header_line, part_lines};
use counterfoil_evidence::package::named_redactions;

use super::Exports;
use super::failure::{BuildError, corrupt};
use super::index;
use super::lines::Lines;
use super::proofs::facts_of;
use super::span::Span;
use super::work::Job;
use crate::ports::{ScratchFile, StoredEntry};
use crate::usecases::facts::segment_entry;

/// Entries that are in memory at a time: at most 256 times the two largest parts, 80 MiB, and a few
/// hundred KiB as entries are.
const CHUNK: u64 = 256;
/// Most bytes of a package: what verifiers take by default (evidence-format section 20).
const LARGEST: u64 = 1 << 30;

/// What entries say about the whole of them.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) entries: u64,
    /// Entries by kind.
    pub(super) kinds: BTreeMap<String, u64>,
    /// Runs that begin in it.
    pub(super) runs: u64,
    /// Entries whose personal data was erased.
    pub(super) erased: u64,
    /// Redact entries that they name.
    pub(super) redactions: BTreeSet<u64>,
    /// Bundles that decisions cite.
    pub(super) policies: BTreeSet<String>,
    /// Runs of the reconciler that begin in it: their inputs may still be kept.
    pub(super) looked: BTreeSet<String>,
    /// Compiled mappings that runs name.
    pub(super) mappings: BTreeSet<String>,
    /// Sealing keys that were added or retired: base64 of their DER.
    pub(super) keys: BTreeSet<String>,
    /// What a report lists.
    pub(super) lines: Lines,
}

impl Summary {
    /// Takes an entry and returns its line of the index.
    pub(super) fn take(&mut self, entry: &StoredEntry) -> Result<String, BuildError> {
        let header = Json::parse(&entry.header).map_err(BuildError::Unverifiable)?;
        let facts = facts_of(entry).ok_or_else(|| corrupt("reading the facts of an entry"))?;
        let kind = header
            .get("kind")
            .and_then(Json::as_str)
            .unwrap_or_default();
        self.entries = self.entries.saturating_add(1);
        let of_kind = self.kinds.entry(kind.to_owned()).or_default();
        *of_kind = of_kind.saturating_add(1);
        self.runs = self.runs.saturating_add(u64::from(kind == "run.open"));
        if let Some(by) = named_redactions(&segment_entry(entry)) {
            self.erased = self.erased.saturating_add(1);
            self.redactions.insert(by);
        }
        let text = |name: &str| facts.get(name).and_then(Json::as_str).map(str::to_owned);
        match kind {
            "run.decision" => self
                .policies
                .extend([text("policy"), text("baseline")].into_iter().flatten()),
            "key.rotate" => self
                .keys
                .extend([text("spki"), text("retired_spki")].into_iter().flatten()),
            "run.open" if matches!(text("purpose").as_deref(), Some("scan" | "check")) => {
                self.mappings.extend(text("artifact"));
                let run = header.get("run").and_then(|run| run.get("id")?.as_str());
                self.looked.extend(run.map(str::to_owned));
            }
            _ => {}
        }
        self.lines.take(entry, kind, &header, &facts);
        Ok(index::line(entry, &header, &facts))
    }
}

/// The entries of a span, as files.
pub(super) struct Collected {
    pub(super) summary: Summary,
    pub(super) headers: Box<dyn ScratchFile>,
    pub(super) parts: Box<dyn ScratchFile>,
    pub(super) index: Box<dyn ScratchFile>,
}

impl Exports {
    pub(super) async fn collect(
        &self,
        job: &mut Job<'_>,
        stream: Hash,
        span: Span,
    ) -> Result<Collected, BuildError> {
        let mut collected = Collected {
            summary: Summary::default(),
            headers: self.scratch.file()?,
            parts: self.scratch.file()?,
            index: self.scratch.file()?,
        };
        collected.index.write_all(index::HEADINGS.as_bytes())?;
        let mut written = 0_u64;
        let mut at = span.from;
        while at < span.to {
            let end = at.saturating_add(CHUNK).min(span.to);
            let chunk = self.reader.entries(stream, at, end).await?;
            if u64::try_from(chunk.len()).ok() != Some(end.saturating_sub(at)) {
                return Err(corrupt("reading the entries of an export"));
            }
            let bytes = collected.write(&chunk)?;
            written = written.saturating_add(bytes);
            if written > LARGEST {
                return Err(BuildError::TooLarge);
            }
            at = end;
            job.progress(at.saturating_sub(span.from), span.len())
                .await?;
        }
        Ok(collected)
    }
}

impl Collected {
    fn write(&mut self, chunk: &[StoredEntry]) -> Result<u64, BuildError> {
        let (mut headers, mut parts, mut index) = (Vec::new(), Vec::new(), String::new());
        for entry in chunk {
            let segment = segment_entry(entry);
            headers.extend(header_line(&segment));
            parts.extend(part_lines(&segment)?);
            index.push_str(&self.summary.take(entry)?);
        }
        self.headers.write_all(&headers)?;
        self.parts.write_all(&parts)?;
        self.index.write_all(index.as_bytes())?;
        let bytes = headers.len().saturating_add(parts.len());
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}
