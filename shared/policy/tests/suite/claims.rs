//! Bundles that somebody brings: which are taken, and what is said about the others.

mod manifests;
mod scenarios;

use std::collections::BTreeMap;

use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::bundle::{Bundle, Envelope, PublicKey, SigningKey};
use counterfoil_policy::check::{Checked, Claim, Finding};
use counterfoil_policy::schema_digest;
use serde_json::{Value, json};

const WORKSPACE: &str = "ws_01J00000000000000000000000";
const RULES: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
const TESTS: &str = "[{\"name\": \"a viewer repairs\", \"principal\": \"User/viewer\", \"action\": \"repair.execute\", \"resource\": \"Incident/inc\", \"want\": \"DENY\"}]";

struct Brought {
    manifest: Value,
    files: BTreeMap<String, String>,
    keys: Vec<PublicKey>,
    active: Option<String>,
    version: u64,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn brought(rules: &str, tests: &str) -> Brought {
    let mut files = BTreeMap::from([("policies/a.cedar".to_owned(), rules.to_owned())]);
    if !tests.is_empty() {
        files.insert("tests/a.json".to_owned(), tests.to_owned());
    }
    let entries = files.iter().map(|(path, text)| {
        json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
    });
    let manifest = json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace", "workspace": WORKSPACE,
        "version": 3, "previous": digest_string(b"two"),
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
        "files": entries.collect::<Vec<_>>(), "created_at": "2026-11-01T00:00:00Z",
        "created_by": "somebody", "summary": "",
    });
    Brought {
        manifest,
        files,
        keys: vec![key(1).public()],
        active: Some(digest_string(b"two")),
        version: 2,
    }
}

impl Brought {
    fn signature(&self, by: u8) -> String {
        let bundle =
            Bundle::read(self.manifest.to_string().as_bytes(), self.files.clone()).unwrap();
        serde_json::to_string(&Envelope::sign(&bundle.statement(), &key(by))).unwrap()
    }

    fn with(&self, signature: &str) -> Result<Checked, Vec<Finding>> {
        let manifest = self.manifest.to_string();
        Claim {
            manifest: &manifest,
            signature,
            files: &self.files,
            workspace: WORKSPACE,
            keys: &self.keys,
            active_version: self.version,
            active: self.active.as_deref(),
        }
        .check()
    }

    fn check(&self) -> Result<Checked, Vec<Finding>> {
        self.with(&self.signature(1))
    }
}

#[track_caller]
fn says(done: Result<Checked, Vec<Finding>>, file: &str, words: &str) {
    let findings = done.map(drop).unwrap_err();
    let found = findings
        .iter()
        .find(|it| it.file == file && it.detail.contains(words));
    let found = found.unwrap_or_else(|| panic!("`{words}` is not said: {findings:#?}"));
    for found in &findings {
        assert!(!found.help.is_empty(), "{found:?}");
    }
    // What is about a whole file has no line, nor has what is missing.
    let whole = ["", "signature.json"].contains(&file)
        || words.contains("listed")
        || words.contains("another size");
    assert!(whole || !found.excerpt.is_empty(), "{found:?}");
}

#[test]
fn what_fits_is_taken() {
    let checked = brought(RULES, TESTS).check().unwrap();
    assert_eq!(checked.layer.version(), 3);
    assert_eq!(checked.layer.digest(), checked.bundle.digest());
}

#[test]
fn the_signature_is_never_left_out() {
    let it = brought(RULES, TESTS);
    says(
        it.with(&it.signature(2)),
        "signature.json",
        "no key of this workspace",
    );
    let mut stripped: Value = serde_json::from_str(&it.signature(1)).unwrap();
    stripped["signatures"] = json!([]);
    says(
        it.with(&stripped.to_string()),
        "signature.json",
        "no signature",
    );
    says(it.with("{}"), "signature.json", "no DSSE envelope");
    let other = brought(
        "@id(\"ws.permit.other\") @why(\"x\")\npermit (principal, action, resource);",
        TESTS,
    );
    says(
        it.with(&other.signature(1)),
        "signature.json",
        "another bundle",
    );
    let mut keyless = brought(RULES, TESTS);
    let signature = keyless.signature(1);
    keyless.keys.clear();
    says(
        keyless.with(&signature),
        "signature.json",
        "has no signing key",
    );
}

#[test]
fn an_altered_or_added_file_is_refused() {
    let mut it = brought(RULES, TESTS);
    let signature = it.signature(1);
    it.files.get_mut("policies/a.cedar").unwrap().push(' ');
    says(it.with(&signature), "policies/a.cedar", "another size");
    let mut it = brought(RULES, TESTS);
    let signature = it.signature(1);
    it.files
        .insert("policies/b.cedar".to_owned(), RULES.to_owned());
    says(it.with(&signature), "policies/b.cedar", "not listed");
}

#[test]
fn everything_wrong_about_its_place_is_said_at_once() {
    let mut it = brought(RULES, TESTS);
    it.version = 3;
    it.active = None;
    it.manifest["workspace"] = json!("ws_01J00000000000000000000001");
    let findings = it.check().map(drop).unwrap_err();
    let all = findings.iter().map(|it| it.detail.as_str());
    let all = all.collect::<Vec<_>>().join("\n");
    for words in [
        "another workspace",
        "version 3 is active",
        "`previous` is not",
    ] {
        assert!(all.contains(words), "{all}");
    }
    let helps = findings.iter().map(|it| it.help.as_str());
    assert!(helps.collect::<String>().contains("--version 4"));
    let text = it.manifest.to_string();
    let marked = |it: &Finding| {
        text.get(it.offset..it.offset + it.length)
            .unwrap()
            .to_owned()
    };
    let marked: Vec<String> = findings.iter().map(marked).collect();
    let previous = format!("{:?}", digest_string(b"two"));
    assert_eq!(
        marked,
        ["\"ws_01J00000000000000000000001\"", "3", &previous]
    );
}

