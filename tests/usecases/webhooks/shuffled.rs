//! Bursts, repetitions and wrong orders.

use std::collections::BTreeMap;
use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{CheckRequest, Random};
use counterfoil_core::usecases::Received;
use counterfoil_testkit::memory::SeededRandom;

use super::super::world::{WEBHOOK_SECRET, World, subscription};
use super::{EVENT, send};

fn event(number: usize, customer: &str) -> String {
    EVENT
        .replace("evt_1", &format!("evt_{number}"))
        .replace("cus_1", customer)
}

/// Checks that led to a run, out of the requests in the mailbox.
async fn run_checks(world: &World) -> usize {
    let mut runs = 0;
    for (request, delay) in world.mail.take_checks() {
        if matches!(request, CheckRequest::Customer { .. }) {
            world.clock.advance(delay);
            let run = world.reconcile().handle(&request).await.unwrap();
            runs += usize::from(run.is_some());
        }
    }
    runs
}

#[tokio::test]
async fn a_burst_of_events_leads_to_one_check_and_a_later_event_to_another() {
    let world = World::new().await;
    let receive = world.webhook();
    for number in 0..20 {
        let body = event(number, "cus_2");
        send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
        world.clock.advance(Duration::from_millis(50));
    }
    assert_eq!(run_checks(&world).await, 1);
    let body = event(20, "cus_2");
    send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
    assert_eq!(run_checks(&world).await, 1);
}

#[tokio::test]
async fn a_check_that_could_not_look_answers_nobody() {
    let world = World::new().await;
    let receive = world.webhook();
    for number in 0..2 {
        let body = event(number, "cus_2");
        send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
    }
    world.app.unreadable(true);
    let requests = world.mail.take_checks();
    world.clock.advance(requests[0].1);
    let first = world.reconcile().handle(&requests[0].0).await.unwrap();
    assert!(first.is_some());
    world.app.unreadable(false);
    let second = world.reconcile().handle(&requests[1].0).await.unwrap();
    assert!(second.is_some(), "nothing has looked since the event");
}

#[tokio::test]
async fn a_thin_event_of_a_subscription_leads_to_a_check_of_its_customer() {
    let world = World::new().await;
    for (id, runs) in [("sub_nobody", false), ("sub_u1", true)] {
        let body = format!(
            r#"{{"id":"evt_{id}","object":"v2.core.event","type":"v1.customer.subscription.updated","livemode":true,"created":"2026-11-23T00:00:00Z","related_object":{{"id":"{id}","type":"subscription","url":"/v1/subscriptions/{id}"}}}}"#
        );
        let received = send(&world, &world.webhook(), WEBHOOK_SECRET, &body).await;
        assert_eq!(received.unwrap(), Received::Queued);
        let (request, delay) = world.mail.take_checks().remove(0);
        world.clock.advance(delay);
        let run = world.reconcile().handle(&request).await.unwrap();
        assert_eq!(run.is_some(), runs, "{id}");
    }
    world.deliver_checks().await;
    assert_eq!(world.incident().await.finding.subject, "u1");
}

/// Numbers below a bound, from a seed.
struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let roll = self.0.bits128() % u128::try_from(bound).unwrap();
        usize::try_from(roll).unwrap()
    }

    fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Enough that some lack what they pay for at the end: that a row gives too much is left to scans.
const CUSTOMERS: usize = 40;
const EVENTS: usize = 800;

/// What happens to the shop: a subscription ends or begins, or the app catches up.
#[derive(Clone, Copy)]
struct Change {
    customer: usize,
    what: usize,
}

fn apply(world: &World, change: Change) {
    let (user, id) = (
        format!("s{}", change.customer),
        format!("cus_s{}", change.customer),
    );
    match change.what {
        0 => world.billing.cancel_all(&id),
        1 => {
            world.billing.cancel_all(&id);
            let again = subscription(&format!("sub_{user}"), &id);
            world.billing.add_subscription(again);
        }
        what => world.set_row(&user, what == 2),
    }
}

/// Takes a random request off the queue, after its delay, so that nothing is taken too early.
async fn take_one(world: &World, dice: &Dice, queue: &mut Vec<(CheckRequest, Duration)>) {
    queue.extend(world.mail.take_checks());
    if queue.is_empty() {
        return;
    }
    let (request, delay) = queue.swap_remove(dice.below(queue.len()));
    world.clock.advance(delay);
    world.reconcile().handle(&request).await.unwrap();
}

/// The open incidents at the end, when the events of `changes` come as `shuffled` says.
async fn final_state(seed: u64, shuffled: bool) -> BTreeMap<String, String> {
    let world = World::new().await;
    for number in 0..CUSTOMERS {
        world.add_user(&format!("s{number}"), &format!("cus_s{number}"), true);
    }
    let dice = Dice(SeededRandom::new(seed));
    let changes: Vec<Change> = (0..EVENTS)
        .map(|_| Change {
            customer: dice.below(CUSTOMERS),
            what: dice.below(4),
        })
        .collect();
    let receive = world.webhook();
    let mut queue = Vec::new();
    // Events that Stripe has made and not yet delivered. Nothing comes before its change.
    let mut waiting: Vec<String> = Vec::new();
    let mut deliveries = 0;
    for (number, change) in changes.iter().enumerate() {
        apply(&world, *change);
        let body = event(number, &format!("cus_s{}", change.customer));
        waiting.push(body.clone());
        if shuffled && number % 4 == 0 {
            waiting.push(body);
        }
        if shuffled {
            dice.shuffle(&mut waiting);
        }
        let keep = if shuffled { dice.below(40) } else { 0 };
        while waiting.len() > keep {
            let body = waiting.pop().unwrap();
            send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
            deliveries += 1;
        }
        if dice.below(3) == 0 {
            take_one(&world, &dice, &mut queue).await;
        }
    }
    for body in waiting {
        send(&world, &receive, WEBHOOK_SECRET, &body).await.unwrap();
        deliveries += 1;
    }
    assert_eq!(deliveries, if shuffled { EVENTS * 5 / 4 } else { EVENTS });
    queue.extend(world.mail.take_checks());
    while !queue.is_empty() {
        take_one(&world, &dice, &mut queue).await;
        queue.extend(world.mail.take_checks());
    }
    let open = world.incidents().await.into_iter();
    open.filter(|incident| incident.state == IncidentState::Open)
        .map(|incident| {
            let finding = incident.finding;
            (finding.subject.clone(), format!("{:?}", finding.kind))
        })
        .collect()
}

#[tokio::test]
async fn a_thousand_shuffled_and_repeated_events_lead_to_the_state_of_the_ordered_ones() {
    for seed in [1, 2] {
        let ordered = final_state(seed, false).await;
        let shuffled = final_state(seed, true).await;
        assert!(ordered.len() >= 3, "{ordered:?}");
        assert_eq!(shuffled, ordered, "seed {seed}");
    }
}
