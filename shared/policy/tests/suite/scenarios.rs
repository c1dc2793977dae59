//! Every rule of the baseline has a scenario that fails without it.

use std::collections::BTreeSet;

use counterfoil_policy::{Layer, LayerName, Layers, baseline, baseline_files};

use crate::world::{ask, said, scenarios, workspace};

#[test]
fn every_scenario_gets_the_answer_that_it_wants() {
    let workspace = workspace();
    let scenarios = scenarios();
    assert_eq!(scenarios.len(), 99);
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let verdict = ask(scenario, &workspace);
        if !scenario.is_met(&verdict) {
            let (name, said) = (&scenario.name, said(&verdict));
            wrong.push(format!("{name}: {said} by {}", verdict.rule));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn without_any_one_rule_some_scenario_is_answered_otherwise() {
    let workspace = workspace();
    let scenarios = scenarios();
    let ids: BTreeSet<&String> = baseline().unwrap().rules().keys().collect();
    assert_eq!(ids.len(), 67);
    for id in ids {
        let without = without(id);
        let layers = Layers {
            baseline: Ok(&without),
            workspace: Ok(&workspace),
        };
        // Those that name the rule come first: one is enough.
        let (naming, others): (Vec<_>, Vec<_>) = scenarios.iter().partition(|it| it.why == *id);
        let mut answers = naming
            .into_iter()
            .chain(others)
            .map(|scenario| (scenario, scenario.ask(layers).unwrap()));
        assert!(
            answers.any(|(scenario, verdict)| !scenario.is_met(&verdict)),
            "{id} is not needed"
        );
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
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let layer = Layer::of(LayerName::Baseline, "sha256:01", 0, &files).unwrap();
    assert_eq!(layer.rules().len(), 66, "{id} was not found by itself");
    layer
}
