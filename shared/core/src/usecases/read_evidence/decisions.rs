//! A decision by its id, wherever it is recorded.
//!
//! Nothing is stored for this. The id of a decision begins with the time at which it was made, entries of
//! a stream are in the order of time, and an entry is never older than its decision. So the first entry of
//! that time is found by a search over times, and the decision a short walk after it. Both are bounded: an
//! entry that came more than [`WITHIN`] after its decision, or behind [`WALK`] others, is not found, and the
//! list of entries still has it.

use std::time::Duration;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use serde::Deserialize;

use super::{ReadEvidence, ReadEvidenceError};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::policy::Effect;
use crate::ports::{PortError, PortErrorKind, StoredEntry, StoredPart};
use crate::records::Directory;
use crate::tenancy::{Principal, TenantCtx, Via};
use crate::time::Timestamp;
use crate::usecases::seek::{first_at, header};

/// How long after a decision its entry is looked for: appending gives up long before.
const WITHIN: Duration = Duration::from_mins(2);
/// Entries that are looked at, at most.
const WALK: u64 = 2_000;
/// Entries that are read at once.
const STEP: u64 = 100;

/// A decision as its entry tells it, without words of people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordedDecision {
    /// Id.
    #[serde(rename = "decision")]
    pub id: DecisionId,
    /// The kind of what was judged, as the policy's schema names it.
    pub action: String,
    /// What it is about.
    pub act: ActionId,
    /// `propose` or `execute`.
    pub phase: String,
    /// ALLOW, REQUIRE or DENY.
    pub effect: Effect,
    /// Approvals needed (0 unless REQUIRE).
    #[serde(default)]
    pub approvals: u8,
    /// The decisive rule.
    pub rule: String,
    /// Its sentence.
    pub reason: String,
    /// Digest of the workspace's bundle.
    pub policy: String,
    /// Digest of the baseline.
    pub baseline: String,
    /// What each layer said.
    pub layers: Vec<LayerSaid>,
    /// When, in ms.
    pub evaluated_at: u64,
    /// The run that holds it.
    #[serde(skip)]
    pub run: Option<RunId>,
    /// Where its entry is.
    #[serde(skip)]
    pub place: RecordedIn,
}

/// Where a decision is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordedIn {
    /// Position in the stream.
    pub seq: u64,
    /// In the stream of the workspace, not of the project.
    pub workspace: bool,
}

/// What a layer said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LayerSaid {
    /// `baseline` or `workspace`.
    pub layer: String,
    /// Its effect.
    pub effect: Effect,
    /// Approvals that it asks for.
    #[serde(default)]
    pub approvals: u8,
    /// The rules that decided.
    pub policies: Vec<RuleSaid>,
}

/// A rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuleSaid {
    /// Id.
    pub id: String,
    /// Its sentence.
    pub why: String,
}

impl ReadEvidence {
    /// A decision in the evidence of the caller's project; for people who signed in, also of its workspace.
    ///
    /// # Errors
    /// [`ReadEvidenceError::NotFound`] for what is absent, another's, or out of reach.
    pub async fn decision(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<RecordedDecision, ReadEvidenceError> {
        let id: DecisionId = id.parse().map_err(|_| ReadEvidenceError::NotFound)?;
        let stream = self.project(ctx).await?.stream_id()?;
        if let Some(found) = self.decision_in(stream, id).await? {
            return Ok(found);
        }
        // A key reaches one project, and nothing of the workspace around it.
        let signed_in = matches!(
            ctx.principal(),
            Principal::User {
                via: Via::Login { .. },
                ..
            }
        );
        if !signed_in {
            return Err(ReadEvidenceError::NotFound);
        }
        let directory = Directory::of(self.state.as_ref());
        let workspace = directory.workspace(ctx.workspace()).await?;
        let workspace = workspace.ok_or(ReadEvidenceError::NotFound)?.value;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        let stream = workspace.stream.parse().map_err(corrupt)?;
        let mut found = self.decision_in(stream, id).await?;
        if let Some(found) = &mut found {
            found.place.workspace = true;
        }
        found.ok_or(ReadEvidenceError::NotFound)
    }

    async fn decision_in(
        &self,
        stream: Hash,
        id: DecisionId,
    ) -> Result<Option<RecordedDecision>, ReadEvidenceError> {
        let Some(head) = self.reader.head(stream).await? else {
            return Ok(None);
        };
        let made = id.made_at();
        let last = made.plus(WITHIN);
        let first = first_at(self.reader.as_ref(), stream, head.size, made).await?;
        let end = head.size.min(first.saturating_add(WALK));
        let mut from = first;
        while from < end {
            let to = end.min(from.saturating_add(STEP));
            for entry in self.reader.entries(stream, from, to).await? {
                let header = header(&entry, stream)?;
                if Timestamp::from_millis(header.at) > last {
                    return Ok(None);
                }
                if header.kind != Kind::RunDecision {
                    continue;
                }
                if let Some(mut found) = told(&entry)?.filter(|found| found.id == id) {
                    found.run = header.run.and_then(|run| run.id.parse().ok());
                    found.place.seq = entry.seq;
                    return Ok(Some(found));
                }
            }
            from = to;
        }
        Ok(None)
    }
}

/// What a decision's facts say; `None` where the store lost them, or they are of a form before these fields.
fn told(entry: &StoredEntry) -> Result<Option<RecordedDecision>, PortError> {
    let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
        return Ok(None);
    };
    let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading facts");
    let facts: serde_json::Value = serde_json::from_slice(bytes).map_err(corrupt)?;
    Ok(serde_json::from_value(facts).ok())
}
