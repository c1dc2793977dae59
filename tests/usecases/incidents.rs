//! What people do to incidents, and what runs make of it.

use std::time::Duration;

use counterfoil_core::ids::IncidentId;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::money::Money;
use counterfoil_core::ports::{Clock, State};
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::{Records, Versioned};
use counterfoil_core::repair::ActionState;
use counterfoil_core::usecases::{
    IncidentAct, IncidentActed, IncidentError, IncidentFilter, IncidentOrder, Incidents, PageOf,
};

use super::world::World;

const REASON: &str = "given by hand to a friend of the house";

pub(crate) fn incidents(world: &World) -> Incidents {
    Incidents {
        evidence: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        clock: std::sync::Arc::new(world.clock.clone()),
        random: world.random(),
    }
}

/// What was done at once.
pub(crate) fn done(acted: Result<IncidentActed, IncidentError>) -> Versioned<Incident> {
    match acted {
        Ok(IncidentActed::Done(incident)) => *incident,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ignore(world: &World, days: u64) -> IncidentAct {
    IncidentAct::Ignore {
        until: world.clock.now().plus(Duration::from_hours(24 * days)),
        reason: REASON.to_owned(),
    }
}

fn acknowledge() -> IncidentAct {
    IncidentAct::Acknowledge {
        reason: "the plan was renamed in the app".to_owned(),
    }
}

#[tokio::test]
async fn an_ignored_incident_is_recorded_proposes_nothing_and_comes_back_at_its_end() {
    let world = World::new().await;
    world.scan().await;
    world.mail.take_proposals();
    let id = world.incident().await.id.to_string();
    let act = ignore(&world, 7);
    let ignored = incidents(&world).act(&world.ann, &id, "k1", &act).await;
    assert_eq!(done(ignored).value.state, IncidentState::Ignored);
    assert_eq!(world.count("incident.ignored"), 1);
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Ignored);
    assert!(
        world
            .propose()
            .propose(&world.repair_key, &id, None, true)
            .await
            .is_err()
    );
    world.clock.advance(Duration::from_hours(24 * 7));
    world.scan().await;
    let open = world.incident().await;
    assert_eq!((open.state, open.past.len()), (IncidentState::Open, 1));
    assert!(!world.mail.take_proposals().is_empty());
}

#[tokio::test]
async fn an_ignored_incident_whose_difference_is_gone_is_resolved() {
    let world = World::new().await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let act = ignore(&world, 7);
    incidents(&world)
        .act(&world.ann, &id, "k1", &act)
        .await
        .unwrap();
    world.set_row("u1", true);
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

#[tokio::test]
async fn the_same_request_is_answered_again_and_another_one_is_refused() {
    let world = World::new().await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let people = incidents(&world);
    let act = ignore(&world, 7);
    let first = people.act(&world.ann, &id, "k1", &act).await.unwrap();
    let again = people.act(&world.ann, &id, "k1", &act).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(world.count("incident.ignored"), 1);
    let other = people.act(&world.ann, &id, "k1", &ignore(&world, 8)).await;
    assert!(matches!(other, Err(IncidentError::KeyReused)));
    let second = people.act(&world.ben, &id, "k1", &act).await;
    assert!(matches!(second, Err(IncidentError::WrongState(_))));
}

#[tokio::test]
async fn who_may_not_ignore_is_denied_on_the_record_and_strangers_see_nothing() {
    let world = World::new().await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let people = incidents(&world);
    let (decisions, act) = (world.count("run.decision"), ignore(&world, 7));
    let reopen = IncidentAct::Reopen {
        reason: REASON.to_owned(),
    };
    for (machine, act) in [
        (&world.read_key, &act),
        (&world.read_key, &reopen),
        (&world.repair_key, &reopen),
        (&world.repair_key, &acknowledge()),
    ] {
        let denied = people.act(machine, &id, "k1", act).await;
        assert!(
            matches!(denied, Err(IncidentError::Denied(_))),
            "{denied:?}"
        );
    }
    assert_eq!(world.count("run.decision"), decisions + 4);
    let stranger = world.another_project().await;
    let unknown = people.act(&stranger, &id, "k1", &act).await;
    assert!(matches!(unknown, Err(IncidentError::NotFound)));
    let (filter, order) = (IncidentFilter::default(), IncidentOrder::default());
    let seen = people.list(&stranger, &filter, order, at(None, 10)).await;
    let seen = seen.unwrap();
    assert!(seen.items.is_empty() && seen.next_cursor.is_none());
}

/// What does not fit the incident's state or kind is no question for policy: nothing was decided.
#[tokio::test]
async fn an_act_that_does_not_fit_the_incident_is_refused_without_a_decision() {
    let world = World::new().await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    world.set_row("u1", true);
    world.scan().await;
    let before = world.incident().await;
    assert_eq!(before.state, IncidentState::Resolved);
    let people = incidents(&world);
    let reopen = IncidentAct::Reopen {
        reason: REASON.to_owned(),
    };
    for act in [ignore(&world, 7), reopen, acknowledge()] {
        let refused = people.act(&world.ann, &id, "k1", &act).await;
        assert!(
            matches!(refused, Err(IncidentError::WrongState(_))),
            "{refused:?}"
        );
    }
    assert_eq!(world.count("run.decision"), 0);
    assert_eq!(world.count("run.open"), world.count("run.close"));
    assert_eq!(world.incident().await, before);
}

#[tokio::test]
async fn when_evidence_cannot_be_written_the_incident_stays_open() {
    let world = World::new().await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let state = world.incident().await.state;
    world.store.appends_left(Some(0));
    let failed = incidents(&world)
        .act(&world.ann, &id, "k1", &ignore(&world, 7))
        .await;
    assert!(matches!(failed, Err(IncidentError::Evidence(_))));
    assert_eq!(world.incident().await.state, state);
}

#[tokio::test]
async fn an_acknowledged_mass_drift_lets_its_differences_open_one_by_one() {
    let world = World::new().await;
    for user in ["u3", "u4", "u5"] {
        world.add_user(user, &format!("cus_{user}"), false);
    }
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let owner = world.sign_in("Ben").await;
    let done = incidents(&world)
        .act(&owner, &id, "k1", &acknowledge())
        .await;
    assert!(!self::done(done).value.is_breaker());
    world.scan().await;
    let all = Records::of(world.store.as_ref(), &world.ann)
        .list::<Incident>()
        .await
        .unwrap();
    assert_eq!(all.len(), 5, "the mass drift and its four differences");
    let asked = world.mail.take_proposals();
    assert_eq!(asked.len(), 4);
    // And are judged one by one: what was taken for real stops no machine any more.
    for (_, _, incident) in asked {
        let (propose, id) = (world.propose(), incident.to_string());
        let proposed = propose.propose(&world.repair_key, &id, Some("support asked"), true);
        let action = proposed.await.unwrap().action;
        assert_eq!(action.state, ActionState::Held, "{}", action.rule);
    }
    world.add_user("u6", "cus_u6", false);
    world.scan().await;
    let drift = world
        .incidents()
        .await
        .into_iter()
        .find(|it| it.finding.is_mass_drift());
    assert!(drift.unwrap().is_breaker(), "more than was acknowledged");
}

fn at(cursor: Option<&str>, limit: usize) -> PageOf<'_> {
    PageOf { cursor, limit }
}

/// Three more incidents beside the one of the scan: rows alone, a list reads nothing else.
async fn four(world: &World) -> Vec<Incident> {
    world.scan().await;
    let first = world.incident().await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let mut all = vec![first.clone()];
    for (number, minor) in [(1_u64, 500), (2, 300), (3, 500)] {
        let mut more = first.clone();
        more.id = IncidentId::from_bits(u128::from(number));
        more.opened_at = first.opened_at.plus(Duration::from_secs(number));
        more.finding.at_risk = Some(Money {
            minor,
            currency: "usd".to_owned(),
        });
        more.finding.customers = vec![format!("cus_more_{number}")];
        let write = records.create(&more).unwrap();
        assert!(world.store.write(vec![write]).await.unwrap());
        all.push(more);
    }
    all
}

/// Every id of the list, read in pages of this size.
async fn walk(world: &World, order: IncidentOrder, limit: usize) -> Vec<IncidentId> {
    let (people, filter) = (incidents(world), IncidentFilter::default());
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = people.list(&world.ann, &filter, order, at(cursor.as_deref(), limit));
        let page = page.await.unwrap();
        ids.extend(page.items.iter().map(|found| found.value.id));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn pages_of_every_size_give_the_whole_list_in_its_order() {
    let world = World::new().await;
    let all = four(&world).await;
    let mut by_age: Vec<IncidentId> = all.iter().map(|it| it.id).collect();
    let amount = |it: &Incident| it.finding.at_risk.as_ref().map_or(0, |money| money.minor);
    let mut by_amount = all.clone();
    by_amount.sort_by_key(|it| (amount(it), it.id));
    let by_amount: Vec<IncidentId> = by_amount.iter().map(|it| it.id).collect();
    for limit in 1..=5 {
        let oldest = walk(&world, IncidentOrder::OldestFirst, limit).await;
        assert_eq!(oldest, by_age, "pages of {limit}");
        let smallest = walk(&world, IncidentOrder::SmallestFirst, limit).await;
        assert_eq!(smallest, by_amount, "pages of {limit}");
        let largest = walk(&world, IncidentOrder::LargestFirst, limit).await;
        assert_eq!(largest.len(), 4, "pages of {limit}");
    }
    by_age.reverse();
    assert_eq!(walk(&world, IncidentOrder::NewestFirst, 3).await, by_age);
}

#[tokio::test]
async fn a_filter_names_state_kind_and_customer() {
    let world = World::new().await;
    let all = four(&world).await;
    let people = incidents(&world);
    let count = async |filter: IncidentFilter| {
        let order = IncidentOrder::default();
        let page = people.list(&world.ann, &filter, order, at(None, 100)).await;
        page.unwrap().items.len()
    };
    let any = IncidentFilter::default;
    let (state, kind) = (Some(IncidentState::Open), Some(all[0].finding.kind));
    assert_eq!(count(IncidentFilter { state, ..any() }).await, 4);
    assert_eq!(count(IncidentFilter { kind, ..any() }).await, 4);
    let state = Some(IncidentState::Resolved);
    assert_eq!(count(IncidentFilter { state, ..any() }).await, 0);
    let kind = Some(FindingKind::MassDrift);
    assert_eq!(count(IncidentFilter { kind, ..any() }).await, 0);
    let customer = Some("cus_more_2".to_owned());
    assert_eq!(count(IncidentFilter { customer, ..any() }).await, 1);
}

#[tokio::test]
async fn a_cursor_of_another_list_project_or_filter_is_refused() {
    let world = World::new().await;
    four(&world).await;
    let people = incidents(&world);
    let (filter, order) = (IncidentFilter::default(), IncidentOrder::default());
    let page = people.list(&world.ann, &filter, order, at(None, 1)).await;
    let cursor = page.unwrap().next_cursor.unwrap();
    let stranger = world.another_project().await;
    let state = Some(IncidentState::Open);
    let open = IncidentFilter {
        state,
        ..IncidentFilter::default()
    };
    let other = IncidentOrder::LargestFirst;
    for (ctx, filter, order, cursor) in [
        (&stranger, &filter, order, cursor.as_str()),
        (&world.ann, &open, order, cursor.as_str()),
        (&world.ann, &filter, other, cursor.as_str()),
        (&world.ann, &filter, order, cursor.get(1..).unwrap()),
        (
            &world.ann,
            &filter,
            order,
            cursor.get(..cursor.len() - 2).unwrap(),
        ),
        (&world.ann, &filter, order, "inc_00000000000000000000000001"),
        (&world.ann, &filter, order, ""),
    ] {
        let page = people.list(ctx, filter, order, at(Some(cursor), 1)).await;
        let refused = page.map(|page| page.items.len());
        let field = "/cursor";
        assert!(
            matches!(refused, Err(IncidentError::Invalid { field: at, .. }) if at == field),
            "{cursor}: {refused:?}"
        );
    }
}
