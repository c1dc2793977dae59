//! What comes out of a judgement.

use serde::{Deserialize, Serialize};

/// The outcome of a decision; a stricter one is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Effect {
    /// Must not happen.
    Deny,
    /// May happen after approvals.
    Require,
    /// May happen now.
    Allow,
}

impl Effect {
    /// As evidence writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Require => "REQUIRE",
            Self::Deny => "DENY",
        }
    }
}

/// Which layer a rule belongs to. The baseline is named first wherever both object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerName {
    /// The product's: built into the binary.
    Baseline,
    /// The customer's: a signed bundle.
    Workspace,
}

/// Why an action is denied although no rule forbids it: what cannot be judged does not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A policy ended in an error. Cedar would go on as if it were not there, and a forbid that fails
    /// would let everything pass.
    EngineError,
    /// The question does not conform to the schema.
    RequestInvalid,
    /// The workspace has no bundle.
    BundleMissing,
    /// Signature, digest, schema or a file of the bundle does not verify.
    BundleUnverified,
    /// The bundle was revoked.
    BundleRevoked,
    /// The bundle is written for another engine or language.
    EngineRange,
    /// More approvals would be worse than fewer.
    NotMonotone,
    /// It took too long.
    EngineBudget,
    /// The engine panicked.
    EnginePanic,
    /// No permit matched.
    DefaultDeny,
}

impl Failure {
    /// The name that stands in place of a rule's id.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::EngineError => "engine-error",
            Self::RequestInvalid => "request-invalid",
            Self::BundleMissing => "bundle-missing",
            Self::BundleUnverified => "bundle-unverified",
            Self::BundleRevoked => "bundle-revoked",
            Self::EngineRange => "engine-range",
            Self::NotMonotone => "not-monotone",
            Self::EngineBudget => "engine-budget",
            Self::EnginePanic => "engine-panic",
            Self::DefaultDeny => "default-deny",
        }
    }

    /// One sentence for people.
    pub const fn why(self) -> &'static str {
        match self {
            Self::EngineError => "a policy could not be evaluated, so nothing is allowed",
            Self::RequestInvalid => "the question does not fit the policy schema",
            Self::BundleMissing => "the workspace has no policy bundle",
            Self::BundleUnverified => "the workspace's policy bundle does not verify",
            Self::BundleRevoked => "the workspace's policy bundle was revoked",
            Self::EngineRange => "the policy bundle is written for another version of the engine",
            Self::NotMonotone => {
                "an approval would make this worse: the policies contradict each other"
            }
            Self::EngineBudget => "the policies took too long to evaluate",
            Self::EnginePanic => "the policy engine failed",
            Self::DefaultDeny => "no policy permits this",
        }
    }
}
