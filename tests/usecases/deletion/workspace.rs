//! The end of a workspace with everything in it.

use counterfoil_core::auth::{AuthError, authenticate_key, login_digest};
use counterfoil_core::deletion::DELAY;
use counterfoil_core::ports::Clock;
use counterfoil_core::records::Directory;
use counterfoil_core::tenancy::Capability;
use counterfoil_core::usecases::{DeletionError, DeletionOf};

use super::bench::{Bench, REASON};
use crate::erasure::bench::ALL;
use crate::world::login;

#[tokio::test]
async fn a_workspace_ends_with_its_projects_keys_and_people_and_another_one_stays() {
    let bench = Bench::full().await;
    let world = &bench.shop.world;
    let (foreign, foreign_project) = &bench.foreign;
    let by = world.ben.principal();
    let owner = by.person().unwrap();
    let made = world
        .create
        .api_key(&bench.sibling, by, Capability::Read, owner, None);
    let key = made.await.unwrap();
    let present = || authenticate_key(world.store.as_ref(), key.reveal(), world.clock.now());
    let stays = format!("{}#", foreign.id);
    let before = bench.partitions(&stays);
    bench.all_due().await;
    assert!(present().await.is_ok(), "everything works on");
    let out = bench.carry_out().await;
    assert_eq!(out.deleted, 3, "two projects and the workspace");
    assert!(matches!(present().await, Err(AuthError::Unauthenticated)));
    let ben = world.presence("Ben").await;
    let asked = world.workspace.id.to_string();
    let reached = ben.workspace(world.store.as_ref(), &asked).await;
    assert!(matches!(reached, Err(AuthError::NotFound)), "{reached:?}");
    bench.to_the_end().await;

    let own = world.workspace.id.to_string();
    assert_eq!(bench.partitions(&own), Vec::<String>::new());
    assert_eq!(bench.partitions("key#"), Vec::<String>::new());
    let dump = world.store.dump();
    let named: Vec<_> = dump.lines().filter(|line| line.contains(&own)).collect();
    assert!(
        named.iter().all(|line| line.contains("directory#deleted")),
        "{named:#?}"
    );
    assert_eq!(bench.objects(), Vec::<String>::new());
    let streams = [
        &world.workspace.stream,
        &world.project.stream,
        &bench.sibling.stream,
    ];
    for stream in streams {
        assert_eq!(bench.subjects(stream), 0);
        bench.stream_verifies(stream).await;
    }
    assert_eq!(
        bench.kinds(&world.workspace.stream).last().unwrap(),
        "redact",
        "the names of people went last"
    );
    assert!(
        bench
            .kinds(&world.workspace.stream)
            .contains(&"workspace.deleted".to_owned())
    );
    assert_eq!(
        bench.partitions(&stays),
        before,
        "another workspace is as it was"
    );
    let id = foreign_project.id.to_string();
    let ben = world.presence("Ben").await;
    assert!(ben.project(world.store.as_ref(), Some(&id)).await.is_ok());
}

#[tokio::test]
async fn nothing_is_left_of_a_person_whose_last_workspace_ended() {
    let bench = Bench::new().await;
    let world = &bench.shop.world;
    let digest = |name: &str| login_digest(&login(name, world.clock.now()));
    let directory = Directory::of(world.store.as_ref());
    assert!(directory.person(&digest("Ann")).await.unwrap().is_some());
    bench.all_due().await;
    bench.to_the_end().await;
    assert!(directory.person(&digest("Ann")).await.unwrap().is_none());
    let ben = digest("Ben");
    assert!(directory.person(&ben).await.unwrap().is_some());
    assert_eq!(
        directory.memberships(&ben).await.unwrap(),
        [bench.foreign.0.id]
    );
    assert_eq!(
        bench.partitions("login#"),
        [format!("login#{ben}")],
        "of everybody else nothing is left"
    );
}

#[tokio::test]
async fn a_hold_on_one_project_keeps_its_workspace() {
    let bench = Bench::new().await;
    let shop = &bench.shop;
    let hold = shop.hold(ALL).await;
    let held = bench.propose_all().await;
    assert!(matches!(held, Err(DeletionError::Held { .. })), "{held:?}");
    shop.release(&shop.owner, &hold).await.unwrap();
    shop.release(&shop.second, &hold).await.unwrap();
    bench.all_due().await;
    let new = counterfoil_core::usecases::NewHold {
        idempotency_key: "later".to_owned(),
        workspace: false,
        target: ALL,
        reason: "litigation against the shop".to_owned(),
    };
    let hold = shop.holds().set(&shop.admin, &new).await.unwrap();
    let out = bench.carry_out().await;
    assert_eq!((out.deleted, out.put_off), (0, 1), "no project goes alone");
    assert!(bench.reaches().await.is_ok());
    let id = hold.value.id.to_string();
    shop.release(&shop.owner, &id).await.unwrap();
    shop.release(&shop.second, &id).await.unwrap();
    assert_eq!(bench.carry_out().await.deleted, 3);
    bench.to_the_end().await;
}

#[tokio::test]
async fn a_deletion_of_a_project_that_waits_goes_with_its_workspace() {
    let bench = Bench::new().await;
    bench.propose().await.unwrap();
    bench.confirm().await.unwrap();
    bench.propose_all().await.unwrap();
    bench.confirm_all().await.unwrap();
    bench.later(DELAY);
    bench.to_the_end().await;
    let kinds = bench.kinds(&bench.shop.world.project.stream);
    let ends = kinds.iter().filter(|kind| *kind == "project.deleted");
    assert_eq!(ends.count(), 1);
}

#[tokio::test]
async fn a_withdrawn_deletion_of_a_workspace_ends_nothing() {
    let bench = Bench::new().await;
    bench.all_due().await;
    let second = bench.office(&bench.shop.second).await;
    let of = DeletionOf::Workspace(&second);
    let waiting = bench.delete().find(of).await.unwrap().unwrap();
    assert_eq!(waiting.value.reason, REASON);
    bench.delete().withdraw(of, None).await.unwrap();
    assert_eq!(bench.carry_out().await.deleted, 0);
    assert!(bench.reaches().await.is_ok());
    bench
        .stream_verifies(&bench.shop.world.workspace.stream)
        .await;
}
