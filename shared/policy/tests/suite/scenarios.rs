//! Every rule of the baseline has a scenario that fails without it.

use std::collections::BTreeSet;

use counterfoil_policy::{Layer, LayerName, baseline, baseline_files};

use crate::world::{Scenario, World, ask, phase, question, said, workspace, world};

/// The effect is the one wanted, and the rule wanted is one of those that decided.
fn holds(world: &World, scenario: &Scenario, baseline: &Layer, workspace: &Layer) -> bool {
    let question = question(world, scenario);
    let verdict = ask(baseline, workspace, &question, phase(scenario));
    if scenario.want == "INVALID" {
        return said(&verdict) == "DENY" && verdict.rule == "request-invalid";
    }
    let deciding = verdict.layers.iter().flat_map(|layer| &layer.policies);
    let named = deciding.into_iter().any(|policy| policy.id == scenario.why);
    said(&verdict) == scenario.want && (scenario.why.is_empty() || named)
}

#[test]
fn every_scenario_gets_the_answer_that_it_wants() {
    let (world, workspace) = (world(), workspace());
    assert_eq!(world.cases.len(), 86);
    let mut wrong = Vec::new();
    for scenario in &world.cases {
        let question = question(&world, scenario);
        let verdict = ask(baseline().unwrap(), &workspace, &question, phase(scenario));
        if !holds(&world, scenario, baseline().unwrap(), &workspace) {
            wrong.push(format!(
                "{}: {} by {}, wanted {} by {}",
                scenario.name,
                said(&verdict),
                verdict.rule,
                scenario.want,
                scenario.why
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn without_any_one_rule_some_scenario_is_answered_otherwise() {
    let (world, workspace) = (world(), workspace());
    let ids: BTreeSet<&String> = baseline().unwrap().rules().keys().collect();
    assert_eq!(ids.len(), 60);
    for id in ids {
        let without = without(id);
        let red = |scenario: &&Scenario| !holds(&world, scenario, &without, &workspace);
        assert!(world.cases.iter().find(red).is_some(), "{id} is not needed");
    }
}

/// The baseline without one rule.
fn without(id: &str) -> Layer {
    let marker = format!("@id(\"{id}\")");
    let texts = baseline_files().map(|(path, text)| {
        let rules = text.split("\n\n").filter(|rule| !rule.contains(&marker));
        (path, rules.collect::<Vec<_>>().join("\n\n"))
    });
    let texts: Vec<(&str, String)> = texts.collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let layer = Layer::of(LayerName::Baseline, "sha256:01", 0, &files).unwrap();
    assert_eq!(layer.rules().len(), 59, "{id} was not found by itself");
    layer
}
