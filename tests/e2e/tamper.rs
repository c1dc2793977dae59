//! An administrator changes history in the evidence table: it is an alarm, the stream gets no further
//! seal, and what the table holds no longer verifies.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::{ExportPackage, PackageError};
use counterfoil_core::evidence::seal::Seal;
use counterfoil_core::evidence::verify::{Package, Trust, verify};
use counterfoil_core::ports::{Archive, EvidenceRead, SealStore, StoredPart};
use counterfoil_core::records::Directory;
use counterfoil_core::usecases::facts::segment_entry;
use serde_json::{Value, json};

use super::stage::{Stage, stage, wait};
use super::tenant::Tenant;

/// The entry that is changed: `config.changed`, sealed long ago.
const SEQ: u64 = 1;

type Item = HashMap<String, AttributeValue>;

/// What an administrator can do to an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Overwrite,
    Update,
    Delete,
    DeleteAndPutBack,
}

impl Stage {
    async fn seal_now(&self, tenant: &Tenant) -> Option<Value> {
        let request = json!({ "seal": { "stream": tenant.project.stream } });
        self.main.invoke("ArchiveFunction", &request).await
    }

    /// Facts of the alarms in the stream of the tenant's workspace.
    async fn alarms(&self, tenant: &Tenant) -> Vec<Value> {
        let state = self.main.boot.state().unwrap();
        let workspaces = Directory::of(state.as_ref()).workspaces().await.unwrap();
        let mut owners = workspaces.iter();
        let owner = owners.find(|owner| owner.id == tenant.project.workspace);
        let stream: Hash = owner.unwrap().stream.parse().unwrap();
        let reader = self.main.boot.evidence().unwrap();
        let entries = reader.entries(stream, 0, 1_000).await.unwrap();
        let facts = entries.into_iter().map(|entry| {
            let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
                panic!("entry {} has no facts", entry.seq);
            };
            serde_json::from_slice::<Value>(&bytes).unwrap()
        });
        let topic = |facts: &Value| {
            let topic = facts["topic"].as_str().unwrap_or_default();
            topic.starts_with("tamper.")
        };
        facts.filter(topic).collect()
    }

    async fn alarm(&self, tenant: &Tenant, topic: &str) -> Value {
        wait(topic, async || {
            let alarms = self.alarms(tenant).await;
            alarms.into_iter().find(|alarm| alarm["topic"] == topic)
        })
        .await
    }

    /// The log line that the metric counts.
    async fn alarm_line(&self, tenant: &Tenant, topic: &str) -> Value {
        wait("the log line", async || {
            let lines = self.main.logged("archive").await;
            let lines = lines.iter().filter_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let ours = line["alarm"] == topic && line["stream"] == tenant.project.stream;
                ours.then_some(line)
            });
            lines.into_iter().next()
        })
        .await
    }

    async fn entry_item(&self, tenant: &Tenant) -> Item {
        let table = self.main.deployment.output("EvidenceTable").unwrap();
        let get = self.main.clients.dynamodb.get_item().table_name(table);
        let get = get.set_key(Some(key(tenant))).consistent_read(true);
        get.send().await.unwrap().item.unwrap()
    }

    async fn put_item(&self, item: Item) {
        let table = self.main.deployment.output("EvidenceTable").unwrap();
        let put = self.main.clients.dynamodb.put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Does it, as the account's root: the emulator does not judge the table's own policy.
    async fn commit(&self, tenant: &Tenant, deed: Deed) {
        let table = self.main.deployment.output("EvidenceTable").unwrap();
        let dynamodb = &self.main.clients.dynamodb;
        let mut item = self.entry_item(tenant).await;
        let other = AttributeValue::B(Blob::new(another_time(&item)));
        match deed {
            Deed::Overwrite => {
                item.insert("h".to_owned(), other);
                self.put_item(item).await;
            }
            Deed::Update => {
                let update = dynamodb.update_item().table_name(table);
                let update = update
                    .set_key(Some(key(tenant)))
                    .update_expression("SET h = :h")
                    .expression_attribute_values(":h", other);
                update.send().await.unwrap();
            }
            Deed::Delete | Deed::DeleteAndPutBack => {
                let delete = dynamodb.delete_item().table_name(table);
                let delete = delete.set_key(Some(key(tenant)));
                delete.send().await.unwrap();
                if deed == Deed::DeleteAndPutBack {
                    self.put_item(item).await;
                }
            }
        }
    }
}

