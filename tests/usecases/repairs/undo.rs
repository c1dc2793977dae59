//! Taking a repair back.

use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{State as _, StateWrite};
use counterfoil_core::reconcile::{FindingKind, Identity};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::ActionError;

use super::super::world::{MAPPING, World, subscription};
use super::{approve, proposed};

/// Proposes to take back what an action wrote.
async fn undo(world: &World, who: &TenantCtx, action: &Action) -> Result<Action, ActionError> {
    let (propose, id) = (world.propose(), action.id.to_string());
    let proposed = propose.undo(who, &id, Some("it was mapped wrongly"), true);
    Ok(proposed.await?.action)
}

#[tokio::test]
async fn an_undo_is_a_new_action_that_writes_what_was_there_before() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    assert!(world.granted("u1"));
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(back.state, ActionState::Held);
    assert_eq!(back.undo.unwrap().of, action.id);
    assert_ne!(back.digest, action.digest);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert!(!world.granted("u1"));
    assert_eq!(world.app.updates(), 2);
    // Stripe still promises it, so the difference is open again.
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let facts = world.facts("run.decision");
    let change = facts.last().unwrap().get("request").unwrap().get("context");
    let change = change.unwrap().get("change").unwrap();
    assert_eq!(
        change.get("direction").and_then(Json::as_str),
        Some("revoke")
    );
}

#[tokio::test]
async fn an_undo_of_what_was_changed_since_writes_nothing() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    world.set_row("u1", false);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 1);
    let is = world.incident().await.state;
    assert_eq!(is, IncidentState::Resolved, "as it was before");
}

#[tokio::test]
async fn what_was_not_executed_cannot_be_undone() {
    let (world, action) = proposed().await;
    let refused = undo(&world, &world.repair_key, &action).await;
    assert!(matches!(refused, Err(ActionError::WrongState { .. })));
    let refused = undo(&world, &world.read_key, &action).await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
}

/// One at a time: what waits already is answered first, and what an erasure took says nothing any more.
#[tokio::test]
async fn what_is_being_taken_back_or_was_erased_is_not_taken_back_once_more() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(back.state, ActionState::Held);
    let before = world.kinds();
    let twice = undo(&world, &world.repair_key, &action).await;
    assert!(
        matches!(twice, Err(ActionError::WrongState { .. })),
        "{twice:?}"
    );
    let of_undo = undo(&world, &world.repair_key, &back).await;
    assert!(
        matches!(of_undo, Err(ActionError::WrongState { .. })),
        "{of_undo:?}"
    );
    assert_eq!(world.kinds(), before);
    let (votes, id) = (world.vote(), back.id.to_string());
    votes.cancel(&world.repair_key, &id).await.unwrap();

    let records = Records::of(world.store.as_ref(), &world.ann);
    let id = action.id.to_string();
    let found = records.get::<Action>(&id).await.unwrap().unwrap();
    let mut write = (records.replace(found.version, &found.value.erased())).unwrap();
    write.cites = found.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());
    let erased = undo(&world, &world.repair_key, &action).await;
    assert!(
        matches!(erased, Err(ActionError::WrongState { .. })),
        "{erased:?}"
    );
    assert_eq!(world.app.updates(), 1);
}

/// Three plans beside each other.
fn three_plans() -> String {
    let plan = |name: &str, rank: u8, price: &str| {
        format!(
            "[[plans]]\nname = \"{name}\"\nrank = {rank}\npremium = true\nmatch = {{ price = [\"{price}\"] }}\nfeatures = []\n\n"
        )
    };
    let more = plan("basic", 10, "price_basic") + &plan("enterprise", 30, "price_enterprise");
    MAPPING.replace("[rules]", &format!("{more}[rules]"))
}

fn set_plan(world: &World, user: &str, plan: &str, customer: Cell) {
    let cells = [
        ("stripe_customer_id", customer),
        ("plan", Cell::Text(plan.to_owned())),
        ("premium", Cell::Bool(plan != "free")),
    ];
    world.app.put(Cell::Text(user.to_owned()), cells);
}

