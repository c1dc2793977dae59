//! Who counts as the second person, and who does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::governed_run::Registered;
use counterfoil_core::held_change::MAPPING;
use counterfoil_core::ports::{Clock, HoldTarget};
use counterfoil_core::tenancy::Role;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    Activation, Delete, DeletionError, DeletionOf, FlowChange, HoldError, KeepRetention,
    LegalHolds, NewHold, NotSecond, ProjectError, Released, RetentionChange, RetentionError,
};

use super::mappings::{LOOK, Shop, repairs};
use super::office::{ADMIN, OTHER_OWNER, OWNER, Office, VIEWER};

const PUPPET: &str = "paul";
const HOUR: Duration = Duration::from_hours(1);

impl Shop {
    fn later(&self, by: Duration) {
        self.office.world.clock.advance(by);
    }

    /// A mapping that needs two, proposed.
    async fn proposed(&self, by: &str) -> String {
        self.active(LOOK).await;
        let (hash, _) = self.add(by, &repairs()).await.unwrap();
        let held = self.activate(by, &hash).await.unwrap();
        assert!(matches!(held, Activation::Held(_)), "{held:?}");
        self.later(HOUR);
        hash
    }

    async fn is_active(&self, hash: &str) -> bool {
        self.shown().await.mapping.as_deref() == Some(hash)
    }

    fn now(&self) -> Timestamp {
        self.office.world.clock.now()
    }

    fn holds(&self) -> LegalHolds {
        let world = &self.office.world;
        LegalHolds {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            clock: Arc::new(world.clock.clone()),
            random: world.random().clone(),
        }
    }

    fn retention(&self) -> KeepRetention {
        self.office.world.retention()
    }

    fn delete(&self) -> Delete {
        let world = &self.office.world;
        Delete {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            objects: world.objects.clone(),
            vault: world.vault.clone(),
            clock: Arc::new(world.clock.clone()),
            random: world.random().clone(),
        }
    }

    async fn propose_deletion(&self, by: &str) {
        let ctx = self.office.in_workspace(by).await;
        let of = DeletionOf::Workspace(&ctx);
        let proposed = self.delete().propose(of, "we sold the shop", None).await;
        proposed.unwrap();
        self.later(HOUR);
    }

