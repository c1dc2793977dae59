//! The adapters keep what the ports promise, like the ports in memory. Those of DynamoDB keep it in a
//! second DynamoDB as well.

use std::sync::Arc;

use counterfoil_aws::kms::KmsWrapper;
use counterfoil_testkit::contract;

use super::cloud::{Cloud, now};

async fn evidence(cloud: &Cloud) {
    let clients = cloud.clients().await;
    let store = cloud.evidence(&clients);
    contract::evidence(&store).await;
    contract::evidence_with_state(&store, &cloud.state(&clients)).await;
    contract::runs(&store).await;
    contract::redactions(&store).await;
}

async fn state(cloud: &Cloud) {
    let state = cloud.state(&cloud.clients().await);
    contract::state(&state).await;
    contract::expiry(&state, now()).await;
}

async fn seals(cloud: &Cloud) {
    let clients = cloud.clients().await;
    let seals = cloud.seals(&clients);
    contract::seals(&seals).await;
    contract::starts(&seals).await;
    contract::floors(&cloud.evidence(&clients), &seals).await;
}

#[tokio::test]
async fn evidence_in_dynamodb() {
    evidence(Cloud::shared()).await;
}

#[tokio::test]
async fn state_in_dynamodb() {
    state(Cloud::shared()).await;
}

#[tokio::test]
async fn budgets_in_dynamodb() {
    let cloud = Cloud::shared();
    contract::budget(Arc::new(cloud.state(&cloud.clients().await))).await;
}

#[tokio::test]
async fn seals_in_dynamodb() {
    seals(Cloud::shared()).await;
}

#[tokio::test]
async fn everything_in_a_second_dynamodb() {
    if let Some(cloud) = Cloud::with_second().await {
        evidence(&cloud).await;
        state(&cloud).await;
        seals(&cloud).await;
        let keys = cloud.data_keys(&cloud.clients().await);
        contract::wrapped_keys(&keys).await;
        contract::rewrapped_keys(&keys).await;
    }
}

#[tokio::test]
async fn objects_in_s3() {
    let cloud = Cloud::shared();
    let clients = cloud.clients().await;
    contract::objects(&cloud.objects(&clients)).await;
    contract::archive(&cloud.archive(&clients)).await;
}

#[tokio::test]
async fn keys_in_kms_and_dynamodb() {
    let cloud = Cloud::shared();
    let clients = cloud.clients().await;
    let wrapper = KmsWrapper::new(clients.kms.clone(), cloud.setting("SECRETS_KEY_ID"));
    contract::data_keys(&wrapper).await;
    contract::wrapped_keys(&cloud.data_keys(&clients)).await;
    contract::rewrapped_keys(&cloud.data_keys(&clients)).await;
}
