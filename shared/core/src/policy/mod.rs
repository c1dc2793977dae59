//! Policy: every action is judged ALLOW, REQUIRE or DENY before it happens.
//!
//! The engine is [`counterfoil_policy`]; this module says what can be asked ([`Question`]), what is
//! known about whoever asks ([`Asking`]), and by which rules ([`Rules`]): the product's baseline and
//! the workspace's own bundle. What cannot be judged is denied.

mod asking;
mod judgement;
mod permit;
mod question;
mod request;
mod rules;

pub(crate) use asking::fresh_within;
pub use asking::{Approvals, Asking, Origin, Place, approver_role};
use counterfoil_policy::Failure;
pub use counterfoil_policy::{Effect, baseline_digest};
pub use judgement::{
    APPROVER_ROLE, APPROVER_SINCE, BESIDE_THE_RULES, BREAK_GLASS, Broken, Considered, Judgement,
};
pub use permit::Permit;
pub use question::{
    BlastFacts, BundleFacts, ChangeFacts, EvidenceFacts, HeldFacts, IncidentFacts, OverrideFacts,
    Question, RepairFacts, RunActionFacts, StandingFacts, VoteFacts,
};
pub(crate) use rules::default_bundle;
pub use rules::{BuiltIn, NO_BUNDLE, Rules, builtin_bundles, default_bundle_digest};

#[cfg(test)]
mod tests;

/// What stands in place of a rule where the rules in force are gone, are not those that were signed, or are
/// written for another version of the engine.
pub const RULES_DO_NOT_LOAD: [&str; 3] = [
    Failure::BundleMissing.rule(),
    Failure::BundleUnverified.rule(),
    Failure::EngineRange.rule(),
];
