//! The policy engine: every action is judged ALLOW, REQUIRE or DENY before it happens.
//!
//! Two layers of Cedar policies, the product's baseline and the workspace's bundle, are asked
//! separately; the answer is the most restrictive of both. The approvals given so far are facts in
//! the question, so REQUIRE(k) is what the same rules say with k approvals ([`judge()`]).
//! Whatever cannot be judged is denied ([`Failure`]).
//!
//! No I/O, no clock: time is part of the question, and who calls measures how long it takes. Nothing
//! here performs or records anything.

pub mod bundle;
pub mod check;
mod closest;
mod effect;
mod impact;
mod judge;
mod layer;
mod parse;
mod request;
mod rule;
mod schema;
mod template;
mod verdict;

pub use closest::closest;
pub use effect::{Effect, Failure, LayerName};
pub use impact::{Flip, Impact, Outcome};
pub use judge::{MAX_APPROVALS, Phase, judge};
pub use layer::{Layer, LayerError, Layers, baseline, baseline_digest, baseline_files};
pub use parse::{Unread, policies};
pub use request::{Request, RequestError};
pub use rule::{ApproverRole, Kind, Rule, RuleFault};
pub use schema::{SCHEMA, schema_digest};
pub use template::{TEMPLATES, Template};
/// The version of the engine, as records name it.
pub const ENGINE: &str = "4.14.1";
/// The version of its language, as records name it.
pub const LANGUAGE: &str = "4.6";
pub use verdict::{Determining, LayerVerdict, Verdict};

#[cfg(test)]
mod tests {
    #[test]
    fn records_name_the_engine_that_is_linked() {
        assert_eq!(cedar_policy::get_sdk_version().to_string(), super::ENGINE);
        let language = cedar_policy::get_lang_version();
        let spoken = format!("{}.{}", language.major, language.minor);
        assert_eq!(spoken, super::LANGUAGE);
    }
}
