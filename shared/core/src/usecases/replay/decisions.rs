//! A recorded decision, judged again.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_policy::{Effect, Phase};

use super::rulebook::{Rulebook, Unfound};
use super::{RecordedRun, ReplayError, Replayed, text};
use crate::usecases::rejudge::Again;

pub(super) fn replay_decision(
    run: &RecordedRun<'_>,
    decision: &Json,
    rulebook: &mut Rulebook<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    let name = text(decision, "decision").unwrap_or("a decision");
    let rule = text(decision, "rule").unwrap_or_default();
    let again = Again::of(decision);
    if let Again::Never(why) = again {
        count(&mut replayed.not_rederivable, why.to_owned());
        return Ok(());
    }
    let rules = match rulebook.cited(decision) {
        Ok(rules) => rules,
        Err(Unfound::Missing(why)) => {
            count(&mut replayed.not_rederivable, why);
            return Ok(());
        }
        Err(Unfound::Refused(what)) => return Err(run.differs(format!("{name}: {what}"))),
    };
    let phase = match again {
        Again::As(phase) => phase,
        // The glass replaces approvals: what the rules asked for is what the ladder says.
        Again::Broken => Phase::Propose,
        Again::Never(_) | Again::OfNoPhase => {
            return Err(run.differs(format!("{name}: it is of no phase")));
        }
    };
    let request = request_of(decision).map_err(|what| run.differs(format!("{name}: {what}")))?;
    let breaks_glass = says_glass_is_broken(&request);
    let verdict = rules.judge(request, phase);
    let approvals = decision
        .get("approvals")
        .and_then(Json::as_uint)
        .unwrap_or(0);
    let same = if again == Again::Broken {
        let (effect, none) = (text(decision, "effect"), approvals == 0);
        verdict.effect != Effect::Deny && breaks_glass && effect == Some("ALLOW") && none
    } else {
        text(decision, "effect") == Some(verdict.effect.name())
            && rule == verdict.rule
            && text(decision, "reason") == Some(verdict.reason.as_str())
            && approvals == u64::from(verdict.approvals)
    };
    if !same {
        let (effect, rule) = (verdict.effect.name(), &verdict.rule);
        return Err(run.differs(format!("{name}: the rules say {effect} by {rule}")));
    }
    replayed.decisions = replayed.decisions.saturating_add(1);
    for what in rules.delivered() {
        count(&mut replayed.by_delivered, what);
    }
    Ok(())
}

/// The question that was asked, where it is the one that the decision names.
fn request_of(decision: &Json) -> Result<Json, &'static str> {
    let request = decision.get("request").cloned().unwrap_or(Json::Null);
    let digest = digest_string(&request.canonical());
    if text(decision, "request_sha256") != Some(digest.as_str()) {
        return Err("its request is not the one that its digest names");
    }
    let asked = request.get("action").and_then(|action| action.get("id"));
    if asked.and_then(Json::as_str) != text(decision, "action") {
        return Err("its request asks about another action");
    }
    Ok(request)
}

fn says_glass_is_broken(request: &Json) -> bool {
    let base = request.get("context").and_then(|it| it.get("base"));
    base.and_then(|base| base.get("break_glass")) == Some(&Json::Bool(true))
}

fn count(of: &mut BTreeMap<String, u64>, what: String) {
    let sum = of.entry(what).or_default();
    *sum = sum.saturating_add(1);
}
