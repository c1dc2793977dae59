//! `policy`: from a template to a signed bundle, and what an author is told on the way.

mod mistakes;

use std::fs;
use std::path::Path;
use std::process::Command;

use counterfoil_policy::LayerName;
use counterfoil_policy::bundle::{Bundle, Envelope, Expected, SigningKey};
use serde_json::Value;
use tempfile::TempDir;

const WORKSPACE: &str = "ws_01KARX6M000000000000000003";

pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn policy(folder: &TempDir, words: &[&str]) -> Said {
    let done = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .arg("policy")
        .args(words)
        .current_dir(folder.path())
        .output()
        .unwrap();
    Said {
        status: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

pub(crate) fn made(template: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let said = policy(&folder, &["new", "rules", "--template", template]);
    assert_eq!(said.status, 0, "{}", said.err);
    folder
}

fn rewrite(folder: &TempDir, path: &str, from: &str, to: &str) {
    let path = folder.path().join(path);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_template_is_checked_tested_and_explained() {
    let folder = made("revoke-two");
    let check = policy(&folder, &["check", "rules"]);
    assert_eq!(check.status, 0, "{}{}", check.out, check.err);
    assert!(
        check.out.contains("2 rules are well-formed"),
        "{}",
        check.out
    );
    assert!(check.out.contains("3 of 3 scenarios"), "{}", check.out);
    let test = policy(&folder, &["test", "rules"]);
    assert_eq!(test.status, 0, "{}", test.err);
    assert!(test.out.contains("REQUIRE(2)"), "{}", test.out);
    let why = policy(&folder, &["explain", "rules", "an agent revokes"]);
    assert_eq!(why.status, 0, "{}", why.err);
    for line in [
        "baseline: REQUIRE(1)",
        "workspace: REQUIRE(2)",
        "together: REQUIRE(2), by ws.require.revoke-two",
        "in words: taking access away in live needs two people",
    ] {
        assert!(why.out.contains(line), "{line}: {}", why.out);
    }
}

#[test]
fn a_mistake_is_shown_where_it_stands_with_what_would_be_right() {
    let folder = made("old-incidents");
    rewrite(
        &folder,
        "rules/policies/rules.cedar",
        "resource.age_s",
        "resource.age",
    );
    let check = policy(&folder, &["check", "rules"]);
    assert_eq!(check.status, 1, "{}", check.err);
    let lines: Vec<&str> = check.out.lines().collect();
    assert!(
        lines[0].starts_with("error: ") && lines[0].contains("`age`"),
        "{}",
        check.out
    );
    assert_eq!(lines[1], "  --> rules/policies/rules.cedar:13:8");
    assert_eq!(lines[2], "   13 | when { resource.age > 2592000 }");
    assert_eq!(lines[3], "      |        ^^^^^^^^^^^^");
    assert!(lines[4].contains("did you mean `age_s`"), "{}", check.out);
    let json: Value =
        serde_json::from_str(&policy(&folder, &["check", "rules", "--json"]).out).unwrap();
    assert_eq!(json["good"], false);
    assert_eq!(json["findings"][0]["line"], 13);
    let test = policy(&folder, &["test", "rules"]);
    assert_eq!(
        test.status, 1,
        "what does not validate is not tested: {}",
        test.out
    );
    let test = policy(&folder, &["test", "rules", "--json"]);
    let document: Value = serde_json::from_str(&test.out).unwrap();
    assert_eq!((test.status, &document["good"]), (1, &Value::Bool(false)));
    assert_eq!(document["findings"], json["findings"]);
    assert_eq!(document["scenarios"], serde_json::json!([]));
    // Nothing but a document is for programs, also where nothing is sent.
    let push = policy(&folder, &["push", "rules", "--json"]);
    assert_eq!((push.status, push.out.as_str()), (1, ""));
    assert!(
        push.err.contains("  --> rules/policies/rules.cedar:13:8"),
        "{}",
        push.err
    );
}

#[test]
fn a_scenario_that_gets_another_answer_fails_and_is_shown() {
    let folder = made("old-incidents");
    rewrite(&folder, "rules/policies/rules.cedar", "2592000", "2692000");
    for command in ["check", "test"] {
        let said = policy(&folder, &[command, "rules"]);
        assert_eq!(said.status, 1, "{command}: {}", said.err);
        for part in [
            "error: 31 days old: wanted REQUIRE(1) by ws.require.old-incidents, got ALLOW by",
            "  --> rules/tests/scenarios.json:2:10\n    2 | {\"name\": \"31 days old\", ",
            "      |          ^^^^^^^^^^^^^\n",
            "      = help: `counterfoil policy explain` says why, rule by rule; write \"want\": \"ALLOW\"",
            "1 of 2 scenarios get the answer that they want",
        ] {
            assert!(said.out.contains(part), "{command}: {part}: {}", said.out);
        }
        let said = policy(&folder, &[command, "rules", "--json"]);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.status, &document["good"]), (1, &Value::Bool(false)));
        assert_eq!(document["findings"][0]["column"], 10, "{command}");
        assert_eq!(document["scenarios"][1]["met"], true, "{command}");
    }
}

#[test]
fn what_is_signed_verifies_and_nothing_wrong_is_signed() {
    let folder = made("no-machine-revoke");
    let seed = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{seed}\n-----END PRIVATE KEY-----\n");
    fs::write(folder.path().join("key.pem"), &pem).unwrap();
    let sign = [
        "sign",
        "rules",
        "--key",
        "key.pem",
        "--workspace",
        WORKSPACE,
        "--version",
        "3",
    ];
    let at = |path: &str| fs::read_to_string(folder.path().join("rules").join(path)).unwrap();
    let canonical = at("policies/rules.cedar");
    rewrite(&folder, "rules/policies/rules.cedar", "\nwhen", " when");
    let signed = policy(&folder, &sign);
    assert_eq!(signed.status, 0, "{}{}", signed.out, signed.err);
    assert_eq!(at("policies/rules.cedar"), canonical);

    let files = ["policies/rules.cedar", "tests/scenarios.json"];
    let files = files.map(|path| (path.to_owned(), at(path))).into();
    let bundle = Bundle::read(at("manifest.json").as_bytes(), files).unwrap();
    let envelope: Envelope = serde_json::from_str(&at("signature.json")).unwrap();
    let keys = [SigningKey::from_pem(&pem).unwrap().public()];
    let expected = Expected {
        layer: LayerName::Workspace,
        workspace: Some(WORKSPACE),
        digest: bundle.digest(),
        keys: &keys,
    };
    let layer = bundle.load(&envelope, expected).unwrap();
    assert_eq!((layer.version(), layer.rules().len()), (3, 2));
    assert!(signed.out.contains(bundle.digest()), "{}", signed.out);
    assert!(!signed.out.contains(seed) && !signed.err.contains(seed));

    rewrite(
        &folder,
        "rules/policies/rules.cedar",
        "\"revoke\"",
        "\"grant\"",
    );
    let refused = policy(&folder, &sign);
    assert_eq!(refused.status, 1, "{}", refused.out);
    assert!(refused.err.contains("it is not signed"), "{}", refused.err);
    assert_eq!(
        at("manifest.json").as_bytes(),
        bundle.manifest().canonical(),
        "nothing half-done"
    );
}

/// Makes a good bundle a bad one.
type Spoil<'a> = &'a dyn Fn(&TempDir);

/// What a deployment would refuse at the last step is told at the first.
#[test]
fn what_would_not_be_taken_is_not_good_and_is_neither_signed_nor_sent() {
    let seed = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{seed}\n-----END PRIVATE KEY-----\n");
    let lock = "\n@id(\"ws.forbid.api\") @why(\"agents only\")\nforbid (principal, action, resource) when { context.base.origin == \"api\" };\n";
    let locking = |folder: &TempDir| {
        let path = folder.path().join("rules/policies/rules.cedar");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + lock).unwrap();
    };
    let untested = |folder: &TempDir| {
        let path = folder.path().join("rules/tests/scenarios.json");
        fs::write(path, "[]").unwrap();
    };
    let unread = |folder: &TempDir| {
        let path = folder.path().join("rules/tests/scenarios.json");
        fs::write(path, "{").unwrap();
    };
    let spoils: [(Spoil<'_>, &str); 3] = [
        (&locking, "an owner could never bring other rules again"),
        (&untested, "there is no scenario"),
        (&unread, "not a list of scenarios"),
    ];
    for (spoil, why) in spoils {
        let folder = made("no-machine-revoke");
        spoil(&folder);
        fs::write(folder.path().join("key.pem"), &pem).unwrap();
        let sign = [
            "sign",
            "rules",
            "--key",
            "key.pem",
            "--workspace",
            WORKSPACE,
            "--version",
            "1",
        ];
        let push = [
            "push",
            "rules",
            "--api",
            "https://nowhere.invalid",
            "--workspace",
            WORKSPACE,
        ];
        for words in [&["check", "rules"][..], &sign, &push] {
            let said = policy(&folder, words);
            assert_eq!(said.status, 1, "{words:?}: {}{}", said.out, said.err);
            let both = format!("{}{}", said.out, said.err);
            assert!(both.contains(why), "{words:?}: {both}");
        }
        assert!(!folder.path().join("rules/manifest.json").exists());
    }
}

#[test]
fn a_folder_to_compare_with_is_never_one_that_was_just_made() {
    let folder = made("revoke-two");
    let said = policy(&folder, &["check", "rules", "--against", "active"]);
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    let next = "counterfoil policy pull active active";
    assert!(said.err.contains(next), "{}", said.err);
    assert!(!said.err.contains("policy new"), "{}", said.err);
    fs::create_dir(folder.path().join("active")).unwrap();
    let said = policy(&folder, &["check", "rules", "--against", "active"]);
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("holds no rules"), "{}", said.err);
}

