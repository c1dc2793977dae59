//! `policy pull`: a bundle of a deployment as a folder, and nothing else than that bundle.

use std::collections::BTreeMap;
use std::fs;

use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::bundle::{Bundle, PublicKey};
use counterfoil_policy::schema_digest;
use serde_json::{Value, json};

use super::deployment::{Said, Stage};

const WORKSPACE: &str = "ws_01KARX6M000000000000000003";
const RULES: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n@id(\"ws.forbid.keys\") @why(\"no keys\")\nforbid (principal, action == CF::Action::\"key.create\", resource);\n";
const TESTS: &str = "[{\"name\": \"a viewer repairs\", \"principal\": \"User/viewer\", \"action\": \"repair.execute\", \"resource\": \"Incident/inc\", \"want\": \"DENY\"}]";

/// A bundle as the API serves it, and its digest.
fn bundle() -> (String, Value) {
    let files = BTreeMap::from([
        ("policies/a.cedar".to_owned(), RULES.to_owned()),
        ("tests/a.json".to_owned(), TESTS.to_owned()),
    ]);
    let entries = files.iter().map(|(path, text)| {
        json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
    });
    let manifest = json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace", "workspace": WORKSPACE,
        "version": 3, "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
        "files": entries.collect::<Vec<_>>(), "created_at": "2026-11-01T00:00:00Z",
        "created_by": "somebody", "summary": "",
    })
    .to_string();
    let read = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
    let digest = read.digest().to_owned();
    let answer = json!({
        "digest": digest, "version": 3, "state": "active", "uploaded_at": "2026-11-01T00:00:00.000Z",
        "uploaded_by": "usr_01KARX6M000000000000000001", "manifest": manifest, "signature": {"payload": "x"},
        "files": files, "impact": null,
    });
    (digest, answer)
}

fn rules(state: &str, digest: Option<&str>) -> Value {
    let active = digest.map(|digest| {
        json!({"digest": digest, "version": 3, "previous": null, "since": "2026-11-01T00:00:00.000Z",
            "proposed_by": "usr_01KARX6M000000000000000001", "approved_by": "usr_01KARX6M000000000000000002"})
    });
    json!({"state": state, "active": active, "shadow": null, "keys": [], "waiting": []})
}

/// A deployment with that bundle in force.
async fn stage(state: &str, digest: Option<&str>) -> Stage {
    let stage = Stage::new().await;
    let place = format!("GET /v1/workspaces/{WORKSPACE}");
    stage.answers(&format!("{place}/policy"), 200, rules(state, digest));
    let (digest, answer) = bundle();
    stage.answers(&format!("{place}/policy-bundles/{digest}"), 200, answer);
    stage
}

async fn pull(stage: &Stage, bundle: &str) -> Said {
    let folder = folder(stage);
    let words = ["policy", "pull", bundle, &folder, "--workspace", WORKSPACE];
    stage.as_person(&words).await
}

fn folder(stage: &Stage) -> String {
    let folder = stage.home.path().join("in-force");
    folder.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_bundle_in_force_is_a_folder_that_rules_are_compared_with() {
    let (digest, answer) = bundle();
    let stage = stage("active", Some(&digest)).await;
    let said = pull(&stage, "active").await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains(&digest), "{}", said.out);
    let read = |path: &str| fs::read_to_string(format!("{}/{path}", folder(&stage))).unwrap();
    assert_eq!(read("policies/a.cedar"), RULES);
    assert_eq!(read("tests/a.json"), TESTS);
    assert_eq!(read("manifest.json"), answer["manifest"]);
    let signature: Value = serde_json::from_str(&read("signature.json")).unwrap();
    assert_eq!(signature, answer["signature"]);

    let folder = folder(&stage);
    let against = ["policy", "check", &folder, "--against", &folder];
    let said = stage.as_person(&against).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let compared = format!("compared with {digest}");
    assert!(said.out.contains(&compared), "{}", said.out);
    fs::write(
        format!("{folder}/tests/a.json"),
        TESTS.replace("a v", "A v"),
    )
    .unwrap();
    let said = stage.as_person(&against).await;
    let other = "whether these are in force is not known";
    assert!(said.out.contains(other), "{}", said.out);
    // What is there is somebody's.
    let again = pull(&stage, "active").await;
    assert_eq!(again.status, 1, "{}", again.err);
    assert!(again.err.contains("is there already"), "{}", again.err);
}

#[tokio::test]
async fn nothing_is_written_that_the_digest_does_not_name() {
    let (digest, answer) = bundle();
    let stage = stage("active", Some(&digest)).await;
    let line = format!("GET /v1/workspaces/{WORKSPACE}/policy-bundles/{digest}");
    let mut looser = answer.clone();
    looser["files"]["policies/a.cedar"] = json!(RULES.lines().take(2).collect::<String>());
    let mut more = answer.clone();
    more["files"]["policies/b.cedar"] = json!(RULES);
    let mut manifest = answer;
    let renamed = manifest["manifest"]
        .as_str()
        .unwrap()
        .replace("somebody", "anybody");
    manifest["manifest"] = json!(renamed);
    for sent in [looser, more, manifest] {
        stage.answers(&line, 200, sent);
        let said = pull(&stage, &digest).await;
        assert_eq!(said.status, 3, "{}{}", said.out, said.err);
        assert!(said.err.contains("something else"), "{}", said.err);
        assert!(!fs::exists(folder(&stage)).unwrap());
    }
}

