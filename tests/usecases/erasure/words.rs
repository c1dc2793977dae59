//! Words of people in the record of an action go with the run in which they were said, and with its customer.

use counterfoil_core::erasure::ErasureState;
use counterfoil_core::evidence::header::Header;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::StoredPart;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{Action, ActionState};

use super::super::repairs::standing::broken;
use super::bench::{Bench, CANARY, request};

const USED: &str = "nobody else answers and they are locked out";
const REVIEWED: &str = "looked at it with the customer";

async fn actions(bench: &Bench) -> Vec<Action> {
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let all = records.list::<Action>().await.unwrap().into_iter();
    all.map(|it| it.value).collect()
}

/// A repair of the customer for which the glass was broken.
async fn used(bench: &Bench) -> Action {
    let world = &bench.world;
    world.scan().await;
    let incidents = world.incidents().await.into_iter();
    let mut of_customer = incidents.filter(|it| it.concerns(CANARY));
    let incident = of_customer.next().unwrap().id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, None, true);
    let action = proposed.await.unwrap().action;
    let (votes, owner) = (world.vote(), bench.fresh(&bench.owner).await);
    let approved = broken(&votes, &owner, &action, 1).await;
    let done = votes.carry_out(&owner, approved.unwrap());
    let done = done.await.unwrap().action.value;
    assert_eq!(done.state, ActionState::Verified);
    done
}

async fn review(bench: &Bench, action: &Action) {
    let (votes, id) = (bench.world.vote(), action.id.to_string());
    votes.review(&bench.auditor, &id, REVIEWED).await.unwrap();
}

/// The run in which a review was recorded.
fn run_of_review(bench: &Bench) -> String {
    let mut entries = bench.entries().into_iter().filter(|entry| {
        let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
            panic!("facts are protected")
        };
        let facts = Json::parse(bytes).unwrap();
        facts.get("action").and_then(Json::as_str) == Some("override.review")
    });
    let entry = entries.next().unwrap();
    let header = Header::parse(&entry.header, bench.world.stream()).unwrap();
    header.run.unwrap().id
}

#[tokio::test]
async fn the_votes_of_an_erased_customer_are_without_words_and_others_keep_theirs() {
    let bench = Bench::repaired().await;
    let erase = bench.erase();
    let erased = erase.customer(&bench.admin, CANARY, &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    let (of_customer, others): (Vec<_>, Vec<_>) = actions(&bench)
        .await
        .into_iter()
        .partition(Action::is_erased);
    assert_eq!((of_customer.len(), others.is_empty()), (1, false));
    let words = |action: &Action| {
        let votes = action.votes.iter();
        votes.map(|vote| vote.reason.clone()).collect::<Vec<_>>()
    };
    assert_eq!(words(&of_customer[0]), [None]);
    for other in others {
        assert_eq!(words(&other), [Some("checked the invoice".to_owned())]);
    }
    bench.verifies().await;
}

#[tokio::test]
async fn the_run_of_a_review_takes_its_words_along_and_nothing_else() {
    let bench = Bench::new().await;
    let action = used(&bench).await;
    review(&bench, &action).await;
    assert!(bench.everything().contains(REVIEWED));
    let run = run_of_review(&bench);
    let erased = bench.erase().run(&bench.admin, &run, &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    let left = bench.everything();
    assert!(!left.contains(REVIEWED) && left.contains(USED));
    let after = actions(&bench).await.pop().unwrap();
    assert!(!after.is_erased(), "{after:?}");
    bench.verifies().await;
    let again = bench.erase().run(&bench.admin, &run, &request()).await;
    assert!(again.unwrap().already);
}

#[tokio::test]
async fn a_use_of_an_erased_customer_is_without_words_and_a_later_review_adds_none() {
    let bench = Bench::new().await;
    let action = used(&bench).await;
    assert!(bench.everything().contains(USED));
    let erase = bench.erase();
    let erased = erase.customer(&bench.admin, CANARY, &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    assert!(!bench.everything().contains(USED));
    review(&bench, &action).await;
    let after = actions(&bench).await.pop().unwrap();
    let use_of = after.overridden.unwrap();
    assert_eq!((use_of.reason, use_of.review), (None, None));
    bench.verifies().await;
}
