//! What the rules say about one question, and everything that they saw.

use std::time::Duration;

use counterfoil_evidence::json::{Json, object};
use counterfoil_policy::{Effect, LayerName, LayerVerdict, Phase};

use crate::tenancy::Role;
use crate::time::Timestamp;

/// What the rules say about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The effect.
    pub effect: Effect,
    /// How many approvals a REQUIRE needs; 0 otherwise.
    pub approvals: u8,
    /// The decisive rule, or the name of a failure.
    pub rule: String,
    /// Its sentence for people, followed by those of the others that decided.
    pub reason: String,
    /// Within how many seconds they must have proved who they are, where only that was too long ago:
    /// they sign in again, and may.
    pub fresh_within_s: Option<u32>,
    /// What was judged, by what.
    pub considered: Box<Considered>,
}

/// What was judged, by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// When it was asked.
    pub phase: Phase,
    /// The action's name.
    pub action: &'static str,
    /// The question as it is stored.
    pub request: Json,
    /// Digest of the baseline.
    pub baseline: String,
    /// Digest of the workspace's bundle.
    pub policy: String,
    /// Layer by layer.
    pub layers: Vec<LayerVerdict>,
    /// The least role whose approvals count.
    pub role: Role,
    /// How long the action may be held, where a rule says so.
    pub hold: Option<Duration>,
    /// What the candidate in shadow would have said: its digest, effect, approvals and rules.
    pub shadow: Option<Shadow>,
    /// The glass was broken for it.
    pub broken: Option<Broken>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// Who broke the glass, and what that replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The owner.
    pub by: String,
    /// Where it is written down.
    pub ticket: String,
    /// Approvals that were missing.
    pub skipped_approvals: u8,
}

/// What stands in place of a rule's id where the glass was broken.
pub const BREAK_GLASS: &str = "break-glass";

/// What stands in place of a rule's id where whoever approves has a lower role than the action asks for.
pub const APPROVER_ROLE: &str = "approver-role";

/// What stands in place of a rule's id where whoever approves was let in, or raised, after the proposal.
pub const APPROVER_SINCE: &str = "approver-since";

/// Names of denials that no rule makes: the layers say what the rules said.
pub const BESIDE_THE_RULES: [&str; 3] = [
    crate::governed_run::HOLD_QUOTA,
    APPROVER_ROLE,
    APPROVER_SINCE,
];

/// What a candidate in shadow would have said. It changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The candidate's digest.
    pub bundle: String,
    /// What the effect would have been.
    pub effect: Effect,
    /// How many approvals a REQUIRE would have needed; 0 otherwise.
    pub approvals: u8,
    /// The rules that would have decided, sorted.
    pub rules: Vec<String>,
}

impl Judgement {
    /// Whether it may happen now.
    pub fn allowed(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// That an action was judged again before it was carried out: when, by which rules, and the digest
    /// of what they saw.
    pub(crate) fn revalidated(&self, at: Timestamp) -> Json {
        let request = self.considered.request.canonical();
        let digest = counterfoil_evidence::hash::digest_string(&request);
        object([
            ("at", Json::uint(at.as_millis())),
            ("policy", self.considered.policy.as_str().into()),
            ("request_sha256", digest.into()),
            ("rule", self.rule.as_str().into()),
        ])
    }

    /// The same with the missing approvals replaced by `by`, where `given` of them are there; a DENY stays
    /// one. The layers go on to say what they asked for.
    #[must_use]
    pub(crate) fn broken_by(mut self, by: String, ticket: String, given: u8) -> Self {
        if self.effect == Effect::Deny {
            return self;
        }
        self.considered.broken = Some(Broken {
            by,
            ticket,
            skipped_approvals: self.approvals.saturating_sub(given),
        });
        self.effect = Effect::Allow;
        self.approvals = 0;
        BREAK_GLASS.clone_into(&mut self.rule);
        "an owner broke the glass instead of the approvals".clone_into(&mut self.reason);
        self
    }

    /// The same, denied by one of [`BESIDE_THE_RULES`]. The layers go on to say what they said.
    #[must_use]
    pub(crate) fn denied_by(self, name: &str, reason: String) -> Self {
        Self {
            effect: Effect::Deny,
            approvals: 0,
            rule: name.to_owned(),
            reason,
            ..self
        }
    }

    /// Digest of the workspace's bundle, for the header of an answer.
    pub fn policy(&self) -> &str {
        &self.considered.policy
    }
}

impl Considered {
    /// The digests of both bundles, for `run.open`.
    pub fn policies(&self) -> Vec<String> {
        vec![self.baseline.clone(), self.policy.clone()]
    }

    /// `propose` or `execute`, as evidence writes it.
    pub const fn phase(&self) -> &'static str {
        match self.phase {
            Phase::Propose if self.broken.is_none() => "propose",
            Phase::Propose | Phase::Execute => "execute",
        }
    }

    /// The layers as evidence writes them.
    pub fn layers_json(&self) -> Json {
        Json::Array(self.layers.iter().map(layer).collect())
    }
}

impl Shadow {
    /// As evidence writes it.
    pub fn json(&self) -> Json {
        let mut fields = vec![
            ("bundle", Json::from(self.bundle.as_str())),
            ("effect", self.effect.name().into()),
            (
                "rules",
                Json::Array(self.rules.iter().map(|id| id.as_str().into()).collect()),
            ),
        ];
        if self.approvals > 0 {
            fields.push(("approvals", Json::uint(u64::from(self.approvals))));
        }
        object(fields)
    }
}

fn layer(layer: &LayerVerdict) -> Json {
    let policies = layer.policies.iter().map(|policy| {
        object([
            ("id", policy.id.as_str().into()),
            ("kind", policy.kind.name().into()),
            ("why", policy.why.as_str().into()),
        ])
    });
    let name = match layer.layer {
        LayerName::Baseline => "baseline",
        LayerName::Workspace => "workspace",
    };
    let mut fields = vec![
        ("bundle", Json::from(layer.bundle.as_str())),
        ("effect", layer.effect.name().into()),
        (
            "errors",
            Json::Array(layer.errors.iter().map(|id| id.as_str().into()).collect()),
        ),
        ("layer", name.into()),
        ("policies", Json::Array(policies.collect())),
        ("schema", counterfoil_policy::schema_digest().into()),
        ("version", Json::uint(layer.version)),
    ];
    if layer.approvals > 0 {
        fields.push(("approvals", Json::uint(u64::from(layer.approvals))));
    }
    object(fields)
}
