//! What is sealed lies in locked storage, and a changed history is an alarm.

use counterfoil_core::ports::{Archive, SealStore};
use serde_json::{Value, json};

use super::stage::{Stage, stage, wait};
use super::tenant::Tenant;

async fn seal(stage: &Stage, tenant: &Tenant) {
    let request = json!({ "seal": { "stream": tenant.project.stream } });
    stage
        .main
        .invoke("ArchiveFunction", &request)
        .await
        .unwrap();
}

#[test]
fn what_is_sealed_lies_in_locked_storage_byte_for_byte() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        seal(stage, &tenant).await;
        stage.found(&tenant, &customer).await;
        let entries = stage.main.entries(&tenant).await;
        seal(stage, &tenant).await;

        let archive = stage.main.boot.archive().unwrap();
        let stream = &tenant.project.stream;
        let mut copied = Vec::new();
        for key in archive
            .keys_after(&format!("seg/{stream}/"), "")
            .await
            .unwrap()
        {
            copied.extend(archive.get(&key).await.unwrap().unwrap());
        }
        let stored: Vec<u8> = entries
            .iter()
            .flat_map(|entry| [entry.header.as_slice(), b"\n"].concat())
            .collect();
        assert!(copied.starts_with(&stored), "a sealed header is not there");

        let seals = stage.main.boot.seals().unwrap();
        let notes = seals
            .all(tenant.project.stream_id().unwrap())
            .await
            .unwrap();
        assert!(notes.len() >= 2);
        let keys = archive
            .keys_after(&format!("seal/{stream}/"), "")
            .await
            .unwrap();
        for (note, key) in notes.iter().zip(&keys) {
            let copy = archive.get(key).await.unwrap().unwrap();
            assert_eq!(copy, note.note.as_bytes(), "{key}");
        }
        let last = notes.last().unwrap();
        assert!(usize::try_from(last.size).unwrap() >= entries.len());
    });
}

#[test]
fn nobody_can_delete_a_locked_version() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        seal(stage, &tenant).await;
        let stack = &stage.main;
        let bucket = stack.deployment.output("LockedBucket").unwrap();
        let s3 = &stack.clients.s3;
        let listed = s3.list_object_versions().bucket(bucket);
        let found = listed.send().await.unwrap();
        let ours = found.versions().iter().filter(|version| {
            let key = version.key().unwrap_or_default();
            key.contains(&tenant.project.stream)
        });
        let mut count = 0;
        for version in ours {
            let (key, id) = (version.key().unwrap(), version.version_id().unwrap());
            let delete = s3.delete_object().bucket(bucket).key(key).version_id(id);
            for delete in [delete.clone(), delete.bypass_governance_retention(true)] {
                let refused = delete.send().await.unwrap_err().into_service_error();
                assert_eq!(refused.meta().code(), Some("AccessDenied"), "{key}");
            }
            let get = s3.get_object().bucket(bucket).key(key).version_id(id);
            assert!(get.send().await.is_ok(), "{key}");
            count += 1;
        }
        assert!(count >= 2, "a segment and a seal");
    });
}

#[test]
fn an_entry_that_was_changed_in_place_is_an_alarm() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let stream = &tenant.project.stream;
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
            event["Records"][0]["dynamodb"]["Keys"]["stream"]["S"] = json!(stream);
            stage.main.invoke("ArchiveFunction", &event).await.unwrap();
            let alarm = async || {
                let lines = stage.main.logged("archive").await;
                lines.into_iter().find(|line| {
                    line.contains("changed in place")
                        && line.contains(stream)
                        && line.contains(change)
                })
            };
            let line: Value = serde_json::from_str(&wait("the alarm", alarm).await).unwrap();
            assert_eq!(line["level"], "ERROR", "{line}");
        }
    });
}
