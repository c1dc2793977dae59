//! How a recorded decision is judged again: for a proof that it follows from its facts, and for what
//! another bundle would have decided.

use counterfoil_evidence::json::Json;
use counterfoil_policy::{Effect, Phase};

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
        let denied = text("effect") == Some(Effect::Deny.name());
        if denied && BESIDE_THE_RULES.contains(&rule) {
            return Self::Never("denied by what no rule asks");
        }
        if denied && (OF_THE_MOMENT.contains(&rule) || also_of_the_moment(decision)) {
            return Self::Never("denied by a failure of the moment");
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

#[cfg(test)]
mod tests {
    use counterfoil_evidence::json::object;

    use super::*;
    use crate::governed_run::HOLD_QUOTA;
    use crate::policy::APPROVER_ROLE;

    fn decision((effect, phase): (&str, &str), rule: &str) -> Json {
        object([
            ("action", "repair.execute".into()),
            ("effect", effect.into()),
            ("layers", Json::Array(Vec::new())),
            ("phase", phase.into()),
            ("rule", rule.into()),
        ])
    }

    #[test]
    fn what_a_moment_or_approvals_decided_is_told_apart() {
        for (phase, rule, again) in [
            ("propose", "ws.x", Again::As(Phase::Propose)),
            ("execute", "ws.x", Again::As(Phase::Execute)),
            ("execute", BREAK_GLASS, Again::Broken),
            ("later", "ws.x", Again::OfNoPhase),
        ] {
            let decision = decision(("ALLOW", phase), rule);
            assert_eq!(Again::of(&decision), again, "{phase} {rule}");
        }
        for rule in [HOLD_QUOTA, APPROVER_ROLE, "bundle-revoked", "engine-budget"] {
            let denied = Again::of(&decision(("DENY", "propose"), rule));
            assert!(matches!(denied, Again::Never(_)), "{rule}: {denied:?}");
        }
    }

    /// A name that only denials have excuses nothing that was allowed.
    #[test]
    fn what_was_allowed_is_always_judged_again() {
        for rule in [HOLD_QUOTA, APPROVER_ROLE, "bundle-revoked", "engine-budget"] {
            for effect in ["ALLOW", "REQUIRE"] {
                let again = Again::of(&decision((effect, "propose"), rule));
                assert_eq!(again, Again::As(Phase::Propose), "{effect} {rule}");
            }
        }
    }
}
