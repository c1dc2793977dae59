//! More approvals are never worse: what is carried out with some of them is carried out with one more.
//!
//! Asked is what execution asks, with approvals that were given. What a proposal is told, by approvals
//! that are only supposed, is held against that.

use std::collections::BTreeSet;

use counterfoil_policy::check::scenario::Scenario;
use counterfoil_policy::{
    Effect, Failure, LayerVerdict, Layers, MAX_APPROVALS, TEMPLATES, Verdict, baseline,
};
use proptest::prelude::*;
use serde_json::json;

use crate::ladder::{baseline_with, forbids, layer_of};
use crate::world::{scenarios, workspace, workspace_of};

const ROLES: [&str; 3] = ["approver", "admin", "owner"];

/// As many people as can be asked for, each with one role.
fn people() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&ROLES[..]), ROLES.len())
}

/// Ten of them. All cases together ask about every one.
fn some_scenarios() -> impl Strategy<Value = Vec<Scenario>> {
    prop::sample::subsequence(scenarios(), 10)
}

/// Forbids that approvals lift, and that more approvals bring back.
fn falling() -> impl Strategy<Value = String> {
    let lifts = prop::sample::select(vec![
        "unless { context.base.approvals.count < 1 }",
        "unless { context.base.approvals.count < 3 }",
        "unless { context.base.approvals.count == 1 }",
        "unless { context.base.approvals.count == 2 }",
        "when { context.base.approvals.roles.contains(\"owner\") }",
    ]);
    let actions = prop::sample::select(vec![
        "action",
        "action in CF::Action::\"operate\"",
        "action == CF::Action::\"run.action\"",
    ]);
    (actions, lifts).prop_map(|(action, lift)| {
        format!("@why(\"x\") forbid (principal, {action}, resource) {lift};")
    })
}

/// The act is carried out with the approvals of these people. Who they are beside their role, a
/// proposer or an owner, stays what the scenario says.
fn approved_by(scenario: &Scenario, people: &[&str]) -> Scenario {
    let roles: BTreeSet<&str> = people.iter().copied().collect();
    let mut asked = scenario.clone();
    let approvals = &mut asked.context["base"]["approvals"];
    approvals["count"] = json!(people.len());
    approvals["roles"] = json!(roles);
    asked.real = true;
    asked
}

/// What execution answers with nobody's approval, the first person's, and so on.
fn carried_out(scenario: &Scenario, layers: Layers<'_>, people: &[&str]) -> Vec<bool> {
    let asked = (0..=people.len()).map(|n| approved_by(scenario, &people[..n]));
    asked
        .map(|asked| asked.ask(layers).unwrap().effect == Effect::Allow)
        .collect()
}

/// governance.md, section 4: what a layer says of a proposal, by what execution would answer.
fn told(carried_out: &[bool]) -> (Effect, usize, bool) {
    if !carried_out.is_sorted() {
        return (Effect::Deny, 0, true);
    }
    match carried_out.iter().position(|allowed| *allowed) {
        Some(0) => (Effect::Allow, 0, false),
        Some(needed) => (Effect::Require, needed, false),
        None => (Effect::Deny, 0, false),
    }
}

/// The act with the best approvals that there can be: of every role, of nobody who proposed it or owns
/// what did.
fn at_best(scenario: &Scenario, count: usize) -> Scenario {
    let mut asked = approved_by(scenario, &[]);
    let roles = if count == 0 { &[][..] } else { &ROLES[..] };
    asked.context["base"]["approvals"] =
        json!({ "count": count, "roles": roles, "self": false, "owner": false });
    asked
}

/// What each layer is to say of a proposal: by what it says at execution, and of proposing where that
/// is an act of its own, which no approval helps.
fn expected(scenario: &Scenario, layers: Layers<'_>) -> Vec<(Effect, usize, bool)> {
    let most = usize::from(MAX_APPROVALS);
    let answers: Vec<Verdict> = (0..=most)
        .map(|n| at_best(scenario, n).ask(layers).unwrap())
        .collect();
    let proposing = (scenario.action == "repair.execute").then(|| {
        let proposing = Scenario {
            action: "repair.propose".to_owned(),
            ..at_best(scenario, 0)
        };
        proposing.ask(layers).unwrap()
    });
    let of = |layer: usize| {
        let allows = |verdict: &Verdict| verdict.layers[layer].effect == Effect::Allow;
        if proposing.as_ref().is_some_and(|it| !allows(it)) {
            return (Effect::Deny, 0, false);
        }
        told(&answers.iter().map(allows).collect::<Vec<_>>())
    };
    (0..answers[0].layers.len()).map(of).collect()
}

fn says(layer: &LayerVerdict) -> (Effect, usize, bool) {
    let falls = layer.rule == Failure::NotMonotone.rule();
    (layer.effect, usize::from(layer.approvals), falls)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Ladder property: k approvals allow, so k + 1 do, whoever gives them.
    #[test]
    fn what_is_carried_out_with_approvals_is_carried_out_with_one_more(
        own in prop::collection::vec(forbids(), 0..3),
        rules in prop::collection::vec(forbids(), 0..4),
        people in people(),
        asked in some_scenarios(),
    ) {
        let (baseline, workspace) = (baseline_with(&own), layer_of(&rules));
        let layers = Layers { baseline: Ok(&baseline), workspace: Ok(&workspace) };
        for scenario in asked {
            let answers = carried_out(&scenario, layers, &people);
            prop_assert!(answers.is_sorted(), "{}: {answers:?} by {people:?}", scenario.name);
        }
    }

    /// A proposal is told what will come of it: with how many approvals it is first carried out; a denial
    /// where there is no such number, or where one more were worse.
    #[test]
    fn a_proposal_is_told_with_how_many_approvals_it_is_carried_out(
        own in prop::collection::vec(forbids(), 0..2),
        rules in prop::collection::vec(prop_oneof![forbids(), falling()], 0..4),
        asked in some_scenarios(),
    ) {
        let (baseline, workspace) = (baseline_with(&own), layer_of(&rules));
        let layers = Layers { baseline: Ok(&baseline), workspace: Ok(&workspace) };
        for scenario in asked {
            let proposed = Scenario { real: false, ..at_best(&scenario, 0) };
            let verdict = proposed.ask(layers).unwrap();
            let expected = expected(&scenario, layers);
            let told: Vec<_> = verdict.layers.iter().map(says).collect();
            prop_assert_eq!(told, expected.clone(), "{}", scenario.name);
            let effect = expected.iter().map(|(effect, ..)| *effect).min().unwrap();
            let asked = expected.iter().map(|(_, asked, _)| *asked).max().unwrap();
            let asked = if effect == Effect::Require { asked } else { 0 };
            prop_assert_eq!((verdict.effect, usize::from(verdict.approvals)), (effect, asked));
        }
    }
}

#[test]
fn no_rule_of_ours_is_worse_with_one_approval_more() {
    for own in [workspace_of(TEMPLATES[0].policies), workspace()] {
        let layers = Layers {
            baseline: baseline(),
            workspace: Ok(&own),
        };
        for scenario in scenarios() {
            let proposed = Scenario {
                real: false,
                ..scenario.clone()
            };
            let verdict = proposed.ask(layers).unwrap();
            let falls = verdict.layers.iter().any(|layer| says(layer).2);
            assert!(!falls, "{}: {verdict:?}", scenario.name);
            let answers = carried_out(&scenario, layers, &ROLES);
            assert!(answers.is_sorted(), "{}: {answers:?}", scenario.name);
        }
    }
}
