//! Who can never do what to what, whatever the facts are: `never.txt`, of all places that the schema
//! knows. The solver proves the same list (`tools/cli/tests/suite/baseline.rs`) where there is one.

use std::collections::BTreeSet;

use cedar_policy::{
    ActionConstraint, Effect as Kind, Entities, Policy, PolicySet, PrincipalConstraint, RequestEnv,
    ResourceConstraint, Schema,
};
use counterfoil_policy::check::scenario::Scenario;
use counterfoil_policy::{Effect, SCHEMA, baseline_files};

use crate::world::{ask, workspace_of};

const NEVER: &str = include_str!("never.txt");
const OPEN: &str =
    "@id(\"ws.permit.all\") @why(\"the baseline applies\") permit (principal, action, resource);";

fn named(place: &RequestEnv) -> String {
    let (principal, resource) = (place.principal().to_string(), place.resource().to_string());
    let action = place.action().id().unescaped();
    format!("{principal}, {action}, {resource}").replace("CF::", "")
}

/// Whether a permit is about such a place at all, whatever else it wants.
fn reaches(permit: &Policy, place: &RequestEnv, actions: &Entities) -> bool {
    let principal = match permit.principal_constraint() {
        PrincipalConstraint::Is(kind) => kind == *place.principal(),
        _ => true,
    };
    let resource = match permit.resource_constraint() {
        ResourceConstraint::Is(kind) => kind == *place.resource(),
        _ => true,
    };
    let within = |of| actions.is_ancestor_of(of, place.action()) || of == place.action();
    let action = match permit.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(action) => within(&action),
        ActionConstraint::In(all) => all.iter().any(within),
    };
    principal && action && resource
}

/// The act in the ordinary world, by whoever can do most there.
fn ordinary(place: &RequestEnv) -> Scenario {
    let name = |kind: &dyn ToString| {
        let kind = kind.to_string().replace("CF::", "");
        let id = match kind.as_str() {
            "User" => "owner",
            "ApiKey" => "krepair",
            "Agent" => "agent",
            "Scheduler" => "sched",
            "Incident" => "inc",
            "RunAction" => "ra",
            "ProposedAction" => "act",
            "Bundle" => "b",
            "Workspace" => "ws1",
            "Project" => "prj1",
            "Secret" => "s",
            "Evidence" => "ev",
            other => panic!("the ordinary world has no {other}"),
        };
        format!("{kind}/{id}")
    };
    Scenario {
        principal: name(place.principal()),
        action: place.action().id().unescaped().to_owned(),
        resource: name(place.resource()),
        ..Scenario::default()
    }
}

#[test]
fn what_nobody_can_ever_do_is_what_machines_must_not_and_nothing_else() {
    let schema = Schema::from_cedarschema_str(SCHEMA).unwrap().0;
    let actions = schema.action_entities().unwrap();
    let permits: Vec<Policy> = baseline_files()
        .flat_map(|(_, text)| {
            let rules: PolicySet = text.parse().unwrap();
            rules.policies().cloned().collect::<Vec<_>>()
        })
        .filter(|rule| rule.effect() == Kind::Permit)
        .collect();
    let open = workspace_of(OPEN);
    let mut never = BTreeSet::new();
    let mut known = 0;
    for place in schema.request_envs() {
        known += 1;
        let name = named(&place);
        let verdict = ask(&ordinary(&place), &open);
        if permits.iter().any(|it| reaches(it, &place, &actions)) {
            // One example shows that it can happen.
            assert_ne!(verdict.effect, Effect::Deny, "{name}: {}", verdict.rule);
        } else {
            // No permit is about it: no fact can change that.
            assert_eq!(verdict.effect, Effect::Deny, "{name}");
            never.insert(name);
        }
    }
    let pinned: BTreeSet<String> = NEVER.lines().map(str::to_owned).collect();
    assert_eq!(never, pinned, "of {known} places");
    assert_eq!(known, 96);
    let people = never.iter().filter(|place| place.starts_with("User"));
    assert_eq!(people.count(), 0);
}
