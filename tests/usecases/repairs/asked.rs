//! What the rules are told of a repair and of those who approved it, as it is by then.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::{Clock as _, State as _};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState, Vote, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::ActionError;

use super::super::world::{MAPPING, World};
use super::standing::{needing, rule};
use super::{approve, proposed};

async fn start(world: &World, who: &TenantCtx, action: &Action) -> ActionState {
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
    after.unwrap().value.state
}

/// What a mapping let be written may not be written back once it lets it no more.
#[tokio::test]
async fn a_column_that_is_repairable_no_more_is_not_taken_back_either() {
    let (world, action) = proposed().await;
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    let premium = "premium = { column = \"premium\", repairable = true }";
    let less = MAPPING.replace(premium, "premium = { column = \"premium\" }");
    world.activate_mapping(&less).await;
    let (propose, id) = (world.propose(), action.id.to_string());
    let undo = propose.undo(&world.repair_key, &id, Some("it was mapped wrongly"), true);
    let undo = undo.await.unwrap().action;
    assert_eq!(undo.state, ActionState::Denied);
    assert_eq!(undo.rule, "base.forbid.unlisted-column");
    assert!(world.granted("u1"));
}

/// What is in another currency cannot be compared with the limit, so it is beyond it.
#[tokio::test]
async fn a_limit_in_another_currency_lets_no_machine_repair() {
    for (limit, denied) in [("usd", false), ("eur", true)] {
        let world = World::new().await;
        let amount =
            format!("[limits]\nmax_amount_at_risk = {{ minor = 900000, currency = \"{limit}\" }}");
        let text = MAPPING.replace("[limits]", &amount);
        world.activate_mapping(&text).await;
        world.scan().await;
        let incident = world.incident().await.id.to_string();
        let propose = world.propose();
        let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
        let action = proposed.await.unwrap().action;
        let is_denied = action.state == ActionState::Denied;
        assert_eq!(is_denied, denied, "{limit}: {}", action.rule);
        assert_eq!(action.rule == "base.forbid.blast-amount", denied);
    }
}

/// The last decision's words about the approvals of one action.
fn approvals(world: &World, name: &str) -> bool {
    let last = world.facts("run.decision").pop().unwrap();
    let context = last.get("request").unwrap().get("context").unwrap();
    let given = context.get("base").unwrap().get("approvals").unwrap();
    given.get(name).and_then(Json::as_bool).unwrap()
}

#[tokio::test]
async fn the_rules_are_told_when_the_owner_of_a_key_approved_what_it_proposed() {
    for (owner, who) in [(true, "Ann"), (false, "Ben")] {
        let (world, action) = proposed().await;
        let who = if who == "Ann" { &world.ann } else { &world.ben };
        let state = approve(&world, who, &action).await.unwrap();
        assert_eq!(state, ActionState::Verified);
        assert_eq!(approvals(&world, "owner"), owner);
        assert!(!approvals(&world, "self"));
    }
}

/// Nobody can give it; that it stands in a row changes nothing.
#[tokio::test]
async fn an_approval_by_whoever_proposed_it_lets_nothing_happen() {
    let world = World::new().await;
    world.under(&needing("repair.execute", 1)).await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let ben = world.sign_in("Ben").await;
    let propose = world.propose();
    let proposed = propose.propose(&ben, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.state, ActionState::Held);
    let records = Records::of(world.store.as_ref(), &ben);
    let id = action.id.to_string();
    let found = records.get::<Action>(&id).await.unwrap().unwrap();
    let forged = Action {
        state: ActionState::Approved,
        votes: vec![Vote {
            approver: ben.principal().person().unwrap(),
            kind: VoteKind::Approve,
            at: world.clock.now(),
            second_factor: true,
            via: None,
            reason: None,
        }],
        ..found.value
    };
    let mut write = records.replace(found.version, &forged).unwrap();
    write.cites = found.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());
    assert_eq!(start(&world, &ben, &action).await, ActionState::Stale);
    assert_eq!(rule(&world), "base.forbid.self-approved");
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn rules_can_ask_more_of_whoever_approves_what_a_machine_proposed() {
    let machines = "@id(\"ws.forbid.machines\") @why(\"nobody waves machines through\")\nforbid (principal, action == CF::Action::\"approval.give\", resource) when { resource.machine };\n";
    for machine in [true, false] {
        let world = World::new().await;
        let rules = format!("{machines}{}", needing("repair.execute", 1));
        world.under(&rules).await;
        world.scan().await;
        let incident = world.incident().await.id.to_string();
        let who = if machine {
            world.repair_key.clone()
        } else {
            world.sign_in("Ann").await
        };
        let propose = world.propose();
        let proposed = propose.propose(&who, &incident, Some("support asked"), true);
        let action = proposed.await.unwrap().action;
        let ben = world.sign_in("Ben").await;
        let voted = approve(&world, &ben, &action).await;
        if machine {
            assert!(matches!(voted, Err(ActionError::Denied(_))), "{voted:?}");
            assert_eq!(rule(&world), "ws.forbid.machines");
        } else {
            assert_eq!(voted.unwrap(), ActionState::Verified);
        }
    }
}
