//! Policies to start from do what their scenarios say, and are good policies.

use counterfoil_policy::check::{check, scenario};
use counterfoil_policy::{Effect, Impact, LayerName, Layers, Outcome, TEMPLATES, baseline};

use crate::world::{ask, scenarios, workspace_of};

#[test]
fn every_template_passes_its_scenarios_and_the_check() {
    for template in TEMPLATES {
        let files = [("policies/all.cedar", template.policies)];
        let checked = check(LayerName::Workspace, "sha256:00", 1, &files);
        let (layer, warnings) =
            checked.unwrap_or_else(|found| panic!("{}: {found:?}", template.name));
        assert_eq!(warnings, Vec::new(), "{}", template.name);
        let layers = Layers {
            baseline: baseline(),
            workspace: Ok(&layer),
        };
        let scenarios = scenario::read(template.scenarios).unwrap();
        assert!(scenarios.len() > 1, "{}", template.name);
        for scenario in scenarios {
            let verdict = scenario.ask(layers).unwrap();
            let said = scenario::said(&verdict);
            let name = format!(
                "{}, {}: {said} by {}",
                template.name, scenario.name, verdict.rule
            );
            assert!(scenario.is_met(&verdict), "{name}");
        }
    }
}

#[test]
fn the_impact_of_a_template_is_what_would_have_been_decided_otherwise() {
    let open = workspace_of(TEMPLATES[0].policies);
    let four_eyes = workspace_of(TEMPLATES[1].policies);
    let (mut impact, mut none) = (Impact::default(), Impact::default());
    let mut held = 0;
    for scenario in scenarios().iter().filter(|scenario| !scenario.real) {
        let before = ask(scenario, &open);
        let after = ask(scenario, &four_eyes);
        held += u64::from(before.effect == Effect::Allow && after.effect == Effect::Require);
        impact.add(
            &scenario.name,
            &scenario.action,
            Outcome::of(&before),
            &after,
        );
        none.add(
            &scenario.name,
            &scenario.action,
            Outcome::of(&before),
            &before,
        );
    }
    assert!(held > 0);
    assert_eq!(impact.count(Effect::Allow, Effect::Require), held);
    assert_eq!((impact.judged, impact.engine_errors), (97, 0));
    assert_eq!(impact.flipped, held, "nothing else flips");
    let flip = &impact.flips[0];
    assert_eq!(flip.after.rules, ["ws.require.four-eyes-live"]);
    assert_eq!((none.judged, none.flipped), (97, 0));
    let total: u64 = impact
        .transitions
        .values()
        .flat_map(|row| row.values())
        .sum();
    assert_eq!(total, 97);
    assert!(
        impact
            .sentence()
            .contains(&format!("asked for more approvals in {held},")),
        "{}",
        impact.sentence()
    );
}
