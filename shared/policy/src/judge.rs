//! Judging a question: the approval ladder in each layer, and the strictest of the layers.
//!
//! An approval is a fact that rules read, not a second mechanism. Before anybody has approved, the
//! same question is asked with 0, 1, 2 and 3 approvals; the first number that is allowed is what the
//! layer requires. When the action is carried out, it is asked once, with the approvals there are.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cedar_policy::{Authorizer, Decision, Entities};

use crate::effect::{Effect, Failure, LayerName};
use crate::layer::{Layer, Layers};
use crate::request::{Request, RequestError};
use crate::rule::{ApproverRole, Kind};
use crate::verdict::{Determining, LayerVerdict, MAX_DETERMINING, Verdict};

/// Approvals that a rule can ask for, at most: one that needs more can never be met.
pub const MAX_APPROVALS: u8 = 3;
/// The longest that a judgement may take.
pub(crate) const BUDGET: Duration = Duration::from_millis(50);
/// Actions whose proposal is an action of its own: both must pass.
const PROPOSED_AS: [(&str, &str); 1] = [("repair.execute", "repair.propose")];
/// What remains possible while the workspace's layer cannot be asked: to start it again, to stop
/// keys, to preserve evidence and to take it out.
const RECOVERY: [&str; 5] = [
    "policy.activate",
    "policy.revoke",
    "key.revoke",
    "legal_hold.set",
    "evidence.export",
];

/// What no rule of a workspace is asked about, also while its bundle is in force: rules must not keep
/// themselves in force. Whoever the baseline lets stop everything can, and then [`RECOVERY`] remains.
pub(crate) const REVOKES: &str = "policy.revoke";
/// Nor about agreeing to these: what a bundle asks of who brings others, it asks of the act itself.
const REPLACES: [&str; 2] = ["policy.activate", "policy_key.register"];

/// When a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The action is proposed: how many approvals would it take?
    Propose,
    /// The action is carried out: do the approvals that were given suffice?
    Execute,
}

/// Judges a question. `elapsed` is the time since the judgement began.
///
/// Total: whatever goes wrong is a DENY that says what.
pub fn judge(
    layers: Layers<'_>,
    request: &Result<Request, RequestError>,
    phase: Phase,
    elapsed: &dyn Fn() -> Duration,
) -> Verdict {
    let verdicts = caught(layers, || ask_layers(layers, request, phase));
    if elapsed() > BUDGET {
        return Verdict::of(both(layers, Failure::EngineBudget));
    }
    Verdict::of(verdicts)
}

/// What was answered, or that the engine panicked. The profiles of this workspace unwind, which
/// `tests/house` checks.
fn caught(layers: Layers<'_>, ask: impl FnOnce() -> Vec<LayerVerdict>) -> Vec<LayerVerdict> {
    let judged = catch_unwind(AssertUnwindSafe(ask));
    judged.unwrap_or_else(|_| both(layers, Failure::EnginePanic))
}

fn ask_layers(
    layers: Layers<'_>,
    request: &Result<Request, RequestError>,
    phase: Phase,
) -> Vec<LayerVerdict> {
    let Ok(request) = request else {
        return both(layers, Failure::RequestInvalid);
    };
    let Ok(asked) = Asked::of(request, phase) else {
        return both(layers, Failure::RequestInvalid);
    };
    let baseline = match layers.baseline {
        Ok(layer) => asked.ask(layer),
        Err(failure) => failed(LayerName::Baseline, None, failure, Vec::new()),
    };
    let workspace = match layers.workspace {
        Ok(_) if request.action() == REVOKES || lets_replace(request) => return vec![baseline],
        Ok(layer) => asked.ask(layer),
        // Judged by the baseline alone.
        Err(_) if recovers(request) => return vec![baseline],
        Err(failure) => failed(LayerName::Workspace, None, failure, Vec::new()),
    };
    vec![baseline, workspace]
}

