//! What happens between the judgement of a change and the transaction that carries it out.

use std::collections::BTreeMap;

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::governed_run::Registered;
use counterfoil_core::usecases::{FlowChange, RunError};

use super::mappings::Shop;
use super::office::{ADMIN, OWNER};
use crate::repairs::meanwhile::{before, demoted, writing};
use crate::world::World;

fn mails(destructive: bool) -> BTreeMap<String, Registered> {
    BTreeMap::from([("mail.send".to_owned(), Registered { destructive })])
}

/// Who proposed a change and who agreed to it are what it stands on.
#[tokio::test]
async fn a_change_is_not_carried_out_whose_proposer_or_confirmer_is_demoted_meanwhile() {
    for proposer in [true, false] {
        let shop = Shop::new().await;
        let world = &shop.office.world;
        let (adam, olga) = (shop.by(ADMIN).await, shop.by(OWNER).await);
        let runs = world.governed();
        let held = runs.register(&adam, "mails", mails(false), None, 0).await;
        assert!(matches!(held, Ok(FlowChange::Held(_))), "{held:?}");
        let who = if proposer { &adam } else { &olga };
        let write = demoted(&world.store, who).await;
        let lost = before(world, Kind::ConfigChanged, writing(world, vec![write]));
        let lost = world.governed_on(lost);
        let changed = lost.register(&olga, "mails", mails(false), None, 0).await;
        assert!(matches!(changed, Err(RunError::Changed)), "{changed:?}");
        let known = runs.flow(&adam, "mails").await.unwrap();
        assert_eq!(known.version, 0, "nothing is registered");
    }
}

/// The rules that were asked are what a change stands on.
#[tokio::test]
async fn a_change_is_not_carried_out_under_rules_that_came_into_force_meanwhile() {
    let world = World::new().await;
    let ben = world.sign_in("Ben").await;
    let none = "@id(\"ws.forbid.none\") @why(\"no changes this week\")\nforbid (principal, action == CF::Action::\"settings.change\", resource);\n";
    let rules = before(
        &world,
        Kind::ConfigChanged,
        writing(&world, world.rows_of(none)),
    );
    let runs = world.governed_on(rules);
    let changed = runs.register(&ben, "mails", mails(true), None, 0).await;
    assert!(matches!(changed, Err(RunError::Changed)), "{changed:?}");
    let refused = runs.register(&ben, "mails", mails(true), None, 0).await;
    assert!(matches!(refused, Err(RunError::Denied(_))), "{refused:?}");
    assert_eq!(runs.flow(&ben, "mails").await.unwrap().version, 0);
}

/// Flows are registered one by one, and all of them write one row: that is no reason to send anybody back.
#[tokio::test]
async fn another_flow_that_is_registered_meanwhile_is_in_nobodys_way() {
    let world = World::new().await;
    let ben = world.sign_in("Ben").await;
    let changes = |world: &World| {
        let kinds = world.kinds().into_iter();
        kinds.filter(|kind| kind == "config.changed").count()
    };
    let earlier = changes(&world);
    let (others, by) = (world.governed(), ben.clone());
    let refunds = async move {
        let done = others.register(&by, "refunds", mails(true), None, 0).await;
        assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    };
    let runs = world.governed_on(before(&world, Kind::ConfigChanged, refunds));
    let done = runs.register(&ben, "mails", mails(true), None, 0).await;
    assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    for flow in ["mails", "refunds"] {
        let known = runs.flow(&ben, flow).await.unwrap();
        assert_eq!(
            (known.value.actions, known.version),
            (mails(true), 1),
            "{flow}"
        );
    }
    assert_eq!(changes(&world), earlier + 2, "each once");
}
