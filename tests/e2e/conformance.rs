//! The running product against docs/openapi.json: schemathesis sends what the document allows and
//! what it forbids, and holds every answer against it.
//!
//! tests/conformance.toml says what is checked, and why something is not. The seed is fixed;
//! `COUNTERFOIL_EXAMPLES` is how many random requests of each sort an operation gets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use counterfoil_core::tenancy::Role;
use counterfoil_local::Environment;
use serde_json::{Value, json};

use super::matrix::{Records, records};
use super::stage::{Stage, progress, stage};
use super::tenant::Tenant;

const SEED: &str = "20261126";

/// Well within the five minutes for which a sign-in is fresh.
const SIGN_IN_EVERY: Duration = Duration::from_mins(1);

/// Operations of which no request of the owner need succeed here, and why.
const NEVER: [(&str, &str); 30] = [
    ("GET /v1/runs/{id}/evidence", "it leads on"),
    ("POST /v1/actions/{id}/result", "no digest is guessed"),
    ("POST /v1/actions/{id}/cancel", "it is withdrawn already"),
    (
        "POST /v1/workspaces/{workspace_id}/policy-bundles/{digest}/impact",
        "no bundle is stored",
    ),
    ("POST /v1/runs/{id}/complete", "its action is open"),
    (
        "POST /v1/projects/{project_id}/deletion",
        "a legal hold keeps it",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/deletion",
        "a legal hold keeps it",
    ),
    (
        "POST /v1/projects/{project_id}/deletion/confirm",
        "nothing is proposed",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/deletion/confirm",
        "nothing is proposed",
    ),
    (
        "DELETE /v1/projects/{project_id}/deletion",
        "nothing is proposed",
    ),
    (
        "DELETE /v1/workspaces/{workspace_id}/deletion",
        "nothing is proposed",
    ),
    (
        "POST /v1/projects/{project_id}/mappings",
        "a mapping is made up by nobody",
    ),
    (
        "POST /v1/checks",
        "the connections may be taken away by then",
    ),
    ("POST /v1/actions/{id}/approvals", "the owner proposed it"),
    ("POST /v1/actions/{id}/execute", "nobody has approved it"),
    ("POST /v1/actions/{id}/override", "no digest is guessed"),
    (
        "POST /v1/actions/{id}/override/review",
        "no glass was broken",
    ),
    ("POST /v1/actions/{id}/undo", "nothing was executed"),
    ("POST /v1/customers/{id}/erase", "a legal hold keeps it"),
    ("POST /v1/runs/{id}/erase", "a legal hold keeps it"),
    ("POST /v1/entries/{seq}/lost", "nothing is lost"),
    ("POST /v1/incidents/{id}/acknowledge", "it is no mass drift"),
    (
        "POST /v1/invitations/accept",
        "a token is known to the invited only",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/keys/{key_id}/rotate",
        "the key is revoked by then",
    ),
    (
        "PUT /v1/projects/{project_id}/connections/{kind}",
        "a credential that works is made up by nobody",
    ),
    ("PUT /v1/settings/schedule", "a scan is measured first"),
    (
        "POST /v1/workspaces/{workspace_id}/policy/keys",
        "the owner has no second factor",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/policy-bundles",
        "nobody signs what is made up",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/policy-bundles/{digest}/activate",
        "the bundle is revoked by then",
    ),
    (
        "POST /v1/workspaces/{workspace_id}/policy-bundles/{digest}/shadow",
        "the bundle is revoked by then",
    ),
];

/// Answers by operation and status.
type Seen = BTreeMap<String, BTreeMap<u64, u32>>;

#[test]
fn every_answer_to_a_reading_key_is_what_the_document_says() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let schemathesis = Schemathesis::of(stage, &tenant).await;
        // It may change nothing: less of it is asked.
        let phases = ["--phases", "examples,fuzzing"];
        let key = schemathesis.run(|| tenant.read_key.clone(), &phases);
        many(&key, "a reading key");
    });
}

