//! A layer: policies that are asked together, and what they say about themselves.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use cedar_policy::{Policy, PolicyId, PolicySet};
use counterfoil_evidence::hash::digest_string;
use thiserror::Error;

use crate::effect::{Failure, LayerName};
use crate::parse::policies;
use crate::rule::{Rule, RuleFault};

/// Files of the baseline, in the order of their names.
const BASELINE: [(&str, &str); 7] = [
    (
        "policies/blast.cedar",
        include_str!("../rules/baseline/policies/blast.cedar"),
    ),
    (
        "policies/break_glass.cedar",
        include_str!("../rules/baseline/policies/break_glass.cedar"),
    ),
    (
        "policies/ceiling.cedar",
        include_str!("../rules/baseline/policies/ceiling.cedar"),
    ),
    (
        "policies/certainty.cedar",
        include_str!("../rules/baseline/policies/certainty.cedar"),
    ),
    (
        "policies/people.cedar",
        include_str!("../rules/baseline/policies/people.cedar"),
    ),
    (
        "policies/settings.cedar",
        include_str!("../rules/baseline/policies/settings.cedar"),
    ),
    (
        "policies/shape.cedar",
        include_str!("../rules/baseline/policies/shape.cedar"),
    ),
];

/// Why texts are not a layer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LayerError {
    /// A file is not Cedar, or holds a template.
    #[error("`{file}` cannot be parsed")]
    Parse {
        /// The file.
        file: String,
    },
    /// A policy is not a rule.
    #[error("a policy of `{file}` is not a rule: {}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rule {
        /// The file.
        file: String,
        /// Why.
        faults: Vec<RuleFault>,
    },
    /// Two rules have one id.
    #[error("`{id}` is the id of two rules")]
    Twice {
        /// The id.
        id: String,
    },
}

/// Policies that are asked together.
#[derive(Debug, Clone)]
pub struct Layer {
    name: LayerName,
    digest: String,
    version: u64,
    set: PolicySet,
    rules: BTreeMap<String, Rule>,
}

/// The layers of one decision.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The product's; a baseline that does not load denies everything.
    pub baseline: Result<&'a Layer, Failure>,
    /// The workspace's. Where it is missing, unverified or revoked, all that remains possible is to
    /// mend that, to stop things, and to take the evidence out.
    pub workspace: Result<&'a Layer, Failure>,
}

impl Layer {
    /// A layer of the files `(path, text)`, known by `digest`. Nothing is validated here: signature,
    /// hashes and the schema's digest of its bundle stand for that.
    ///
    /// # Errors
    /// When a file is not Cedar or a policy of it is not a rule.
    pub fn of(
        name: LayerName,
        digest: impl Into<String>,
        version: u64,
        files: &[(&str, &str)],
    ) -> Result<Self, LayerError> {
        let mut layer = Self {
            name,
            digest: digest.into(),
            version,
            set: PolicySet::new(),
            rules: BTreeMap::new(),
        };
        for (path, text) in files {
            layer.add(path, text)?;
        }
        Ok(layer)
    }

    fn add(&mut self, path: &str, text: &str) -> Result<(), LayerError> {
        let unread = || LayerError::Parse {
            file: path.to_owned(),
        };
        let parsed = policies(text).map_err(|_| unread())?;
        if parsed.templates().next().is_some() {
            return Err(unread());
        }
        for policy in parsed.policies() {
            let rule = Rule::of(policy, prefix(self.name)).map_err(|faults| LayerError::Rule {
                file: path.to_owned(),
                faults,
            })?;
            self.insert(policy, rule)?;
        }
        Ok(())
    }

    fn insert(&mut self, policy: &Policy, rule: Rule) -> Result<(), LayerError> {
        // Cedar's own ids are counted, and change when rules are reordered.
        let named = policy.new_id(PolicyId::new(&rule.id));
        let twice = || LayerError::Twice {
            id: rule.id.clone(),
        };
        self.set.add(named).map_err(|_| twice())?;
        self.rules.insert(rule.id.clone(), rule);
        Ok(())
    }

    /// Which layer it is.
    pub const fn name(&self) -> LayerName {
        self.name
    }

    /// The digest of its bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The version of its bundle; 0 for the baseline.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Its rules, by id.
    pub const fn rules(&self) -> &BTreeMap<String, Rule> {
        &self.rules
    }

    pub(crate) const fn set(&self) -> &PolicySet {
        &self.set
    }
}

/// What ids of a layer's rules start with.
pub(crate) const fn prefix(name: LayerName) -> &'static str {
    match name {
        LayerName::Baseline => "base",
        LayerName::Workspace => "ws",
    }
}

/// The files of the baseline, `(path, text)`.
pub fn baseline_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    BASELINE.into_iter()
}

/// The digest of the baseline: SHA-256 of its files in the order of their names. Nothing is parsed.
pub fn baseline_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let text: String = BASELINE.iter().map(|(_, text)| *text).collect();
        digest_string(text.as_bytes())
    })
}

/// The baseline, parsed once per process.
///
/// # Errors
/// [`Failure::BundleUnverified`] only if the text built into this binary is broken.
pub fn baseline() -> Result<&'static Layer, Failure> {
    static PARSED: OnceLock<Option<Layer>> = OnceLock::new();
    let parse = || Layer::of(LayerName::Baseline, baseline_digest(), 0, &BASELINE).ok();
    PARSED
        .get_or_init(parse)
        .as_ref()
        .ok_or(Failure::BundleUnverified)
}
