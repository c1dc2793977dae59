//! Approvals as facts, and layers that only narrow.

use std::fs;

use counterfoil_policy::{Effect, Layer, LayerName, Layers};
use proptest::prelude::*;

use crate::world::{ask, said, scenario, scenarios, workspace, workspace_of};

/// A person's own repair, which everything allows.
const OWN: &str = "person grants, live, fresh login";

const PERMIT_ALL: &str =
    "@id(\"ws.permit.all\") @why(\"the baseline applies\") permit (principal, action, resource);";

/// Forbids that a workspace may write, some of which approvals lift.
pub(crate) fn forbids() -> impl Strategy<Value = String> {
    let actions = prop::sample::select(vec![
        "action",
        "action == CF::Action::\"repair.execute\"",
        "action in CF::Action::\"repair\"",
        "action in CF::Action::\"operate\"",
        "action in CF::Action::\"admin\"",
        "action == CF::Action::\"approval.give\"",
    ]);
    let conditions = prop::sample::select(vec![
        "",
        "when { context.base.scope.environment == \"live\" }",
        "when { principal is CF::Agent }",
        "when { context.base.auth_age_s > 30 }",
        "when { context.base.origin == \"mcp\" }",
    ]);
    let lifts = prop::sample::select(vec![
        "",
        "unless { context.base.approvals.count >= 1 }",
        "unless { context.base.approvals.count >= 2 }",
        "unless { context.base.approvals.count >= 3 }",
        "unless { context.base.approvals.roles.contains(\"owner\") }",
    ]);
    (actions, conditions, lifts).prop_map(|(action, condition, lift)| {
        format!("@why(\"x\") forbid (principal, {action}, resource) {condition} {lift};")
    })
}

pub(crate) fn layer_of(forbids: &[String]) -> Layer {
    let rules = forbids.iter().enumerate();
    let rules = rules.map(|(at, rule)| format!("@id(\"ws.forbid.f{at}\") {rule}"));
    let text: Vec<String> = rules.chain([PERMIT_ALL.to_owned()]).collect();
    workspace_of(&text.join("\n"))
}

/// Less is stricter.
fn strictness(verdict: &counterfoil_policy::Verdict) -> (Effect, std::cmp::Reverse<u8>) {
    (verdict.effect, std::cmp::Reverse(verdict.approvals))
}

/// The product's own rules with forbids beside them.
pub(crate) fn baseline_with(forbids: &[String]) -> Layer {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/baseline/policies");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect();
    assert!(files.len() > 5, "the baseline has more files");
    let more = forbids.iter().enumerate();
    let more = more.map(|(at, rule)| format!("@id(\"base.forbid.f{at}\") {rule}"));
    files.push(("more.cedar".to_owned(), more.collect::<Vec<_>>().join("\n")));
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    Layer::of(LayerName::Baseline, "sha256:01", 1, &files).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// T11: a forbid more in the workspace's layer never loosens.
    #[test]
    fn a_forbid_more_never_loosens(
        mut rules in prop::collection::vec(forbids(), 0..4),
        more in forbids(),
        of in any::<prop::sample::Index>(),
    ) {
        let scenarios = scenarios();
        let scenario = of.get(&scenarios);
        let before = ask(scenario, &layer_of(&rules));
        rules.push(more);
        let after = ask(scenario, &layer_of(&rules));
        prop_assert!(strictness(&after) <= strictness(&before), "{} by {}", said(&after), after.rule);
    }

    /// The same in the product's layer, under a workspace that permits everything or asks for more.
    #[test]
    fn a_forbid_more_in_the_baseline_never_loosens(
        mut rules in prop::collection::vec(forbids(), 0..3),
        more in forbids(),
        of in any::<prop::sample::Index>(),
        strict in any::<bool>(),
    ) {
        let scenarios = scenarios();
        let scenario = of.get(&scenarios);
        let own = if strict { workspace() } else { workspace_of(PERMIT_ALL) };
        let asked = |rules: &[String]| {
            let baseline = baseline_with(rules);
            let layers = Layers { baseline: Ok(&baseline), workspace: Ok(&own) };
            scenario.ask(layers).unwrap()
        };
        let before = asked(&rules);
        rules.push(more);
        let after = asked(&rules);
        prop_assert!(strictness(&after) <= strictness(&before), "{} by {}", said(&after), after.rule);
    }
}

