//! What happens between the judgement of an execution and the transaction that begins it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::governed_run::Registered;
use counterfoil_core::ids::ActionId;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, State, StateWrite,
};
use counterfoil_core::reconcile::Finding;
use counterfoil_core::records::{Directory, Member, Project, Records};
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{ActionError, FlowChange, RepairPorts, VoteOnAction};
use counterfoil_testkit::memory::MemStore;
use futures::future::BoxFuture;

use super::super::world::World;
use super::keys::ended;
use super::{proposed, vote};

/// Does something right before the first transaction with an entry of this kind.
struct Before {
    port: Arc<MemStore>,
    kind: Kind,
    act: Mutex<Option<BoxFuture<'static, ()>>>,
}

#[async_trait]
impl EvidenceAppend for Before {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if batch.drafts.iter().any(|draft| draft.kind == self.kind) {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act.await;
            }
        }
        self.port.append(stream, batch).await
    }
}

pub(crate) fn before(
    world: &World,
    kind: Kind,
    act: impl Future<Output = ()> + Send + 'static,
) -> Arc<dyn EvidenceAppend> {
    Arc::new(Before {
        port: world.store.clone(),
        kind,
        act: Mutex::new(Some(Box::pin(act))),
    })
}

/// Writes rows.
pub(crate) fn writing(
    world: &World,
    writes: Vec<StateWrite>,
) -> impl Future<Output = ()> + Send + 'static {
    let store = world.store.clone();
    async move { assert!(store.write(writes).await.unwrap()) }
}

pub(crate) fn votes(world: &World, kind: Kind, writes: Vec<StateWrite>) -> VoteOnAction {
    VoteOnAction {
        ports: RepairPorts {
            evidence: before(world, kind, writing(world, writes)),
            ..world.ports()
        },
    }
}

/// Approves, with `writes` in between: what became of the action, and the last decision's rule.
async fn approved(
    world: &World,
    action: &Action,
    writes: Vec<StateWrite>,
) -> (ActionState, String) {
    let votes = votes(world, Kind::RepairStarted, writes);
    let yes = vote(action, VoteKind::Approve, "checked the invoice");
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &yes)).await;
    let last = world.facts("run.decision").pop().unwrap();
    let rule = last.get("rule").and_then(Json::as_str).unwrap();
    (after.unwrap().action.value.state, rule.to_owned())
}

pub(crate) async fn frozen(world: &World) -> StateWrite {
    let directory = Directory::of(world.store.as_ref());
    let found = directory.project(world.project.id);
    let found = found.await.unwrap().unwrap();
    let frozen = Project {
        frozen: true,
        ..found.value
    };
    let row = serde_json::to_value(&frozen).unwrap();
    StateWrite::replace(Directory::project_key(frozen.id), found.version, row)
}

/// An emergency stop that was acknowledged stops what was judged a moment before it.
#[tokio::test]
async fn a_project_that_is_frozen_meanwhile_sees_no_update() {
    let (world, action) = proposed().await;
    let writes = vec![frozen(&world).await];
    let came = approved(&world, &action, writes).await;
    assert_eq!(came, (ActionState::Stale, "base.forbid.frozen".to_owned()));
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
}

/// Rules that come into force are heard from their transaction on.
#[tokio::test]
async fn rules_that_come_into_force_meanwhile_are_the_ones_that_count() {
    let (world, action) = proposed().await;
    let none = "@id(\"ws.forbid.none\") @why(\"no repairs this week\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource);\n";
    let came = approved(&world, &action, world.rows_of(none)).await;
    assert_eq!(came, (ActionState::Stale, "ws.forbid.none".to_owned()));
    assert_eq!(world.app.updates(), 0);
}

/// The row of a member who may no more than look.
pub(crate) async fn demoted(store: &MemStore, who: &TenantCtx) -> StateWrite {
    let (workspace, person) = (who.workspace(), who.principal().person().unwrap());
    let found = Directory::of(store).member(workspace, person).await;
    let found = found.unwrap().unwrap();
    let viewer = Member {
        role: Role::Viewer,
        ..found.value
    };
    let row = serde_json::to_value(&viewer).unwrap();
    StateWrite::replace(Directory::member_key(workspace, person), found.version, row)
}

