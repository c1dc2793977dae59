//! Actions as people and programs see them: the document (docs/openapi.json) is made of these types.

use counterfoil_core::ids::DecisionId;
use counterfoil_core::policy::Effect;
use counterfoil_core::repair;
use counterfoil_lambda::schema;
pub(crate) use counterfoil_lambda::views::Action as ActionView;
use counterfoil_lambda::views::EffectWord;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of actions that wait for a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Waiting {
    pub(crate) items: Vec<WaitingAction>,
    /// Send it as `cursor` to read on; `null` on the last page.
    pub(crate) next_cursor: Option<String>,
}

/// An action that waits for a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaitingAction {
    #[serde(flatten)]
    pub(crate) action: ActionView,
    /// Send it as `If-Match` with the vote.
    pub(crate) etag: String,
}

/// An action of a run with the decision about it.
#[derive(Serialize, ToSchema)]
#[schema(as = JudgedAction)]
pub(crate) struct Judged {
    pub(crate) action: ActionView,
    pub(crate) decision: Made,
}

/// What the policy decided.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionMade)]
pub(crate) struct Made {
    #[schema(value_type = schema::DecisionId)]
    decision: DecisionId,
    #[schema(value_type = EffectWord)]
    effect: Effect,
    /// Approvals that are needed.
    approvals: u8,
    /// The decisive rule.
    rule: String,
    reason: String,
}

impl Made {
    pub(crate) fn of(action: &repair::Action) -> Self {
        Self {
            decision: action.decision,
            effect: action.effect,
            approvals: action.approvals,
            rule: action.rule.clone(),
            reason: action.why.clone(),
        }
    }
}
