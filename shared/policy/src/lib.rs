//! The policy engine: every action is judged ALLOW, REQUIRE or DENY before it happens.
//!
//! Two layers of Cedar policies, the product's baseline and the workspace's bundle, are asked
//! separately; the answer is the most restrictive of both. The approvals given so far are facts in
//! the question, so REQUIRE(k) is what the same rules say with k approvals ([`judge`]).
//! Whatever cannot be judged is denied ([`Failure`]).
//!
//! No I/O, no clock: time is part of the question, and who calls measures how long it takes. Nothing
//! here performs or records anything.

pub mod bundle;
pub mod check;
mod effect;
mod impact;
mod judge;
mod layer;
mod request;
mod rule;
mod schema;
mod template;
mod verdict;

pub use effect::{Effect, Failure, LayerName};
pub use impact::{Flip, Impact, Outcome};
pub use judge::{MAX_APPROVALS, Phase, judge};
pub use layer::{Layer, LayerError, Layers, baseline, baseline_files};
pub use request::{Request, RequestError};
pub use rule::{ApproverRole, Kind, Rule, RuleFault};
pub use schema::{SCHEMA, schema_digest};
pub use template::{TEMPLATES, Template};
pub use verdict::{Determining, LayerVerdict, Verdict};
