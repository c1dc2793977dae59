//! Repairs: the plan, the action around it with its states, and the digest that approvals bind to.

mod action;
pub mod limits;
mod plan;
mod work;

pub use action::{Action, ActionBinding, ActionState, Vote, VoteKind};
pub use plan::{ColumnChange, RepairPlan};
pub use work::{Resource, RunWork, Work};
