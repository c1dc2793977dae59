//! An alarm of the sealer as an entry: `observation.recorded` in the stream of the workspace, because
//! a stream that is refused is no longer sealed (evidence-format section 6).
//!
//! One alarm, one entry, however often it is reported. The log line, its metric and the notification
//! do not depend on the entry.

use std::sync::Arc;

use counterfoil_evidence::hash::{Hash, digest_string, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

use super::facts::{actor, target};
use crate::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind, RefusalCause, State,
    StateWrite,
};
use crate::records::{Directory, RecordError, workspace_row};
use crate::tenancy::Principal;

/// What was done to a stored entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was overwritten or updated.
    Modify,
    /// It was deleted.
    Remove,
}

impl Change {
    /// The name that the table's stream uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
        }
    }
}

/// Something that must never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Somebody changed or removed a stored entry.
    ItemChanged {
        /// Stream of the entry.
        stream: Hash,
        /// Its position.
        seq: u64,
        /// What was done to it.
        change: Change,
        /// Id of the record of the table's stream; the same when it is delivered again.
        event: String,
        /// Header bytes before.
        before: Option<Vec<u8>>,
        /// Header bytes after.
        after: Option<Vec<u8>>,
    },
    /// The sealer refused a stream.
    SealRefused {
        /// The stream.
        stream: Hash,
        /// Why.
        cause: RefusalCause,
        /// Its last seal, so that the same cause after a later seal is another alarm.
        last: Option<Hash>,
    },
}

impl Alarm {
    /// The stream that it is about.
    pub const fn stream(&self) -> Hash {
        match self {
            Self::ItemChanged { stream, .. } | Self::SealRefused { stream, .. } => *stream,
        }
    }

    /// The topic of its entry and of its log line.
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::ItemChanged { .. } => "tamper.item_changed",
            Self::SealRefused { .. } => "tamper.seal_refused",
        }
    }

    /// What makes two reports the same alarm.
    fn name(&self) -> String {
        let parts = match self {
            Self::ItemChanged {
                stream,
                seq,
                change,
                event,
                ..
            } => format!("{stream}/{seq}/{}/{event}", change.name()),
            Self::SealRefused {
                stream,
                cause,
                last,
            } => {
                let last = last.unwrap_or(Hash::ZERO);
                format!("{stream}/{}/{last}", cause.name())
            }
        };
        sha256(format!("{}/{parts}", self.topic()).as_bytes()).to_string()
    }

    fn facts(&self) -> Json {
        let system = Principal::System {
            duty: "archive".to_owned(),
        };
        let mut fields = vec![
            ("actor", actor(&system)),
            ("result", "alarm".into()),
            ("target", target("stream", self.stream())),
            ("topic", self.topic().into()),
        ];
        match self {
            Self::ItemChanged {
                seq,
                change,
                before,
                after,
                ..
            } => {
                fields.push(("change", change.name().into()));
                fields.push(("seq", Json::uint(*seq)));
                let digest = |bytes: &Vec<u8>| Json::from(digest_string(bytes));
                fields.extend(before.as_ref().map(|bytes| ("before", digest(bytes))));
                fields.extend(after.as_ref().map(|bytes| ("after", digest(bytes))));
            }
            Self::SealRefused { cause, last, .. } => {
                fields.push(("cause", cause.name().into()));
                fields.extend(last.map(|last| ("seal", last.into())));
            }
        }
        object(fields)
    }
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// The entry was written.
    Recorded(EntryRef),
    /// The alarm has its entry already.
    Known,
    /// No workspace owns the stream: only the log tells of it.
    NoOwner,
}

/// Why an alarm was not recorded; reporting it again is safe.
#[derive(Debug, Error)]
pub enum AlarmError {
    /// The directory did not answer.
    #[error("the owner of the stream could not be looked up")]
    Directory(#[from] RecordError),
    /// A port did not answer.
    #[error("it could not be found out whether the alarm has its entry")]
    Port(#[from] PortError),
    /// The entry could not be appended.
    #[error("the alarm could not be recorded")]
    Evidence(#[from] AppendError),
}

/// Records alarms and their end.
#[derive(Clone)]
pub struct RecordAlarm {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Directory, and one row per alarm.
    pub state: Arc<dyn State>,
}

impl std::fmt::Debug for RecordAlarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordAlarm")
    }
}

impl RecordAlarm {
    /// Records an alarm in the stream of the workspace that owns the stream it is about.
    ///
    /// # Errors
    /// When it is not known to be recorded.
    pub async fn record(&self, alarm: &Alarm) -> Result<Noted, AlarmError> {
        let directory = Directory::of(self.state.as_ref());
        let Some(owner) = directory.owner_of(alarm.stream()).await? else {
            return Ok(Noted::NoOwner);
        };
        let key = workspace_row(owner.id, "alarm", alarm.name());
        if self.state.get(&key).await?.is_some() {
            return Ok(Noted::Known);
        }
        let row =
            serde_json::json!({ "topic": alarm.topic(), "stream": alarm.stream().to_string() });
        let draft = Draft::new(Kind::ObservationRecorded, alarm.facts());
        let batch = Batch::of([draft]).with(StateWrite::create(key, row).explained_by(0));
        let stream = stream_of(&owner.stream)?;
        match self.evidence.append(stream, batch).await {
            Ok(entries) => Ok(entries
                .into_iter()
                .next()
                .map_or(Noted::Known, Noted::Recorded)),
            Err(AppendError::StateChanged { .. }) => Ok(Noted::Known),
            Err(error) => Err(error.into()),
        }
    }

    /// Records that a stream was found intact and that its refusal was lifted.
    ///
    /// # Errors
    /// When it is not known to be recorded.
    pub async fn lifted(&self, stream: Hash, sealed: u64, size: u64) -> Result<Noted, AlarmError> {
        let directory = Directory::of(self.state.as_ref());
        let Some(owner) = directory.owner_of(stream).await? else {
            return Ok(Noted::NoOwner);
        };
        let operator = Principal::System {
            duty: "operator".to_owned(),
        };
        let facts = object([
            ("actor", actor(&operator)),
            ("result", "ok".into()),
            ("sealed", Json::uint(sealed)),
            ("size", Json::uint(size)),
            ("target", target("stream", stream)),
            ("topic", "tamper.seal_refused".into()),
        ]);
        let batch = Batch::of([Draft::new(Kind::ObservationRecorded, facts)]);
        let entries = self
            .evidence
            .append(stream_of(&owner.stream)?, batch)
            .await?;
        Ok(entries
            .into_iter()
            .next()
            .map_or(Noted::Known, Noted::Recorded))
    }
}

pub(super) fn stream_of(stream: &str) -> Result<Hash, PortError> {
    let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
    stream.parse().map_err(corrupt)
}
