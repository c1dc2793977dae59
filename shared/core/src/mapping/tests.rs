//! What a mapping may say, and what it is told when it does not.

mod live;
mod loosening;

use super::{Artifact, ArtifactError, Mapping, compile};

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
fn what_does_not_have_the_shape_is_named_by_its_path_with_a_suggestion() {
    for (from, to, expected) in [
        (
            "rank = 20",
            "rank = 20\ncolour = 3",
            "plans[0].colour: there is no such field; use one of",
        ),
        (
            "rank = 20",
            "rnak = 20",
            "plans[0].rank: is needed; add `rank`\nplans[0].rnak: there is no such field; did you mean `rank`?",
        ),
        (
            "rank = 20",
            "rank = \"x\"",
            "plans[0].rank: holds a whole number, not a text; ",
        ),
        (
            "rank = 20",
            "rank = 2.5",
            "plans[0].rank: holds a whole number, not a number; ",
        ),
        (
            "\"all\"",
            "\"some\"",
            "rules.features_from: is one of \"all\", \"highest\"; ",
        ),
        (
            "pause_collection = \"grant\"",
            "pause_collection = \"grand\"",
            "rules.pause_collection: is one of \"grant\", \"revoke\"; did you mean \"grant\"?",
        ),
        (
            "pause_collection = \"grant\"",
            "pause_collection = { void = \"no\" }",
            "rules.pause_collection.void: is one of ",
        ),
        (
            "premium = true",
            "premium = \"yes\"",
            "plans[0].premium: holds true or false, not a text; ",
        ),
        (
            "primary_key = \"id\"",
            "primary_key = 3",
            "match.primary_key: holds a text, not a number; ",
        ),
        (
            "primary_key = \"id\"\n",
            "",
            "match.primary_key: is needed; add `primary_key`",
        ),
        (
            "primary_key = \"id\"",
            "primary_key = \"id\"\nsubject = \"organisation\"",
            "match.subject: is one of \"user\", \"organization\"; did you mean \"organization\"?",
        ),
        (
            "comp = { column = \"comped_until\" }",
            "comp = \"comped_until\"",
            "access.comp: holds a table, not a text; ",
        ),
        (
            "lookup_key = [\"pro_monthly\"]",
            "lookup_key = \"pro_monthly\"",
            "plans[0].match.lookup_key: holds a list of texts, not a text; ",
        ),
        (
            "product = [\"prod_1\"]",
            "product = [7]",
            "plans[0].match.product[0]: holds a text, not a number; ",
        ),
        (
            "{ kind = \"audit\" }",
            "{ kind = 3 }",
            "addons[0].match.product_metadata.kind: holds a text, not a number; ",
        ),
        (
            "features = \"stripe\"",
            "features = 3",
            "addons[0].features: holds a list of texts, not a number; ",
        ),
        (
            "max_drift_percent = 5.0",
            "max_drift_percent = \"5\"",
            "limits.max_drift_percent: holds a number, not a text; ",
        ),
        (
            "[limits]",
            "[limit]",
            "limit: there is no such field; did you mean `limits`?",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let errors = errors(&GOOD.replacen(from, to, 1)).join("\n");
        assert!(errors.starts_with(expected), "{to}: {errors}");
    }
}

#[test]
fn every_wrong_shape_is_reported_at_once_in_toml_and_json() {
    let text = GOOD
        .replace("rank = 20", "rank = \"x\"")
        .replace("unpaid", "unpayed")
        .replace("primary_key = \"id\"\n", "");
    let value: toml::Table = toml::from_str(&text).unwrap();
    let json = Mapping::from_json(&serde_json::to_vec(&value).unwrap()).unwrap_err();
    let json: Vec<String> = json.iter().map(ToString::to_string).collect();
    assert_eq!(errors(&text), json);
    assert_eq!(json.len(), 3, "{json:?}");
}

#[test]
fn what_is_no_toml_or_json_is_named_by_its_line() {
    assert!(errors("[match]\ntable = \n")[0].starts_with("line 2: "));
    assert!(errors(&GOOD.replace("rank = 20", "rank = 20\nrank = 21"))[0].starts_with("line 22: "));
    let error = Mapping::from_json(b"{\n  \"match\": ")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("line 2: "), "{error}");
}

#[test]
fn a_field_written_twice_in_json_is_refused() {
    let value: toml::Table = toml::from_str(GOOD).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    let table = "\"table\":\"public.app_users\"";
    assert_eq!(json.matches(table).count(), 1);
    let twice = json.replace(table, &format!("\"table\":\"public.other\",{table}"));
    assert!(Mapping::from_json(json.as_bytes()).is_ok());
    let error = Mapping::from_json(twice.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("duplicate field `table`"), "{error}");
}