/// Agreeing to other rules, or to another key that signs them.
fn lets_replace(request: &Request) -> bool {
    let kind = || request.held_kind();
    request.action() == "approval.give"
        && kind().is_some_and(|kind| REPLACES.contains(&kind.as_str()))
}

fn recovers(request: &Request) -> bool {
    let action = request.action();
    let rejects = action == "approval.reject";
    RECOVERY.contains(&action)
        || lets_replace(request)
        || rejects && request.held_kind().as_deref() == Some("policy.activate")
}

fn both(layers: Layers<'_>, failure: Failure) -> Vec<LayerVerdict> {
    let of = |name, layer: Result<&Layer, Failure>| failed(name, layer.ok(), failure, Vec::new());
    vec![
        of(LayerName::Baseline, layers.baseline),
        of(LayerName::Workspace, layers.workspace),
    ]
}

/// A question in the engine's form, made once for every layer: most of the time of a judgement goes there.
struct Asked<'a> {
    entities: &'a Entities,
    /// One with the approvals that there are, or one for each number of them that may be needed.
    steps: Vec<Cow<'a, cedar_policy::Request>>,
    /// About proposing it, where that is an action too.
    proposing: Option<cedar_policy::Request>,
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request, phase: Phase) -> Result<Self, RequestError> {
        let mut pairs = PROPOSED_AS.iter();
        let twin = pairs.find(|(action, _)| *action == request.action());
        let steps = match phase {
            Phase::Propose => {
                let supposed = (0..=MAX_APPROVALS).map(|n| request.supposing(n).map(Cow::Owned));
                supposed.collect::<Result<_, _>>()?
            }
            Phase::Execute => vec![Cow::Borrowed(request.real())],
        };
        Ok(Self {
            entities: request.entities(),
            steps,
            proposing: twin.map(|(_, twin)| request.twin(twin)).transpose()?,
        })
    }

    /// The answer of one layer about the action, and about proposing it.
    fn ask(&self, layer: &Layer) -> LayerVerdict {
        let verdict = match self.steps.as_slice() {
            [real] => self.ask_once(layer, real),
            steps => self.climb(layer, steps),
        };
        let Some(proposing) = &self.proposing else {
            return verdict;
        };
        let proposing = self.ask_once(layer, proposing);
        if proposing.effect == Effect::Allow {
            verdict
        } else {
            proposing
        }
    }

    /// Asks with the approvals that the question holds.
    fn ask_once(&self, layer: &Layer, asked: &cedar_policy::Request) -> LayerVerdict {
        match step(layer, asked, self.entities) {
            Ok(step) if step.allowed => verdict(layer, Effect::Allow, 0, &step.determining, None),
            Ok(step) => denied(layer, &step),
            Err(unanswered) => unanswered.of(layer),
        }
    }

    /// Asks with every number of approvals.
    fn climb(&self, layer: &Layer, steps: &[Cow<'_, cedar_policy::Request>]) -> LayerVerdict {
        let steps = (steps.iter()).map(|asked| step(layer, asked, self.entities));
        let steps: Vec<Step> = match steps.collect() {
            Ok(steps) => steps,
            Err(unanswered) => return unanswered.of(layer),
        };
        let falls = steps
            .windows(2)
            .any(|pair| matches!(pair, [less, more] if less.allowed && !more.allowed));
        if falls {
            return failed(layer.name(), Some(layer), Failure::NotMonotone, Vec::new());
        }
        let (Some(none), Some(most)) = (steps.first(), steps.last()) else {
            return failed(layer.name(), Some(layer), Failure::DefaultDeny, Vec::new());
        };
        let mut before: Option<&Step> = None;
        for (needed, step) in (0_u8..).zip(&steps) {
            match (step.allowed, before) {
                (true, None) => return verdict(layer, Effect::Allow, 0, &none.determining, None),
                (true, Some(before)) => {
                    let decisive = before.determining.first();
                    return verdict(layer, Effect::Require, needed, &none.determining, decisive);
                }
                (false, _) => before = Some(step),
            }
        }
        denied(layer, most)
    }
}

/// Policies that erred, sorted: the engine gave no answer that counts.
struct Unanswered {
    errors: Vec<String>,
}

