//! Exports through the real queue: everything, periods, a customer's ledger.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::verify::{Accepted, Package, Trust, verify};
use counterfoil_testkit::delivery::{manifest, unpack};
use serde_json::{Value, json};

use super::calls::{Answer, alike};
use super::stage::{Stage, now, stage};
use super::tenant::Tenant;
use super::terminal::Terminal;

/// A customer was locked out, and is not any more: the id of that customer.
async fn repaired(stage: &Stage, tenant: &Tenant) -> String {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    let done = stage.vote(&action, &tenant.ben, "approve").await;
    assert_eq!(done.says(), (200, "verified".to_owned()), "{}", done.text);
    customer
}

/// Times of the stream's entries, ms.
async fn times(stage: &Stage, tenant: &Tenant) -> Vec<u64> {
    let entries = stage.main.entries(tenant).await;
    let at = |header: &[u8]| Json::parse(header).unwrap().get("at").unwrap().as_uint();
    entries
        .iter()
        .map(|entry| at(&entry.header).unwrap())
        .collect()
}

fn moment(ms: u64) -> String {
    counterfoil_core::time::Timestamp::from_millis(ms).to_string()
}

/// An archive as Ada fetches it: manifest and evidence are what they should be.
async fn archive(
    stage: &Stage,
    tenant: &Tenant,
    body: &Value,
) -> (Answer, BTreeMap<String, Vec<u8>>, Accepted) {
    let made = stage.exported(&tenant.ada, body).await;
    assert_eq!(made.field("/state"), "ready", "{}", made.text);
    assert_eq!(made.field("/format"), "counterfoil.delivery/1");
    let bytes = stage.fetched(&tenant.ada, &made, "package").await;
    assert_eq!(made.json()["bytes"], json!(bytes.len()));
    let members = unpack(&bytes).unwrap();
    assert!(
        manifest(&members).is_some(),
        "the manifest names every file"
    );
    let accepted = trusted(stage, tenant, Package::Tar(&members["evidence.tar"])).await;
    assert_eq!(made.json()["entries"], json!(accepted.entries));
    assert_eq!(made.json()["seal"]["size"], json!(accepted.size));
    (made, members, accepted)
}

async fn trusted(stage: &Stage, tenant: &Tenant, package: Package<'_>) -> Accepted {
    let stream = tenant.project.stream_id().unwrap();
    let trust = Trust::new(stage.main.seal_key().await, stream);
    verify(package, &trust).result.unwrap()
}

#[test]
fn everything_of_a_project_can_be_fetched_and_verified_by_a_stranger() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        repaired(stage, &tenant).await;
        let (made, members, accepted) = archive(stage, &tenant, &json!({ "all": true })).await;
        assert_eq!(accepted.format, "counterfoil.export/1");
        assert_eq!(made.json()["progress"]["done"], json!(accepted.entries));
        assert!(members["report.pdf"].starts_with(b"%PDF-"));
        let report = stage.fetched(&tenant.ada, &made, "report").await;
        assert_eq!(report, members["report.pdf"]);
        let lines = members["index.csv"].split(|byte| *byte == b'\n').count();
        assert_eq!(u64::try_from(lines).unwrap(), accepted.entries + 2);
        let downloads = stage
            .main
            .entries(&tenant)
            .await
            .into_iter()
            .filter(|entry| {
                entry.facts["topic"] == "export.downloaded"
                    && entry.facts["target"]["id"] == made.json()["id"]
            });
        assert_eq!(downloads.count(), 2, "each link is on record");
        let issued = stage.main.entries(&tenant).await;
        let mut issued = issued.iter().filter(|entry| entry.kind == "export.issued");
        assert_eq!(
            issued.next().unwrap().facts["package"],
            made.json()["digest"]
        );
        assert!(issued.next().is_none());
        // The receiver of a changed archive notices.
        let mut evidence = members["evidence.tar"].clone();
        let middle = evidence.len() / 2;
        evidence[middle] ^= 1;
        let stream = tenant.project.stream_id().unwrap();
        let trust = Trust::new(stage.main.seal_key().await, stream);
        assert!(!verify(Package::Tar(&evidence), &trust).is_accepted());
    });
}