/// An approval counts by the role that its person has in the moment of the execution.
#[tokio::test]
async fn whoever_is_demoted_meanwhile_has_approved_nothing() {
    let (world, action) = proposed().await;
    let writes = vec![demoted(&world.store, &world.ben).await];
    let came = approved(&world, &action, writes).await;
    let rule = "base.require.machine-live".to_owned();
    assert_eq!(came, (ActionState::Stale, rule));
    assert_eq!(world.app.updates(), 0);
}

/// What a key proposed is carried out while the key is valid.
#[tokio::test]
async fn what_a_key_proposed_that_is_revoked_meanwhile_is_not_carried_out() {
    let (world, action) = proposed().await;
    let writes = vec![ended(&world, &world.repair_key, "revoked_at").await];
    let (state, _) = approved(&world, &action, writes).await;
    assert_eq!((state, world.app.updates()), (ActionState::Stale, 0));
    assert_eq!(world.count("repair.started"), 0);
}

/// A mass drift that opens meanwhile is heard, though another row says so.
#[tokio::test]
async fn a_mass_drift_that_opens_meanwhile_stops_what_was_judged_before() {
    let (world, action) = proposed().await;
    let run = world.incident().await.seen_by;
    let finding = Finding::mass_drift(9, 50);
    let drift = Incident::open(world.project.id, finding, run, world.clock.now());
    let records = Records::of(world.store.as_ref(), &world.ann);
    let writes = vec![records.create(&drift).unwrap()];
    let (state, rule) = approved(&world, &action, writes).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule, "base.forbid.breaker");
    assert_eq!(world.app.updates(), 0);
}

/// The incident of an action as somebody else has left it.
async fn left(world: &World, action: &Action, change: impl FnOnce(&mut Incident)) -> StateWrite {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let id = action.binding.resource.to_string();
    let found = records.get::<Incident>(&id).await.unwrap().unwrap();
    let mut after = found.value;
    change(&mut after);
    records.replace(found.version, &after).unwrap()
}

/// What is judged anew is compared with the incident as it is by then, after both sides were looked at.
#[tokio::test]
async fn an_incident_that_is_another_one_meanwhile_sees_no_update() {
    type Change = fn(&mut Incident);
    let others: [(Change, &str); 3] = [
        (
            |it| it.state = IncidentState::Resolved,
            "base.forbid.unconfirmed",
        ),
        // It was over, and the same difference has come back.
        (
            |it| (it.state, it.action) = (IncidentState::Open, None),
            "base.require.machine-live",
        ),
        (
            |it| it.finding.changes[0].after = Cell::Text("enterprise".to_owned()),
            "base.require.machine-live",
        ),
    ];
    for (change, why) in others {
        let (world, action) = proposed().await;
        let incident = left(&world, &action, change).await;
        let writes = vec![incident];
        let (state, last) = approved(&world, &action, writes).await;
        assert_eq!((state, last.as_str()), (ActionState::Stale, why));
        let sent = (world.app.updates(), world.count("repair.started"));
        assert_eq!(sent, (0, 0));
        assert_eq!(world.count("run.open"), world.count("run.close"));
    }
}

/// What takes a repair back does so for as long as its incident waits for it, and not for another one.
#[tokio::test]
async fn an_undo_whose_incident_waits_for_another_action_writes_nothing() {
    let (world, action) = proposed().await;
    super::approve(&world, &world.ben, &action).await.unwrap();
    let (propose, id) = (world.propose(), action.id.to_string());
    let undo = propose.undo(&world.repair_key, &id, Some("it was mapped wrongly"), true);
    let undo = undo.await.unwrap().action;
    let other = left(&world, &undo, |it| {
        it.action = Some(ActionId::from_bits(7));
    });
    let writes = vec![other.await];
    let (state, _) = approved(&world, &undo, writes).await;
    assert_eq!((state, world.app.updates()), (ActionState::Stale, 1));
    assert_eq!(world.incident().await.state, IncidentState::Repairing);
}