impl Unanswered {
    fn of(self, layer: &Layer) -> LayerVerdict {
        failed(layer.name(), Some(layer), Failure::EngineError, self.errors)
    }
}

/// One answer of the engine.
struct Step {
    allowed: bool,
    /// Ids of the rules that decided, sorted: the engine has no order of its own.
    determining: Vec<String>,
}

fn step(
    layer: &Layer,
    asked: &cedar_policy::Request,
    entities: &Entities,
) -> Result<Step, Unanswered> {
    let response = Authorizer::new().is_authorized(asked, layer.set(), entities);
    let diagnostics = response.diagnostics();
    let mut errors: Vec<String> = diagnostics
        .errors()
        .map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                error.policy_id().to_string()
            }
        })
        .collect();
    if !errors.is_empty() {
        errors.sort();
        return Err(Unanswered { errors });
    }
    let mut determining: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
    determining.sort();
    Ok(Step {
        allowed: response.decision() == Decision::Allow,
        determining,
    })
}

fn denied(layer: &Layer, step: &Step) -> LayerVerdict {
    if step.determining.is_empty() {
        return failed(layer.name(), Some(layer), Failure::DefaultDeny, Vec::new());
    }
    verdict(layer, Effect::Deny, 0, &step.determining, None)
}

/// What a layer says, by the rules that decided; the first of them is named unless `decisive` is.
fn verdict(
    layer: &Layer,
    effect: Effect,
    approvals: u8,
    determining: &[String],
    decisive: Option<&String>,
) -> LayerVerdict {
    let rules: Vec<_> = determining
        .iter()
        .filter_map(|id| layer.rules().get(id))
        .collect();
    let decisive = decisive.or_else(|| determining.first());
    LayerVerdict {
        layer: layer.name(),
        bundle: layer.digest().to_owned(),
        version: layer.version(),
        effect,
        approvals,
        policies: rules
            .iter()
            .take(MAX_DETERMINING)
            .map(|rule| Determining {
                id: rule.id.clone(),
                kind: rule.kind,
                why: rule.why.clone(),
            })
            .collect(),
        errors: Vec::new(),
        rule: decisive.cloned().unwrap_or_default(),
        role: rules
            .iter()
            .map(|rule| rule.role)
            .max()
            .unwrap_or(ApproverRole::Approver),
        hold: rules.iter().filter_map(|rule| rule.hold).min(),
    }
}

fn failed(
    name: LayerName,
    layer: Option<&Layer>,
    failure: Failure,
    errors: Vec<String>,
) -> LayerVerdict {
    LayerVerdict {
        layer: name,
        bundle: layer.map_or_else(String::new, |layer| layer.digest().to_owned()),
        version: layer.map_or(0, Layer::version),
        effect: Effect::Deny,
        approvals: 0,
        policies: vec![Determining {
            id: failure.rule().to_owned(),
            kind: Kind::Forbid,
            why: failure.why().to_owned(),
        }],
        errors,
        rule: failure.rule().to_owned(),
        role: ApproverRole::Owner,
        hold: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::baseline;

    #[test]
    fn a_panic_of_the_engine_is_a_denial_of_both_layers_that_says_so() {
        let layers = Layers {
            baseline: baseline(),
            workspace: baseline(),
        };
        let verdict = Verdict::of(caught(layers, || panic!("the engine failed")));
        let rule = Failure::EnginePanic.rule();
        assert_eq!(
            (verdict.effect, verdict.rule.as_str()),
            (Effect::Deny, rule)
        );
        assert_eq!(rule, "engine-panic");
        assert_eq!(verdict.approvals, 0);
        let denied = verdict.layers.iter().filter(|it| it.effect == Effect::Deny);
        assert_eq!(denied.count(), 2);
        let asked = caught(layers, || {
            ask_layers(layers, &Err(RequestError), Phase::Execute)
        });
        assert_eq!(Verdict::of(asked).rule, Failure::RequestInvalid.rule());
    }
}