    async fn confirm_deletion(&self, by: &str) -> Result<(), NotSecond> {
        let ctx = self.office.in_workspace(by).await;
        let of = DeletionOf::Workspace(&ctx);
        match self.delete().confirm(of, None, None).await {
            Ok(_) => Ok(()),
            Err(DeletionError::NotSecond(why)) => Err(why),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// A hold on everything, in the project or in the whole workspace.
fn everything(workspace: bool) -> NewHold {
    NewHold {
        idempotency_key: format!("k{workspace}"),
        workspace,
        target: HoldTarget::All { all: true },
        reason: "litigation against the shop".to_owned(),
    }
}

fn newcomer(done: Result<Activation, ProjectError>) {
    match done {
        Err(ProjectError::NotSecond(NotSecond::Newcomer)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_was_let_in_after_the_proposal_does_not_confirm_it() {
    let shop = Shop::new().await;
    let hash = shop.proposed(OWNER).await;
    shop.office.join(OWNER, PUPPET, Role::Owner).await;
    newcomer(shop.activate(PUPPET, &hash).await);
    assert!(!shop.is_active(&hash).await);
    let proposed = shop.waiting(MAPPING).await.unwrap();
    assert_eq!(
        proposed.text("mapping"),
        Some(hash.as_str()),
        "it still waits"
    );
    shop.activate(OTHER_OWNER, &hash).await.unwrap();
    assert!(shop.is_active(&hash).await);
}

#[tokio::test]
async fn a_role_that_was_raised_after_the_proposal_does_not_count_and_one_before_it_does() {
    let shop = Shop::new().await;
    let hash = shop.proposed(OWNER).await;
    shop.office.give(OWNER, VIEWER, Role::Admin).await;
    newcomer(shop.activate(VIEWER, &hash).await);
    // Lowered and raised again is raised.
    shop.office.give(OWNER, ADMIN, Role::Viewer).await;
    shop.office.give(OWNER, ADMIN, Role::Admin).await;
    newcomer(shop.activate(ADMIN, &hash).await);
    shop.later(HOUR * 72);
    // Proposed anew, they were there before.
    shop.activate(OWNER, &hash).await.unwrap();
    shop.activate(VIEWER, &hash).await.unwrap();
    assert!(shop.is_active(&hash).await);
}

#[tokio::test]
async fn a_role_that_was_lowered_and_still_suffices_counts() {
    let shop = Shop::new().await;
    let hash = shop.proposed(ADMIN).await;
    shop.office.give(OWNER, OTHER_OWNER, Role::Admin).await;
    shop.activate(OTHER_OWNER, &hash).await.unwrap();
    assert!(shop.is_active(&hash).await);
}

#[tokio::test]
async fn what_somebody_proposed_who_may_not_any_more_is_proposed_anew() {
    for removed in [true, false] {
        let shop = Shop::new().await;
        let hash = shop.proposed(ADMIN).await;
        if removed {
            shop.office.remove(OWNER, ADMIN).await;
        } else {
            shop.office.give(OWNER, ADMIN, Role::Approver).await;
        }
        let held = shop.activate(OTHER_OWNER, &hash).await.unwrap();
        assert!(matches!(held, Activation::Held(_)), "{held:?}");
        assert!(!shop.is_active(&hash).await);
        shop.activate(OWNER, &hash).await.unwrap();
        assert!(shop.is_active(&hash).await);
    }
}

#[tokio::test]
async fn nobody_empties_a_workspace_to_be_its_only_person() {
    let people = [(ADMIN, Role::Owner), (VIEWER, Role::Viewer)];
    let shop = Shop::in_office(Office::of(&people).await, ADMIN).await;
    let (look, _) = shop.add(ADMIN, LOOK).await.unwrap();
    shop.activate(ADMIN, &look).await.unwrap();
    let (hash, _) = shop.add(ADMIN, &repairs()).await.unwrap();
    shop.office.remove(ADMIN, VIEWER).await;
    let alone = async || {
        let ctx = shop.by(ADMIN).await;
        let projects = shop.office.projects();
        let version = projects.read(&ctx).await.unwrap().project.version;
        projects.activate(&ctx, &hash, version).await.unwrap();
        let project = projects.read(&ctx).await.unwrap().project.value;
        project.mapping.as_deref() == Some(hash.as_str())
    };
    assert!(!alone().await);
    shop.later(HOUR * 25);
    assert!(!alone().await, "a day later");
    shop.later(HOUR * (6 * 24));
    assert!(!alone().await, "proposed again, seven days after they left");
    shop.later(HOUR * 24);
    assert!(alone().await);
}

#[tokio::test]
async fn a_deletion_is_confirmed_by_somebody_who_was_there_before() {
    let shop = Shop::new().await;
    shop.propose_deletion(OWNER).await;
    shop.office.join(OWNER, PUPPET, Role::Admin).await;
    let refused = shop.confirm_deletion(PUPPET).await;
    assert_eq!(refused, Err(NotSecond::Newcomer));
    assert_eq!(shop.confirm_deletion(OWNER).await, Err(NotSecond::Own));
    shop.office.give(OTHER_OWNER, OWNER, Role::Admin).await;
    let refused = shop.confirm_deletion(ADMIN).await;
    assert_eq!(refused, Err(NotSecond::ProposerGone));
    shop.office.give(OTHER_OWNER, OWNER, Role::Owner).await;
    assert_eq!(shop.confirm_deletion(ADMIN).await, Ok(()));
}

#[tokio::test]
async fn a_workspace_that_was_emptied_is_not_deleted_by_who_is_left() {
    let people = [(OWNER, Role::Owner), (ADMIN, Role::Admin)];
    let shop = Shop::in_office(Office::of(&people).await, ADMIN).await;
    shop.office.remove(OWNER, ADMIN).await;
    shop.propose_deletion(OWNER).await;
    shop.later(HOUR * 30);
    let refused = shop.confirm_deletion(OWNER).await;
    assert_eq!(refused, Err(NotSecond::Emptied));
    shop.later(HOUR * (7 * 24));
    shop.propose_deletion(OWNER).await;
    let refused = shop.confirm_deletion(OWNER).await;
    assert_eq!(refused, Err(NotSecond::TooSoon));
    shop.later(HOUR * 24);
    assert_eq!(shop.confirm_deletion(OWNER).await, Ok(()));
}

#[tokio::test]
async fn a_hold_is_released_by_an_owner_who_was_one_before() {
    let shop = Shop::new().await;
    let holds = shop.holds();
    let hold = holds.set(&shop.by(ADMIN).await, &everything(false)).await;
    let hold = hold.unwrap();
    let id = hold.value.id.to_string();
    holds.release(&shop.by(OWNER).await, &id).await.unwrap();
    shop.later(HOUR);
    shop.office.join(OWNER, PUPPET, Role::Owner).await;
    shop.office.give(OWNER, ADMIN, Role::Owner).await;
    for late in [PUPPET, ADMIN] {
        let refused = holds.release(&shop.by(late).await, &id).await;
        let is_late = matches!(refused, Err(HoldError::NotSecond(NotSecond::Newcomer)));
        assert!(is_late, "{refused:?}");
    }
    shop.office.give(OTHER_OWNER, OWNER, Role::Admin).await;
    let anew = holds.release(&shop.by(OTHER_OWNER).await, &id).await;
    assert!(matches!(anew, Ok(Released::Held(_))), "{anew:?}");
    let done = holds.release(&shop.by(PUPPET).await, &id).await;
    assert!(matches!(done, Ok(Released::Done(_))), "{done:?}");
}

/// docs/policies.md: a hold of the workspace is in no project, whichever one it is asked for through.
#[tokio::test]
async fn a_hold_of_the_workspace_is_judged_as_one_of_the_workspace() {
    let shop = Shop::new().await;
    let (world, holds) = (&shop.office.world, shop.holds());
    let owner = shop.by(OWNER).await;
    let of_project = holds
        .set(&owner, &everything(false))
        .await
        .unwrap()
        .value
        .id;
    let of_workspace = holds.set(&owner, &everything(true)).await.unwrap().value.id;
    let rule = |action: &str, when: &str| {
        format!(
            "@id(\"ws.forbid.whole\") @why(\"not of the whole workspace\")\nforbid (principal, action == CF::Action::\"{action}\", resource) when {{ {when} }};\n"
        )
    };
    let whole = rule("legal_hold.release", "resource is CF::Workspace");
    world.under_in(shop.office.workspace.id, &whole).await;
    let denied = |error: &HoldError| matches!(error, HoldError::Denied(judged) if judged.rule == "ws.forbid.whole");
    let id = of_workspace.to_string();
    let refused = holds.admit_release(&owner, &id).await.unwrap_err();
    assert!(denied(&refused), "{refused:?}");
    let refused = holds.release(&owner, &id).await.unwrap_err();
    assert!(denied(&refused), "{refused:?}");
    let other = holds.release(&owner, &of_project.to_string()).await;
    assert!(matches!(other, Ok(Released::Held(_))), "{other:?}");

    let shop = Shop::new().await;
    let (world, holds) = (&shop.office.world, shop.holds());
    let none = "context.base.scope.environment == \"none\"";
    let whole = rule("legal_hold.set", none);
    world.under_in(shop.office.workspace.id, &whole).await;
    let owner = shop.by(OWNER).await;
    let refused = holds.admit(&owner, true).await.unwrap_err();
    assert!(denied(&refused), "{refused:?}");
    let refused = holds.set(&owner, &everything(true)).await.unwrap_err();
    assert!(denied(&refused), "{refused:?}");
    holds.admit(&owner, false).await.unwrap();
    holds.set(&owner, &everything(false)).await.unwrap();
}

#[tokio::test]
async fn keeping_less_is_confirmed_by_somebody_who_was_there_before() {
    let shop = Shop::new().await;
    let retention = shop.retention();
    let change = async |by: &str, version: u64| {
        let ctx = shop.by(by).await;
        retention.change(&ctx, 40, None, version).await
    };
    let Ok(RetentionChange::Held(held)) = change(OWNER, 0).await else {
        panic!("it waits");
    };
    shop.later(HOUR);
    shop.office.join(OWNER, PUPPET, Role::Admin).await;
    let refused = change(PUPPET, held.version).await;
    let is_late = matches!(refused, Err(RetentionError::NotSecond(NotSecond::Newcomer)));
    assert!(is_late, "{refused:?}");
    shop.office.remove(OTHER_OWNER, OWNER).await;
    let anew = change(ADMIN, held.version).await;
    let Ok(RetentionChange::Held(anew)) = anew else {
        panic!("{anew:?}");
    };
    let done = change(OTHER_OWNER, anew.version).await;
    assert!(matches!(done, Ok(RetentionChange::Done(_))), "{done:?}");
}

/// What waits in a project and in a workspace, and how long: as long as everywhere.
#[tokio::test]
async fn a_proposal_that_nobody_confirmed_in_72_hours_is_made_anew() {
    for (hours, late) in [(71, false), (72, true)] {
        let shop = Shop::new().await;
        let world = &shop.office.world;
        let retention = shop.retention();
        let runs = world.governed();
        let kinds = || {
            let harmless = Registered { destructive: false };
            BTreeMap::from([("mail.send".to_owned(), harmless)])
        };
        let (ctx, now) = (shop.by(OWNER).await, shop.now());
        let keep = retention.change(&ctx, 40, None, 0).await.unwrap();
        let flow = runs
            .register(&ctx, "refunds", kinds(), None, 0)
            .await
            .unwrap();
        let (RetentionChange::Held(keep), FlowChange::Held(flow)) = (keep, flow) else {
            panic!("in force without a second person")
        };
        shop.later(HOUR * hours);
        let ctx = shop.by(OTHER_OWNER).await;
        let kept = retention
            .change(&ctx, 40, None, keep.version)
            .await
            .unwrap();
        let registered = runs.register(&ctx, "refunds", kinds(), None, flow.version);
        let registered = registered.await.unwrap();
        match (kept, registered) {
            (RetentionChange::Done(_), FlowChange::Done(_)) if !late => {}
            (RetentionChange::Held(_), FlowChange::Held(_)) if late => {
                // It is their proposal now, and waits as long again.
                let anew = Some(now.plus(HOUR * hours));
                let kept = retention.waiting(&ctx).await.unwrap();
                assert_eq!(kept.map(|it| it.at), anew);
                let registered = runs.flow_waiting(&ctx, "refunds").await.unwrap();
                assert_eq!(registered.map(|it| it.at), anew);
            }
            other => panic!("after {hours} hours: {other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_is_alone_confirms_what_they_proposed_a_day_later() {
    let people = [(ADMIN, Role::Owner)];
    let shop = Shop::in_office(Office::of(&people).await, ADMIN).await;
    let (retention, runs) = (shop.retention(), shop.office.world.governed());
    let harmless = Registered { destructive: false };
    let kinds = BTreeMap::from([("mail.send".to_owned(), harmless)]);
    for (hours, done) in [(0, false), (23, false), (1, true)] {
        shop.later(HOUR * hours);
        let ctx = shop.by(ADMIN).await;
        let version = retention.read(&ctx).await.unwrap().version;
        let kept = retention.change(&ctx, 40, None, version).await.unwrap();
        assert_eq!(matches!(kept, RetentionChange::Done(_)), done, "{kept:?}");
        let version = runs.flow(&ctx, "refunds").await.unwrap().version;
        let flow = runs
            .register(&ctx, "refunds", kinds.clone(), None, version)
            .await;
        let flow = flow.unwrap();
        assert_eq!(matches!(flow, FlowChange::Done(_)), done, "{flow:?}");
    }
}
