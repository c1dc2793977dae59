//! Changes that wait for further people.

use counterfoil_core::held_change::HeldChange;
use counterfoil_core::ids::{ActionId, UserId};
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::records::HoldScopeWord;
use super::tenants::RoleWord;

/// Changes that wait, soonest end first.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldChanges)]
pub(crate) struct Changes {
    pub(crate) items: Vec<Change>,
    /// Always `null`: they come in one page.
    pub(crate) next_cursor: Option<String>,
}

/// A change that waits for further people.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldChange)]
pub(crate) struct Change {
    #[schema(value_type = schema::ActionId)]
    id: ActionId,
    #[schema(value_type = HoldScopeWord)]
    scope: &'static str,
    /// What would change: `mapping`, `unfreeze`, `flow/NAME`, `retention`, `legal_hold/ID`, `policy`,
    /// `policy_key`.
    #[schema(examples("mapping"))]
    name: String,
    /// The action that was judged.
    #[schema(examples("settings.change"))]
    action: String,
    /// What it would be, and what it would replace.
    #[schema(value_type = Object)]
    value: Value,
    /// What approvals bind to.
    #[schema(value_type = schema::Digest)]
    digest: String,
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
    #[schema(value_type = schema::Time)]
    proposed_at: String,
    /// From then on it is proposed anew.
    #[schema(value_type = schema::Time)]
    expires_at: String,
    /// Approvals that are needed.
    approvals: u8,
    /// The least role of those who approve.
    #[schema(value_type = RoleWord)]
    role: &'static str,
    /// Those who have agreed and still count: who left or lost the role is not among them.
    #[schema(value_type = Vec<schema::UserId>)]
    approved_by: Vec<UserId>,
    /// The words of whoever proposed it. Addresses and ids of Stripe in them are masked for viewers.
    reason: Option<String>,
}

impl Change {
    pub(crate) fn of(change: &HeldChange, sight: Sight) -> Self {
        Self {
            id: change.id,
            scope: match change.project {
                Some(_) => "project",
                None => "workspace",
            },
            name: change.name.clone(),
            action: change.action.clone(),
            value: change.value.clone(),
            digest: change.digest.clone(),
            proposed_by: change.by,
            proposed_at: change.at.to_string(),
            expires_at: change.expires_at.to_string(),
            approvals: change.needed,
            role: change.role.name(),
            approved_by: change.given.iter().map(|given| given.by).collect(),
            reason: change.reason.as_deref().map(|words| sight.words(words)),
        }
    }
}
