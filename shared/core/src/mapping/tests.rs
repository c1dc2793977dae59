//! What a mapping may say, and what it is told when it does not.

use super::{Artifact, ColumnType, Mapping, TableColumn, TableColumns, compile};

const GOOD: &str = r#"
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
trial = { column = "trial_ends_at", repairable = true, tolerance = "1h" }
seats = { column = "seats", none = 1 }
features = { column = "features", repairable = true }
comp = { column = "comped_until" }

[[plans]]
name = "pro"
rank = 20
premium = true
match = { price = ["price_1", "price_0"], lookup_key = ["pro_monthly"], product = ["prod_1"] }
features = ["sso", "export", "sso"]

[[addons]]
name = "audit"
match = { product_metadata = { kind = "audit" } }
features = "stripe"

[rules]
past_due_grace = "14d"
features_from = "all"
pause_collection = "grant"
paused = "revoke"
unpaid = "revoke"
race_grace = "10m"

[limits]
max_repairs_per_run = 50
max_drift_percent = 5.0
max_amount_at_risk = { minor = 100000, currency = "usd" }
"#;

fn errors(text: &str) -> Vec<String> {
    let compiled = Mapping::from_toml(text).and_then(|mapping| compile(&mapping));
    compiled.map_or_else(
        |errors| errors.iter().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

/// Replaces `from` in the good mapping; the one error must begin with `field`.
fn check(from: &str, to: &str, field: &str) {
    assert!(GOOD.contains(from), "{from}");
    let errors = errors(&GOOD.replacen(from, to, 1));
    assert!(
        errors.len() == 1 && errors[0].starts_with(&format!("{field}: ")),
        "{errors:?}"
    );
}

fn good() -> Artifact {
    compile(&Mapping::from_toml(GOOD).unwrap()).unwrap()
}

#[test]
fn the_compiled_form_is_canonical_and_has_integers_only() {
    let text = good().canonical_text();
    assert!(
        text.starts_with(r#"{"access":{"comp":{"column":"comped_until"},"#),
        "{text}"
    );
    for part in [
        r#""max_drift_permille":50"#,
        r#""past_due_grace_s":1209600"#,
        r#""race_grace_s":600"#,
        r#""tolerance_s":3600"#,
        r#""features":{"listed":["export","sso"]}"#,
        r#""prices":["price_0","price_1"]"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_artifact_reads_back_as_itself_and_is_named_by_its_bytes() {
    let artifact = good();
    let text = artifact.canonical_text();
    assert_eq!(Artifact::from_json(text.as_bytes()).unwrap(), artifact);
    assert!(artifact.hash().starts_with("sha256:"));
    assert!(Artifact::from_json(format!(" {text}").as_bytes()).is_err());
    assert!(
        Artifact::from_json(text.replace("\"version\":1", "\"version\":2").as_bytes()).is_err()
    );
    let other = GOOD.replace("rank = 20", "rank = 21");
    let other = compile(&Mapping::from_toml(&other).unwrap()).unwrap();
    assert_ne!(other.hash(), artifact.hash());
}

#[test]
fn layout_and_comments_of_the_document_do_not_change_its_hash() {
    let spaced = format!(
        "# a remark\n{}",
        GOOD.replace("\n[limits]", "\n\n\n[limits]")
    );
    let spaced = compile(&Mapping::from_toml(&spaced).unwrap()).unwrap();
    assert_eq!(spaced.hash(), good().hash());
}

#[test]
fn json_is_the_same_document() {
    let value: toml::Table = toml::from_str(GOOD).unwrap();
    let json = serde_json::to_vec(&value).unwrap();
    assert_eq!(
        compile(&Mapping::from_json(&json).unwrap()).unwrap(),
        good()
    );
}

#[test]
fn the_table_has_access_columns_then_match_columns() {
    let table = good().table();
    assert_eq!(
        (table.schema.as_str(), table.table.as_str()),
        ("public", "app_users")
    );
    let columns = [
        "plan",
        "premium",
        "trial_ends_at",
        "seats",
        "features",
        "comped_until",
        "stripe_customer_id",
        "email",
    ];
    assert_eq!(table.columns, columns);
    let repairable = good().repairable_columns();
    assert_eq!(repairable, ["features", "plan", "premium", "trial_ends_at"]);
}

#[test]
fn the_defaults_are_those_of_the_decision_table() {
    let rules = GOOD.split("[rules]").next().unwrap();
    let artifact = compile(&Mapping::from_toml(rules).unwrap()).unwrap();
    let limited = GOOD.replace(
        "max_amount_at_risk = { minor = 100000, currency = \"usd\" }",
        "",
    );
    let limited = compile(&Mapping::from_toml(&limited).unwrap()).unwrap();
    assert_eq!(artifact.hash(), limited.hash());
}

#[test]
fn what_does_not_have_the_shape_is_named_by_line() {
    check("rank = 20", "rank = 20\ncolour = 3", "line 22");
    check("rank = 20", "rank = \"x\"", "line 21");
    check("\"all\"", "\"some\"", "line 33");
    check(
        "pause_collection = \"grant\"",
        "pause_collection = \"maybe\"",
        "line 34",
    );
    assert!(errors("[match]")[0].starts_with("line 1: "));
}

#[test]
fn every_rule_is_named_by_its_field() {
    check("\"public.app_users\"", "\"app_users\"", "match.table");
    check(
        "\"public.app_users\"",
        "\"public.app users\"",
        "match.table",
    );
    check(
        "primary_key = \"id\"",
        "primary_key = \"id;--\"",
        "match.primary_key",
    );
    check(
        "column = \"email\"",
        "column = \"e-mail\"",
        "match.keys[2].column",
    );
    check(
        "column = \"email\"",
        "column = \"email_hash\"",
        "match.keys[2].column",
    );
    check("customer.email", "customer.phone", "match.keys[2].stripe");
    check(
        "customer.metadata.user_id",
        "customer.metadata.",
        "match.keys[0].stripe",
    );
    check(", report_only = true", "", "match.keys[2].report_only");
    check(
        "\"customer.id\"",
        "\"customer.metadata.user_id\"",
        "match.keys[1]",
    );
    check(
        "\"stripe_customer_id\" }",
        "\"stripe_customer_id\", report_only = true },\n\
        { stripe = \"customer.metadata.x\", column = \"x\" }",
        "match.keys",
    );
    check("none = \"free\"", "none = \"\"", "access.plan.none");
    check("none = 1", "none = -1", "access.seats.none");
    check(
        "tolerance = \"1h\"",
        "tolerance = \"one hour\"",
        "access.trial.tolerance",
    );
    check("\"comped_until\"", "\"plan\"", "access.comp.column");
    check(
        "features = { column = \"features\"",
        "features = { column = \"id\"",
        "access.features.column",
    );
    check("name = \"pro\"", "name = \"\"", "plans[0].name");
    check("name = \"pro\"", "name = \"free\"", "plans[0].premium");
    check("name = \"audit\"", "name = \"pro\"", "addons[0].name");
    check(
        "product = [\"prod_1\"]",
        "product = [\"prod_1\", \"prod_1\"]",
        "plans[0].match.product",
    );
    check(
        "{ product_metadata = { kind = \"audit\" } }",
        "{}",
        "addons[0].match",
    );
    check(
        "features = \"stripe\"",
        "features = \"strip\"",
        "addons[0].features",
    );
    check(
        "race_grace = \"10m\"",
        "race_grace = \"16m\"",
        "rules.race_grace",
    );
    check(
        "past_due_grace = \"14d\"",
        "past_due_grace = \"never\"",
        "rules.past_due_grace",
    );
    check(
        "max_drift_percent = 5.0",
        "max_drift_percent = 0.05",
        "limits.max_drift_percent",
    );
    check(
        "currency = \"usd\"",
        "currency = \"USD\"",
        "limits.max_amount_at_risk.currency",
    );
    check(
        "minor = 100000",
        "minor = -1",
        "limits.max_amount_at_risk.minor",
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let text = GOOD
        .replace("public.app_users", "app_users")
        .replace("race_grace = \"10m\"", "race_grace = \"1d\"")
        .replace("none = \"free\"", "none = \"\"");
    assert_eq!(errors(&text).len(), 3);
}

#[test]
fn a_mapping_without_plan_and_premium_says_nothing_about_access() {
    let text = GOOD
        .lines()
        .filter(|line| !line.starts_with("plan =") && !line.starts_with("premium = {"))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(errors(&text)[0].starts_with("access: "));
}

fn live() -> TableColumns {
    let column = |name: &str, data_type: ColumnType| TableColumn {
        name: name.to_owned(),
        data_type,
        nullable: name != "id",
        primary_key: name == "id",
        unique: name == "id",
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
    let errors = good().check_against(Some(&table)).unwrap_err().to_string();
    assert!(
        errors.starts_with(expected) && !errors.contains('\n'),
        "{errors}"
    );
}

#[test]
fn a_fitting_table_passes_and_doubts_are_told() {
    let doubts = good().check_against(Some(&live())).unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert_eq!(doubts[0].field, "match.keys[1].column");
}

#[test]
fn what_does_not_fit_is_named_with_a_suggestion() {
    let retype = |data_type: ColumnType| {
        move |column: &mut TableColumn| column.data_type = data_type.clone()
    };
    let missing = good().check_against(None).unwrap_err().to_string();
    assert!(missing.starts_with("match.table: "), "{missing}");
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
    against("plan", retype(labels(&["free", "gold"])), "plans: ");
    let mut table = live();
    table.columns[3].data_type = labels(&["pro"]);
    assert!(
        good().check_against(Some(&table)).is_ok(),
        "NULL stands for nothing"
    );
}