#[test]
fn a_stranger_derives_the_decisions_of_a_delivery_again_and_sees_since_when_their_rules_counted() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        repaired(stage, &tenant).await;
        let (_, members, _) = archive(stage, &tenant, &json!({ "all": true })).await;
        let told = stage.main.workspace_entries(&tenant).await;
        let told = told.iter().filter(|entry| entry.kind == "policy.activated");
        let told: Vec<_> = told.map(|entry| &entry.facts).collect();
        assert_eq!(told.len(), 1, "whoever decided first said so, once");
        assert_eq!(told[0]["layer"], "baseline");
        let baseline = told[0]["bundle"].as_str().unwrap().to_owned();

        let terminal = Terminal::of(stage, "auditor");
        let key = members.iter().find(|(name, _)| name.starts_with("keys/"));
        let key = String::from_utf8(key.unwrap().1.clone()).unwrap();
        let key = terminal.file("key.pem", &key);
        let folder = key.with_file_name("delivery");
        for (name, content) in &members {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let (place, key) = (folder.to_str().unwrap(), key.to_str().unwrap());
        let stream = tenant.project.stream.as_str();
        let words = [
            "verify", place, "--key", key, "--stream", stream, "--replay", place,
        ];
        let said = terminal.done(&words);
        assert!(said.out.starts_with("OK L2"), "{}", said.out);
        let line = format!("in force: baseline {baseline} since ");
        assert!(said.out.contains(&line), "{}", said.out);
        assert!(!said.out.contains("not re-derivable"), "{}", said.out);
        // Rules that somebody exchanged.
        let rules = baseline.replace("sha256:", "policy/");
        let rules = folder.join(rules).join("policies/shape.cedar");
        let text = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("{text}\n")).unwrap();
        let said = terminal.run(&words);
        assert_eq!(said.status, 3, "{}", said.out);
        assert!(said.out.starts_with("FAIL E_REPLAY"), "{}", said.out);
        assert!(said.out.contains("somebody exchanged them"), "{}", said.out);
    });
}

#[test]
fn a_period_is_exactly_its_entries_also_when_it_is_one_or_none() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        repaired(stage, &tenant).await;
        let times = times(stage, &tenant).await;
        let alone = |at: &&u64| times.iter().filter(|other| other == at).count() == 1;
        let one = *times
            .iter()
            .find(alone)
            .expect("an entry with a moment of its own");
        let end = now().as_millis();
        for (from, to) in [(0, end), (times[2], one + 1), (one, end), (one, one + 1)] {
            let body = json!({ "from": moment(from), "to": moment(to) });
            let (made, _, accepted) = archive(stage, &tenant, &body).await;
            assert_eq!(accepted.format, "counterfoil.range/1");
            let inside = times.iter().filter(|at| (from..to).contains(at)).count();
            assert_eq!(accepted.entries, u64::try_from(inside).unwrap(), "{body}");
            assert_eq!(made.json()["empty"], json!(false));
        }
        let body = json!({ "from": "2000-01-01T00:00:00Z", "to": "2000-02-01T00:00:00Z" });
        let (made, members, _) = archive(stage, &tenant, &body).await;
        assert_eq!(made.json()["empty"], json!(true));
        let readme = String::from_utf8(members["README.txt"].clone()).unwrap();
        assert!(readme.contains("No entry was recorded in this period"));
    });
}