#[test]
fn what_is_not_signed_is_not_sent() {
    let folder = made("revoke-two");
    let push = ["push", "rules", "--api", "https://nowhere.invalid"];
    let said = policy(&folder, &push);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(
        said.err.contains("counterfoil policy sign rules"),
        "{}",
        said.err
    );
}

/// Every template is written as the formatter writes it; what an author writes in another way is a
/// warning, and is written anew by `--fix` and before it is signed.
#[test]
fn bundles_are_canonical_text_and_keep_their_comments_and_meaning() {
    for template in counterfoil_policy::TEMPLATES {
        let made = made(template.name);
        let check = policy(&made, &["check", "rules"]);
        assert_eq!(check.status, 0, "{}", check.out);
        assert!(!check.out.contains("formatter"), "{}", check.out);
    }

    let folder = made("old-incidents");
    let path = folder.path().join("rules/policies/rules.cedar");
    let canonical = fs::read_to_string(&path).unwrap();
    let by_hand = canonical.replace("\nunless", "   unless");
    assert_ne!(by_hand, canonical);
    fs::write(&path, &by_hand).unwrap();
    let check = policy(&folder, &["check", "rules"]);
    assert_eq!(check.status, 0, "{}", check.out);
    for line in [
        "warning: this is not how the formatter writes it",
        "  --> rules/policies/rules.cedar:13:1",
        "      = help: counterfoil policy check rules --fix",
    ] {
        assert!(check.out.contains(line), "{line}: {}", check.out);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), by_hand);
    let fixed = policy(&folder, &["check", "rules", "--fix"]);
    assert_eq!(fixed.status, 0, "{}", fixed.out);
    assert!(!fixed.out.contains("warning"), "{}", fixed.out);
    assert_eq!(fs::read_to_string(&path).unwrap(), canonical);

    let noted = format!("// Agreed in spring.\n{by_hand}");
    fs::write(&path, &noted).unwrap();
    let fixed = policy(&folder, &["check", "rules", "--fix"]);
    assert!(
        fixed.out.contains("scenarios get the answer"),
        "{}",
        fixed.out
    );
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("// Agreed in spring.\n{canonical}"));
}

