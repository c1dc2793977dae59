//! What is sealed lies in locked storage.

use counterfoil_core::ports::{Archive, SealStore};
use serde_json::json;

use super::stage::{Stage, stage};
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
