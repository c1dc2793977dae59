//! Clients that act for people: agents with no more rights than whoever let them in, each in that
//! person's name alone, and none that votes.

use counterfoil_core::auth::{AuthError, Authenticated, authenticate_delegate};
use counterfoil_core::governed_run::FlowKind;
use counterfoil_core::policy::Effect;
use counterfoil_core::ports::{Clock, Delegation, State, StateWrite};
use counterfoil_core::records::Directory;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::tenancy::{Capability, Principal, Role, TenantCtx};
use counterfoil_core::usecases::{ActionError, Completion, NewWorkspace, RunError};

use crate::governed::{action, flow};
use crate::world::{World, login, signing_in};

const CLIENT: &str = "https://agents.example/client.json";

async fn client(world: &World, person: &str) -> Authenticated {
    let delegation = Delegation {
        client: CLIENT.to_owned(),
        person: login(person, world.clock.now()),
    };
    let caller = authenticate_delegate(world.store.as_ref(), delegation).await;
    caller.unwrap().as_agent().unwrap()
}

impl World {
    /// The agent of a member, in the project.
    async fn agent_of(&self, person: &str) -> TenantCtx {
        let project = self.project.id.to_string();
        let caller = client(self, person).await;
        let ctx = caller.project(self.store.as_ref(), Some(&project)).await;
        ctx.unwrap()
    }
}

#[tokio::test]
async fn a_client_is_an_agent_in_the_name_of_a_member_and_reaches_what_they_reach() {
    let world = World::new().await;
    let ann = world.ann.principal().person().unwrap();
    let agent = world.agent_of("Ann").await;
    let principal = agent.principal();
    assert_eq!(
        (principal.kind(), principal.id()),
        ("agent", CLIENT.to_owned())
    );
    assert_eq!(principal.on_behalf_of(), Some(ann));
    assert_eq!(
        (principal.proposers(), principal.owners()),
        (vec![ann], vec![ann])
    );
    assert_eq!((principal.person(), principal.role()), (None, None));

    let project = world.project.id.to_string();
    let store = world.store.as_ref();
    let absent = |found: Result<TenantCtx, AuthError>| matches!(found, Err(AuthError::NotFound));
    let stranger = client(&world, "nobody we know").await;
    assert!(absent(stranger.project(store, Some(&project)).await));
    let caller = client(&world, "Ann").await;
    assert!(matches!(
        caller.project(store, None).await,
        Err(AuthError::ProjectNotNamed)
    ));
    let eve = login("Eve", world.clock.now());
    let people = [signing_in("Eve", Role::Owner, &eve)];
    let new = NewWorkspace {
        name: "Other",
        people: &people,
    };
    let (other, _) = world.create.workspace(&new).await.unwrap();
    let foreign = world.project_of(&other).await.id.to_string();
    assert!(absent(caller.project(store, Some(&foreign)).await));
    // Not even of its own person does it reach what is not a project.
    let workspace = caller
        .workspace(store, &world.workspace.id.to_string())
        .await;
    assert!(matches!(workspace, Err(AuthError::NotFound)));
    assert!(caller.login().is_none() && caller.key().is_none());
}

#[tokio::test]
async fn what_an_agent_can_do_ends_at_what_its_person_can_do() {
    let world = World::new().await;
    let at = world.clock.now();
    for (role, capability) in [
        (Role::Viewer, Capability::Read),
        (Role::Auditor, Capability::Read),
        (Role::Approver, Capability::Repair),
        (Role::Admin, Capability::Repair),
        (Role::Owner, Capability::Repair),
    ] {
        let name = role.name();
        let (olga, own) = (login("Olga", at), login(name, at));
        let people = [
            signing_in("Olga", Role::Owner, &olga),
            signing_in(name, role, &own),
        ];
        let new = NewWorkspace {
            name,
            people: &people,
        };
        let (workspace, _) = world.create.workspace(&new).await.unwrap();
        let project = world.project_of(&workspace).await.id.to_string();
        let caller = client(&world, name).await;
        let ctx = caller.project(world.store.as_ref(), Some(&project)).await;
        let ctx = ctx.unwrap();
        let Principal::Agent {
            capability: own,
            owner_role,
            ..
        } = ctx.principal()
        else {
            panic!("{:?}", ctx.principal());
        };
        assert_eq!((*own, *owner_role), (capability, Some(role)), "{name}");
        assert_eq!(ctx.principal().reader_role(), Some(role));
        let opened = world.governed().open(&ctx, flow(FlowKind::Governed)).await;
        let may = capability == Capability::Repair;
        assert_eq!(opened.is_ok(), may, "{name}: {opened:?}");
    }
}

