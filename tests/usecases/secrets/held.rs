//! What lies in the state table is in the inventory of data.

use std::collections::BTreeSet;

use counterfoil_core::inventory::{INVENTORY, Place};

use super::super::world::World;

/// Whether the inventory has a row for a partition.
fn is_known(partition: &str) -> bool {
    let parts: Vec<&str> = partition.split('#').collect();
    INVENTORY
        .iter()
        .any(|row| match (row.place, parts.as_slice()) {
            (Place::OfProject(name), [workspace, project, family]) => {
                workspace.starts_with("ws_") && project.starts_with("prj_") && *family == name
            }
            (Place::OfWorkspace(name), [workspace, family]) => {
                workspace.starts_with("ws_") && *family == name
            }
            (Place::Directory(name), ["directory", family]) => *family == name,
            (Place::Lookup(name), [lookup, _]) => name.starts_with(&format!("{lookup}#")),
            _ => false,
        })
}

#[tokio::test]
async fn every_partition_that_a_busy_project_leaves_in_the_table_is_in_the_inventory() {
    let world = World::new().await;
    world.scan().await;
    for (reason, customer) in [("webhook", "cus_1"), ("webhook", "cus_2")] {
        let check = world.check_of(customer, reason);
        world.reconcile().handle(&check).await.unwrap();
    }
    world.deliver_checks().await;
    world.secrets().tidy().await.unwrap();
    let partitions = world.store.partitions();
    let unknown: BTreeSet<_> = partitions.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(partitions.len() >= 12, "{partitions:#?}");
    assert!(!is_known("ws_1#prj_1#new-family"));
}