#[test]
fn an_engine_of_another_version_is_refused() {
    // A range of engines, a newer language, and one of another major version.
    for (field, value) in [("engine", ">=99"), ("lang", "4.999"), ("lang", "3.4")] {
        let mut it = brought(RULES, TESTS);
        it.manifest["cedar"][field] = json!(value);
        says(it.check(), "manifest.json", "another version of the engine");
    }
}

/// The product's own layer comes with the product.
#[test]
fn a_bundle_that_says_it_is_the_baseline_is_refused() {
    let mut it = brought(RULES, TESTS);
    it.manifest["layer"] = json!("baseline");
    says(it.check(), "manifest.json", "`layer` must be `workspace`");
}

#[test]
fn mistakes_in_rules_have_their_place() {
    let text =
        "@id(\"ws.forbid.x\") @why(\"x\")\nforbid (principal, action, resource) when { 1 + };";
    says(
        brought(text, TESTS).check(),
        "policies/a.cedar",
        "unexpected token",
    );
}

#[test]
fn rules_without_passing_tests_are_refused() {
    says(brought(RULES, "").check(), "", "no scenario");
    says(brought(RULES, "[]").check(), "", "no scenario");
    let wrong = format!("\n{}", TESTS.replace("DENY", "ALLOW"));
    says(
        brought(RULES, &wrong).check(),
        "tests/a.json",
        "wanted ALLOW, got DENY",
    );
}

fn forbids(what: &str) -> String {
    format!("{RULES}@id(\"ws.forbid.lock\") @why(\"no\")\nforbid {what};\n")
}

#[test]
fn rules_that_nobody_could_replace_are_refused() {
    for action in ["policy.activate", "policy_key.register"] {
        let text = forbids(&format!(
            "(principal, action == CF::Action::\"{action}\", resource)"
        ));
        let done = brought(&text, TESTS).check();
        let found = done.as_ref().map(drop).unwrap_err();
        assert_eq!((found[0].line, found[0].column), (3, 1), "{found:?}");
        assert!(
            found[0].help.contains("let the rule leave out"),
            "{found:?}"
        );
        says(done, "policies/a.cedar", "could never");
    }
    let narrow = RULES.replace("action,", "action == CF::Action::\"repair.execute\",");
    let done = brought(&narrow, TESTS).check();
    let found = done.as_ref().map(drop).unwrap_err();
    assert!(found[0].help.contains("let a rule permit"), "{found:?}");
    says(done, "", "is denied by default-deny");
    for (approvals, taken) in [(1, true), (3, false)] {
        let demanding = format!(
            "{RULES}@id(\"ws.require.more\") @why(\"more\") @role(\"owner\")\nforbid (principal, action == CF::Action::\"policy.activate\", resource) unless {{ context.base.approvals.count >= {approvals} }};\n"
        );
        let done = brought(&demanding, TESTS).check();
        assert_eq!(done.is_ok(), taken, "{approvals}: {done:?}");
    }
}

/// Each of these lets an owner activate in a world that does not exist, and never in the real one.
#[test]
fn what_is_asked_about_replacing_rules_is_what_is_really_sent() {
    let activates = "action == CF::Action::\"policy.activate\"";
    for lock in [
        "(principal, action, resource) when { context.base.origin == \"api\" }".to_owned(),
        "(principal, action, resource) unless { context.base.scope.environment == \"live\" }"
            .to_owned(),
        "(principal, action in CF::Action::\"admin\", resource) when { context.base.origin != \"mcp\" }"
            .to_owned(),
        format!("(principal, {activates}, resource) when {{ resource.version > 8 }}"),
        format!("(principal, {activates}, resource) when {{ resource.version < 8 }}"),
        format!(
            "(principal, {activates}, resource) when {{ context.base.now > datetime(\"2030-01-01T00:00:00Z\") }}"
        ),
        // An admin's approval, which the second person's is not: they are an owner.
        format!(
            "(principal, {activates}, resource) unless {{ context.base.approvals.roles.contains(\"admin\") }}"
        ),
    ] {
        says(
            brought(&forbids(&lock), TESTS).check(),
            "policies/a.cedar",
            "could never",
        );
    }
    let machines = forbids(
        "(principal, action, resource) when { context.base.origin == \"mcp\" && context.base.scope.environment == \"live\" }",
    );
    assert!(brought(&machines, TESTS).check().is_ok());
}

#[test]
fn a_rule_about_revoking_alone_is_told_to_change_nothing() {
    let text = forbids("(principal, action == CF::Action::\"policy.revoke\", resource)");
    let checked = brought(&text, TESTS).check().unwrap();
    let said: Vec<&str> = checked
        .warnings
        .iter()
        .map(|it| it.detail.as_str())
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("not asked about policy.revoke"),
        "{said:?}"
    );
}

#[test]
fn a_scenario_of_what_is_never_sent_is_refused() {
    for (fact, said) in [
        ("\"origin\": \"console\"", "`origin` is never console"),
        (
            "\"scope\": {\"environment\": \"staging\"}",
            "`environment` is never staging",
        ),
    ] {
        let context = format!("\"context\": {{\"base\": {{{fact}}}}}, \"want\"");
        let tests = format!("\n{}", TESTS.replace("\"want\"", &context));
        says(brought(RULES, &tests).check(), "tests/a.json", said);
    }
}
