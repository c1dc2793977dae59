//! The adapters keep what the ports promise, like the ports in memory.

use counterfoil_aws::kms::KmsWrapper;
use counterfoil_testkit::contract;

use super::cloud::{Cloud, now};

#[tokio::test]
async fn evidence_in_dynamodb() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let store = cloud.evidence(&clients);
    contract::evidence(&store).await;
    contract::evidence_with_state(&store, &cloud.state(&clients)).await;
    contract::runs(&store).await;
}

#[tokio::test]
async fn state_in_dynamodb() {
    let cloud = Cloud::new();
    let state = cloud.state(&cloud.clients().await);
    contract::state(&state).await;
    contract::expiry(&state, now()).await;
}

#[tokio::test]
async fn seals_in_dynamodb() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let seals = cloud.seals(&clients);
    contract::seals(&seals).await;
    contract::floors(&cloud.evidence(&clients), &seals).await;
}

#[tokio::test]
async fn objects_in_s3() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    contract::objects(&cloud.objects(&clients)).await;
    contract::archive(&cloud.archive(&clients)).await;
}

#[tokio::test]
async fn keys_in_kms_and_dynamodb() {
    let cloud = Cloud::new();
    let clients = cloud.clients().await;
    let wrapper = KmsWrapper::new(clients.kms.clone(), cloud.setting("SECRETS_KEY_ID"));
    contract::data_keys(&wrapper).await;
    contract::wrapped_keys(&cloud.data_keys(&clients)).await;
}