/// What the rules were told of the change, and how sure it was whose row it is: in the newest decision.
fn told(world: &World) -> [String; 5] {
    let facts = world.facts("run.decision");
    let context = facts.last().unwrap().get("request").unwrap();
    let context = context.get("context").unwrap();
    let text = |part: &str, name: &str| {
        let found = context.get(part).unwrap().get(name);
        found.and_then(Json::as_str).unwrap().to_owned()
    };
    [
        text("change", "value_kind"),
        text("change", "from"),
        text("change", "to"),
        text("change", "direction"),
        text("standing", "identity"),
    ]
}

/// A repair of `basic` to `pro`, done; then the customer goes over to `enterprise`.
async fn mended_and_upgraded() -> (World, Action) {
    let world = World::new().await;
    world.activate_mapping(&three_plans()).await;
    set_plan(&world, "u1", "basic", Cell::Null);
    world.scan().await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::WrongPlan);
    let (propose, id) = (world.propose(), incident.id.to_string());
    let proposed = propose.propose(&world.repair_key, &id, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert_eq!(told(&world), ["plan", "basic", "pro", "change", "metadata"]);

    world.billing.cancel_all("cus_1");
    let mut upgraded = subscription("sub_9", "cus_1");
    upgraded.items.data[0].price.id = "price_enterprise".to_owned();
    world.billing.add_subscription(upgraded);
    (world, action)
}

async fn wrong_plan(world: &World) -> Incident {
    let mut all = world.incidents().await;
    all.retain(|it| it.finding.kind == FindingKind::WrongPlan);
    all.pop().unwrap()
}

/// A later run has seen another difference of the same row: what is taken back is what was written.
#[tokio::test]
async fn an_undo_is_judged_on_what_it_takes_back_and_not_on_what_differs_since() {
    let (world, action) = Box::pin(mended_and_upgraded()).await;
    world.scan().await;
    let incident = wrong_plan(&world).await;
    assert_eq!(incident.state, IncidentState::Open);
    assert_eq!(incident.finding.expected.text(), "enterprise");

    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    let reversed = ["plan", "pro", "basic", "change", "metadata"];
    assert_eq!(told(&world), reversed);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert_eq!(told(&world), reversed, "also when it is carried out");
    let plan = world.app.cell(&Cell::Text("u1".to_owned()), "plan");
    assert_eq!(plan, Some(Cell::Text("basic".to_owned())));
    assert_eq!(wrong_plan(&world).await.state, IncidentState::Open);
}

/// What cannot be repaired any more can still be taken back: it writes what was there.
#[tokio::test]
async fn an_undo_is_not_kept_from_by_a_later_difference_that_cannot_be_repaired() {
    let (world, action) = Box::pin(mended_and_upgraded()).await;
    // Another row says that it is this customer's.
    set_plan(&world, "u9", "free", Cell::Text("cus_1".to_owned()));
    world.scan().await;
    let incident = wrong_plan(&world).await;
    assert_eq!(incident.state, IncidentState::Open);
    assert!(incident.finding.changes.is_empty());
    let records = Records::of(world.store.as_ref(), &world.ann);
    let id = incident.id.to_string();
    let found = records.get::<Incident>(&id).await.unwrap().unwrap();
    let mut unsure = found.value;
    unsure.finding.identity = Some(Identity::Email);
    let mut write = records.replace(found.version, &unsure).unwrap();
    write.cites = found.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());

    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(back.rule, "base.require.machine-live");
    assert_eq!(told(&world), ["plan", "pro", "basic", "change", "metadata"]);
    // The customer is promised something else, so nothing that was promised is taken back.
    let facts = world.facts("run.decision").pop().unwrap();
    let standing = facts.get("request").unwrap().get("context").unwrap();
    assert!(standing.get("standing").unwrap().get("kept").is_none());
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert_eq!(world.app.updates(), 2);
}

/// Of what an earlier build proposed nobody knows what it meant, but what its difference says.
#[tokio::test]
async fn an_undo_of_an_action_of_an_earlier_build_is_judged_on_its_difference() {
    let (world, action) = Box::pin(mended_and_upgraded()).await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let id = action.id.to_string();
    let found = records.get::<Action>(&id).await.unwrap().unwrap();
    let mut row = serde_json::to_value(&found.value).unwrap();
    assert!(row.as_object_mut().unwrap().remove("meaning").is_some());
    let mut write = StateWrite::replace(records.key::<Action>(&id), found.version, row);
    write.cites = found.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());

    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(told(&world), ["plan", "pro", "basic", "change", "metadata"]);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
}
