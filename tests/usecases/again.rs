//! Looking again at once at what a look at everything has found.

use counterfoil_core::ports::Clock;
use counterfoil_core::reconcile::{Doubt, Finding};
use counterfoil_core::snapshot::Told;
use counterfoil_core::usecases::{Sides, Sources, confirm_each, look_at_all};
use counterfoil_testkit::memory::{MemApp, MemBilling};

use super::world::{World, artifact, customer, subscription};

async fn first(world: &World) -> Vec<Finding> {
    let (billing, app) = (Box::new(world.billing.clone()), Box::new(world.app.clone()));
    let sources = Sources::new(billing, app, artifact().clone(), true);
    let outcome = look_at_all(&sources.await.unwrap(), world.clock.now()).await;
    outcome.unwrap().findings
}

async fn again(world: &World, first: Vec<Finding>) -> Told {
    use counterfoil_core::ports::Billing as _;
    let (billing, app): (&MemBilling, &MemApp) = (&world.billing, &world.app);
    let catalog = billing.catalog(true).await.unwrap();
    let sides = Sides {
        billing,
        app,
        artifact: artifact(),
        catalog: &catalog,
        livemode: Some(true),
    };
    let now = world.clock.now();
    let (expected, mut seen) = (first.len(), 0);
    let told = confirm_each(sides, first, (now, now), now, &mut || seen += 1).await;
    assert_eq!(seen, expected, "each was looked at");
    told.unwrap()
}

#[tokio::test]
async fn what_the_app_has_caught_up_with_is_left_out_and_the_rest_stays() {
    let world = World::new().await;
    world.add_user("u3", "cus_3", false);
    let found = first(&world).await;
    assert_eq!(found.len(), 2);
    world.set_row("u1", true);
    let told = again(&world, found).await;
    let subjects: Vec<_> = told.found.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["u3"]);
    assert!(told.undecided.is_empty());
}

#[tokio::test]
async fn what_is_another_difference_by_now_is_not_reported_and_not_called_gone() {
    let world = World::new().await;
    let found = first(&world).await;
    world.billing.cancel_all("cus_1");
    world
        .billing
        .add_subscription(subscription("sub_2", "cus_1"));
    let told = again(&world, found).await;
    assert!(told.found.is_empty());
    assert_eq!(told.undecided[0].because, Doubt::StillChanging);
}

#[tokio::test]
async fn a_row_with_too_many_customers_is_not_followed_and_the_others_are() {
    let world = World::new().await;
    world.add_user("u3", "cus_3", false);
    for number in 0..60 {
        let id = format!("cus_many{number}");
        world.billing.add_customer(customer(&id, "u1"));
    }
    let found = first(&world).await;
    let told = again(&world, found).await;
    let subjects: Vec<_> = told.found.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["u3"]);
    let why: Vec<_> = told.undecided.iter().map(|it| it.because).collect();
    assert_eq!(
        why,
        [Doubt::TooManyCustomers; 2],
        "twice paid, and no access"
    );
}
