//! Actions of governed runs. A family of its own: agents make thousands of them, and whoever looks for
//! repairs must not read them all.

use serde::{Deserialize, Serialize};

use super::{Record, Versioned};
use crate::repair::Action;

/// An action of a governed run, as a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunAction(Action);

impl RunAction {
    /// The record of an action.
    pub const fn of(action: Action) -> Self {
        Self(action)
    }

    /// The action.
    pub const fn action(&self) -> &Action {
        &self.0
    }
}

impl Record for RunAction {
    const FAMILY: &'static str = "run-action";

    fn id(&self) -> String {
        self.0.id.to_string()
    }
}

impl Versioned<RunAction> {
    /// The action. The first version of one is explained by its decision; later ones remember it.
    pub fn into_action(self) -> Versioned<Action> {
        let mut action = self.value.0;
        if action.decided.is_none() {
            action.decided.clone_from(&self.evidence);
        }
        Versioned {
            value: action,
            version: self.version,
            evidence: self.evidence,
        }
    }
}