/// The deployment would take it for an attack.
#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_not_sent() {
    let (digest, _) = bundle();
    let stage = stage("active", Some(&digest)).await;
    assert_eq!(pull(&stage, &digest).await.status, 0);
    let before = stage.seen().len();
    let folder = folder(&stage);
    let file = format!("{folder}/policies/a.cedar");
    fs::write(&file, RULES.replace("no keys", "no more keys")).unwrap();
    let push = ["policy", "push", &folder, "--workspace", WORKSPACE];
    let said = stage.as_person(&push).await;
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    for what in [
        "`policies/a.cedar`",
        "has another size",
        "counterfoil policy sign",
    ] {
        assert!(said.err.contains(what), "{}", said.err);
    }
    assert_eq!(stage.seen().len(), before);
    // As it was, it is sent, and refused by a deployment that knows no such route.
    fs::write(&file, RULES).unwrap();
    let said = stage.as_person(&push).await;
    assert_eq!(stage.seen().len(), before + 1, "{}", said.err);
}

#[tokio::test]
async fn where_no_bundle_of_its_own_is_in_force_that_is_said() {
    let first = stage("default", None).await;
    let said = pull(&first, "active").await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("the default bundle"), "{}", said.out);
    let text = fs::read_to_string(format!("{}/policies/default.cedar", folder(&first))).unwrap();
    assert!(
        text.contains("permit (principal, action, resource);"),
        "{text}"
    );

    let (digest, _) = bundle();
    let stopped = stage("revoked", Some(&digest)).await;
    let said = pull(&stopped, "active").await;
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    let next = format!("counterfoil policy pull {digest}");
    assert!(said.err.contains(&next), "{}", said.err);
    let said = pull(&stopped, &digest).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
}

/// A replacement is confirmed by the same request: without the key that goes it would be another one, and
/// take its place.
#[tokio::test]
async fn whoever_confirms_a_replaced_key_is_told_the_whole_command_and_both_fingerprints() {
    let stage = stage("default", None).await;
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let file = stage.home.path().join("new.pub");
    fs::write(&file, pem).unwrap();
    let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let fingerprint = PublicKey::parse(key).unwrap().fingerprint();
    let old = format!("sha256:{}", "ab".repeat(32));
    let mut waits = rules("default", None);
    waits["waiting"] = json!([{
        "act": "register_key", "digest": null, "public_key": key, "replaces": old,
        "proposed_by": "usr_01KARX6M000000000000000001", "proposed_at": "2026-11-26T00:00:00.000Z",
        "lapses_at": "2026-11-29T00:00:00.000Z",
    }]);
    let line = format!("POST /v1/workspaces/{WORKSPACE}/policy/keys");
    stage.answers(&line, 202, waits.clone());
    stage.answers(
        &format!("GET /v1/workspaces/{WORKSPACE}/policy"),
        200,
        waits,
    );
    stage.answers(
        &format!("GET /v1/workspaces/{WORKSPACE}/policy-bundles"),
        200,
        json!({ "items": [], "next_cursor": null }),
    );
    let both = format!("{fingerprint} in place of {old}");
    let confirm = format!("counterfoil policy key FILE --replaces {old}");
    let file = file.to_str().unwrap();
    let ask = [
        "policy",
        "key",
        file,
        "--replaces",
        &old,
        "--workspace",
        WORKSPACE,
    ];
    let said = stage.as_person(&ask).await;
    assert_eq!(said.status, 0, "{}", said.err);
    // Before it is sent.
    assert!(said.err.contains(&format!("key {both}")), "{}", said.err);
    assert!(said.out.contains(&confirm), "{}", said.out);
    let status = ["policy", "status", "--workspace", WORKSPACE];
    let said = stage.as_person(&status).await;
    assert!(said.out.contains(&both), "{}", said.out);
    assert!(said.out.contains(&confirm), "{}", said.out);
    let sign =
        format!("counterfoil policy sign FOLDER --key FILE --workspace {WORKSPACE} --version 1");
    assert!(said.out.contains(&sign), "{}", said.out);
}

/// What denies everything is not done because an input happens to be a pipe.
#[tokio::test]
async fn the_bundle_in_force_is_revoked_by_a_yes_alone() {
    let (digest, _) = bundle();
    let stage = stage("active", Some(&digest)).await;
    let line = format!("POST /v1/workspaces/{WORKSPACE}/policy-bundles/{digest}/revoke");
    stage.answers(&line, 200, rules("revoked", Some(&digest)));
    let revoke = ["policy", "revoke", &digest, "--workspace", WORKSPACE];
    let said = stage.as_person(&revoke).await;
    assert_eq!(said.status, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("give --yes"), "{}", said.err);
    assert!(stage.last().line.starts_with("GET "));
    let said = stage.as_person(&[&revoke[..], &["--yes"]].concat()).await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let next = format!("--workspace {WORKSPACE} --version 4 --previous {digest}");
    assert!(said.out.contains(&next), "{}", said.out);
}
