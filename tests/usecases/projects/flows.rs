//! Who registers which kinds of action of a flow.

use std::collections::BTreeMap;

use counterfoil_core::governed_run::Registered;
use counterfoil_core::usecases::{FlowChange, RunError};

use super::mappings::Shop;
use super::office::{ADMIN, OWNER, VIEWER};

fn kinds(kinds: &[(&str, bool)]) -> BTreeMap<String, Registered> {
    let one = |(kind, destructive): &(&str, bool)| {
        let registered = Registered {
            destructive: *destructive,
        };
        ((*kind).to_owned(), registered)
    };
    kinds.iter().map(one).collect()
}

#[tokio::test]
async fn a_destructive_kind_is_registered_by_one_admin() {
    let shop = Shop::new().await;
    let (runs, adam) = (shop.office.world.governed(), shop.by(ADMIN).await);
    let wanted = kinds(&[("refund.create", true)]);
    let done = runs
        .register(&adam, "refunds", wanted.clone(), None, 0)
        .await;
    assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    let known = runs.flow(&adam, "refunds").await.unwrap();
    assert_eq!((known.value.actions, known.version), (wanted.clone(), 1));
    let late = runs.register(&adam, "refunds", wanted, None, 0).await;
    assert!(matches!(late, Err(RunError::Changed)), "{late:?}");
}

#[tokio::test]
async fn a_harmless_kind_needs_a_second_person_who_sends_the_same() {
    let shop = Shop::new().await;
    let runs = shop.office.world.governed();
    let (adam, olga) = (shop.by(ADMIN).await, shop.by(OWNER).await);
    let wanted = kinds(&[("mail.send", false)]);
    let proposed = runs
        .register(&adam, "refunds", wanted.clone(), None, 0)
        .await;
    let FlowChange::Held(waiting) = proposed.unwrap() else {
        panic!("in force without a second person")
    };
    assert!(waiting.value.actions.is_empty());
    // Whoever proposed it does not confirm it: their request proposes again.
    let alone = runs.register(&adam, "refunds", wanted.clone(), None, waiting.version);
    let FlowChange::Held(still) = alone.await.unwrap() else {
        panic!("confirmed by whoever proposed it")
    };
    // What another one sends who wants something else confirms nothing.
    let more = kinds(&[("mail.send", false), ("file.delete", false)]);
    let other = runs
        .register(&olga, "refunds", more, None, still.version)
        .await;
    let FlowChange::Held(others) = other.unwrap() else {
        panic!("confirmed by another wish")
    };
    let more = kinds(&[("mail.send", false), ("file.delete", false)]);
    let done = runs
        .register(&adam, "refunds", more.clone(), None, others.version)
        .await;
    let FlowChange::Done(done) = done.unwrap() else {
        panic!("not confirmed")
    };
    assert_eq!(done.value.actions, more);
    assert_eq!(runs.flow_waiting(&adam, "refunds").await.unwrap(), None);
    let mut kinds = shop.office.kinds(&shop.project.stream);
    let told = kinds.split_off(kinds.len() - 5);
    let confirmed = [
        "run.open",
        "run.resolution",
        "run.decision",
        "config.changed",
        "run.close",
    ];
    assert_eq!(told, confirmed);
}

/// Another flow may have the kind as harmless: taking away that it destroys frees it there.
#[tokio::test]
async fn one_admin_alone_does_not_take_away_that_a_kind_destroys() {
    let shop = Shop::new().await;
    let runs = shop.office.world.governed();
    let (adam, olga) = (shop.by(ADMIN).await, shop.by(OWNER).await);
    let destroys = kinds(&[("refund.create", true), ("file.delete", true)]);
    let done = runs
        .register(&adam, "refunds", destroys.clone(), None, 0)
        .await;
    assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    let mut version = 1;
    for fewer in [kinds(&[]), kinds(&[("refund.create", true)])] {
        let alone = runs.register(&adam, "refunds", fewer, None, version).await;
        let Ok(FlowChange::Held(held)) = alone else {
            panic!("{alone:?}")
        };
        assert_eq!(held.value.actions, destroys);
        version = held.version;
    }
    let fewer = kinds(&[("refund.create", true)]);
    let both = runs.register(&olga, "refunds", fewer.clone(), None, version);
    let FlowChange::Done(done) = both.await.unwrap() else {
        panic!("not confirmed")
    };
    assert_eq!(done.value.actions, fewer);
}

#[tokio::test]
async fn whoever_administers_nothing_registers_nothing() {
    let shop = Shop::new().await;
    let (runs, vera) = (shop.office.world.governed(), shop.by(VIEWER).await);
    let wanted = kinds(&[("refund.create", true)]);
    let refused = runs.register(&vera, "refunds", wanted, None, 0).await;
    assert!(matches!(refused, Err(RunError::Denied(_))), "{refused:?}");
    let known = runs.flow(&vera, "refunds").await.unwrap();
    assert_eq!(known.version, 0);
    let bad = runs
        .register(&vera, "Refunds", BTreeMap::new(), None, 0)
        .await;
    assert!(matches!(bad, Err(RunError::Invalid(_))), "{bad:?}");
}
