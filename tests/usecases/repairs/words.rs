//! What people say with their votes, with a use of break-glass and with its review, is told to the others.

use counterfoil_core::records::Versioned;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{ActionError, ReadActions};

use super::super::world::World;
use super::standing::{broken, needing};
use super::{proposed, vote};

async fn read(world: &World, action: &Action) -> Versioned<Action> {
    let read = ReadActions {
        ports: world.ports(),
    };
    let found = read.get(&world.repair_key, &action.id.to_string()).await;
    found.unwrap()
}

/// Who approves second sees what the first wrote, and whoever proposed it sees why it was rejected.
#[tokio::test]
async fn every_vote_keeps_the_words_that_came_with_it() {
    let world = World::new().await;
    world.under(&needing("repair.execute", 2)).await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, None, false);
    let action = proposed.await.unwrap().action;
    let (votes, id) = (world.vote(), action.id.to_string());
    let yes = vote(&action, VoteKind::Approve, "the invoice is paid");
    Box::pin(votes.vote(&world.ann, &id, &yes)).await.unwrap();
    let no = vote(&action, VoteKind::Reject, "they cancelled by letter");
    Box::pin(votes.vote(&world.ben, &id, &no)).await.unwrap();
    let found = read(&world, &action).await.value;
    assert_eq!(found.state, ActionState::Rejected);
    let said: Vec<_> = found.votes.iter().map(|it| it.reason.as_deref()).collect();
    let words = [
        Some("the invoice is paid"),
        Some("they cancelled by letter"),
    ];
    assert_eq!(said, words);
}

async fn reviewed(world: &World, action: &Action) {
    let owner = world.sign_in("Ben").await;
    world.join("Dora", Role::Auditor).await;
    let auditor = world.sign_in("Dora").await;
    let (votes, id) = (world.vote(), action.id.to_string());
    broken(&votes, &owner, action, 1).await.unwrap();
    let before = read(world, action).await;
    let use_of = before.value.overridden.clone().unwrap();
    let why = use_of.reason.as_deref();
    assert_eq!(why, Some("nobody else answers and they are locked out"));
    assert_eq!(use_of.review, None);
    // Who is refused says nothing to it.
    let own = votes.review(&owner, &id, "it was right, I think").await;
    assert!(matches!(own, Err(ActionError::Denied(_))), "{own:?}");
    let told = votes.review(&auditor, &id, "the customer was locked out");
    let told = told.await.unwrap();
    let after = read(world, action).await;
    assert_eq!(after.version, before.version + 1);
    assert_eq!((&told.value, told.version), (&after.value, after.version));
    let mut expected = before.value;
    let use_of = expected.overridden.as_mut().unwrap();
    use_of.review = Some("the customer was locked out".to_owned());
    assert_eq!(after.value, expected);
}

#[tokio::test]
async fn whoever_reviews_a_use_sees_why_and_is_seen_with_their_own_words() {
    let (world, action) = proposed().await;
    reviewed(&world, &action).await;
    // It is carried out as if nobody had looked at it.
    let owner = world.sign_in("Ben").await;
    let approved = read(&world, &action).await;
    let done = world.vote().carry_out(&owner, approved).await.unwrap();
    assert_eq!(done.action.value.state, ActionState::Verified);
}

#[tokio::test]
async fn so_it_is_of_an_action_of_a_run() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    reviewed(&world, &held).await;
}
