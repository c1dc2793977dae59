//! A change that waits for further people: what was proposed, exactly, and who has agreed so far.
//!
//! One row per thing that would change, so the newest proposal stands. A row disappears when its time is
//! over; from then on the same request proposes anew.

use counterfoil_evidence::json::{Json, object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ActionId, ProjectId, UserId, WorkspaceId};
use crate::json::{JsonError, canonical};
use crate::ports::{EntryRef, StateKey};
use crate::records::{Directory, Record, RecordError, Versioned};
use crate::tenancy::{Role, TenantCtx, WorkspaceCtx};
use crate::time::Timestamp;

/// The row of an activation of a mapping.
pub const MAPPING: &str = "mapping";
/// The row of the end of an emergency stop.
pub const UNFREEZE: &str = "unfreeze";
/// The row of a shorter window of retention.
pub const RETENTION: &str = "retention";
/// The row of an activation of a policy bundle.
pub const POLICY: &str = "policy";
/// The row of a signing key.
pub const POLICY_KEY: &str = "policy_key";
/// What the row of a flow's registration begins with.
pub const FLOW: &str = "flow/";
/// What the row of the release of a legal hold begins with.
pub const HOLD: &str = "legal_hold/";

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChange {
    /// Its id, as the decision has it.
    pub id: ActionId,
    /// What would change, for example `mapping` or `flow/refunds`.
    pub name: String,
    /// The action that was judged, for example `settings.change`.
    pub action: String,
    /// The project; `None` for what concerns the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// What is proposed, and what it would replace: whoever agrees sends the same.
    pub value: Value,
    /// What approvals bind to: over all of the above.
    pub digest: String,
    /// Who proposed it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// From then on it is proposed anew.
    pub expires_at: Timestamp,
    /// How many people must agree.
    pub needed: u8,
    /// Who they must be: this role, or a higher one.
    pub role: Role,
    /// Who has agreed so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// The REQUIRE decision, once another entry explains the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<EntryRef>,
    /// Why, in the words of whoever proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody agreed, and others must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Who.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

impl HeldChange {
    /// Whether it can still be agreed to.
    pub fn waits(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// A field of the proposed value, as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field).and_then(Value::as_str)
    }

    /// The digest of all that an approval is given to.
    ///
    /// # Errors
    /// When the value has no canonical form.
    pub(crate) fn bound(&self, workspace: WorkspaceId) -> Result<String, JsonError> {
        let value = counterfoil_evidence::hash::digest_string(&canonical(&self.value)?);
        let mut binding = vec![
            ("act", Json::from(self.id.to_string())),
            ("action", self.action.as_str().into()),
            ("expires_at", Json::uint(self.expires_at.as_millis())),
            ("name", self.name.as_str().into()),
            ("v", Json::uint(2)),
            ("value_sha256", value.into()),
            ("workspace", workspace.to_string().into()),
        ];
        if let Some(project) = self.project {
            binding.push(("project", project.to_string().into()));
        }
        let binding = object(binding).canonical();
        Ok(counterfoil_evidence::hash::digest_string(&binding))
    }
}

impl Versioned<HeldChange> {
    /// The decision that holds it. It explains the first version; later ones remember it.
    pub(crate) fn decision(&self) -> Option<&EntryRef> {
        self.value.decided.as_ref().or(self.evidence.as_ref())
    }
}

impl Record for HeldChange {
    const FAMILY: &'static str = "change";

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Record<WorkspaceCtx> for HeldChange {
    const FAMILY: &'static str = <Self as Record<TenantCtx>>::FAMILY;

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Directory<'_> {
    /// What waits in a row, and what may be over by now.
    pub(crate) async fn held_change(
        &self,
        row: &StateKey,
    ) -> Result<Option<Versioned<HeldChange>>, RecordError> {
        self.find(<HeldChange as Record>::FAMILY, row).await
    }

    /// What waits in a workspace as such, and what may be over by now.
    pub(crate) async fn held_changes(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<Versioned<HeldChange>>, RecordError> {
        self.rows(workspace, <HeldChange as Record>::FAMILY).await
    }
}
