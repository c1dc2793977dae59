//! Fail closed: each condition of the list, and no way around it.

use std::time::Duration;

use counterfoil_policy::check::scenario::Scenario;
use counterfoil_policy::{Failure, Layers, Phase, RequestError, baseline, judge};
use serde_json::{Value, json};

use crate::world::{ask_question, read, said, scenario, workspace, workspace_of};

/// A person's own repair, which everything allows.
fn allowed() -> Value {
    scenario("person grants, live, fresh login")
        .question()
        .unwrap()
}

const OPEN: &str = "@id(\"ws.permit.all\") @why(\"x\") permit (principal, action, resource);";

#[test]
fn a_forbid_that_errs_denies() {
    // Cedar alone would answer Allow: the forbid that overflows counts as absent.
    let erring = workspace_of(&format!(
        "{OPEN}\n@id(\"ws.forbid.overflow\") @why(\"x\") forbid (principal, action, resource)\n\
         when {{ context.base.auth_age_s + 9223372036854775807 > 5 }};"
    ));
    let verdict = ask_question(&allowed(), &erring);
    assert_eq!(
        (said(&verdict).as_str(), verdict.rule.as_str()),
        ("DENY", "engine-error")
    );
    assert_eq!(verdict.layers[1].errors, ["ws.forbid.overflow"]);
    assert_eq!(
        said(&ask_question(&allowed(), &workspace_of(OPEN))),
        "ALLOW"
    );
}

#[test]
fn a_permit_that_errs_denies_as_well() {
    let erring = workspace_of(&format!(
        "{OPEN}\n@id(\"ws.permit.overflow\") @why(\"x\") permit (principal, action, resource)\n\
         when {{ context.base.auth_age_s + 9223372036854775807 > 5 }};"
    ));
    assert_eq!(ask_question(&allowed(), &erring).rule, "engine-error");
}

#[test]
fn approvals_that_make_it_worse_deny() {
    let contrary = workspace_of(&format!(
        "{OPEN}\n@id(\"ws.forbid.contrary\") @why(\"x\") forbid (principal, action, resource)\n\
         when {{ context.base.approvals.count == 2 }};"
    ));
    assert_eq!(ask_question(&allowed(), &contrary).rule, "not-monotone");
}

#[test]
fn a_question_beside_the_schema_denies() {
    let mut questions = Vec::new();
    let mut change = |pointer: &str, value: Value| {
        let mut question = allowed();
        *question.pointer_mut(pointer).unwrap() = value;
        questions.push((pointer.to_owned(), question));
    };
    change("/action/id", json!("repair.everything"));
    change("/principal/type", json!("CF::Robot"));
    change("/principal/id", json!("nobody"));
    change("/resource/id", json!("nothing"));
    change("/context/change/rows", json!("one"));
    change("/context/base/now", json!("yesterday"));
    change("/context/blast", json!({}));
    change("/entities/2/attrs/roles", json!("owner"));
    let mut extra = allowed();
    extra["context"]["more"] = json!(true);
    questions.push(("an extra fact".to_owned(), extra));
    for (what, question) in questions {
        assert!(read(&question).is_err(), "{what}");
        assert_eq!(
            ask_question(&question, &workspace()).rule,
            "request-invalid",
            "{what}"
        );
    }
}

#[test]
fn a_judgement_that_takes_too_long_denies() {
    let (open, question) = (workspace_of(OPEN), read(&allowed()));
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(&open),
    };
    let within = judge(layers, &question, Phase::Propose, &|| {
        Duration::from_millis(50)
    });
    assert_eq!(said(&within), "ALLOW");
    let late = judge(layers, &question, Phase::Propose, &|| {
        Duration::from_millis(51)
    });
    assert_eq!(
        (said(&late).as_str(), late.rule.as_str()),
        ("DENY", "engine-budget")
    );
}

