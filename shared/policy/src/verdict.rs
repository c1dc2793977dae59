//! What a judgement says, as a decision record holds it.

use std::time::Duration;

use crate::effect::{Effect, LayerName};
use crate::rule::{ApproverRole, Kind};

/// Rules of a layer that a verdict names, at most.
pub(crate) const MAX_DETERMINING: usize = 32;
/// Characters of a verdict's reason, at most.
const LONGEST_REASON: usize = 2_048;

/// A rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Determining {
    /// The rule, or the name of a failure.
    pub id: String,
    /// Permit or forbid.
    pub kind: Kind,
    /// Its sentence.
    pub why: String,
}

/// What one layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVerdict {
    /// Which layer.
    pub layer: LayerName,
    /// The digest of its bundle; empty where none could be loaded.
    pub bundle: String,
    /// The version of its bundle.
    pub version: u64,
    /// The effect.
    pub effect: Effect,
    /// How many approvals a REQUIRE needs; 0 otherwise.
    pub approvals: u8,
    /// Of an ALLOW the permits that matched; of a REQUIRE what objects without approvals; of a DENY
    /// what still objects when everybody has approved. Sorted by id.
    pub policies: Vec<Determining>,
    /// Ids of policies that could not be evaluated, sorted.
    pub errors: Vec<String>,
    /// The rule that is named for this layer.
    pub rule: String,
    /// The least role whose approvals count; the strictest of the rules that hold.
    pub role: ApproverRole,
    /// How long the action may be held; the shortest of the rules that hold.
    pub hold: Option<Duration>,
}

/// What all layers say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The strictest effect of the layers.
    pub effect: Effect,
    /// How many approvals a REQUIRE needs: the most that a layer asks for; 0 otherwise.
    pub approvals: u8,
    /// The decisive rule.
    pub rule: String,
    /// Its sentence, followed by those of the other rules that decided.
    pub reason: String,
    /// The least role whose approvals count.
    pub role: ApproverRole,
    /// How long the action may be held; `None` leaves it to the product.
    pub hold: Option<Duration>,
    /// Layer by layer, the baseline first.
    pub layers: Vec<LayerVerdict>,
}

impl Verdict {
    /// The strictest of the layers' verdicts, which come baseline first.
    pub(crate) fn of(layers: Vec<LayerVerdict>) -> Self {
        let effect = layers
            .iter()
            .map(|layer| layer.effect)
            .min()
            .unwrap_or(Effect::Deny);
        let approvals = layers
            .iter()
            .map(|layer| layer.approvals)
            .max()
            .unwrap_or(0);
        let approvals = if effect == Effect::Require {
            approvals
        } else {
            0
        };
        let deciding: Vec<&LayerVerdict> = layers
            .iter()
            .filter(|layer| layer.effect == effect)
            .collect();
        let leading = deciding
            .iter()
            .find(|layer| effect != Effect::Require || layer.approvals == approvals);
        let rule = leading.map_or_else(String::new, |layer| layer.rule.clone());
        let role = deciding.iter().map(|layer| layer.role).max();
        Self {
            effect,
            approvals,
            reason: reason(&rule, &deciding),
            role: role.unwrap_or(ApproverRole::Owner),
            hold: deciding.iter().filter_map(|layer| layer.hold).min(),
            rule,
            layers,
        }
    }

    /// The layer that failed to load or to judge denies, whatever the others say.
    pub fn denied(&self) -> bool {
        self.effect == Effect::Deny
    }
}

/// The decisive rule's sentence first, then the others, each once.
fn reason(rule: &str, deciding: &[&LayerVerdict]) -> String {
    let all = || deciding.iter().flat_map(|layer| &layer.policies);
    let first = all().filter(|policy| policy.id == rule);
    let others = all().filter(|policy| policy.id != rule);
    let mut said: Vec<&str> = Vec::new();
    let mut length = 0_usize;
    for policy in first.chain(others) {
        let longer = length
            .saturating_add(policy.why.chars().count())
            .saturating_add(2);
        if said.contains(&policy.why.as_str()) || longer > LONGEST_REASON {
            continue;
        }
        length = longer;
        said.push(&policy.why);
    }
    said.join("; ")
}