#[tokio::test]
async fn neither_an_agent_nor_whoever_it_acts_for_approves_what_it_proposes() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let agent = world.agent_of("Ann").await;
    let repairs = world.propose();
    let proposed = repairs.propose(&agent, &incident, Some("paid, and has nothing"), false);
    let action = proposed.await.unwrap().action;
    assert_eq!(
        (action.effect, action.state),
        (Effect::Require, ActionState::Held)
    );
    let ann = world.ann.principal().person().unwrap();
    assert_eq!(action.binding.on_behalf_of, Some(ann));
    let decided = world.facts("run.decision").pop().unwrap();
    let actor = decided.get("actor").unwrap();
    assert_eq!(actor.get("id").and_then(|id| id.as_str()), Some(CLIENT));
    let behind = actor.get("on_behalf_of").and_then(|id| id.as_str());
    assert_eq!(behind, Some(ann.to_string().as_str()));

    for (who, rule) in [
        (&agent, "base.forbid.machine-approves"),
        (&world.agent_of("Ben").await, "base.forbid.machine-approves"),
        (&world.ann, "base.forbid.proposer-approves"),
    ] {
        let refused = world.answer(who, &action, VoteKind::Approve).await;
        let rule_of = match &refused {
            Err(ActionError::Denied(judgement)) => judgement.rule.as_str(),
            _ => "none",
        };
        assert_eq!(rule_of, rule, "{refused:?}");
    }
    assert_eq!(world.app.updates(), 0);
    let approved = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(approved.unwrap(), ActionState::Approved);
}

#[tokio::test]
async fn what_a_client_does_for_one_person_is_not_another_s() {
    let world = World::new().await;
    world.register().await;
    let (anns, bens) = (world.agent_of("Ann").await, world.agent_of("Ben").await);
    assert_eq!(anns.principal().id(), bens.principal().id());
    assert_ne!(anns.principal().account(), bens.principal().account());
    let runs = world.governed();
    let run = runs.open(&anns, flow(FlowKind::Governed)).await.unwrap();
    let run = run.value.id.to_string();
    let new = action("refund.create", "invoice-1");
    let proposed = runs.propose(&bens, &run, &new).await;
    assert!(matches!(proposed, Err(RunError::MissingCapability)));
    let completed = runs.complete(&bens, &run, &Completion::default()).await;
    assert!(matches!(completed, Err(RunError::MissingCapability)));
    let held = runs.propose(&anns, &run, &new).await.unwrap().action.value;
    assert_eq!(held.state, ActionState::Held);
    assert_eq!(held.binding.on_behalf_of, anns.principal().on_behalf_of());
    let id = held.id.to_string();
    let votes = world.vote();
    let cancelled = Box::pin(votes.cancel(&bens, &id)).await;
    assert!(matches!(cancelled, Err(ActionError::MissingCapability)));
    let cancelled = Box::pin(votes.cancel(&anns, &id)).await.unwrap();
    assert_eq!(cancelled.value.state, ActionState::Cancelled);
}

#[tokio::test]
async fn an_agent_ends_with_the_membership_of_its_person() {
    let world = World::new().await;
    let project = world.project.id.to_string();
    let caller = client(&world, "Ben").await;
    let store = world.store.as_ref();
    assert!(caller.project(store, Some(&project)).await.is_ok());
    let ben = world.ben.principal().person().unwrap();
    let key = Directory::member_key(world.workspace.id, ben);
    let write = StateWrite::delete(key);
    assert!(world.store.write(vec![write]).await.unwrap());
    let gone = caller.project(store, Some(&project)).await;
    assert!(matches!(gone, Err(AuthError::NotFound)));
}
