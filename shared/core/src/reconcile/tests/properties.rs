//! What holds in every world.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{AS_OF, Scan, World, artifact, catalog};
use crate::billing::Subscription;
use crate::time::Timestamp;

/// A world of few names, so that keys collide, disagree and dangle often.
fn worlds() -> impl Strategy<Value = World> {
    let user = || select(vec!["1", "2", "3", "4", "gone"]);
    let id = || select(vec!["a", "b", "c", "d", "e"]);
    let status = select(vec![
        "active",
        "active",
        "active",
        "trialing",
        "past_due",
        "canceled",
        "unpaid",
        "paused",
        "incomplete",
        "hibernating",
    ]);
    let price = select(vec![
        "basic",
        "pro",
        "pro*3",
        "pro+audit",
        "audit",
        "pro_year",
        "mystery",
    ]);
    let extra = select(vec![
        "",
        "",
        "trial=+3d",
        "trial=-3d",
        "age=5",
        "pause=void",
        "test",
        "period=-20d",
        "half",
        "cancel_at=-1d",
        "free",
        "unpaid=-2d unpaid=-20d",
    ]);
    let subscription = (status, price, extra)
        .prop_map(|(status, price, extra)| format!("| {status} {price} {extra}"));
    let customer = (
        id(),
        prop::option::of(user()),
        prop::option::of(user()),
        prop::bool::weighted(0.1),
        vec(subscription, 0..4),
    );
    let customer = customer.prop_map(|(id, user, email, deleted, subscriptions)| {
        let user = user.map_or(String::new(), |user| format!("user={user}"));
        let email = email.map_or(String::new(), |email| format!("email={email}@example.com"));
        let deleted = if deleted { "deleted" } else { "" };
        (
            id,
            format!(
                "cus {id} {user} {email} {deleted} {}",
                subscriptions.join(" ")
            ),
        )
    });
    let plan = select(vec![
        "",
        "basic on",
        "pro on",
        "pro",
        "on",
        "plan=gold on",
        "plan=null",
    ]);
    let row = (
        user(),
        plan,
        prop::option::of(id()),
        prop::option::of(user()),
        select(vec![
            "",
            "seats=3",
            "trial=+3d",
            "comped=+1d",
            "features=beta",
            "features=sso",
        ]),
    );
    let row = row.prop_map(|(id, plan, link, email, extra)| {
        let link = link.map_or(String::new(), |link| format!("link={link}"));
        let email = email.map_or(String::new(), |email| format!("email={email}@example.com"));
        (id, format!("row {id} {plan} {link} {email} {extra}"))
    });
    (vec(customer, 0..6), vec(row, 0..5)).prop_map(|(customers, rows)| {
        let mut lines: Vec<(&str, String)> = customers;
        lines.sort_by_key(|(id, _)| *id);
        lines.dedup_by_key(|(id, _)| *id);
        let mut rows: Vec<(&str, String)> = rows;
        rows.sort_by_key(|(id, _)| *id);
        rows.dedup_by_key(|(id, _)| *id);
        let text: Vec<String> = lines
            .into_iter()
            .chain(rows)
            .map(|(_, line)| line)
            .collect();
        World::of(&text.join("\n"))
    })
}

fn shuffled(world: World) -> impl Strategy<Value = World> {
    let World {
        text,
        customers,
        subscriptions,
        invoices,
        rows,
    } = world;
    let customers = Just(customers).prop_shuffle();
    let subscriptions = Just(subscriptions).prop_shuffle();
    let invoices = Just(invoices).prop_shuffle();
    (
        customers,
        subscriptions,
        invoices,
        Just(rows).prop_shuffle(),
    )
        .prop_map(move |(customers, subscriptions, invoices, rows)| World {
            text: text.clone(),
            customers,
            subscriptions,
            invoices,
            rows,
        })
}

proptest! {
    #[test]
    fn order_changes_nothing(
        (world, other) in worlds().prop_flat_map(|world| (Just(world.clone()), shuffled(world))),
        rules in select(vec!["", "features_from = \"highest\"", "past_due_grace = \"forever\""]),
    ) {
        let artifact = artifact(rules);
        prop_assert_eq!(world.run(&artifact), other.run(&artifact));
    }

    #[test]
    fn reading_an_object_twice_changes_nothing(world in worlds()) {
        let mut twice = world.clone();
        twice.customers.extend(world.customers.clone());
        let again: Vec<Subscription> = world.subscriptions.iter().rev().cloned().collect();
        twice.subscriptions.extend(again);
        twice.invoices.extend(world.invoices.clone());
        let artifact = artifact("");
        prop_assert_eq!(world.run(&artifact), twice.run(&artifact));
    }

    #[test]
    fn objects_as_json_are_the_same_objects(world in worlds()) {
        let artifact = artifact("");
        let as_of = Timestamp::from_secs(AS_OF);
        let mut scan = Scan::new(&artifact, &catalog(), as_of, true);
        for customer in &world.customers {
            scan.customer_json(&serde_json::to_string(customer).unwrap()).unwrap();
        }
        for subscription in &world.subscriptions {
            scan.subscription_json(&serde_json::to_string(subscription).unwrap()).unwrap();
        }
        world.invoices.iter().for_each(|invoice| scan.invoice(invoice));
        let mut join = scan.seal();
        world.rows.iter().for_each(|row| join.row(row));
        prop_assert_eq!(join.finish(), world.run(&artifact));
    }

    #[test]
    fn repaired_findings_do_not_come_back(world in worlds()) {
        let artifact = artifact("");
        let outcome = world.run(&artifact);
        let (repairable, rest): (Vec<_>, Vec<_>) = outcome
            .findings
            .into_iter()
            .partition(|finding| finding.not_repairable.is_none());
        for finding in &repairable {
            prop_assert!(!finding.changes.is_empty(), "{:?}", finding);
        }
        for finding in &rest {
            prop_assert!(finding.changes.is_empty(), "{:?}", finding);
        }
        let after = world.repaired(&artifact, &repairable).run(&artifact);
        for finding in after.findings {
            let same = |old: &&super::Finding| {
                (old.kind, &old.subject, old.field) == (finding.kind, &finding.subject, finding.field)
            };
            prop_assert!(!repairable.iter().any(|old| same(&old)), "{:?}", finding);
            // A repair makes no new difference either.
            prop_assert!(rest.iter().any(|old| same(&old)), "{:?}", finding);
        }
    }
}