#[test]
fn a_mapping_of_users_compiles_as_it_did_before_there_were_organizations() {
    let users = GOOD.replace("[match]", "[match]\nsubject = \"user\"");
    let users = compile(&Mapping::from_toml(&users).unwrap()).unwrap();
    assert_eq!(users, good());
    assert!(!users.canonical_text().contains("subject"));
    let organizations = GOOD.replace("[match]", "[match]\nsubject = \"organization\"");
    let organizations = compile(&Mapping::from_toml(&organizations).unwrap()).unwrap();
    let text = organizations.canonical_text();
    assert!(text.contains(r#""subject":"organization""#), "{text}");
    assert_ne!(organizations.hash(), users.hash());
    assert_eq!(Artifact::from_json(text.as_bytes()).unwrap(), organizations);
    let spelled = text.replace("\"organization\"", "\"user\"");
    assert!(matches!(
        Artifact::from_json(spelled.as_bytes()),
        Err(ArtifactError::NotCanonical)
    ));
}

#[test]
fn spelled_out_defaults_and_another_order_of_keys_give_the_same_hash() {
    let least = r#"
[match]
table = "public.users"
primary_key = "id"
keys = [{ stripe = "customer.id", column = "stripe_customer_id" }]
[access]
plan = { column = "plan" }
trial = { column = "trial_ends_at" }
seats = { column = "seats" }
[[plans]]
name = "pro"
rank = 1
match = { price = ["price_b", "price_a"] }
"#;
    let spelled = r#"
[limits]
max_drift_percent = 5
max_repairs_per_run = 50
[rules]
race_grace = "600s"
unpaid = "revoke"
paused = "revoke"
pause_collection = { mark_uncollectible = "grant", void = "grant", keep_as_draft = "grant" }
features_from = "all"
past_due_grace = "336h"
[[plans]]
match = { product_metadata = {}, product = [], lookup_key = [], price = ["price_a", "price_b"] }
features = []
premium = true
rank = 1
name = "pro"
[access]
seats = { none = 1, repairable = false, column = "seats" }
trial = { tolerance = "60m", repairable = false, column = "trial_ends_at" }
plan = { none = "free", repairable = false, column = "plan" }
[match]
keys = [{ report_only = false, column = "stripe_customer_id", stripe = "customer.id" }]
primary_key = "id"
table = "public.users"
subject = "user"
"#;
    let compiled = |text: &str| compile(&Mapping::from_toml(text).unwrap()).unwrap();
    assert_eq!(compiled(least), compiled(spelled));
}

/// The hashes of these bytes name mappings that people have saved: whoever changes them on purpose
/// raises the version of the compiled form.
#[test]
fn golden_artifacts_keep_their_bytes_and_hashes() {
    for (document, artifact, hash) in [
        (
            include_str!("../../tests/data/mapping/users.toml"),
            include_str!("../../tests/data/mapping/users.artifact.json"),
            "sha256:01595f8e45a7facd36a95650937ea69cb6ec5447efbc1ef9e1193f7510234857",
        ),
        (
            include_str!("../../tests/data/mapping/organizations.toml"),
            include_str!("../../tests/data/mapping/organizations.artifact.json"),
            "sha256:a6fd50f9897a90af5b112b374c3f887053712c79d44fd69eea5400a4c399fdb6",
        ),
    ] {
        let compiled = compile(&Mapping::from_toml(document).unwrap()).unwrap();
        assert_eq!(compiled.canonical_text(), artifact.trim_end());
        assert_eq!(compiled.hash(), hash);
        assert_eq!(
            Artifact::from_json(artifact.trim_end().as_bytes()).unwrap(),
            compiled
        );
    }
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

#[test]
fn the_documented_mapping_compiles_and_its_denied_names_are_those_that_are_denied() {
    let document = include_str!("../../../../docs/mapping.md");
    let example = document.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_eq!(errors(example), Vec::<String>::new());
    let list = document.split("whose name contains ").nth(1).unwrap();
    let list = list.split(" (`card_last4`").next().unwrap();
    let names = list.split_whitespace().map(|it| it.trim_end_matches(','));
    let prose = ["or", "has", "one", "of", "the", "words"];
    let names: Vec<&str> = names.filter(|it| !prose.contains(it)).collect();
    assert_eq!(names.len(), super::names::denied_names().count());
    for name in names {
        assert_eq!(super::denied(name), Some(name));
    }
}
