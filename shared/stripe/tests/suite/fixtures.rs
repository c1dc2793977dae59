//! Objects as other projects recorded them, of every age of the API, through the whole client.

use std::fs;
use std::path::PathBuf;

use counterfoil_core::ports::Billing;
use counterfoil_testkit::stripe::Shop;
use serde_json::Value;

use crate::support::World;

/// The objects of the fixtures, out of their events and wrappers.
fn objects() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut objects = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let object = json
            .pointer("/data/object")
            .or_else(|| json.pointer("/object/id").map(|_| &json["object"]));
        objects.push((name, object.unwrap_or(&json).clone()));
    }
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    objects
}

fn kind(object: &Value) -> &str {
    object["object"].as_str().unwrap()
}

#[tokio::test]
async fn subscriptions_of_every_age_are_read() {
    let mut read = 0;
    for (name, object) in objects() {
        if kind(&object) != "subscription" {
            continue;
        }
        let mut shop = Shop::new();
        assert!(shop.put(object.clone()));
        let world = World::of(shop).await;
        let subscriptions = world.subscriptions().await.unwrap();
        let [subscription] = subscriptions.as_slice() else {
            panic!("{name}")
        };
        assert_eq!(subscription.id, object["id"].as_str().unwrap(), "{name}");
        assert_eq!(
            subscription.status.as_str(),
            object["status"].as_str().unwrap(),
            "{name}"
        );
        assert!(subscription.customer.starts_with("cus_"), "{name}");
        assert!(subscription.period_end().is_some(), "{name}");
        read += 1;
    }
    assert_eq!(read, 10);
}

#[tokio::test]
async fn customers_prices_and_products_of_every_age_are_read() {
    let mut read = 0;
    for (name, object) in objects() {
        let id = object["id"].as_str().unwrap().to_owned();
        let mut shop = Shop::new();
        if !shop.put(object.clone()) {
            continue;
        }
        let world = World::of(shop).await;
        match kind(&object) {
            "customer" => {
                assert_eq!(world.customers().await.unwrap()[0].id, id, "{name}");
                assert!(
                    world.client.customer(&id).await.unwrap().is_some(),
                    "{name}"
                );
            }
            "price" => {
                let catalog = world.client.catalog(true).await.unwrap();
                assert!(catalog.prices.contains_key(&id), "{name}");
            }
            "product" => {
                let catalog = world.client.catalog(true).await.unwrap();
                assert!(catalog.products.contains_key(&id), "{name}");
            }
            _ => continue,
        }
        read += 1;
    }
    assert_eq!(read, 9);
}
