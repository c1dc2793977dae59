//! What a flow may do, as an admin has registered it. A caller says which kind of action it wants;
//! what is known of that kind comes from here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::input::{InvalidRun, check_kind};
use crate::ids::UserId;
use crate::ports::EntryRef;
use crate::time::Timestamp;

/// Kinds of action that one flow may register.
pub const MAX_KINDS: usize = 100;

/// What is registered of one kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// It cannot be undone, or takes something away.
    pub destructive: bool,
}

/// What a flow may do. Version 0 is a flow that nobody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowActions {
    /// The flow.
    pub id: String,
    /// Its kinds of action.
    #[serde(default)]
    pub actions: BTreeMap<String, Registered>,
    /// What somebody wants instead, while that waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Box<ProposedActions>>,
}

/// A registration that waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedActions {
    /// The kinds of action.
    pub actions: BTreeMap<String, Registered>,
    /// Who proposed it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// The held decision.
    pub decision: EntryRef,
    /// What the confirmation binds to.
    pub action_hash: String,
}

impl FlowActions {
    /// The id of the record of a flow, among the other settings of its project.
    pub fn row(flow: &str) -> String {
        format!("flow#{flow}")
    }

    /// A flow that nobody registered.
    pub fn none(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            actions: BTreeMap::new(),
            proposed: None,
        }
    }

    /// Whether rules know less of a kind in `wanted` than here: one that is not destructive is let
    /// through where an unregistered or a destructive one waits for a person.
    pub fn loosened_by(&self, wanted: &BTreeMap<String, Registered>) -> bool {
        let harmless = |kind: &str| {
            self.actions
                .get(kind)
                .is_some_and(|known| !known.destructive)
        };
        wanted
            .iter()
            .any(|(kind, it)| !it.destructive && !harmless(kind))
    }
}

/// Whether a registration keeps its rules.
///
/// # Errors
/// [`InvalidRun`] with the field.
pub fn check_flow(id: &str, actions: &BTreeMap<String, Registered>) -> Result<(), InvalidRun> {
    check_kind("/flow_id", id)?;
    if actions.len() > MAX_KINDS {
        let rule = "must have at most 100 kinds of action";
        return Err(InvalidRun::new("/actions", rule));
    }
    for kind in actions.keys() {
        check_kind(&format!("/actions/{kind}"), kind)?;
    }
    Ok(())
}
