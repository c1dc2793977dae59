//! The argument that every effect demands.

use super::Effect;
use crate::ports::EntryRef;
use crate::repair::RepairPlan;

/// Proof that a decision said ALLOW for one plan and that this decision is durable. It carries the
/// plan, so an effect cannot be done with another one, and is consumed by it, so not twice.
///
/// There is no public constructor: the repair use case makes one after the transaction that
/// recorded the decision and `repair.started` was acknowledged.
///
/// ```compile_fail,E0451
/// # use counterfoil_core::{policy::Permit, ports::EntryRef, repair::RepairPlan};
/// fn forge(plan: RepairPlan, decision: EntryRef) -> Permit {
///     Permit { plan, decision }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    plan: RepairPlan,
    decision: EntryRef,
}

impl Permit {
    /// A permit for `plan`, if the recorded effect allows it.
    pub(crate) fn grant(effect: Effect, plan: RepairPlan, decision: EntryRef) -> Option<Self> {
        (effect == Effect::Allow).then_some(Self { plan, decision })
    }

    /// What may be done.
    pub const fn plan(&self) -> &RepairPlan {
        &self.plan
    }

    /// The decision that allows it.
    pub const fn decision(&self) -> &EntryRef {
        &self.decision
    }
}
