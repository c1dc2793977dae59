//! The state table: documents with versions, and what evidence explains each of them.

use async_trait::async_trait;
use serde_json::Value;

use super::{EntryRef, PortError};
use crate::time::Timestamp;

/// Where a document lies. Made by [`crate::records`], so that every key leads with its tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey {
    /// Partition: tenant and family, for example `ws_…#prj_…#incident`, or one of the directory.
    pub pk: String,
    /// Id inside the partition, for example `inc_…`.
    pub sk: String,
}

/// What must hold for a change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No document under this key.
    Absent,
    /// The document has exactly this version.
    Version(u64),
    /// Nothing; the last writer wins and the version begins again at 1, so nobody may count on it.
    /// Only for rows that anybody would write alike.
    Anything,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct StateWrite {
    /// Which document.
    pub key: StateKey,
    /// Its condition.
    pub expect: Expect,
    /// The new content, or `None` to delete it.
    pub doc: Option<Value>,
    /// When the row may disappear, in whole seconds, rounded up; for readers and for
    /// [`Expect::Absent`] it is absent from then on.
    pub expires_at: Option<Timestamp>,
    /// The entry that explains the change: an index into the drafts of the same batch.
    pub entry: Option<usize>,
    /// The entry that explains the change, where it is durable already.
    pub cites: Option<EntryRef>,
    /// The line of that run's findings object that says the same, counted from 1.
    pub line: Option<u64>,
}

impl StateWrite {
    /// Creates a document that must not exist.
    pub fn create(key: StateKey, doc: Value) -> Self {
        Self {
            key,
            expect: Expect::Absent,
            doc: Some(doc),
            expires_at: None,
            entry: None,
            cites: None,
            line: None,
        }
    }

    /// Replaces the document of version `version`.
    pub fn replace(key: StateKey, version: u64, doc: Value) -> Self {
        Self {
            expect: Expect::Version(version),
            ..Self::create(key, doc)
        }
    }

    /// Deletes a document, whatever it holds.
    pub fn delete(key: StateKey) -> Self {
        Self {
            key,
            expect: Expect::Anything,
            doc: None,
            expires_at: None,
            entry: None,
            cites: None,
            line: None,
        }
    }

    /// Says which entry of the same batch explains the change.
    #[must_use]
    pub fn explained_by(mut self, draft: usize) -> Self {
        self.entry = Some(draft);
        self
    }

    /// Says which durable entry explains the change.
    #[must_use]
    pub fn citing(mut self, entry: EntryRef) -> Self {
        self.cites = Some(entry);
        self
    }

    /// Says which line of the findings object behind the cited entry it is, counted from 1.
    #[must_use]
    pub fn on_line(mut self, line: Option<u64>) -> Self {
        self.line = line;
        self
    }

    /// Lets the row disappear after `at`.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }
}

/// A document as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its key.
    pub key: StateKey,
    /// 1 for a new document, plus 1 with every replacement.
    pub version: u64,
    /// Content.
    pub doc: Value,
    /// The entry that explains this version.
    pub evidence: Option<EntryRef>,
    /// The line of that entry's findings object that it cites, counted from 1.
    pub line: Option<u64>,
}

/// Reads and writes of documents.
#[async_trait]
pub trait State: Send + Sync {
    /// The document under `key`, strongly consistent; expired rows are absent.
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError>;

    /// Every document of a partition whose sort key starts with `prefix` (all of it for an empty
    /// one), ascending by sort key.
    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError>;

    /// Every document of a partition whose sort key is not before `from`, ascending by sort key. For
    /// whoever looks for the latest rows of a partition of any size, where keys are in the order of time.
    async fn list_from(&self, pk: &str, from: &str) -> Result<Vec<Stored>, PortError> {
        let rows = self.list(pk, "").await?.into_iter();
        Ok(rows.filter(|row| row.key.sk.as_str() >= from).collect())
    }

    /// Keys of a partition, ascending: the first ones, `most` at most, of rows that are not expired.
    /// For whoever empties a partition of any size.
    async fn first(&self, pk: &str, most: usize) -> Result<Vec<StateKey>, PortError> {
        let rows = self.list(pk, "").await?.into_iter();
        Ok(rows.map(|row| row.key).take(most).collect())
    }

    /// Applies all writes in one transaction (at most 100); `Ok(false)` when a condition does not
    /// hold, and then nothing was written. A lost reply is settled inside by reading back.
    ///
    /// # Errors
    /// `OutcomeUnknown` when an attempt may have been written and its rows do not tell; after every
    /// other error nothing was written.
    ///
    /// Only for rows that no entry explains, or that cite a durable one: every other change goes
    /// through [`super::EvidenceAppend`].
    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError>;
}
