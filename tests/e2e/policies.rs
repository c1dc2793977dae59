//! A workspace's own rules with the command line: written, signed, pushed, activated by two people, a
//! decision judged by them, revoked, and started again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_core::bundles::{PolicyState, StoredLine};
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{State as _, StateWrite};
use counterfoil_policy::bundle::SigningKey;
use counterfoil_testkit::bundles::{self, Rules};
use serde_json::{Value, json};

use super::calls::person;
use super::stage::{Stage, now, stage, wait};
use super::tenant::Tenant;
use super::terminal::{Said, Terminal};

/// Nobody makes API keys.
const RULES: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n\n@id(\"ws.forbid.keys\") @why(\"nobody makes API keys here\")\nforbid (principal, action == CF::Action::\"key.create\", resource);\n";
const TESTS: &str = "[{\"name\": \"an owner makes a key\", \"principal\": \"User/owner\", \"action\": \"key.create\", \"resource\": \"Workspace/ws1\", \"want\": \"DENY\", \"why\": \"ws.forbid.keys\"}]";
/// As every workspace starts.
const LOOSE: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
const LOOSE_TESTS: &str = "[{\"name\": \"an owner makes a key\", \"principal\": \"User/owner\", \"action\": \"key.create\", \"resource\": \"Workspace/ws1\", \"want\": \"ALLOW\"}]";

/// An owner at a terminal of their own.
struct Owner {
    terminal: Terminal,
    workspace: String,
    subject: String,
}

impl Owner {
    fn path(&self, name: &str) -> PathBuf {
        let place = self.terminal.file(".here", "");
        place.parent().unwrap().join(name)
    }
}

/// Ann founds a workspace, Ben joins as an owner; both sign in.
async fn two_owners(stage: &'static Stage) -> (Owner, Owner) {
    let number = stage.number();
    let post = async |subject: &str, path: &str, body: Value| {
        let who = person(subject, "");
        let done = stage.call("POST", path, Some(&who), None, &body).await;
        assert!(done.status < 300, "{path}: {}", done.text);
        done
    };
    let (ann, ben) = (format!("mfa-ann-{number}"), format!("mfa-ben-{number}"));
    let founded = json!({ "name": "Strict shop", "your_name": "Ann" });
    let workspace = post(&ann, "/v1/workspaces", founded).await.field("/id");
    let invited = json!({ "role": "owner", "name": "Ben" });
    let path = format!("/v1/workspaces/{workspace}/invitations");
    let token = post(&ann, &path, invited).await.field("/token");
    let accepted = json!({ "token": token, "your_name": "Ben" });
    post(&ben, "/v1/invitations/accept", accepted).await;
    let owner = |subject: String| Owner {
        terminal: Terminal::of(stage, &subject),
        workspace: workspace.clone(),
        subject,
    };
    let (ann, ben) = (owner(ann), owner(ben));
    ann.terminal.sign_in().await;
    ben.terminal.sign_in().await;
    (ann, ben)
}

/// Runs `counterfoil policy`; the last line of what it said when it is not what was expected.
#[track_caller]
fn policy(who: &Owner, words: &[&str], status: i32) -> Said {
    let workspace = ["--workspace", who.workspace.as_str()];
    let offline = ["new", "check", "test", "sign"].contains(&words[0]);
    let more: &[&str] = if offline { &[] } else { &workspace };
    let said = who.terminal.run(&[&["policy"], words, more].concat());
    assert_eq!(said.status, status, "{words:?}: {}{}", said.out, said.err);
    said
}

fn write(folder: &Path, rules: &str, tests: &str) {
    for (name, text) in [("policies/rules.cedar", rules), ("tests/rules.json", tests)] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Ann signs a folder and pushes it; its digest.
fn pushed(ann: &Owner, folder: &str, version: &str, previous: Option<&str>) -> String {
    let key = ann.path("key.pem");
    let mut words = vec!["sign", folder, "--key", key.to_str().unwrap()];
    words.extend(["--workspace", &ann.workspace, "--version", version]);
    words.extend(previous.iter().flat_map(|it| ["--previous", *it]));
    policy(ann, &words, 0);
    let said = policy(ann, &["push", folder, "--json"], 0);
    let stored: Value = serde_json::from_str(&said.out).unwrap();
    stored["digest"].as_str().unwrap().to_owned()
}

fn activated(ann: &Owner, ben: &Owner, digest: &str) {
    let said = policy(ann, &["activate", digest], 0);
    assert!(
        said.out.contains("waits for a second person"),
        "{}",
        said.out
    );
    let said = policy(ben, &["activate", digest], 0);
    assert!(said.out.contains("is in force"), "{}", said.out);
}

fn makes_a_key(who: &Owner) -> Said {
    let words = ["key", "create", "ci", "--environment", "test"];
    who.terminal
        .run(&[&words[..], &["--workspace", &who.workspace]].concat())
}

#[track_caller]
fn refused(said: &Said, rule: &str) {
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(said.err.contains(rule), "{}", said.err);
}

/// Sends the files of a folder without the command line, which looks first: they are refused, and somebody is
/// told.
async fn rings(stage: &Stage, who: &Owner, folder: &Path) {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let files = ["policies/rules.cedar", "tests/rules.json"].map(|name| (name, read(name)));
    let body = json!({
        "manifest": read("manifest.json"), "signature": read("signature.json"),
        "files": BTreeMap::from(files),
    });
    let path = format!("/v1/workspaces/{}/policy-bundles", who.workspace);
    let (owner, before) = (person(&who.subject, ""), now());
    let said = stage.call("POST", &path, Some(&owner), None, &body).await;
    assert_eq!(said.status, 422, "{}", said.text);
    assert!(said.text.contains("policies/rules.cedar"), "{}", said.text);
    wait("the log line", async || {
        let lines = stage.main.logged_since("api", before).await;
        let mut lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.find(|line: &Value| {
            line["alarm"] == "policy.upload_refused" && line["workspace.id"] == *who.workspace
        })
    })
    .await;
}

/// A stored bundle of a tenant's workspace, behind the API's back; its digest.
pub(crate) async fn stored(stage: &Stage, tenant: &Tenant) -> String {
    let workspace = tenant.project.workspace;
    let key = SigningKey::from_seed(&[7; 32]);
    let (by, at) = (UserId::from_bits(7), now());
    let rules = Rules::of(workspace, 1, LOOSE).with("tests/a.json", LOOSE_TESTS);
    let row = rules.stored(&key, by, at);
    let state = PolicyState {
        keys: vec![bundles::registered(&key, by, at)],
        stored: BTreeMap::from([(row.digest.clone(), StoredLine { version: 1, at, by })]),
        ..PolicyState::default()
    };
    let place = |row: &str| bundles::place(workspace, row);
    let rows = vec![
        StateWrite::create(place("state"), serde_json::to_value(&state).unwrap()),
        StateWrite::create(place(&row.digest), serde_json::to_value(&row).unwrap()),
    ];
    let written = stage.main.boot.state().unwrap().write(rows).await;
    assert!(written.unwrap());
    row.digest
}

#[test]
fn two_people_bring_in_rules_that_judge_and_one_stops_them() {
    let stage = stage();
    stage.run(async {
        let (ann, ben) = two_owners(stage).await;
        // PKCS #8 of an Ed25519 key (RFC 8410), as openssl writes it.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let fingerprint = SigningKey::from_pem(pem).unwrap().public().fingerprint();
        for who in [&ann, &ben] {
            let path = who.terminal.file("key.pem", pem);
            let said = policy(who, &["key", path.to_str().unwrap()], 0);
            assert!(said.out.contains(&fingerprint), "{}", said.out);
        }

        let folder = ann.path("rules");
        let rules = folder.to_str().unwrap();
        policy(&ann, &["new", rules], 0);
        fs::remove_dir_all(&folder).unwrap();
        write(&folder, RULES, TESTS);
        policy(&ann, &["check", rules], 0);
        let first = pushed(&ann, rules, "1", None);
        let said = policy(&ann, &["impact", &first], 0);
        assert!(said.out.contains("recorded decisions"), "{}", said.out);
        assert_eq!(makes_a_key(&ann).status, 0, "the rules are not in force yet");
        activated(&ann, &ben, &first);
        let status = policy(&ben, &["status"], 0);
        assert!(status.out.contains(&format!("in force: {first}")), "{}", status.out);
        refused(&makes_a_key(&ann), "ws.forbid.keys");

        // Changed after it was signed: nothing is stored, and what is in force stays.
        write(&folder, LOOSE, LOOSE_TESTS);
        let said = policy(&ann, &["push", rules], 1);
        assert!(said.err.contains("policies/rules.cedar"), "{}", said.err);
        rings(stage, &ann, &folder).await;
        refused(&makes_a_key(&ann), "ws.forbid.keys");

        let said = policy(&ben, &["revoke", &first, "--yes"], 0);
        assert!(said.out.contains("--version 2"), "{}", said.out);
        refused(&makes_a_key(&ann), "bundle-revoked");
        policy(&ann, &["activate", &first], 1);

        let second = pushed(&ann, rules, "2", Some(&first));
        activated(&ann, &ben, &second);
        let made = makes_a_key(&ann);
        assert_eq!(made.status, 0, "{}", made.err);
    });
}
