//! A payload that somebody removed from the table of parts: it can be declared lost, once.

use aws_sdk_dynamodb::types::AttributeValue;
use counterfoil_core::ports::{
    AppendError, Batch, EvidenceAppend, EvidenceRead, Redaction, StoredPart,
};
use counterfoil_testkit::contract::{Sample, recompute};

use super::cloud::Cloud;

#[tokio::test]
async fn a_part_that_is_gone_is_declared_lost_once() {
    let cloud = Cloud::shared();
    let clients = cloud.clients().await;
    let store = cloud.evidence(&clients);
    let sample = Sample::begun("adapter: lost", &store).await;
    let refs = sample
        .append(&store, Batch::of([Sample::seen_with("a", 20)]))
        .await;
    let stored = store.entries(sample.id(), 1, 2).await.unwrap();
    clients
        .dynamodb
        .update_item()
        .table_name(cloud.setting("EVIDENCE_PARTS_TABLE"))
        .key("stream", AttributeValue::S(sample.id().to_string()))
        .key("seq", AttributeValue::N("1".to_owned()))
        .update_expression("REMOVE subject")
        .send()
        .await
        .unwrap();
    let declared = |lost| {
        let mut batch = Batch::of([Sample::redact(&refs[0], &stored[0])]);
        batch.redactions.push(Redaction {
            draft: 0,
            seq: 1,
            lost,
        });
        batch
    };
    let erased = store.append(sample.id(), declared(false)).await;
    assert!(
        matches!(erased, Err(AppendError::PartChanged { index: 0 })),
        "what is gone cannot be erased: {erased:?}"
    );
    let by = sample.append(&store, declared(true)).await;
    let again = store.append(sample.id(), declared(true)).await;
    assert!(
        matches!(again, Err(AppendError::PartChanged { index: 0 })),
        "{again:?}"
    );
    let entries = store.entries(sample.id(), 0, 9).await.unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1].subject, Some(StoredPart::Erased(by[0].seq)));
    recompute(sample.id(), &entries);
}