fn key(tenant: &Tenant) -> Item {
    let stream = AttributeValue::S(tenant.project.stream.clone());
    let seq = AttributeValue::N(SEQ.to_string());
    HashMap::from([("stream".to_owned(), stream), ("seq".to_owned(), seq)])
}

/// The stored header, a millisecond later: everything else about it is valid.
fn another_time(item: &Item) -> Vec<u8> {
    let bytes = item["h"].as_b().unwrap().as_ref();
    let header: Value = serde_json::from_slice(bytes).unwrap();
    let at = header["at"].as_u64().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let other = text.replace(&format!("\"at\":{at}"), &format!("\"at\":{}", at + 1));
    assert_ne!(text, other);
    other.into_bytes()
}

/// What the table holds, up to the last seal that locked storage has, as a full export.
async fn from_the_table(stage: &Stage, tenant: &Tenant) -> Result<Vec<u8>, PackageError> {
    let stream = tenant.project.stream_id().unwrap();
    let archive = stage.main.boot.archive().unwrap();
    let mut notes = Vec::new();
    for key in archive
        .keys_after(&format!("seal/{stream}/"), "")
        .await
        .unwrap()
    {
        let note = archive.get(&key).await.unwrap().unwrap();
        notes.push(String::from_utf8(note).unwrap());
    }
    let size = Seal::parse(notes.last().unwrap()).unwrap().body.size;
    let reader = stage.main.boot.evidence().unwrap();
    let entries = reader.entries(stream, 0, size).await.unwrap();
    let Some(StoredPart::Present { bytes, .. }) = &entries[0].facts else {
        panic!("genesis has facts");
    };
    let facts = Json::parse(bytes).unwrap();
    let descriptor = Descriptor::from_json(facts.get("descriptor").unwrap()).unwrap();
    let mut package = ExportPackage::new(&descriptor);
    for entry in &entries {
        package.add(&segment_entry(entry))?;
    }
    for note in notes {
        package.seal(&note)?;
    }
    Ok(package.document())
}

/// What a verifier says of it: `None` when it accepts.
async fn refusal(stage: &Stage, tenant: &Tenant) -> Option<String> {
    let package = match from_the_table(stage, tenant).await {
        Ok(package) => package,
        Err(gap) => return Some(gap.to_string()),
    };
    let stream = tenant.project.stream_id().unwrap();
    let trust = Trust::new(stage.main.seal_key().await, stream);
    let verdict = verify(Package::Document(&package), &trust);
    verdict.result.err().map(|fault| fault.to_string())
}

