//! Repairs: the plan, the action around it with its states, and the digest that approvals bind to.

mod action;
pub mod limits;
mod pace;
mod plan;
mod work;

pub use action::{
    Action, ActionBinding, ActionState, Meaning, OUTCOME_UNKNOWN, Overridden, Undo, Vote, VoteKind,
    approvers,
};
pub use pace::{DAY_MAX, HOUR_MAX, Pace};
pub use plan::{ColumnChange, RepairPlan};
pub use work::{IgnorePlan, Resource, RunWork, Work};
