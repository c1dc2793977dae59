//! How a recorded decision is judged again: for a proof that it follows from its facts, and for what
//! another bundle would have decided.

use counterfoil_evidence::json::Json;
use counterfoil_policy::Phase;

use crate::policy::{BESIDE_THE_RULES, BREAK_GLASS};

/// How a recorded decision is judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// As it was asked.
    As(Phase),
    /// The glass replaced approvals: it stands as long as the ladder, with whatever it asks for, does not
    /// say DENY.
    Broken,
    /// Not at all, and why.
    Never(&'static str),
    /// It is of no phase that there is.
    OfNoPhase,
}

/// What denied something at that moment, and would not again.
const OF_THE_MOMENT: [&str; 6] = [
    "bundle-missing",
    "bundle-revoked",
    "bundle-unverified",
    "engine-budget",
    "engine-panic",
    "engine-range",
];

impl Again {
    /// Of the facts of a `run.decision`.
    pub(super) fn of(decision: &Json) -> Self {
        let text = |name: &str| decision.get(name).and_then(Json::as_str);
        let rule = text("rule").unwrap_or_default();
        if BESIDE_THE_RULES.contains(&rule) {
            return Self::Never("denied by what no rule asks");
        }
        if OF_THE_MOMENT.contains(&rule) || also_of_the_moment(decision) {
            return Self::Never("denied by a failure of the moment");
        }
        if text("action") == Some("policy.revoke") && asked_the_workspace(decision) {
            return Self::Never(
                "judged when rules of the workspace were still asked about revoking",
            );
        }
        match text("phase") {
            _ if rule == BREAK_GLASS => Self::Broken,
            Some("propose") => Self::As(Phase::Propose),
            Some("execute") => Self::As(Phase::Execute),
            _ => Self::OfNoPhase,
        }
    }
}

/// Whether something that has passed denied it as a further reason.
fn also_of_the_moment(decision: &Json) -> bool {
    let layers = decision.get("layers").and_then(Json::as_array);
    let layers = layers.unwrap_or_default().iter();
    let rules = layers.filter_map(|layer| layer.get("policies")?.as_array());
    let mut ids = rules
        .flatten()
        .filter_map(|rule| rule.get("id").and_then(Json::as_str));
    ids.any(|id| OF_THE_MOMENT.contains(&id))
}

fn asked_the_workspace(decision: &Json) -> bool {
    let layers = decision.get("layers").and_then(Json::as_array);
    let mut names = layers
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("layer")?.as_str());
    names.any(|name| name == "workspace")
}

#[cfg(test)]
mod tests {
    use counterfoil_evidence::json::object;

    use super::*;
    use crate::governed_run::HOLD_QUOTA;
    use crate::policy::APPROVER_ROLE;

    fn decision(action: &str, phase: &str, rule: &str, layers: &[&str]) -> Json {
        let layers = layers
            .iter()
            .map(|name| object([("layer", (*name).into())]));
        object([
            ("action", action.into()),
            ("layers", Json::Array(layers.collect())),
            ("phase", phase.into()),
            ("rule", rule.into()),
        ])
    }

    #[test]
    fn what_a_moment_or_approvals_or_rules_that_are_not_asked_decided_is_told_apart() {
        let both = ["baseline", "workspace"];
        let (repair, revoke) = ("repair.execute", "policy.revoke");
        for (action, phase, rule, layers, again) in [
            (
                repair,
                "propose",
                "ws.x",
                &both[..],
                Again::As(Phase::Propose),
            ),
            (repair, "execute", "ws.x", &both, Again::As(Phase::Execute)),
            (repair, "execute", BREAK_GLASS, &both, Again::Broken),
            (repair, "later", "ws.x", &both, Again::OfNoPhase),
            (
                revoke,
                "propose",
                "base.x",
                &both[..1],
                Again::As(Phase::Propose),
            ),
        ] {
            let decision = decision(action, phase, rule, layers);
            assert_eq!(Again::of(&decision), again, "{action} {phase} {rule}");
        }
        for (action, rule, layers) in [
            (repair, HOLD_QUOTA, &both[..]),
            ("approval.give", APPROVER_ROLE, &both),
            (repair, "bundle-revoked", &both),
            (repair, "engine-budget", &both),
            (revoke, "base.permit.admin", &both),
        ] {
            let decision = decision(action, "propose", rule, layers);
            let again = Again::of(&decision);
            assert!(
                matches!(again, Again::Never(_)),
                "{action} {rule}: {again:?}"
            );
        }
    }
}