#[test]
fn bad_input_names_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (words, said) in [
        (
            &["new", "rules", "--template", "strict"][..],
            "one of default, four-eyes-live",
        ),
        (&["check", "nowhere"], "counterfoil policy new nowhere"),
        (
            &[
                "sign",
                "nowhere",
                "--key",
                "k",
                "--workspace",
                "acme",
                "--version",
                "1",
            ],
            "acme",
        ),
        (
            &[
                "sign",
                "nowhere",
                "--key",
                "k",
                "--workspace",
                WORKSPACE,
                "--version",
                "0",
            ],
            "0",
        ),
    ] {
        let answer = policy(&folder, words);
        assert_eq!(answer.status, 2, "{words:?}: {}", answer.out);
        assert!(answer.err.contains(said), "{words:?}: {}", answer.err);
    }
    let made = made("default");
    let again = policy(&made, &["new", "rules"]);
    assert!(
        again.status == 2 && again.err.contains("is there already"),
        "{}",
        again.err
    );
    fs::write(made.path().join("rules/policies/notes.txt"), "x").unwrap();
    let stray = policy(&made, &["check", "rules"]);
    assert!(
        stray
            .err
            .contains("notes.txt does not belong into a bundle"),
        "{}",
        stray.err
    );
    fs::remove_file(made.path().join("rules/policies/notes.txt")).unwrap();
    fs::write(made.path().join("key.pem"), "secret words").unwrap();
    let key = [
        "sign",
        "rules",
        "--key",
        "key.pem",
        "--workspace",
        WORKSPACE,
        "--version",
        "1",
    ];
    let refused = policy(&made, &key);
    assert!(
        refused.err.contains("openssl genpkey -algorithm ed25519"),
        "{}",
        refused.err
    );
    assert!(!refused.err.contains("secret words"), "{}", refused.err);
    assert!(!Path::new(&made.path().join("rules/manifest.json")).exists());
}