#[test]
fn a_workspace_that_permits_everything_opens_nothing() {
    let open = workspace_of(PERMIT_ALL);
    let scenarios = scenarios();
    for scenario in scenarios
        .iter()
        .filter(|scenario| scenario.why.starts_with("base."))
    {
        let verdict = ask(scenario, &open);
        assert_eq!(said(&verdict), scenario.want, "{}", scenario.name);
    }
}

#[test]
fn a_workspace_that_permits_nothing_denies_by_default() {
    let nothing = workspace_of(
        "@id(\"ws.forbid.x\") @why(\"x\") forbid (principal is CF::Scheduler, action, resource);",
    );
    let verdict = ask(&scenario(OWN), &nothing);
    assert_eq!(
        (said(&verdict).as_str(), verdict.rule.as_str()),
        ("DENY", "default-deny")
    );
}

#[test]
fn the_layer_that_asks_for_most_is_named_and_its_role_counts() {
    let two = workspace_of(&format!(
        "{PERMIT_ALL}\n@id(\"ws.require.two\") @why(\"two people\") @role(\"owner\") @hold(\"24h\")\n\
         forbid (principal, action == CF::Action::\"repair.execute\", resource)\n\
         unless {{ context.base.approvals.count >= 2 }};"
    ));
    let verdict = ask(&scenario("agent grants, live"), &two);
    assert_eq!(
        (said(&verdict).as_str(), verdict.rule.as_str()),
        ("REQUIRE(2)", "ws.require.two")
    );
    assert_eq!(verdict.role.name(), "owner");
    assert_eq!(verdict.hold.unwrap().as_secs(), 86_400);
    assert_eq!(verdict.layers[0].approvals, 1, "the baseline asks for one");
    assert!(
        verdict.reason.starts_with("two people; "),
        "{}",
        verdict.reason
    );
}

/// docs/policies.md: the shortest of the rules that hold counts, in a layer and in both.
#[test]
fn the_shortest_time_of_the_rules_that_hold_counts() {
    let rule = |name: &str, hold: &str| {
        format!(
            "@id(\"{name}\") @why(\"somebody looks\") @hold(\"{hold}\")\n\
             forbid (principal, action == CF::Action::\"repair.execute\", resource)\n\
             unless {{ context.base.approvals.count >= 1 }};"
        )
    };
    let held = |ours: [&str; 2], theirs: &str| {
        let rules = [rule("ws.require.a", ours[0]), rule("ws.require.b", ours[1])];
        let own = workspace_of(&format!("{PERMIT_ALL}\n{}", rules.join("\n")));
        let baseline = baseline_with(&[theirs.to_owned()]);
        let layers = Layers {
            baseline: Ok(&baseline),
            workspace: Ok(&own),
        };
        let verdict = scenario("agent grants, live").ask(layers).unwrap();
        assert_eq!(verdict.effect, Effect::Require);
        verdict.hold.unwrap().as_secs() / 3_600
    };
    let ours = "@why(\"ours\") @hold(\"10h\") forbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 1 };";
    let none = ours.replace(" @hold(\"10h\")", "");
    assert_eq!(held(["24h", "3d"], &none), 24);
    assert_eq!(held(["3d", "24h"], &none), 24);
    assert_eq!(held(["24h", "3d"], ours), 10);
    assert_eq!(held(["6h", "3d"], ours), 6);
}

#[test]
fn a_rule_that_needs_four_approvals_can_never_be_met() {
    let four = workspace_of(&format!(
        "{PERMIT_ALL}\n@id(\"ws.require.four\") @why(\"four people\")\n\
         forbid (principal, action, resource) unless {{ context.base.approvals.count >= 4 }};"
    ));
    let verdict = ask(&scenario(OWN), &four);
    assert_eq!(
        (said(&verdict).as_str(), verdict.rule.as_str()),
        ("DENY", "ws.require.four")
    );
}
