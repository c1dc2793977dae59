//! What the services themselves hold: locks, links, delays, signatures.

use std::time::{Duration, Instant};

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::ObjectLockMode;
use counterfoil_aws::Clients;
use counterfoil_aws::kms::KmsSigner;
use counterfoil_aws::s3::S3Archive;
use counterfoil_aws::sqs::SqsChecks;
use counterfoil_core::ids::{ProjectId, WorkspaceId};
use counterfoil_core::ports::{
    Archive, CheckRequest, Checks, Objects, PortErrorKind, PutOnce, SealSigner,
};

use super::cloud::{Cloud, now};

#[tokio::test]
async fn what_is_archived_is_locked_for_years_and_cannot_be_deleted() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let bucket = cloud.setting("LOCKED_BUCKET");
    let archive = cloud.archive(&clients);
    let stored = archive
        .put_once("seal/one.note", b"a note\n".to_vec())
        .await;
    assert_eq!(stored.unwrap(), PutOnce::Stored);

    let head = clients
        .s3
        .head_object()
        .bucket(&bucket)
        .key("seal/one.note");
    let head = head.send().await.unwrap();
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance));
    let until = head.object_lock_retain_until_date().unwrap().secs();
    let years = (until - now().as_secs()) / (365 * 24 * 3_600);
    assert_eq!(years, 7, "the retention of the template");

    let version = head.version_id().unwrap();
    for bypass in [false, true] {
        let delete = clients
            .s3
            .delete_object()
            .bucket(&bucket)
            .key("seal/one.note");
        let delete = delete
            .version_id(version)
            .bypass_governance_retention(bypass);
        let refused = delete.send().await.unwrap_err();
        assert_eq!(refused.code(), Some("AccessDenied"));
    }
    // A marker hides the object and destroys nothing.
    let delete = clients
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("seal/one.note");
    delete.send().await.unwrap();
    assert_eq!(archive.get("seal/one.note").await.unwrap(), None);
    let get = clients.s3.get_object().bucket(&bucket).key("seal/one.note");
    let object = get.version_id(version).send().await.unwrap();
    let bytes = object.body.collect().await.unwrap().to_vec();
    assert_eq!(bytes, b"a note\n");
}

#[tokio::test]
async fn a_bucket_that_does_not_lock_is_refused() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    cloud.archive(&clients).check().await.unwrap();
    for bucket in [
        cloud.setting("DATA_BUCKET"),
        "no-such-bucket-anywhere".to_owned(),
    ] {
        let refused = S3Archive::new(clients.s3.clone(), bucket).check().await;
        assert_eq!(refused.unwrap_err().kind, PortErrorKind::Refused);
    }
    // Versioned and with a lock configuration, but without a default retention in COMPLIANCE mode.
    let bucket = format!("governed-{}", cloud.deployment.account);
    weaker_lock(&clients, &bucket).await;
    let refused = S3Archive::new(clients.s3.clone(), bucket).check().await;
    assert_eq!(refused.unwrap_err().kind, PortErrorKind::Refused);
}

async fn weaker_lock(clients: &Clients, bucket: &str) {
    use aws_sdk_s3::types::{
        DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
        ObjectLockRule,
    };
    let create = clients.s3.create_bucket().bucket(bucket);
    create
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .unwrap();
    let retention = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .days(1)
        .build();
    let rule = ObjectLockRule::builder()
        .default_retention(retention)
        .build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule)
        .build();
    let put = clients.s3.put_object_lock_configuration().bucket(bucket);
    put.object_lock_configuration(lock).send().await.unwrap();
}

#[tokio::test]
async fn a_link_gives_one_object_for_five_minutes_at_most() {
    let cloud = Cloud::new();
    let objects = cloud.objects(&cloud.clients().await);
    let package = b"{\"package\":1}".to_vec();
    let kind = "application/json";
    objects
        .put("exports/run 1.json", package.clone(), kind)
        .await
        .unwrap();
    let link = async |name: &str, seconds| {
        let valid = Duration::from_secs(seconds);
        objects.link("exports/run 1.json", name, valid).await
    };

    let url = link("run-1.json", 300).await.unwrap();
    for part in [
        "/exports/run%201.json?",
        "X-Amz-Expires=300",
        "X-Amz-SignedHeaders=host",
        "X-Amz-Signature=",
    ] {
        assert!(url.contains(part), "{part} is not in {url}");
    }
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200);
    let disposition = answer.headers().get("content-disposition");
    let disposition = disposition.map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(
        disposition.as_deref(),
        Some("attachment; filename=\"run-1.json\"")
    );
    assert_eq!(answer.bytes().await.unwrap(), package);

    assert!(
        link("run-1.json", 1)
            .await
            .unwrap()
            .contains("X-Amz-Expires=1&")
    );
    for (name, seconds) in [
        ("run-1.json", 301),
        ("run\"1.json", 300),
        ("a/b", 300),
        ("é", 300),
    ] {
        let refused = link(name, seconds).await.unwrap_err();
        assert_eq!(
            refused.kind,
            PortErrorKind::Refused,
            "{name} for {seconds} s"
        );
    }
}

#[tokio::test]
async fn a_check_arrives_after_its_delay() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let url = cloud.setting("CHECKS_QUEUE_URL");
    let checks = SqsChecks::new(clients.sqs.clone(), url.clone());
    let check = CheckRequest::Customer {
        workspace: WorkspaceId::from_bits(1),
        project: ProjectId::from_bits(2),
        customer: "cus_1".to_owned(),
        reason: "webhook".to_owned(),
        event: None,
        asked_at: None,
    };
    let receive = async |wait| {
        let receive = clients.sqs.receive_message().queue_url(&url);
        let received = receive.wait_time_seconds(wait).send().await.unwrap();
        received.messages.unwrap_or_default()
    };
    let sent = Instant::now();
    checks.send(&check, Duration::from_secs(1)).await.unwrap();
    assert!(receive(0).await.is_empty(), "it is not there yet");
    let mut messages = Vec::new();
    while messages.is_empty() {
        assert!(sent.elapsed() < Duration::from_secs(20), "it never came");
        messages = receive(1).await;
    }
    assert!(
        sent.elapsed() > Duration::from_millis(900),
        "not before its time"
    );
    let body = messages[0].body().unwrap();
    assert_eq!(serde_json::from_str::<CheckRequest>(body).unwrap(), check);

    // Longer than the queue can wait: it waits as long as it can.
    let day = Duration::from_hours(24);
    checks.send(&check, day).await.unwrap();
    assert!(receive(0).await.is_empty());
}

#[tokio::test]
async fn the_seal_key_signs_what_its_public_half_verifies() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let signer = KmsSigner::new(clients.kms.clone(), cloud.setting("SEAL_KEY_ID"));
    let signature = signer.sign(b"a body\n").await.unwrap();
    let key = signer.key().await.unwrap();
    assert!(key.verifies(b"a body\n", &signature));
    assert!(!key.verifies(b"another\n", &signature));
    // The key that wraps data keys signs nothing.
    let wrapper = KmsSigner::new(clients.kms.clone(), cloud.setting("SECRETS_KEY_ID"));
    assert!(wrapper.sign(b"a body\n").await.is_err());
}
