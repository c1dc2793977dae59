//! A recorded decision, judged again.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_policy::{Effect, Phase};

use super::rulebook::{Rulebook, Unfound};
use super::{RecordedRun, ReplayError, Replayed, text};
use crate::usecases::rejudge::Again;
use crate::usecases::second_person::SOLO;

pub(super) fn replay_decision(
    run: &RecordedRun<'_>,
    decision: &Json,
    rulebook: &mut Rulebook<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    let name = text(decision, "decision").unwrap_or("a decision");
    let again = Again::of(decision);
    approved(run, decision, again).map_err(|what| run.differs(format!("{name}: {what}")))?;
    if judged_again(run, (name, decision, again), rulebook, replayed)? {
        replayed.decisions = replayed.decisions.saturating_add(1);
    }
    Ok(())
}

/// An answer to what waited: what the rules said of it, whose it was, and that they allowed it.
pub(super) fn replay_vote(
    run: &RecordedRun<'_>,
    resolution: &Json,
    rulebook: &mut Rulebook<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    let approver = text(resolution, "approver").unwrap_or_default();
    let name = format!("the answer of {approver}");
    let differs = |what: &str| run.differs(format!("{name}: {what}"));
    let Some(judged) = resolution.get("judged") else {
        // What ends by itself, and who is alone, nobody has to be asked about.
        let approves = text(resolution, "effect") != Some(Effect::Deny.name());
        return if !approves || approver.starts_with(SOLO) || confirms(run, approver) {
            Ok(())
        } else {
            Err(differs(
                "it approves, and nothing says that it was allowed to",
            ))
        };
    };
    if text(judged, "effect") != Some(Effect::Allow.name()) {
        return Err(differs("the rules did not allow it"));
    }
    let asked = judged.get("request").and_then(|it| it.get("principal"));
    if asked.and_then(|it| text(it, "id")) != Some(approver) {
        return Err(differs("the rules were asked about somebody else"));
    }
    if judged_again(run, (&name, judged, Again::of(judged)), rulebook, replayed)? {
        replayed.votes = replayed.votes.saturating_add(1);
    }
    Ok(())
}

/// Whether the run holds a decision of theirs that what they confirm happens: then that is how it was
/// judged. What is about an action is approved by whoever the rules were asked about.
fn confirms(run: &RecordedRun<'_>, person: &str) -> bool {
    run.decisions.iter().any(|decision| {
        let action = text(decision, "action").unwrap_or_default();
        let actor = decision.get("actor").and_then(|actor| text(actor, "id"));
        let allowed = text(decision, "effect") == Some(Effect::Allow.name());
        allowed && actor == Some(person) && !OF_AN_ACTION.contains(&action)
    })
}

/// Whether a judgement was made again: where it was, it is the same.
fn judged_again(
    run: &RecordedRun<'_>,
    (name, decision, again): (&str, &Json, Again),
    rulebook: &mut Rulebook<'_>,
    replayed: &mut Replayed,
) -> Result<bool, ReplayError> {
    let rule = text(decision, "rule").unwrap_or_default();
    if let Again::Never(why) = again {
        count(&mut replayed.not_rederivable, why.to_owned());
        return Ok(false);
    }
    let rules = match rulebook.cited(decision) {
        Ok(rules) => rules,
        Err(Unfound::Missing(why)) => {
            count(&mut replayed.not_rederivable, why);
            return Ok(false);
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
    for what in rules.delivered() {
        count(&mut replayed.by_delivered, what);
    }
    Ok(true)
}

/// Whether the run holds the answers that a decision counts. A change of settings is agreed to in runs
/// of their own; what is about an action has all of them in the run in which it is carried out.
fn approved(run: &RecordedRun<'_>, decision: &Json, again: Again) -> Result<(), String> {
    let allows = |it: &&Json| text(it, "effect") == Some(Effect::Allow.name());
    let overrides = |it: &&Json| it.get("override") == Some(&Json::Bool(true));
    let given = run.resolutions.iter().filter(allows);
    if again == Again::Broken {
        return if given.clone().any(|it| overrides(&it)) {
            Ok(())
        } else {
            Err("it says that the glass was broken, and no answer in the run does".to_owned())
        };
    }
    // A refusal is a run of its own, and leads to nothing.
    let action = text(decision, "action").unwrap_or_default();
    let executes = again == Again::As(Phase::Execute) && allows(&decision);
    if !executes || !OF_AN_ACTION.contains(&action) {
        return Ok(());
    }
    let base = decision
        .get("request")
        .and_then(|it| it.get("context")?.get("base"));
    let counted = base.and_then(|it| it.get("approvals")?.get("count")?.as_uint());
    let people: BTreeSet<&str> = given
        .filter(|it| !overrides(it))
        .filter_map(|it| text(it, "approver"))
        .collect();
    let (counted, held) = (counted.unwrap_or(0), people.len());
    if usize::try_from(counted).is_ok_and(|counted| counted <= held) {
        Ok(())
    } else {
        Err(format!(
            "it counts {counted} approvals, and the run holds {held}"
        ))
    }
}

/// What people approve in the run in which it is carried out.
const OF_AN_ACTION: [&str; 3] = ["incident.ignore", "repair.execute", "run.action"];

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