#[test]
fn every_answer_to_an_owner_is_what_the_document_says() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let owner = tenant.people[&Role::Owner].strip_prefix("person:").unwrap();
        let (owner, _) = owner.split_once('@').unwrap();
        let schemathesis = Schemathesis::of(stage, &tenant).await;
        let owner = schemathesis.run(|| stage.issuer.mint(owner, |_| {}), &[]);
        many(&owner, "the owner");
        let all = operations();
        let asked: BTreeSet<&str> = owner.keys().map(String::as_str).collect();
        assert_eq!(asked, all.iter().map(String::as_str).collect());
        let succeeded = |statuses: &BTreeMap<u64, u32>| statuses.keys().any(|status| *status < 300);
        let never = owner.iter().filter(|(_, statuses)| !succeeded(statuses));
        let never: BTreeSet<&str> = never.map(|(name, _)| name.as_str()).collect();
        let expected: BTreeSet<&str> = NEVER.iter().map(|(name, _)| *name).collect();
        let unexpected: Vec<_> = never.difference(&expected).collect();
        assert!(unexpected.is_empty(), "never succeeded: {unexpected:?}");
    });
}

/// Fails where hardly anything was asked.
fn many(seen: &Seen, who: &str) {
    let requests: u32 = seen.values().flat_map(BTreeMap::values).sum();
    eprintln!("conformance: {requests} requests of {who}");
    let all = u32::try_from(operations().len()).unwrap();
    assert!(requests > 2 * all, "{who}");
}

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> PathBuf {
    tests().join("../docs/openapi.json")
}

/// Method and path of every operation.
fn operations() -> BTreeSet<String> {
    let text = std::fs::read_to_string(document()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys();
        found.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    found
}

/// Ids by family, for the hooks.
fn known(records: &Records) -> String {
    let mut ids = json!(records.ids);
    ids["workspaces"] = json!(records.workspace);
    ids["projects"] = json!(records.project);
    ids.to_string()
}

#[expect(clippy::disallowed_methods, reason = "a test says how long it looks")]
fn examples() -> String {
    std::env::var("COUNTERFOIL_EXAMPLES").unwrap_or_else(|_| "3".to_owned())
}

struct Schemathesis {
    program: PathBuf,
    url: String,
    records: String,
}

impl Schemathesis {
    async fn of(stage: &Stage, tenant: &Tenant) -> Self {
        let requirements = tests().join("conformance-requirements.txt");
        let python = Environment::ready("conformance", &requirements, &progress).unwrap();
        Self {
            program: python.program("schemathesis"),
            url: stage.cloud.api_url.clone(),
            records: known(&records(stage, tenant).await),
        }
    }

    /// Asks everything with a credential, which is asked for again before a sign-in is too old for
    /// what an owner does; fails with what schemathesis found.
    fn run(&self, credential: impl Fn() -> String + Sync, more: &[&str]) -> Seen {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.ndjson");
        let file = folder.path().join("credential");
        let renew = || {
            let next = folder.path().join("next");
            std::fs::write(&next, credential()).unwrap();
            std::fs::rename(next, &file).unwrap();
        };
        renew();
        let began = Instant::now();
        let Output {
            status,
            stdout,
            stderr,
        } = std::thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            scope.spawn(move || {
                while end.recv_timeout(SIGN_IN_EVERY) == Err(RecvTimeoutError::Timeout) {
                    renew();
                }
            });
            let output = self.ask(folder.path(), &file, &report, more);
            drop(ended);
            output
        });
        let told = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(status.success(), "{}", told.concat());
        eprintln!("conformance: asked for {:?}", began.elapsed());
        seen(&report)
    }

    fn ask(&self, folder: &Path, credential: &Path, report: &Path, more: &[&str]) -> Output {
        Command::new(&self.program)
            .current_dir(folder)
            .env("SCHEMATHESIS_HOOKS", tests().join("conformance_hooks.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("CONFORMANCE_CREDENTIAL", credential)
            .env("CONFORMANCE_RECORDS", &self.records)
            .arg("--config-file")
            .arg(tests().join("conformance.toml"))
            .args(["--no-color", "run"])
            .arg(document())
            .args(["--url", &self.url, "--seed", SEED])
            .args(["--max-examples", &examples()])
            .args(["--report", "ndjson", "--report-ndjson-path"])
            .arg(report)
            .args(more)
            .output()
            .unwrap()
    }
}

/// What was answered, as the report of a run has it.
fn seen(report: &Path) -> Seen {
    let mut seen = Seen::new();
    for line in std::fs::read_to_string(report).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let Some(interactions) = recorder["interactions"].as_object() else {
            continue;
        };
        let label = recorder["label"].as_str().unwrap();
        let statuses = seen.entry(label.to_owned()).or_default();
        for interaction in interactions.values() {
            let status = interaction["response"]["status_code"].as_u64();
            *statuses.entry(status.unwrap_or_default()).or_default() += 1;
        }
    }
    seen
}
