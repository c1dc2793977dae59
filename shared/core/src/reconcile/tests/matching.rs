//! Who is whom.

use super::super::{NotRepairable, Symbol};
use super::{Money, World, artifact, check, short};

#[test]
fn the_first_key_that_hits_wins() {
    check(
        "cus a user=1 email=2@example.com | active pro\nrow 1 pro on\nrow 2",
        "",
    );
    check("cus a | active pro\nrow 1 pro on link=a", "");
    check("cus a email=1@EXAMPLE.com | active pro\nrow 1 pro on", "");
    // A user id that does not resolve falls through to the link, then to the e-mail.
    check("cus a user=gone | active pro\nrow 1 pro on link=a", "");
    check(
        "cus a user=gone email=1@example.com | active pro\nrow 1 pro on",
        "",
    );
    // The link beats the e-mail, whichever row comes first.
    check(
        "cus a email=1@example.com | active pro\nrow 1\nrow 2 pro on link=a",
        "",
    );
    check(
        "cus a email=2@example.com | active pro\nrow 1 pro on link=a\nrow 2",
        "",
    );
}

#[test]
fn an_email_match_only_reports() {
    let found = check(
        "cus a email=1@example.com | active pro\nrow 1",
        "paid_no_access 1",
    );
    assert_eq!(
        found[0].not_repairable,
        Some(NotRepairable::ReportOnlyMatch)
    );
    assert!(found[0].changes.is_empty());
    // A further customer by e-mail who promises nothing casts no doubt.
    let world = "cus a user=1 | active pro\ncus b email=1@example.com\nrow 1";
    let found = check(world, "duplicate_customer 1, paid_no_access 1");
    assert_eq!(found[1].not_repairable, None);
}

#[test]
fn two_rows_with_one_key_are_ambiguous() {
    let world = "cus a | active pro\nrow 1 pro on link=a\nrow 2 link=a\nrow 3 link=a";
    let found = check(world, "ambiguous_customer cus_a");
    assert_eq!(
        found[0].not_repairable,
        Some(NotRepairable::UncertainIdentity)
    );
    let shared = "cus a email=x@y.z | active pro\nrow 1 email=x@y.z\nrow 2 email=X@Y.Z";
    check(shared, "ambiguous_customer cus_a");
    // Somebody who promises nothing is in nobody's way.
    let nobody = "cus a email=x@y.z | canceled pro\nrow 1 email=x@y.z\nrow 2 pro on email=x@y.z";
    check(nobody, "access_without_payment 2");
    // A better key settles it.
    check(
        "cus a user=2 | active pro\nrow 1 link=a\nrow 3 link=a\nrow 2 pro on",
        "mapping_conflict cus_a",
    );
}

#[test]
fn keys_that_disagree_are_a_conflict_and_nothing_is_repaired() {
    for world in [
        "cus a user=1 | active pro\nrow 1\nrow 2 pro on link=a",
        "cus a user=1 | active pro\nrow 2 pro on link=a\nrow 1",
    ] {
        let expected = "access_without_payment 2, mapping_conflict cus_a, paid_no_access 1";
        let found = check(world, expected);
        assert!(
            found.iter().all(|finding| finding.not_repairable.is_some()),
            "{found:#?}"
        );
    }
    // An e-mail that somebody else uses too is no conflict.
    check(
        "cus a user=1 email=2@example.com | active pro\nrow 1 pro on\nrow 2",
        "",
    );
}

#[test]
fn several_customers_of_one_row_are_duplicates() {
    check(
        "cus a user=1 | active pro\ncus b user=1\nrow 1 pro on",
        "duplicate_customer 1",
    );
    check(
        "cus a user=1 | active pro\ncus b user=1 deleted\nrow 1 pro on",
        "",
    );
    let twice =
        "cus a user=1 | active pro\ncus b email=1@example.com | active basic*2\nrow 1 pro on";
    let found = check(twice, "duplicate_customer 1");
    assert_eq!(found[0].at_risk, Some(Money::new(2_000, "usd")));
}

#[test]
fn a_deleted_customer_has_nothing() {
    check(
        "cus a user=1 deleted | active pro\nrow 1 pro on",
        "access_without_payment 1",
    );
    check("cus a user=9 deleted | active pro", "");
}

#[test]
fn paying_customers_without_a_row_are_reported() {
    check("cus a user=9 | active pro\nrow 1", "missing_user_row cus_a");
    check(
        "cus a email=z@example.com | past_due pro\nrow 1",
        "orphan_customer cus_a",
    );
    check("cus a user=9 | canceled pro\ncus b\nrow 1", "");
    let found = check(
        "cus a | active mystery",
        "orphan_customer cus_a, unmapped_price cus_a",
    );
    assert_eq!(found[0].expected, Symbol::name("access"));
}

#[test]
fn a_subscription_of_a_customer_who_was_not_read_is_counted_only() {
    let world = World::of("subs a | active pro\nrow 1");
    let outcome = world.run(&artifact(""));
    assert_eq!(
        (short(&outcome.findings), outcome.unread_customers),
        (String::new(), 1)
    );
    // By the stored id it is matched all the same.
    check("subs a | active pro\nrow 1 pro on link=a", "");
}

#[test]
fn a_test_subscription_backs_no_live_access() {
    let found = check(
        "cus a user=1 | active pro test\nrow 1 pro on",
        "test_mode_backing 1",
    );
    assert_eq!(found[0].not_repairable, Some(NotRepairable::WrongMode));
    check("cus a user=1 | active pro test\nrow 1", "");
    check(
        "cus a user=1 | active pro test | active pro\nrow 1 pro on",
        "",
    );
}
