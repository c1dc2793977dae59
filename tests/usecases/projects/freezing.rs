//! The emergency stop: one person sets it, two lift it, and what it stops.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::held_change::UNFREEZE;
use counterfoil_core::ids::ActionId;
use counterfoil_core::ports::{Clock, State, StateWrite};
use counterfoil_core::records::{Project, Records, Unfinished};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{ConnectionKind, FreezeChange, NotSecond, ProjectError, Projects};

use super::mappings::Shop;
use super::office::{ADMIN, OTHER_OWNER, OWNER, VIEWER};
use crate::world::World;

impl Shop {
    async fn freeze(&self, by: &str, frozen: bool) -> Result<FreezeChange, ProjectError> {
        let ctx = self.by(by).await;
        let projects = self.office.projects();
        let version = projects.read(&ctx).await.unwrap().project.version;
        projects.freeze(&ctx, frozen, None, version).await
    }

    /// The kinds of the project's last entries.
    fn last(&self, many: usize) -> Vec<String> {
        let mut kinds = self.office.kinds(&self.project.stream);
        kinds.split_off(kinds.len() - many)
    }
}

fn held(change: Result<FreezeChange, ProjectError>) -> Project {
    match change {
        Ok(FreezeChange::Held(project)) => project.value,
        other => panic!("{other:?}"),
    }
}