/// What an action leaves behind is its own incident, not what somebody else has made of it.
#[tokio::test]
async fn an_incident_that_does_not_wait_for_the_action_stays_as_it_is_when_that_ends() {
    let (world, action) = proposed().await;
    let over = left(&world, &action, |it| it.state = IncidentState::Resolved).await;
    assert!(world.store.write(vec![over]).await.unwrap());
    let (votes, id) = (world.vote(), action.id.to_string());
    let ended = votes.cancel(&world.repair_key, &id).await.unwrap().value;
    assert_eq!(ended.state, ActionState::Cancelled);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

/// What changes and does not matter ends nothing: the action is judged anew, and carried out once.
#[tokio::test]
async fn a_change_that_changes_no_answer_costs_one_more_judgement() {
    let (world, action) = proposed().await;
    let directory = Directory::of(world.store.as_ref());
    let found = directory.project(world.project.id);
    let found = found.await.unwrap().unwrap();
    let row = serde_json::to_value(&found.value).unwrap();
    let key = Directory::project_key(found.value.id);
    let writes = vec![StateWrite::replace(key, found.version, row)];
    let (state, _) = approved(&world, &action, writes).await;
    assert_eq!((state, world.app.updates()), (ActionState::Verified, 1));
    assert_eq!(world.count("repair.started"), 1);
}

/// What an agent is to begin itself is told to it only while what was judged holds.
#[tokio::test]
async fn an_action_of_a_run_does_not_begin_in_a_project_that_is_frozen_meanwhile() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let yes = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert_eq!(yes.unwrap(), ActionState::Approved);
    let (writes, id) = (vec![frozen(&world).await], held.id.to_string());
    let votes = votes(&world, Kind::ObservationRecorded, writes);
    let begun = Box::pin(votes.execute(&world.repair_key, &id, Some(&held.digest))).await;
    assert!(matches!(begun, Err(ActionError::Changed)), "{begun:?}");
    assert_eq!(world.count("observation.recorded"), 0);
    let again = Box::pin(votes.execute(&world.repair_key, &id, Some(&held.digest))).await;
    assert_eq!(again.unwrap().value.state, ActionState::Stale);
}

/// The last approval is judged with the rules and the stop that hold in its own transaction.
#[tokio::test]
async fn an_approval_in_a_project_that_is_frozen_meanwhile_leads_to_nothing() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let (writes, id) = (vec![frozen(&world).await], held.id.to_string());
    let votes = votes(&world, Kind::RunResolution, writes);
    let yes = vote(&held, VoteKind::Approve, "checked the invoice");
    let voted = Box::pin(votes.vote(&world.ben, &id, &yes)).await;
    assert!(matches!(voted, Err(ActionError::Changed)), "{voted:?}");
    assert_eq!(world.count("run.resolution"), 0);
    let again = Box::pin(votes.vote(&world.ben, &id, &yes)).await.unwrap();
    assert_eq!(again.action.value.state, ActionState::Stale);
}

/// What is known of a kind comes from every flow, until whoever does it begins.
#[tokio::test]
async fn an_action_does_not_begin_that_a_flow_registers_as_destructive_meanwhile() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let allowed = world.act(&run, "mail.send", "ticket-1").await.value;
    assert_eq!(allowed.state, ActionState::Allowed);
    let (runs, ben) = (world.governed(), world.sign_in("Ben").await);
    let kinds = BTreeMap::from([("mail.send".to_owned(), Registered { destructive: true })]);
    let registered = async move {
        let done = runs.register(&ben, "sandbox", kinds, None, 0).await;
        assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    };
    let votes = VoteOnAction {
        ports: RepairPorts {
            evidence: before(&world, Kind::ObservationRecorded, registered),
            ..world.ports()
        },
    };
    let id = allowed.id.to_string();
    let begun = Box::pin(votes.execute(&world.repair_key, &id, None)).await;
    assert!(matches!(begun, Err(ActionError::Changed)), "{begun:?}");
    assert_eq!(world.count("observation.recorded"), 0);
    let again = Box::pin(votes.execute(&world.repair_key, &id, None)).await;
    assert_eq!(again.unwrap().value.state, ActionState::Stale);
}