#[test]
fn a_customers_ledger_is_the_packages_of_the_runs_about_them() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let customer = repaired(stage, &tenant).await;
        let made = stage
            .exported(&tenant.ada, &json!({ "customer": customer }))
            .await;
        assert_eq!(made.field("/state"), "ready", "{}", made.text);
        let bytes = stage.fetched(&tenant.ada, &made, "package").await;
        let members = unpack(&bytes).unwrap();
        assert!(manifest(&members).is_some());
        let mut kinds = BTreeSet::new();
        let mut money = false;
        for (name, package) in members.iter().filter(|(name, _)| name.starts_with("runs/")) {
            let accepted = trusted(stage, &tenant, Package::Document(package)).await;
            assert!(
                accepted
                    .governance
                    .keys()
                    .all(|run| name.contains(run.as_str()))
            );
            let text = String::from_utf8(package.clone()).unwrap();
            money |= text.contains("\"at_risk\":{\"currency\":\"usd\"");
            let package = Json::parse_document(package).unwrap();
            for entry in package.get("entries").unwrap().as_array().unwrap() {
                let kind = entry.get("h").unwrap().get("kind").unwrap().as_str();
                kinds.insert(kind.unwrap().to_owned());
            }
        }
        assert!(kinds.contains("repair.executed") && kinds.contains("repair.verified"));
        assert!(money, "what was at risk is in the evidence");
    });
}

#[test]
fn what_cannot_be_exported_is_refused_and_what_is_foreign_is_not_there() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let other = stage.tenant().await;
        let ada = Some(tenant.ada.as_str());
        let late = moment(now().as_millis() + 3_600_000);
        for (body, word) in [
            (json!({}), "exactly one"),
            (json!({ "all": true, "workspace": true }), "exactly one"),
            (json!({ "all": false }), "must be true"),
            (json!({ "everything": true }), "everything"),
            (json!({ "from": "2026-01-01T00:00:00Z" }), "/to"),
            (
                json!({ "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" }),
                "exchange",
            ),
            (
                json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" }),
                "same moment",
            ),
            (
                json!({ "from": "2026-01-01T00:00:00Z", "to": late }),
                "future",
            ),
            (
                json!({ "from": "2026-01-01T00:00:00+01:00", "to": "2026-02-01T00:00:00Z" }),
                "UTC",
            ),
        ] {
            let refused = stage.call("POST", "/v1/exports", ada, None, &body).await;
            assert_eq!(
                refused.says(),
                (400, "invalid-request".to_owned()),
                "{body}"
            );
            assert!(refused.text.contains(word), "{body}: {}", refused.text);
        }
        // A key is of one project, also one that stands for an owner.
        let body = json!({ "workspace": true });
        let beyond = stage.call("POST", "/v1/exports", ada, None, &body).await;
        assert_eq!(beyond.says(), (403, "action-denied".to_owned()));
        assert!(
            beyond.text.contains("base.forbid.key-beyond-project"),
            "{}",
            beyond.text
        );
        let mine = stage.exported(&tenant.ada, &json!({ "all": true })).await;
        assert_eq!(mine.field("/state"), "ready", "{}", mine.text);
        let mut answers = Vec::new();
        let theirs = Some(other.ada.as_str());
        for id in [
            mine.field("/id"),
            "exp_01KARX6M000000000000000006".to_owned(),
        ] {
            for path in [
                format!("/v1/exports/{id}"),
                format!("/v1/exports/{id}/download"),
            ] {
                let answer = stage.call("GET", &path, theirs, None, &Value::Null).await;
                answers.push((path, answer));
            }
        }
        for body in [
            json!({ "customer": "cus_nobody" }),
            json!({ "run_id": "run_01KARX6M000000000000000003" }),
        ] {
            let answer = stage.call("POST", "/v1/exports", theirs, None, &body).await;
            answers.push((body.to_string(), answer));
        }
        alike(&answers, 404);
        // Ben may approve and may not export; it is the same for what he did not ask for.
        let denied = stage
            .call(
                "POST",
                "/v1/exports",
                Some(&tenant.ben),
                None,
                &json!({ "all": true }),
            )
            .await;
        assert_eq!(denied.says(), (403, "action-denied".to_owned()));
    });
}
