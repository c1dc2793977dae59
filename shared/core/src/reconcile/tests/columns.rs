//! What differs in which column, and what a repair would write.

use super::super::{NotRepairable, Symbol};
use super::{MAPPING, Mapping, World, check, compile, short};

#[test]
fn each_column_is_compared_where_access_agrees() {
    check(
        "cus a user=1 | active pro\nrow 1 basic on",
        "wrong_features 1, wrong_plan 1",
    );
    check(
        "cus a user=1 | active pro*3\nrow 1 pro on seats=2",
        "wrong_seats 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on features=sso",
        "wrong_features 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on features=sso,export",
        "",
    );
    check(
        "cus a user=1 | trialing pro trial=+3d\nrow 1 pro on",
        "wrong_trial_end 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on trial=+3d",
        "wrong_trial_end 1",
    );
    check("cus a user=1 | active pro\nrow 1 pro on trial=-3d", "");
    check("row 1 plan=pro", "wrong_plan 1");
    check("row 1 plan=null", "");
    check("row 1 seats=4", "wrong_seats 1");
}

#[test]
fn access_findings_mask_the_columns() {
    check(
        "cus a user=1 | active pro*9\nrow 1 basic seats=4",
        "paid_no_access 1",
    );
    check("row 1 pro on seats=9 trial=+3d", "access_without_payment 1");
}

#[test]
fn a_comp_marker_covers_what_is_more_than_promised() {
    check("row 1 pro on comped=+9d", "");
    check("row 1 pro on comped=-9d", "access_without_payment 1");
    check("cus a user=1 | canceled pro\nrow 1 pro on comped=+9d", "");
    check(
        "cus a user=1 | active basic\nrow 1 pro on comped=+9d seats=5",
        "",
    );
    check(
        "cus a user=1 | active pro*9\nrow 1 pro on comped=+9d seats=5",
        "wrong_seats 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 comped=+9d",
        "paid_no_access 1",
    );
}

#[test]
fn what_the_mapping_does_not_know_is_not_taken_away() {
    let found = check("row 1 plan=gold on", "access_without_payment 1");
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedValue));
    let found = check(
        "cus a user=1 | active pro\nrow 1 plan=gold on features=export,sso",
        "wrong_plan 1",
    );
    assert_eq!(
        (&found[0].actual, found[0].foreign[0].as_str()),
        (&Symbol::name("unmapped"), "gold")
    );
    let beta = "cus a user=1 | active pro\nrow 1 pro on features=beta,export,sso";
    let found = check(beta, "wrong_features 1");
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedValue));
}

#[test]
fn a_repair_writes_every_column_that_differs() {
    let found = check(
        "cus a user=1 | trialing pro*2 trial=+3d\nrow 1",
        "paid_no_access 1",
    );
    let columns: Vec<&str> = found[0]
        .changes
        .iter()
        .map(|it| it.column.as_str())
        .collect();
    assert_eq!(
        columns,
        ["features", "plan", "premium", "seats", "trial_ends_at"]
    );
    let found = check("cus a user=1 | active pro\nrow 1 pro", "paid_no_access 1");
    assert_eq!(found[0].changes.len(), 1);
}

#[test]
fn only_repairable_columns_are_written() {
    let text = MAPPING.replace(
        "premium = { column = \"premium\", repairable = true }",
        "premium = { column = \"premium\" }",
    );
    let artifact = compile(&Mapping::from_toml(&text).unwrap()).unwrap();
    let outcome = World::of("cus a user=1 | active pro\nrow 1").run(&artifact);
    let finding = &outcome.findings[0];
    assert_eq!(finding.not_repairable, Some(NotRepairable::ReadOnlyColumn));
    assert!(finding.changes.is_empty());
}

#[test]
fn without_a_premium_column_the_plan_says_who_has_access() {
    let premium = "premium = { column = \"premium\", repairable = true }\n";
    let artifact = compile(&Mapping::from_toml(&MAPPING.replace(premium, "")).unwrap()).unwrap();
    let run = |world: &str| {
        let mut world = World::of(world);
        for row in &mut world.rows {
            row.cells.remove(1);
        }
        short(&world.run(&artifact).findings)
    };
    assert_eq!(run("cus a user=1 | active pro\nrow 1 pro"), "");
    assert_eq!(run("cus a user=1 | active pro\nrow 1"), "paid_no_access 1");
    assert_eq!(
        run("cus a user=1 | active pro\nrow 1 plan=null"),
        "paid_no_access 1"
    );
    assert_eq!(run("row 1 pro"), "access_without_payment 1");
    assert_eq!(
        run("cus a user=1 | active pro\nrow 1 basic"),
        "wrong_features 1, wrong_plan 1"
    );
}
