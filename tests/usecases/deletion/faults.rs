//! Every durable step of a deletion, failed or failed but happened, and the duty again.

use std::sync::Arc;

use counterfoil_core::auth::authenticate_key;
use counterfoil_core::ports::{Clock, KeyWrapper};
use counterfoil_core::records::Directory;
use counterfoil_core::tenancy::Capability;
use counterfoil_core::usecases::{Delete, Vault};

use super::bench::{Bench, REASON};
use crate::erasure::faults::{Plan, faulty};

fn with(delete: Delete, plan: &Arc<Plan>) -> Delete {
    let keys: Arc<dyn KeyWrapper> = delete.vault.keys.clone();
    Delete {
        evidence: faulty(delete.evidence, plan),
        state: faulty(delete.state, plan),
        objects: faulty(delete.objects, plan),
        vault: Vault {
            keys,
            wrapped: faulty(delete.vault.wrapped, plan),
            random: delete.vault.random,
        },
        ..delete
    }
}

/// What is gone is out of reach, whatever rows of it are left; what is there is in reach.
async fn ends_at_once(bench: &Bench, key: &str) {
    let world = &bench.shop.world;
    let store = world.store.as_ref();
    let directory = Directory::of(store);
    let workspace = directory.workspace(world.workspace.id).await.unwrap();
    let project = directory.project(world.project.id).await.unwrap();
    let ben = world.presence("Ben").await;
    let asked = world.workspace.id.to_string();
    let reached = ben.workspace(store, &asked).await;
    assert_eq!(reached.is_ok(), workspace.is_some(), "{reached:?}");
    let reached = bench.reaches().await;
    assert_eq!(reached.is_ok(), project.is_some(), "{reached:?}");
    let presented = authenticate_key(store, key, world.clock.now()).await;
    assert_eq!(presented.is_ok(), project.is_some(), "{presented:?}");
}

/// Fails step number `step` of the duty and lets the next turns go on; `false` when there is none.
async fn survives(bench: &Bench, step: u32, happens: bool, least: u32) -> bool {
    let world = &bench.shop.world;
    let by = world.ben.principal();
    let owner = by.person().unwrap();
    let made = world
        .create
        .api_key(&world.project, by, Capability::Read, owner, None);
    let key = made.await.unwrap();
    let plan = Plan::new(step, happens);
    let first = with(bench.delete(), &plan).carry_out().await;
    ends_at_once(bench, key.reveal()).await;
    if !plan.struck() {
        assert!(first.is_ok(), "{first:?}");
        assert!(step > least, "only {step} durable steps");
        return false;
    }
    assert!(step < 400, "it ends");
    bench.to_the_end().await;
    true
}

#[tokio::test]
async fn whatever_fails_the_duty_ends_a_project_once() {
    for happens in [false, true] {
        let mut step = 0;
        loop {
            let bench = Bench::full().await;
            bench.due().await;
            if !survives(&bench, step, happens, 15).await {
                break;
            }
            let world = &bench.shop.world;
            let own = format!("{}#{}", world.workspace.id, world.project.id);
            assert_eq!(bench.partitions(&own), Vec::<String>::new(), "step {step}");
            assert_eq!(bench.objects(), Vec::<String>::new(), "step {step}");
            assert_eq!(bench.subjects(&world.project.stream), 0, "step {step}");
            assert_eq!(world.count("project.deleted"), 1, "step {step}");
            assert!(!world.store.dump().contains(REASON));
            bench.stream_verifies(&world.project.stream).await;
            step += 1;
        }
    }
}

#[tokio::test]
async fn whatever_fails_the_duty_ends_a_workspace_once() {
    for happens in [false, true] {
        let mut step = 0;
        loop {
            let bench = Bench::new().await;
            bench.all_due().await;
            if !survives(&bench, step, happens, 25).await {
                break;
            }
            let world = &bench.shop.world;
            let own = world.workspace.id.to_string();
            assert_eq!(bench.partitions(&own), Vec::<String>::new(), "step {step}");
            assert_eq!(bench.partitions("login#").len(), 1, "step {step}: Ben's");
            let kinds = bench.kinds(&world.workspace.stream);
            let ends = kinds.iter().filter(|kind| *kind == "workspace.deleted");
            assert_eq!(ends.count(), 1, "step {step}");
            assert_eq!(bench.subjects(&world.workspace.stream), 0, "step {step}");
            bench.stream_verifies(&world.workspace.stream).await;
            step += 1;
        }
    }
}
