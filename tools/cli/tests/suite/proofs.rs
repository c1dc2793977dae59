//! `policy check` and what only a solver can say.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::policy::{Said, made, policy};

#[test]
fn where_there_is_no_cvc5_a_change_counts_as_loosening() {
    let folder = made("revoke-two");
    let done = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["policy", "check", "rules", "--against", "rules", "--json"])
        .env("CVC5", "/nowhere/cvc5")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(document["proofs"]["loosening"], true, "{document}");
    assert_eq!(document["proofs"]["solver"], serde_json::Value::Null);
}

/// What is known without it is told all the same.
#[test]
fn where_the_solver_gives_up_everything_else_is_told_and_a_change_counts_as_loosening() {
    let folder = made("revoke-two");
    let broken = folder.path().join("cvc5");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'This is cvc5 version 1.0.3'\n";
    fs::write(&broken, script).unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    let check = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["policy", "check", "rules", "--against", "rules"])
            .args(words)
            .env("CVC5", &broken)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let done = check(&["--json"]);
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (done.status.code(), &document["good"]),
        (Some(0), &true.into())
    );
    assert_eq!(document["proofs"]["loosening"], true, "{document}");
    assert!(document["proofs"]["gave_up"].is_string(), "{document}");
    assert!(!document["scenarios"].as_array().unwrap().is_empty());
    let told = String::from_utf8(check(&[]).stdout).unwrap();
    assert!(
        told.contains("scenarios get the answer that they want"),
        "{told}"
    );
    assert!(told.contains("the solver gave up"), "{told}");
}

/// Whether there is a solver, where the product looks for it. Where there is none, the test says that it
/// was not run; a machine that checks every change installs one.
pub(crate) fn installed(test: &str) -> bool {
    let solver = std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into());
    let found = Command::new(solver).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "there is no cvc5");
        // Not with a macro, whose output a passing test keeps to itself.
        let mut err = std::io::stderr().lock();
        let told = writeln!(err, "NOT RUN: {test}: there is no cvc5 on this machine");
        drop(told);
    }
    found
}

/// Two bundles side by side: `rules` and `other`.
fn beside(template: &str, other: &str) -> Said {
    let folder = made(template);
    let more = policy(&folder, &["new", "other", "--template", other]);
    assert_eq!(more.status, 0, "{}", more.err);
    policy(&folder, &["check", "rules", "--against", "other"])
}

#[test]
fn tightening_is_proved_and_loosening_names_the_rule_that_is_gone() {
    if !installed("loosening") {
        return;
    }
    let tighter = beside("revoke-two", "default");
    assert_eq!(tighter.status, 0, "{}{}", tighter.out, tighter.err);
    assert!(
        tighter.out.contains("nothing is allowed that was not"),
        "{}",
        tighter.out
    );
    let looser = beside("default", "revoke-two");
    assert_eq!(looser.status, 0, "{}{}", looser.out, looser.err);
    assert!(looser.out.contains("this loosens"), "{}", looser.out);
    assert!(
        looser
            .out
            .contains("repair.execute, Incident: allows what `ws.require.revoke-two` refused"),
        "{}",
        looser.out
    );
}

/// docs/policies.md, "Prove": what a rule without a condition forbids is meant, as in a template of ours.
#[test]
fn what_a_rule_without_a_condition_refuses_always_is_a_remark() {
    if !installed("always-denies of a rule without a condition") {
        return;
    }
    let folder = made("no-break-glass");
    let said = policy(&folder, &["check", "rules"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let remark =
        "refused by a rule without a condition, whatever the facts are: User, override.use";
    assert!(said.out.contains(remark), "{}", said.out);
}

#[test]
fn a_rule_that_may_fail_and_one_that_refuses_always_are_errors() {
    if !installed("never-errors and always-denies") {
        return;
    }
    let folder = made("default");
    let wrong = "@id(\"ws.forbid.sum\") @why(\"it calculates\")\n\
         forbid (principal, action == CF::Action::\"repair.execute\", resource)\n\
         when { context.base.approvals.count + 9223372036854775807 > 5 };\n\
         @id(\"ws.forbid.always\") @why(\"it forbids always\")\n\
         forbid (principal is CF::User, action == CF::Action::\"incident.ignore\", resource)\n\
         when { context.base.approvals.count > 5 || context.base.approvals.count <= 5 };\n";
    fs::write(folder.path().join("rules/policies/wrong.cedar"), wrong).unwrap();
    let said = policy(&folder, &["check", "rules"]);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("`ws.forbid.sum` may fail"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains("refused whatever the facts are: User, incident.ignore"),
        "{}",
        said.out
    );
    for place in [
        "  --> rules/policies/wrong.cedar:1:1\n    1 | @id(\"ws.forbid.sum\")",
        "  --> rules/policies/wrong.cedar:4:1\n    4 | @id(\"ws.forbid.always\")",
        "      = help: rules must not calculate",
        "      = help: change its condition",
    ] {
        assert!(said.out.contains(place), "{place}: {}", said.out);
    }
}

/// Neither of the two does it alone.
#[test]
fn rules_that_refuse_always_together_are_both_named() {
    if !installed("always-denies of two rules") {
        return;
    }
    let folder = made("default");
    let rule = |id: &str, condition: &str| {
        format!(
            "@id(\"ws.forbid.{id}\") @why(\"a half\")\nforbid (principal is CF::User, action == CF::Action::\"incident.ignore\", resource)\nwhen {{ context.base.dry_run {condition} }};\n"
        )
    };
    let halves = [rule("even", "== true"), rule("odd", "== false")].concat();
    fs::write(folder.path().join("rules/policies/halves.cedar"), halves).unwrap();
    let said = policy(&folder, &["check", "rules", "--json"]);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let errors = findings.iter().filter(|it| it["severity"] == "error");
    let errors: Vec<_> = errors.collect();
    assert_eq!(errors.len(), 1, "{document}");
    let detail = errors[0]["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("by `ws.forbid.even`, with `ws.forbid.odd`"),
        "{detail}"
    );
    assert_eq!(errors[0]["file"], "policies/halves.cedar");
    assert_eq!(errors[0]["line"], 1);
}
