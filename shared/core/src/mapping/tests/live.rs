//! Against the live table and Stripe's catalogue.

use super::*;
use crate::billing::{Catalog, Price, Product};
use crate::mapping::{ColumnType, Intent, TableColumn, TableColumns, TableName};

fn live() -> TableColumns {
    let column = |name: &str, data_type: ColumnType| TableColumn {
        name: name.to_owned(),
        data_type,
        nullable: name != "id",
        primary_key: name == "id",
        unique: matches!(name, "id" | "stripe_customer_id"),
        generated: false,
        max_chars: None,
    };
    TableColumns {
        columns: vec![
            column("id", ColumnType::Uuid),
            column("email", ColumnType::Text),
            column("stripe_customer_id", ColumnType::Text),
            column("plan", ColumnType::Text),
            column("premium", ColumnType::Bool),
            column("trial_ends_at", ColumnType::Time),
            column("seats", ColumnType::Int),
            column("features", ColumnType::List),
            column("comped_until", ColumnType::Date),
        ],
    }
}

/// Changes one column of the live table; the one error must begin with `expected`.
fn against(name: &str, change: impl Fn(&mut TableColumn), expected: &str) {
    let mut table = live();
    let column = table
        .columns
        .iter_mut()
        .find(|column| column.name == name)
        .unwrap();
    change(column);
    let errors = good()
        .check_against(Some(&table), &[], Intent::Repair)
        .unwrap_err()
        .to_string();
    assert!(
        errors.starts_with(expected) && !errors.contains('\n'),
        "{errors}"
    );
}

#[test]
fn a_fitting_table_passes() {
    let doubts = good().check_against(Some(&live()), &[], Intent::Repair);
    assert_eq!(doubts.unwrap(), []);
}

#[test]
fn a_match_column_that_is_not_unique_stops_repairs_and_is_a_doubt_of_a_look() {
    let mut table = live();
    table.columns[2].unique = false;
    let doubts = good()
        .check_against(Some(&table), &[], Intent::Look)
        .unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert_eq!(doubts[0].field, "match.keys[1].column");
    against(
        "stripe_customer_id",
        |it| it.unique = false,
        "match.keys[1].column: `stripe_customer_id` is not unique; add a unique index",
    );
    let nothing = GOOD.replace("repairable = true", "repairable = false");
    let nothing = compile(&Mapping::from_toml(&nothing).unwrap()).unwrap();
    let doubts = nothing
        .check_against(Some(&table), &[], Intent::Repair)
        .unwrap();
    assert_eq!(doubts.len(), 1, "nothing is repaired: {doubts:?}");
    // The e-mail column is not unique either, and only reports.
    assert!(!table.columns[1].unique);
}

#[test]
fn a_missing_table_is_named_with_the_nearest_one() {
    let name = |schema: &str, table: &str| TableName {
        schema: schema.to_owned(),
        table: table.to_owned(),
    };
    let error = |known: &[TableName]| {
        let error = good().check_against(None, known, Intent::Look);
        error.unwrap_err().to_string()
    };
    assert!(error(&[name("public", "app_user")]).ends_with("did you mean `public.app_user`?"));
    assert!(error(&[name("a", "app_users")]).ends_with("did you mean `a.app_users`?"));
    let nothing = error(&[name("public", "invoices")]);
    assert!(
        nothing.starts_with("match.table: ") && nothing.contains("grant the role USAGE"),
        "{nothing}"
    );
}

