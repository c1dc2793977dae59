//! What is told about a finding: money, rule, evidence, JSON.

use super::super::{Outcome, Scan, findings};
use super::{AS_OF, Cell, Money, Timestamp, World, artifact, catalog, check, row, short};

fn risk(world: &str) -> Option<i64> {
    World::of(world).run(&artifact("")).findings[0]
        .at_risk
        .as_ref()
        .map(|money| money.minor)
}

#[test]
fn money_at_risk_is_per_month() {
    assert_eq!(risk("cus a user=1 | active pro*2\nrow 1"), Some(6_000));
    assert_eq!(risk("cus a user=1 | active pro_year\nrow 1"), Some(2_500));
    assert_eq!(risk("cus a user=1 | active pro free\nrow 1"), Some(0));
    assert_eq!(
        risk("cus a user=1 | canceled pro*4\nrow 1 pro on"),
        Some(12_000)
    );
    assert_eq!(risk("row 1 basic on"), Some(1_000));
    assert_eq!(risk("row 1 pro on"), Some(2_500));
    assert_eq!(risk("row 1 on"), Some(1_000));
    assert_eq!(
        risk("cus a user=1 | active basic\nrow 1 plan=pro on features=export"),
        Some(1_500)
    );
    assert_eq!(
        risk("cus a user=1 | active pro*2\nrow 1 pro on seats=5"),
        Some(9_000)
    );
    assert_eq!(risk("cus a | active pro | active basic"), Some(4_000));
}

#[test]
fn currencies_are_not_added_up() {
    let at_risk = |world: &str| {
        World::of(world).run(&artifact("")).findings[0]
            .at_risk
            .clone()
    };
    let both = "cus a user=1 | active pro | active basic_eur\nrow 1";
    assert_eq!(at_risk(both), Some(Money::new(3_000, "usd")));
    let euro = "cus a user=1 | active basic_eur*2\nrow 1";
    assert_eq!(at_risk(euro), Some(Money::new(1_800, "eur")));
}

#[test]
fn rules_name_the_row_of_the_table() {
    let rule = |world: &str| World::of(world).run(&artifact("")).findings[0].rule.name();
    assert_eq!(
        rule("cus a user=1 | canceled pro\nrow 1 pro on"),
        "canceled"
    );
    assert_eq!(
        rule("cus a user=1 | past_due pro period=-20d\nrow 1 pro on"),
        "past_due_over"
    );
    assert_eq!(
        rule("cus a user=1 | past_due pro period=-2d\nrow 1"),
        "past_due_grace"
    );
    assert_eq!(rule("cus a user=1\nrow 1 pro on"), "no_subscription");
    assert_eq!(rule("row 1 pro on"), "no_customer");
    assert_eq!(rule("row 1 pro on link=gone"), "link_unknown");
    assert_eq!(
        rule("cus a user=1 deleted | active pro\nrow 1 pro on"),
        "customer_deleted"
    );
}

#[test]
fn uuids_match_in_any_case_and_numbers_as_text() {
    let upper = "cus a user=0B5D1C3E-58A9-4E6F-9A63-B6E8A2D4F001 | active pro\n\
                 row 0b5d1c3e-58a9-4e6f-9a63-b6e8a2d4f001 pro on";
    check(upper, "");
    let mut world = World::of("cus a user=42 | active pro\nrow x pro on");
    world.rows[0].key = Cell::Int(42);
    assert_eq!(short(&world.run(&artifact("")).findings), "");
}

#[test]
fn evidence_lines_hold_no_personal_data() {
    let world = "cus a email=secret@example.com | active pro\n\
                 row 1 plan=gold on email=secret@example.com trial=+3d link=gone\n\
                 cus b user=9 | active pro";
    let outcome = World::of(world).run(&artifact(""));
    let key = [7; 32];
    let bytes = findings::lines(&outcome.findings, |subject| {
        findings::pseudonym(&key, subject)
    })
    .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for word in ["secret", "cus_", "sub_", "gold", "2026"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let subject = findings::pseudonym(&key, "1");
    assert_eq!(subject.len(), 64);
    assert!(text.contains(&subject));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted_by_key(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        (value["kind"].to_string(), value["subject"].to_string())
    }));
}

#[test]
fn a_finding_reads_back_as_itself() {
    let outcome =
        World::of("cus a user=1 | trialing pro trial=+3d\nrow 1 pro on").run(&artifact(""));
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    let value: serde_json::Value = serde_json::to_value(&outcome.findings[0]).unwrap();
    assert_eq!(value["expected"], "2026-11-26T00:00:00Z");
    assert_eq!(value["actual"], serde_json::Value::Null);
}

#[test]
fn drift_is_counted_in_subjects_per_thousand_customers() {
    let world =
        "cus a user=1 | active pro\ncus b user=2 | active pro\ncus c\nrow 1 basic on\nrow 2 pro on";
    let outcome = World::of(world).run(&artifact(""));
    assert_eq!((outcome.findings.len(), outcome.differing()), (2, 1));
    assert_eq!(outcome.drift_permille(), 334);
}

#[test]
fn escapes_nulls_and_foreign_prices_are_read_from_json_too() {
    let artifact = artifact("");
    let mut scan = Scan::new(&artifact, &catalog(), Timestamp::from_secs(AS_OF), None);
    for customer in [
        r#"{"id":"cus_a","email":null,"metadata":{"user_id":"\u0031","x":"y\n"},"deleted":null}"#,
        r#"{"id":"cus_b","email":"2\u0040EXAMPLE.com","metadata":null}"#,
    ] {
        scan.customer_json(customer).unwrap();
    }
    for subscription in [
        r#"{"id":"sub_a","customer":{"id":"cus_a"},"status":"active","items":{"data":[
            {"price":{"id":"price_new","product":"prod_basic","unit_amount":5,"currency":"usd"}}]}}"#,
        r#"{"id":"sub_b","customer":"cus_b","status":"active","items":{"data":[
            {"price":{"id":"price_pro"},"quantity":1}],"has_more":null},"discount":null}"#,
    ] {
        scan.subscription_json(subscription).unwrap();
    }
    assert!(scan.customer_json("{}").is_err());
    assert!(scan.subscription_json("[]").is_err());
    let mut join = scan.seal();
    join.row(&row(&["1", "basic", "on"]));
    join.row(&row(&["2", "pro", "on"]));
    assert_eq!(short(&join.finish().findings), "");
}
