//! What the solver proves of the product's own rules, for all facts that there can be.

use std::collections::BTreeSet;

use cedar_policy::{PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet};
use counterfoil_policy::{SCHEMA, TEMPLATES, baseline_files};

use super::proofs::installed;

/// Where nobody can ever do anything; `shared/policy/tests/suite/never.rs` finds the same without a
/// solver.
const NEVER: &str = include_str!("../../../../shared/policy/tests/suite/never.txt");

type Solver = CedarSymCompiler<LocalSolver>;

fn solver() -> Solver {
    CedarSymCompiler::new(LocalSolver::cvc5().unwrap()).unwrap()
}

/// Rules under their own ids.
fn rules(text: &str) -> PolicySet {
    let parsed: PolicySet = text.parse().unwrap();
    let named = parsed.policies().map(|policy| {
        let id = policy.annotation("id").unwrap();
        policy.new_id(PolicyId::new(id))
    });
    PolicySet::from_policies(named).unwrap()
}

fn baseline() -> String {
    let texts: Vec<&str> = baseline_files().map(|(_, text)| text).collect();
    texts.join("\n")
}

/// Who, which action, on what: all that the schema knows.
fn places(schema: &Schema) -> Vec<RequestEnv> {
    let places: Vec<RequestEnv> = schema.request_envs().collect();
    assert_eq!(places.len(), 96);
    places
}

fn named(place: &RequestEnv) -> String {
    let (principal, resource) = (place.principal().to_string(), place.resource().to_string());
    let action = place.action().id().unescaped();
    format!("{principal}, {action}, {resource}").replace("CF::", "")
}

/// Rules that can fail somewhere, whatever makes them.
async fn failing(text: &str) -> BTreeSet<String> {
    let schema = Schema::from_cedarschema_str(SCHEMA).unwrap().0;
    let mut solver = solver();
    let mut failing = BTreeSet::new();
    for place in places(&schema) {
        for rule in rules(text).policies() {
            let compiled = CompiledPolicy::compile(rule, &place, &schema).unwrap();
            if !solver.check_never_errors_opt(&compiled).await.unwrap() {
                failing.insert(rule.id().to_string());
            }
        }
    }
    failing
}

/// A rule that fails denies everything, so one fact could stop every workspace.
#[tokio::test]
async fn no_rule_of_the_baseline_can_fail() {
    if !installed("never-errors of the baseline") {
        return;
    }
    assert_eq!(failing(&baseline()).await, BTreeSet::new());
    let sum = "@id(\"base.forbid.sum\") forbid (principal, action == CF::Action::\"repair.execute\", resource)\n\
         when { context.blast.run + 1 > context.blast.run_max };";
    let found = failing(&format!("{}\n{sum}", baseline())).await;
    assert_eq!(found, BTreeSet::from(["base.forbid.sum".to_owned()]));
}

#[tokio::test]
async fn what_the_baseline_always_denies_is_known() {
    if !installed("always-denies of the baseline") {
        return;
    }
    let schema = Schema::from_cedarschema_str(SCHEMA).unwrap().0;
    let (mut solver, rules) = (solver(), rules(&baseline()));
    let mut never = BTreeSet::new();
    for place in places(&schema) {
        let set = CompiledPolicySet::compile(&rules, &place, &schema).unwrap();
        if solver.check_always_denies_opt(&set).await.unwrap() {
            never.insert(named(&place));
        }
    }
    let pinned: BTreeSet<String> = NEVER.lines().map(str::to_owned).collect();
    assert_eq!(never, pinned);
}

/// Where these rules allow something that they do not allow with more approvals: of more people, with
/// roles that include those of the fewer.
///
/// The solver gets the approvals twice, as facts of one question, and the rules once about each.
async fn worse_with_more(text: &str) -> BTreeSet<String> {
    let twice = "\"approvals\": Approvals, \"more\": Approvals,";
    let schema = SCHEMA.replace("\"approvals\": Approvals,", twice);
    assert_ne!(schema, SCHEMA);
    let schema = Schema::from_cedarschema_str(&schema).unwrap().0;
    let supposed = "@id(\"supposed\") forbid (principal, action, resource) unless {\n\
         context.base.more.count >= context.base.approvals.count\n\
         && context.base.more.roles.containsAll(context.base.approvals.roles)\n\
         && context.base.more.self == context.base.approvals.self\n\
         && context.base.more.owner == context.base.approvals.owner };";
    let fewer = rules(&format!("{text}\n{supposed}"));
    let more = rules(&text.replace("context.base.approvals", "context.base.more"));
    let mut solver = solver();
    let mut worse = BTreeSet::new();
    for place in places(&schema) {
        let compiled = |rules| CompiledPolicySet::compile(rules, &place, &schema).unwrap();
        let (fewer, more) = (compiled(&fewer), compiled(&more));
        if !solver.check_implies_opt(&fewer, &more).await.unwrap() {
            worse.insert(named(&place));
        }
    }
    worse
}

#[tokio::test]
async fn no_rule_of_ours_is_ever_worse_with_more_approvals() {
    if !installed("approvals never make it worse") {
        return;
    }
    for text in [baseline()]
        .into_iter()
        .chain(TEMPLATES.map(|it| it.policies.to_owned()))
    {
        assert_eq!(worse_with_more(&text).await, BTreeSet::new(), "{text}");
    }
    let one = "@id(\"base.require.one\") forbid (principal, action == CF::Action::\"policy.revoke\", resource)\n\
         unless { context.base.approvals.count == 1 };";
    let found = worse_with_more(&format!("{}\n{one}", baseline())).await;
    let revokes = BTreeSet::from(["User, policy.revoke, Bundle".to_owned()]);
    assert_eq!(found, revokes);
}