fn done(change: Result<FreezeChange, ProjectError>) -> Project {
    match change {
        Ok(FreezeChange::Done(project)) => project.value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_admin_freezes_and_another_person_confirms_the_end_of_it() {
    let shop = Shop::new().await;
    assert!(done(shop.freeze(ADMIN, true).await).frozen);
    let told = ["run.open", "run.decision", "config.changed", "run.close"];
    assert_eq!(shop.last(4), told);
    let before = shop.office.kinds(&shop.project.stream).len();
    assert!(done(shop.freeze(OWNER, true).await).frozen);
    let after = shop.office.kinds(&shop.project.stream).len();
    assert_eq!(after, before, "it is frozen already");

    assert!(held(shop.freeze(ADMIN, false).await).frozen);
    assert!(
        held(shop.freeze(ADMIN, false).await).frozen,
        "one is not two"
    );
    let lifted = done(shop.freeze(OWNER, false).await);
    assert!(!lifted.frozen && shop.waiting(UNFREEZE).await.is_none());
    let told = [
        "run.open",
        "run.resolution",
        "run.decision",
        "config.changed",
        "run.close",
    ];
    assert_eq!(shop.last(5), told);
    assert_eq!(shop.shown().await, lifted);
}

/// docs/workspaces.md: agreeing is an approval like any other, so in live it takes a sign-in of the last
/// fifteen minutes, and the record says how it was judged.
#[tokio::test]
async fn whoever_signed_in_long_ago_lifts_no_stop() {
    let shop = Shop::new().await;
    shop.freeze(ADMIN, true).await.unwrap();
    let owner = shop.by(OWNER).await;
    shop.office.world.clock.advance(Duration::from_mins(16));
    held(shop.freeze(ADMIN, false).await);
    let projects = shop.office.projects();
    let version = projects.read(&owner).await.unwrap().project.version;
    let refused = projects.freeze(&owner, false, None, version).await;
    assert!(
        matches!(&refused, Err(ProjectError::Denied(judged)) if judged.fresh_within_s == Some(900)),
        "{refused:?}"
    );
    assert_eq!(shop.last(3), ["run.open", "run.decision", "run.close"]);
    assert!(shop.shown().await.frozen);
    assert!(!done(shop.freeze(OWNER, false).await).frozen);
    let agreed = shop.office.last(&shop.project.stream, "run.resolution");
    let judged = agreed.get("judged").unwrap();
    assert_eq!(
        judged.get("action").and_then(Json::as_str),
        Some("approval.give")
    );
}

#[tokio::test]
async fn whoever_administers_nothing_neither_freezes_nor_unfreezes() {
    let shop = Shop::new().await;
    for frozen in [true, false] {
        let refused = shop.freeze(VIEWER, frozen).await;
        assert!(
            matches!(refused, Err(ProjectError::Denied(_))),
            "{refused:?}"
        );
        assert_eq!(shop.last(3), ["run.open", "run.decision", "run.close"]);
        shop.freeze(ADMIN, true).await.unwrap();
    }
    held(shop.freeze(ADMIN, false).await);
    let refused = shop.freeze(VIEWER, false).await;
    assert!(
        matches!(refused, Err(ProjectError::Denied(_))),
        "{refused:?}"
    );
    assert!(shop.shown().await.frozen);
}

#[tokio::test]
async fn a_wish_to_unfreeze_is_taken_back_by_freezing_and_ends_after_72_hours() {
    let shop = Shop::new().await;
    shop.freeze(ADMIN, true).await.unwrap();
    held(shop.freeze(ADMIN, false).await);
    let still = done(shop.freeze(OTHER_OWNER, true).await);
    assert!(still.frozen && shop.waiting(UNFREEZE).await.is_none());
    held(shop.freeze(OWNER, false).await);
    shop.office.world.clock.advance(Duration::from_hours(72));
    held(shop.freeze(ADMIN, false).await);
    let by = shop.waiting(UNFREEZE).await.unwrap().by;
    let adam = shop.by(ADMIN).await.principal().person();
    assert_eq!(Some(by), adam, "it is proposed anew");
    done(shop.freeze(OWNER, false).await);
}

#[tokio::test]
async fn whoever_was_let_in_after_the_wish_does_not_unfreeze() {
    let shop = Shop::new().await;
    shop.freeze(ADMIN, true).await.unwrap();
    held(shop.freeze(ADMIN, false).await);
    shop.office.world.clock.advance(Duration::from_hours(1));
    shop.office.give(OWNER, VIEWER, Role::Admin).await;
    let late = shop.freeze(VIEWER, false).await;
    let is_late = matches!(late, Err(ProjectError::NotSecond(NotSecond::Newcomer)));
    assert!(is_late, "{late:?}");
    assert!(shop.shown().await.frozen);
}

#[tokio::test]
async fn a_change_meanwhile_is_no_freeze() {
    let shop = Shop::new().await;
    let ctx = shop.by(ADMIN).await;
    let stale = shop.office.projects().freeze(&ctx, true, None, 99).await;
    assert!(matches!(stale, Err(ProjectError::Changed)), "{stale:?}");
    assert!(!shop.shown().await.frozen);
}

/// The repair credential reads back what an update did whose answer was lost.
#[tokio::test]
async fn the_repair_credential_stays_while_a_repair_is_not_settled() {
    let world = World::new().await;
    let projects = Projects {
        create: world.create.clone(),
        reader: world.store.clone(),
    };
    let ben = world.sign_in("Ben").await;
    let version = projects.read(&ben).await.unwrap().project.version;
    let records = Records::of(world.store.as_ref(), &ben);
    let unfinished = Unfinished {
        id: ActionId::from_bits(7),
        since: world.clock.now(),
        unread: None,
    };
    let begun = records.create(&unfinished).unwrap();
    assert!(world.store.write(vec![begun]).await.unwrap());
    let kept = projects.disconnect(&ben, ConnectionKind::Repair, version);
    let kept = kept.await;
    assert!(matches!(kept, Err(ProjectError::Repairing)), "{kept:?}");
    assert_eq!(projects.read(&ben).await.unwrap().project.version, version);
    // The others are not needed for that.
    let other = projects.disconnect(&ben, ConnectionKind::Webhook, version);
    other.await.unwrap();

    let settled = records.get::<Unfinished>(&unfinished.id.to_string()).await;
    let settled = settled.unwrap().unwrap();
    let gone = StateWrite::delete(records.key::<Unfinished>(&settled.value.id.to_string()));
    assert!(world.store.write(vec![gone]).await.unwrap());
    let gone = projects.disconnect(&ben, ConnectionKind::Repair, version + 1);
    gone.await.unwrap();
    let project = projects.read(&ben).await.unwrap().project.value;
    assert_eq!(project.repair_database, None);
}

/// Ben, who owns the world's workspace, pulls the emergency stop of its project.
async fn stop(world: &World) {
    let projects = Projects {
        create: world.create.clone(),
        reader: world.store.clone(),
    };
    let ben = world.sign_in("Ben").await;
    let version = projects.read(&ben).await.unwrap().project.version;
    done(projects.freeze(&ben, true, None, version).await);
}

#[tokio::test]
async fn a_frozen_project_denies_repairs_and_actions_of_runs_and_lets_people_say_no() {
    let world = World::new().await;
    world.register().await;
    world.add_user("u3", "cus_3", false);
    world.scan().await;
    let run = world.open_run().await;
    let waiting = world.act(&run, "refund.create", "invoice-1").await.value;
    let repairs: Vec<_> = world.incidents().await.into_iter().take(2).collect();
    let [first, second] = repairs.as_slice() else {
        panic!("two differences")
    };
    let propose = world.propose();
    let first = first.id.to_string();
    let proposed = propose.propose(&world.repair_key, &first, Some("support asked"), true);
    let approved = proposed.await.unwrap().action;
    assert_eq!(approved.state, ActionState::Held);
    stop(&world).await;

    let frozen = "base.forbid.frozen";
    let second = second.id.to_string();
    let late = propose.propose(&world.repair_key, &second, Some("support asked"), true);
    let late = late.await.unwrap().action;
    assert_eq!(
        (late.state, late.rule.as_str()),
        (ActionState::Denied, frozen)
    );
    let late = world.act(&run, "mail.send", "customer-1").await.value;
    assert_eq!(
        (late.state, late.rule.as_str()),
        (ActionState::Denied, frozen)
    );
    // What was proposed before is judged again when it would be carried out.
    let after = world.answer(&world.ben, &approved, VoteKind::Approve).await;
    assert_eq!(after.unwrap(), ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    let decisions = world.facts("run.decision");
    let rule = decisions.last().unwrap().get("rule").and_then(Json::as_str);
    assert_eq!(rule, Some(frozen));

    let rejected = world.answer(&world.ben, &waiting, VoteKind::Reject).await;
    assert_eq!(rejected.unwrap(), ActionState::Rejected);
}
