//! The sample business agrees with the engine: nothing is found in it but the drift put in.

use std::collections::BTreeSet;
use std::sync::Arc;

use counterfoil_core::cell::{AppRow, Cell};
use counterfoil_core::mapping::{Artifact, Mapping, compile};
use counterfoil_core::ports::Billing;
use counterfoil_core::reconcile::{Outcome, Scan};
use counterfoil_core::time::Timestamp;
use counterfoil_testkit::stripe::{AppUser, Crowd, Drift, Expected, Sample};

use crate::support::{World, now};

const MAPPING: &str = r#"
[match]
table = "public.app_users"
primary_key = "id"
keys = [
  { stripe = "customer.metadata.user_id", column = "id" },
  { stripe = "customer.id", column = "stripe_customer_id" },
  { stripe = "customer.email", column = "email", report_only = true },
]
[access]
plan = { column = "plan", repairable = true, none = "free" }
premium = { column = "premium", repairable = true }
trial = { column = "trial_ends_at", repairable = true }
seats = { column = "seats", none = 1 }
features = { column = "features", repairable = true }
comp = { column = "comped_until" }
[[plans]]
name = "starter"
rank = 10
match = { lookup_key = ["starter_monthly", "starter_yearly"] }
features = "stripe"
[[plans]]
name = "pro"
rank = 20
match = { lookup_key = ["pro_monthly", "pro_yearly"] }
features = "stripe"
[[plans]]
name = "team"
rank = 30
match = { lookup_key = ["team_monthly", "team_yearly"] }
features = "stripe"
[[plans]]
name = "enterprise"
rank = 40
match = { lookup_key = ["enterprise_monthly", "enterprise_yearly"] }
features = "stripe"
"#;

fn cell(user: &AppUser, column: &str) -> Cell {
    let text = |text: &str| Cell::Text(text.to_owned());
    let time =
        |time: Option<i64>| time.map_or(Cell::Null, |it| Cell::Time(Timestamp::from_secs(it)));
    match column {
        "id" => text(&user.id),
        "email" => text(&user.email),
        "stripe_customer_id" => user.stripe_customer_id.as_deref().map_or(Cell::Null, text),
        "plan" => text(&user.plan),
        "premium" => Cell::Bool(user.premium),
        "trial_ends_at" => time(user.trial_ends_at),
        "seats" => Cell::Int(user.seats),
        "features" => Cell::List(user.features.clone()),
        "comped_until" => time(user.comped_until),
        other => panic!("no column {other}"),
    }
}

async fn check(sample: Sample) -> Outcome {
    let world = World::of(sample.shop).await;
    check_world(&world, sample.users.into_iter()).await
}

async fn check_world(world: &World, users: impl Iterator<Item = AppUser>) -> Outcome {
    let artifact: Artifact = compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap();
    let shape = artifact.table();
    let catalog = world.client.catalog(true).await.unwrap();
    let mut scan = Scan::new(&artifact, &catalog, now(), false);
    for customer in world.customers().await.unwrap() {
        scan.customer(&customer);
    }
    for subscription in world.subscriptions().await.unwrap() {
        scan.subscription(&subscription);
    }
    for invoice in world.open_invoices().await.unwrap() {
        scan.invoice(&invoice);
    }
    let mut join = scan.seal();
    for user in users {
        let cells = shape
            .columns
            .iter()
            .map(|column| cell(&user, column))
            .collect();
        join.row(&AppRow {
            key: cell(&user, &shape.key),
            cells,
        });
    }
    join.finish()
}

fn found(outcome: &Outcome) -> BTreeSet<(String, String)> {
    outcome
        .findings
        .iter()
        .map(|finding| (finding.kind.name().to_owned(), finding.subject.clone()))
        .collect()
}

#[tokio::test]
async fn a_consistent_business_has_no_findings() {
    let sample = Sample::new(1, 200, now());
    let users = sample.users.len();
    let outcome = check(sample).await;
    assert_eq!(found(&outcome), BTreeSet::new());
    assert_eq!(usize::try_from(outcome.rows).unwrap(), users);
}

#[tokio::test]
async fn exactly_the_drift_that_was_put_in_is_found() {
    for seed in 1..4 {
        let mut sample = Sample::new(seed, 200, now());
        for drift in Drift::ALL {
            assert_eq!(sample.inject(drift, 2).len(), 2, "{drift:?}");
        }
        let wanted = |it: &Expected| (it.kind.to_owned(), it.subject.clone());
        let expected: BTreeSet<(String, String)> = sample.expected.iter().map(wanted).collect();
        assert_eq!(expected.len(), 18);
        let outcome = check(sample).await;
        assert_eq!(found(&outcome), expected);
        assert_eq!(outcome.findings.len(), 18);
    }
}

#[tokio::test]
async fn a_crowd_has_exactly_the_drift_that_it_says() {
    let crowd = Arc::new(Crowd::new(11, 20_000, now()));
    let world = World::crowd(&crowd).await;
    let outcome = check_world(&world, crowd.users()).await;
    let wanted = |it: Expected| (it.kind.to_owned(), it.subject);
    let expected: BTreeSet<(String, String)> = crowd.expected().map(wanted).collect();
    let found = found(&outcome);
    let missed: Vec<_> = expected.difference(&found).take(5).collect();
    let false_alarms: Vec<_> = found.difference(&expected).take(5).collect();
    assert!(missed.is_empty(), "missed {missed:?}");
    assert!(false_alarms.is_empty(), "false alarms {false_alarms:?}");
    let kinds: BTreeSet<&str> = expected.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds.len(), Drift::ALL.len());
    assert_eq!(outcome.findings.len(), expected.len());
}

#[test]
fn the_same_seed_makes_the_same_business() {
    let users = |seed| Sample::new(seed, 60, now()).users;
    assert_eq!(users(5), users(5));
    assert_ne!(users(5), users(6));
}