#[test]
fn what_does_not_fit_is_named_with_a_suggestion() {
    let retype = |data_type: ColumnType| {
        move |column: &mut TableColumn| column.data_type = data_type.clone()
    };
    against(
        "plan",
        |it| it.name = "plam".to_owned(),
        "access.plan.column: no column `plan`; did you mean `plam`?",
    );
    against("id", |it| it.primary_key = false, "match.primary_key: ");
    against(
        "premium",
        retype(ColumnType::Int),
        "access.premium.column: `premium` is integer",
    );
    against("seats", retype(ColumnType::Text), "access.seats.column: ");
    against(
        "features",
        retype(ColumnType::Text),
        "access.features.column: ",
    );
    against(
        "trial_ends_at",
        retype(ColumnType::Date),
        "access.trial.tolerance: ",
    );
    against(
        "trial_ends_at",
        retype(ColumnType::Text),
        "access.trial.column: ",
    );
    against(
        "trial_ends_at",
        |it| it.nullable = false,
        "access.trial.repairable: ",
    );
    against(
        "stripe_customer_id",
        retype(ColumnType::Bool),
        "match.keys[1].column: ",
    );
    let labels = |labels: &[&str]| {
        ColumnType::Enum(labels.iter().map(|label| (*label).to_owned()).collect())
    };
    against(
        "plan",
        retype(labels(&["free", "pros"])),
        "plans[0].name: the type of `plan` has no value `pro`; did you mean `pros`?",
    );
    against(
        "plan",
        retype(labels(&["pro"])),
        "access.plan.none: the type of `plan` has no value `free`; use one of pro",
    );
    against(
        "plan",
        |it| it.max_chars = Some(3),
        "access.plan.column: `plan` holds 3 characters, too few for `free`",
    );
    against(
        "premium",
        |it| it.generated = true,
        "access.premium.repairable: the database itself fills `premium`",
    );
    against("plan", |it| it.generated = true, "access.plan.repairable: ");
    against(
        "comped_until",
        retype(ColumnType::Other("jsonb".to_owned())),
        "access.comp.column: `comped_until` is jsonb",
    );
    let mut table = live();
    table.columns[3].data_type = labels(&["pro"]);
    let read = GOOD.replace(
        "plan = { column = \"plan\", repairable = true",
        "plan = { column = \"plan\"",
    );
    let read = compile(&Mapping::from_toml(&read).unwrap()).unwrap();
    assert!(
        read.check_against(Some(&table), &[], Intent::Repair)
            .is_ok(),
        "NULL stands for nothing where nothing is written"
    );
}

#[test]
fn all_that_does_not_fit_is_reported_at_once() {
    let mut table = live();
    table.columns.retain(|column| column.name != "seats");
    table.columns[0].primary_key = false;
    table.columns[3].generated = true;
    let errors = good()
        .check_against(Some(&table), &[], Intent::Repair)
        .unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "match.primary_key",
            "access.seats.column",
            "access.plan.repairable"
        ]
    );
}

#[test]
fn a_comp_marker_is_a_flag_a_time_a_day_a_number_a_text_or_an_enum() {
    for data_type in [
        ColumnType::Bool,
        ColumnType::Time,
        ColumnType::Date,
        ColumnType::Int,
        ColumnType::Text,
        ColumnType::Enum(vec!["friend".to_owned()]),
    ] {
        let mut table = live();
        table.columns[8].data_type = data_type;
        assert!(
            good()
                .check_against(Some(&table), &[], Intent::Repair)
                .is_ok()
        );
    }
}

#[test]
fn what_stripe_does_not_sell_is_a_doubt_with_the_nearest_name() {
    let price = |id: &str, key: Option<&str>| Price {
        id: id.to_owned(),
        product: "prod_1".to_owned(),
        lookup_key: key.map(str::to_owned),
        ..Price::default()
    };
    let product = |id: &str, kind: &str| Product {
        id: id.to_owned(),
        name: String::new(),
        metadata: [("kind".to_owned(), kind.to_owned())].into(),
    };
    let prices = [
        price("price_0", Some("pro_monthly")),
        price("price_1", None),
    ];
    let whole = Catalog::new(prices.clone(), [product("prod_1", "audit")]);
    assert_eq!(good().check_catalog(&whole), []);

    let prices = [price("price_0", Some("pro_monthli"))];
    let other = Catalog::new(prices, [product("unlike", "plan")]);
    let doubts: Vec<String> = good()
        .check_catalog(&other)
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "plans[0].match.price: Stripe shows no price `price_1`; did you mean `price_0`?",
        "plans[0].match.lookup_key: Stripe shows no lookup key `pro_monthly`; did you mean `pro_monthli`?",
        "plans[0].match.product: Stripe shows no product `prod_1`; correct or remove it, or look at the \
         account and mode of the key",
        "addons[0].match.product_metadata: no product in Stripe carries these values; correct them, or set \
         them on the product",
    ];
    assert_eq!(doubts, expected);
}