async fn history_is_changed(stage: &Stage, deed: Deed) {
    let tenant = stage.tenant().await;
    let stream = tenant.project.stream_id().unwrap();
    stage.seal_now(&tenant).await.unwrap();
    assert_eq!(refusal(stage, &tenant).await, None, "the untouched control");
    assert_eq!(stage.alarms(&tenant).await, Vec::<Value>::new());

    stage.commit(&tenant, deed).await;
    let alarm = stage.alarm(&tenant, "tamper.item_changed").await;
    let removed = matches!(deed, Deed::Delete | Deed::DeleteAndPutBack);
    let change = if removed { "REMOVE" } else { "MODIFY" };
    assert_eq!(alarm["change"], change, "{deed:?}: {alarm}");
    assert_eq!(alarm["seq"], SEQ, "{alarm}");
    assert_eq!(alarm["result"], "alarm", "{alarm}");
    assert_eq!(alarm["target"]["id"], tenant.project.stream, "{alarm}");
    assert_eq!(alarm["after"].is_null(), removed, "{alarm}");
    let line = stage.alarm_line(&tenant, "tamper.item_changed").await;
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["runbook"], "docs/runbooks/item-changed.md", "{line}");

    // The stream still takes entries, and gets no further seal.
    let before = stage.main.boot.seals().unwrap().last(stream).await.unwrap();
    let (customer, _) = stage.drifted("paid_no_access");
    stage.found(&tenant, &customer).await;
    assert_eq!(stage.seal_now(&tenant).await, None, "{deed:?}");
    let after = stage.main.boot.seals().unwrap().last(stream).await.unwrap();
    assert_eq!(after, before, "{deed:?}: no further seal");
    stage.alarm_line(&tenant, "tamper.seal_refused").await;

    let recheck = json!({ "recheck": { "stream": tenant.project.stream } });
    let rechecked = stage.main.invoke("ArchiveFunction", &recheck).await;
    let said = refusal(stage, &tenant).await;
    if deed == Deed::DeleteAndPutBack {
        // Every byte is where it was: the operator may lift the refusal, and the alarm remains.
        assert_eq!(said, None);
        assert!(rechecked.unwrap()["intact"].is_object());
        stage.seal_now(&tenant).await.unwrap();
        assert_eq!(refusal(stage, &tenant).await, None);
    } else {
        let said = said.expect("a changed history is refused");
        let next = SEQ + 1;
        let named = [SEQ, next].iter().any(|seq| {
            said.contains(&format!("entry {seq}")) || said.contains(&format!("entries[{seq}]"))
        });
        assert!(named, "{deed:?}: {said}");
        assert_eq!(rechecked, None, "{deed:?}");
        wait("the entry that differs", async || {
            let lines = stage.main.logged("archive").await;
            let names = |line: &String| {
                line.contains(&tenant.project.stream) && line.contains(&format!("entry {SEQ} is"))
            };
            lines.into_iter().find(names)
        })
        .await;
    }

    // One alarm for what was done and one for the refusal, however many minutes pass.
    let schedule = json!({ "source": "counterfoil.schedule", "detail": { "job": "seal" } });
    for _ in 0..2 {
        stage.main.invoke("ArchiveFunction", &schedule).await;
    }
    let mut alarms = stage.alarms(&tenant).await;
    alarms.retain(|alarm| alarm["result"] == "alarm");
    let mut topics: Vec<&str> = alarms
        .iter()
        .filter_map(|of| of["topic"].as_str())
        .collect();
    topics.sort_unstable();
    assert_eq!(
        topics,
        ["tamper.item_changed", "tamper.seal_refused"],
        "{deed:?}"
    );
}

#[test]
fn an_entry_that_an_administrator_overwrites_is_an_alarm() {
    let stage = stage();
    stage.run(history_is_changed(stage, Deed::Overwrite));
}

#[test]
fn an_entry_that_an_administrator_updates_is_an_alarm() {
    let stage = stage();
    stage.run(history_is_changed(stage, Deed::Update));
}

#[test]
fn an_entry_that_an_administrator_deletes_is_an_alarm() {
    let stage = stage();
    stage.run(history_is_changed(stage, Deed::Delete));
}

#[test]
fn an_entry_that_an_administrator_deletes_and_puts_back_is_an_alarm() {
    let stage = stage();
    stage.run(history_is_changed(stage, Deed::DeleteAndPutBack));
}

#[test]
fn a_record_that_is_delivered_twice_is_one_alarm() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        for (text, change) in [
            (
                include_str!("../../events/archive/entry-changed.json"),
                "MODIFY",
            ),
            (
                include_str!("../../events/archive/entry-removed.json"),
                "REMOVE",
            ),
        ] {
            let mut event: Value = serde_json::from_str(text).unwrap();
            let stream = json!(tenant.project.stream);
            event["Records"][0]["dynamodb"]["Keys"]["stream"]["S"] = stream;
            for _ in 0..2 {
                let answer = stage.main.invoke("ArchiveFunction", &event).await;
                assert_eq!(answer.unwrap()["refused"][0]["cause"], "item_changed");
            }
            let alarms = stage.alarms(&tenant).await;
            let alarms = alarms.iter().filter(|alarm| alarm["change"] == change);
            assert_eq!(alarms.count(), 1, "{change}");
        }
        let line = stage.alarm_line(&tenant, "tamper.item_changed").await;
        assert_eq!(line["seq"], 1, "{line}");
    });
}
