//! A key that came where none belongs, as an entry: `observation.recorded` in its workspace's stream.
//!
//! One entry per key and hour, however often it comes: whoever has the key could otherwise fill the
//! stream. The key is not revoked, and nothing of its text is recorded.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};

use super::facts::{actor, target};
use super::record_alarm::{AlarmError, Noted, stream_of};
use crate::ports::{AppendError, Batch, Clock, EvidenceAppend, State, StateWrite};
use crate::records::{ApiKey, Directory, workspace_row};
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// Topic of the entry.
const TOPIC: &str = "key.leaked";
/// How long the next leak of the same key is only in the log.
const QUIET: Duration = Duration::from_hours(1);

/// When a key was last recorded as leaked.
#[derive(Serialize, Deserialize)]
struct LastLeak {
    topic: String,
    at: Timestamp,
}

/// Records leaked keys.
#[derive(Clone)]
pub struct RecordLeak {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Directory, and one row per leaked key.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for RecordLeak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordLeak")
    }
}

impl RecordLeak {
    /// Records that a key came in a URL.
    ///
    /// # Errors
    /// When it is not known to be recorded.
    pub async fn in_url(&self, key: &ApiKey) -> Result<Noted, AlarmError> {
        let directory = Directory::of(self.state.as_ref());
        let Some(workspace) = directory.workspace(key.workspace).await? else {
            return Ok(Noted::NoOwner);
        };
        let now = self.clock.now();
        let place = workspace_row(key.workspace, "alarm", key.id.to_string());
        let doc = serde_json::json!({ "topic": TOPIC, "at": now });
        let write = match self.state.get(&place).await? {
            None => StateWrite::create(place, doc),
            Some(row) => {
                let last: Option<LastLeak> = serde_json::from_value(row.doc).ok();
                if last.is_some_and(|last| now.since(last.at) < QUIET) {
                    return Ok(Noted::Known);
                }
                StateWrite::replace(place, row.version, doc)
            }
        };
        let system = Principal::System {
            duty: "front".to_owned(),
        };
        let facts = object([
            ("actor", actor(&system)),
            ("place", "url".into()),
            ("result", "alarm".into()),
            ("revoked", key.revoked_at.is_some().into()),
            ("target", target("api_key", key.id)),
            ("topic", TOPIC.into()),
        ]);
        let draft = Draft::new(Kind::ObservationRecorded, facts);
        let batch = Batch::of([draft]).with(write.explained_by(0));
        let stream = stream_of(&workspace.value.stream)?;
        match self.evidence.append(stream, batch).await {
            Ok(entries) => Ok(entries
                .into_iter()
                .next()
                .map_or(Noted::Known, Noted::Recorded)),
            Err(AppendError::StateChanged { .. }) => Ok(Noted::Known),
            Err(error) => Err(error.into()),
        }
    }
}