#[test]
fn without_its_bundle_a_workspace_can_only_be_started_again_and_stopped() {
    for failure in [
        Failure::BundleMissing,
        Failure::BundleUnverified,
        Failure::BundleRevoked,
        Failure::EngineRange,
    ] {
        let layers = Layers {
            baseline: baseline(),
            workspace: Err(failure),
        };
        let ask =
            |question: &Value| judge(layers, &read(question), Phase::Propose, &|| Duration::ZERO);
        let verdict = ask(&allowed());
        assert_eq!(
            (said(&verdict).as_str(), verdict.rule.as_str()),
            ("DENY", failure.rule())
        );
        for (action, resource, held, want) in [
            ("policy.activate", "Bundle/b", "", "REQUIRE(1)"),
            ("policy.revoke", "Bundle/b", "", "ALLOW"),
            ("key.revoke", "Project/prj1", "", "ALLOW"),
            ("legal_hold.set", "Project/prj1", "", "ALLOW"),
            ("evidence.export", "Evidence/ev", "", "ALLOW"),
            ("settings.change", "Project/prj1", "", "DENY"),
            ("secret.put", "Secret/s", "", "DENY"),
            ("evidence.erase", "Evidence/ev", "", "DENY"),
            (
                "approval.give",
                "ProposedAction/act",
                "policy.activate",
                "ALLOW",
            ),
            (
                "approval.give",
                "ProposedAction/act",
                "repair.execute",
                "DENY",
            ),
            (
                "approval.reject",
                "ProposedAction/act",
                "policy.activate",
                "ALLOW",
            ),
            (
                "approval.reject",
                "ProposedAction/act",
                "settings.change",
                "DENY",
            ),
        ] {
            let mut scenario = Scenario {
                principal: "User/admin".to_owned(),
                action: action.to_owned(),
                resource: resource.to_owned(),
                ..Scenario::default()
            };
            if !held.is_empty() {
                scenario
                    .entities
                    .insert("act".to_owned(), json!({"kind": held}));
            }
            let verdict = scenario.ask(layers).unwrap();
            assert_eq!(said(&verdict), want, "{action} {held}: {}", verdict.rule);
        }
    }
}

#[test]
fn no_rules_of_a_workspace_keep_it_from_being_stopped() {
    let closed =
        workspace_of("@id(\"ws.forbid.all\") @why(\"x\") forbid (principal, action, resource);");
    let asked = |who: &str, action: &str| {
        let scenario = Scenario {
            principal: format!("User/{who}"),
            action: action.to_owned(),
            resource: "Bundle/b".to_owned(),
            ..Scenario::default()
        };
        let layers = Layers {
            baseline: baseline(),
            workspace: Ok(&closed),
        };
        scenario.ask(layers).unwrap()
    };
    for (who, action, want, layers) in [
        ("admin", "policy.revoke", "ALLOW", 1),
        ("owner", "policy.revoke", "ALLOW", 1),
        ("viewer", "policy.revoke", "DENY", 1),
        ("owner", "policy.activate", "DENY", 2),
    ] {
        let verdict = asked(who, action);
        assert_eq!(said(&verdict), want, "{who} {action}");
        assert_eq!(verdict.layers.len(), layers, "{who} {action}");
    }
}

#[test]
fn without_the_baseline_nothing_is_possible() {
    let open = workspace_of(OPEN);
    let layers = Layers {
        baseline: Err(Failure::BundleUnverified),
        workspace: Ok(&open),
    };
    let verdict = judge(layers, &read(&allowed()), Phase::Propose, &|| {
        Duration::ZERO
    });
    assert_eq!(
        (said(&verdict).as_str(), verdict.rule.as_str()),
        ("DENY", "bundle-unverified")
    );
    let nothing = judge(layers, &Err(RequestError), Phase::Propose, &|| {
        Duration::ZERO
    });
    assert_eq!(nothing.rule, "request-invalid");
}
