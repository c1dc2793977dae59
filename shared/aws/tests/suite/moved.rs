//! Items that were really copied in the tables: a sealed value and its wrapped data key, moved to
//! another workspace, project, purpose, id or version, do not open there.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use counterfoil_aws::kms::KmsWrapper;
use counterfoil_core::ids::{ProjectId, SecretId, WorkspaceId};
use counterfoil_core::ports::{State, StateKey, StateWrite};
use counterfoil_core::sealed::{Purpose, SealContext, Sealed};
use counterfoil_core::usecases::{Vault, VaultError};
use counterfoil_testkit::memory::SeededRandom;

use crate::cloud::Cloud;

const HERE: u128 = 0x0005_ec8e;

fn here() -> SealContext {
    SealContext {
        workspace: WorkspaceId::from_bits(HERE),
        project: ProjectId::from_bits(HERE),
        purpose: Purpose::Read,
        secret: SecretId::from_bits(HERE),
        version: 1,
    }
}

fn elsewhere() -> [SealContext; 5] {
    let there = HERE + 1;
    [
        SealContext {
            workspace: WorkspaceId::from_bits(there),
            ..here()
        },
        SealContext {
            project: ProjectId::from_bits(there),
            ..here()
        },
        SealContext {
            purpose: Purpose::Webhook,
            ..here()
        },
        SealContext {
            secret: SecretId::from_bits(there),
            ..here()
        },
        SealContext {
            version: 2,
            ..here()
        },
    ]
}

fn row(place: &SealContext) -> StateKey {
    StateKey {
        pk: format!("{}#{}#moved", place.workspace, place.project),
        sk: format!(
            "{}#{}#{}",
            place.secret,
            place.purpose.name(),
            place.version
        ),
    }
}

fn key(place: &SealContext) -> StateKey {
    let purpose = place.purpose.name();
    StateKey {
        pk: format!("{}#{}#{purpose}", place.workspace, place.project),
        sk: format!("{}#{}", place.secret, place.version),
    }
}

/// The stored item under another key, otherwise byte for byte.
async fn copy(client: &Client, table: &str, from: &StateKey, to: &StateKey) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let found = client
        .get_item()
        .table_name(table)
        .key("pk", text(&from.pk))
        .key("sk", text(&from.sk))
        .send()
        .await
        .unwrap();
    let mut item = found.item.expect("the item that is to be copied");
    item.insert("pk".to_owned(), text(&to.pk));
    item.insert("sk".to_owned(), text(&to.sk));
    let put = client.put_item().table_name(table).set_item(Some(item));
    put.send().await.unwrap();
}

async fn sealed_at(state: &impl State, place: &SealContext) -> Sealed {
    let stored = state.get(&row(place)).await.unwrap().unwrap();
    serde_json::from_value(stored.doc).unwrap()
}

#[tokio::test]
async fn a_sealed_item_that_was_copied_to_another_place_does_not_open() {
    let cloud = Cloud::shared();
    let clients = cloud.clients().await;
    let state = cloud.state(&clients);
    let kms = KmsWrapper::new(clients.kms.clone(), cloud.setting("SECRETS_KEY_ID"));
    let vault = Vault {
        keys: Arc::new(kms),
        wrapped: Arc::new(cloud.data_keys(&clients)),
        random: Arc::new(SeededRandom::new(5)),
    };
    let sealed = vault.seal(&here(), b"rk_live_moved").await.unwrap();
    let doc = serde_json::to_value(&sealed).unwrap();
    let create = vec![StateWrite::create(row(&here()), doc)];
    assert!(state.write(create).await.unwrap());
    let (rows, keys) = (
        cloud.setting("STATE_TABLE"),
        cloud.setting("DATA_KEYS_TABLE"),
    );
    for place in elsewhere() {
        copy(&clients.dynamodb, &rows, &row(&here()), &row(&place)).await;
        let moved = sealed_at(&state, &place).await;
        assert_eq!(moved, sealed, "copied whole");
        let alone = vault.open(&place, &moved).await;
        assert!(matches!(alone, Err(VaultError::Shredded)), "{alone:?}");
        copy(&clients.dynamodb, &keys, &key(&here()), &key(&place)).await;
        let with_key = vault.open(&place, &moved).await;
        assert!(
            matches!(with_key, Err(VaultError::Port(_) | VaultError::Sealed(_))),
            "{with_key:?}"
        );
    }
    let opened = vault.open(&here(), &sealed_at(&state, &here()).await).await;
    assert_eq!(opened.unwrap().reveal(), b"rk_live_moved");
}
