//! What each state of a subscription promises.

use super::super::{NotRepairable, Scan};
use super::{
    AS_OF, Invoice, Timestamp, World, artifact, catalog, check, check_with, pro, pro_with, short,
};

const LEAK: &str = "access_without_payment 1";

#[test]
fn active_grants() {
    pro("active pro", "");
    pro("active pro at_period_end end=+1d", "");
    pro("active pro cancel_at=+1h", "");
    pro("active pro at_period_end", "");
}

#[test]
fn an_agreed_end_that_has_passed_revokes() {
    pro("active pro at_period_end end=-1d", LEAK);
    pro("active pro cancel_at=-1h", LEAK);
}

#[test]
fn a_trial_grants_until_it_ends() {
    let on_trial = "cus a user=1 | trialing pro trial=+3d\nrow 1 pro on trial=+3d";
    check(on_trial, "");
    pro("trialing pro trial=-2h", LEAK);
    // Stripe needs up to an hour to move on.
    check(
        "cus a user=1 | trialing pro trial=-30s\nrow 1 pro on trial=-30s",
        "",
    );
    pro("active pro trial=-9d", "");
}

#[test]
fn past_due_grants_during_grace() {
    pro("past_due pro period=-13d", "");
    pro("past_due pro period=-14d", LEAK);
    pro("past_due pro", "");
    pro("past_due pro period=-20d failed=-2d", "");
    pro_with(
        "past_due_grace = \"forever\"",
        "past_due pro period=-400d",
        "",
    );
    pro_with("past_due_grace = \"0s\"", "past_due pro period=-1s", LEAK);
}

#[test]
fn grace_counts_from_the_oldest_open_invoice() {
    pro("past_due pro period=-2d unpaid=-2d unpaid=-15d", LEAK);
    pro("past_due pro period=-2d unpaid=-15d unpaid=-2d", LEAK);
    pro("past_due pro period=-2d failed=-15d", LEAK);
    pro("past_due pro period=-20d unpaid=-2d", "");
    pro("past_due pro period=-20d unpaid=+2d", "");
    // An agreed end counts during the grace time too.
    pro("past_due pro unpaid=-2d cancel_at=-1h", LEAK);
    // An open invoice alone takes nothing away.
    pro("active pro unpaid=-90d", "");
}

#[test]
fn invoices_may_come_before_their_subscriptions() {
    let world = World::of("cus a user=1 | past_due pro period=-2d unpaid=-15d\nrow 1 pro on");
    let mut scan = Scan::new(&artifact(""), &catalog(), Timestamp::from_secs(AS_OF), true);
    for invoice in world.invoices.iter().chain(&world.invoices) {
        scan.invoice(invoice);
    }
    scan.invoice(&Invoice::default());
    world
        .subscriptions
        .iter()
        .for_each(|it| scan.subscription(it));
    world.customers.iter().for_each(|it| scan.customer(it));
    let mut join = scan.seal();
    world.rows.iter().for_each(|row| join.row(row));
    assert_eq!(short(&join.finish().findings), LEAK);
}

#[test]
fn ended_states_revoke() {
    pro("canceled pro ended=-1d", LEAK);
    pro("canceled pro", LEAK);
    pro("canceled pro ended=+1d", "");
    pro("incomplete pro", LEAK);
    pro("incomplete_expired pro", LEAK);
}

#[test]
fn unpaid_and_paused_follow_their_knobs() {
    pro("unpaid pro", LEAK);
    pro_with("unpaid = \"grant\"", "unpaid pro", "");
    pro("paused pro", LEAK);
    pro_with("paused = \"grant\"", "paused pro", "");
}

#[test]
fn pause_collection_follows_its_knob() {
    pro("active pro pause=void", "");
    pro_with(
        "pause_collection = \"revoke\"",
        "active pro pause=void",
        LEAK,
    );
    let by_behavior = "pause_collection = { void = \"revoke\" }";
    pro_with(by_behavior, "active pro pause=void", LEAK);
    pro_with(by_behavior, "active pro pause=keep_as_draft", "");
    pro_with(by_behavior, "active pro pause=something_new", LEAK);
}

#[test]
fn an_unknown_state_is_reported_and_never_concluded_from() {
    let found = check(
        "cus a user=1 | hibernating pro\nrow 1 pro on",
        "unknown_state 1",
    );
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnknownState));
    assert_eq!(found[0].foreign, ["hibernating"]);
    check("cus a user=1 | hibernating pro\nrow 1", "unknown_state 1");
    let mixed = "cus a user=1 | hibernating basic | active pro\nrow 1";
    let found = check(mixed, "paid_no_access 1, unknown_state 1");
    assert!(found.iter().all(|finding| finding.not_repairable.is_some()));
    check("cus a | hibernating pro", "unknown_state cus_a");
}

#[test]
fn an_unmapped_price_never_means_free() {
    let found = check(
        "cus a user=1 | active mystery\nrow 1 pro on",
        "unmapped_price 1",
    );
    assert_eq!(found[0].prices, ["price_mystery"]);
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedPrice));
    check(
        "cus a user=1 | active pro+mystery\nrow 1",
        "paid_no_access 1, unmapped_price 1",
    );
    check(
        "cus a user=1 | active pro+mystery\nrow 1 basic on",
        "unmapped_price 1",
    );
    pro("canceled mystery", LEAK);
}

#[test]
fn a_subscription_that_was_not_read_whole_says_nothing() {
    check("cus a user=1 | active pro half\nrow 1", "");
    check("cus a user=1 | active pro half\nrow 1 pro on", "");
    pro("canceled pro half", LEAK);
}

#[test]
fn several_subscriptions_are_a_union_and_the_highest_rank_leads() {
    pro("active basic age=1 | active pro age=999", "");
    pro("canceled pro age=1 | active pro age=999", "");
    pro("active pro | active basic*7", "");
    let equal = "cus a user=1 | active pro*2 age=5 | active pro*3 age=4\nrow 1 pro on seats=3";
    check(equal, "");
    let by_id = "cus a user=1 | active pro*2 id=x | active pro*3 id=b\nrow 1 pro on seats=2";
    check(by_id, "");
    let union = "cus a user=1 | active basic | active pro+audit age=2000\nrow 1 pro on \
                 features=audit,export,sso";
    check(union, "");
    let add_on_alone = "cus a user=1 | active pro | active audit\nrow 1 pro on \
                        features=sso,audit,export";
    check(add_on_alone, "");
    check_with(
        "features_from = \"highest\"",
        add_on_alone,
        "wrong_features 1",
    );
}
