//! `init`: the file that it writes is a mapping, fits the table, and finds what there is to find.

use counterfoil_testkit::stripe::{APP_USERS_TABLE, Drift, Sample, Shop};
use serde_json::json;

use crate::support::{NOW, Stage, expected, now};

#[tokio::test]
async fn what_init_writes_finds_exactly_the_drift_of_the_sample() {
    let mut sample = Sample::new(21, 120, now());
    for drift in Drift::ALL {
        sample.inject(drift, 1);
    }
    let stage = Stage::new("init_users", APP_USERS_TABLE, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.sql("CREATE TABLE invoices (id int PRIMARY KEY, stripe_customer_id text, sum int); GRANT SELECT ON invoices TO init_users_read");
    let answer = stage.run_with_database(&["init", "--json"]).await;
    assert_eq!(answer.status, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["table"], "public.app_users");
    assert_eq!(json["subject"], "user");
    assert_eq!(
        json["plans"],
        json!(["starter", "pro", "team", "enterprise"])
    );
    assert!(
        answer
            .err
            .contains("reading prices and products from Stripe"),
        "{}",
        answer.err
    );
    let text = stage.read("counterfoil.toml");
    for line in [
        "{ stripe = \"customer.id\", column = \"stripe_customer_id\" },",
        "{ stripe = \"customer.email\", column = \"email\", report_only = true },",
        "{ stripe = \"customer.metadata.user_id\", column = \"id\" },",
        "comp = { column = \"comped_until\" }",
        "features = \"stripe\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("repairable = true }"), "{text}");
    assert!(text.matches("# guess: ").count() >= 8, "{text}");

    let words = ["check", "--as-of", NOW, "--findings", "findings.ndjson"];
    let check = stage.run_with_database(&words).await;
    assert_eq!(check.status, 1, "{check:?}");
    assert_eq!(stage.findings("findings.ndjson"), expected(&sample));
    assert_eq!(stage.stripe.non_get_calls(), 0);
}

#[tokio::test]
async fn a_file_that_is_there_is_not_overwritten_without_force() {
    let sample = Sample::new(22, 20, now());
    let stage = Stage::new("init_force", APP_USERS_TABLE, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.write("counterfoil.toml", "mine");
    let answer = stage.run_with_database(&["init"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.err.contains("--force"), "{}", answer.err);
    assert_eq!(stage.read("counterfoil.toml"), "mine");
    let answer = stage.run_with_database(&["init", "--force"]).await;
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(
        answer
            .out
            .starts_with("Wrote counterfoil.toml: public.app_users (one row per user), 4 plans, ")
    );
    assert!(stage.read("counterfoil.toml").contains("[match]"));
}

/// An odd schema: organizations, camelCase, an enum, a flag that the database computes, secrets.
const ODD: &str = "\
CREATE TYPE tier AS ENUM ('HOBBY', 'PRO', 'TEAM');
CREATE TABLE teams (
  \"teamId\" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  \"stripeCustomerId\" varchar(255),
  \"stripeApiToken\" text,
  \"currentTier\" tier NOT NULL DEFAULT 'HOBBY',
  \"isPro\" boolean GENERATED ALWAYS AS (true) STORED,
  \"trialEndDate\" date,
  \"licenseCount\" int,
  \"isVip\" boolean,
  \"odd name\" text);
INSERT INTO teams (\"stripeCustomerId\", \"currentTier\") VALUES ('cus_1', 'PRO'), ('cus_2', 'HOBBY');";

#[tokio::test]
async fn an_odd_schema_and_an_odd_catalogue_still_make_a_mapping() {
    let mut shop = Shop::new();
    let mut sell = |product: &str, name: &str, prices: &[(&str, i64, &str)]| {
        shop.put(
            json!({"id": product, "object": "product", "name": name, "created": 1, "metadata": {}}),
        );
        for (id, amount, interval) in prices {
            shop.put(json!({"id": id, "object": "price", "product": product, "created": 1, "currency": "usd",
                "unit_amount": amount, "active": true, "type": "recurring",
                "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"}}));
        }
    };
    sell("prod_t", "Team", &[("price_t", 9_900, "month")]);
    sell(
        "prod_p",
        "Pro\n[limits] # \"quoted\"",
        &[("price_p", 29_000, "year")],
    );
    sell(
        "prod_x",
        "Mega \u{1b}[31mPlan",
        &[("price_x", 99_900, "month")],
    );
    sell("prod_a", "Audit add-on", &[("price_a", 500, "month")]);
    sell("prod_h", "Hobby", &[("price_h", 0, "month")]);
    let stage = Stage::new("init_odd", ODD, shop).await;
    let answer = stage
        .run_with_database(&["init", "--output", "odd.toml", "--json"])
        .await;
    assert_eq!(answer.status, 0, "{answer:?}");
    let text = stage.read("odd.toml");
    for part in [
        "subject = \"organization\"",
        "table = \"public.teams\"",
        "primary_key = \"teamId\"",
        "column = \"stripeCustomerId\" }",
        "column = \"currentTier\", repairable = false, none = \"HOBBY\"",
        "column = \"isPro\"",
        "column = \"trialEndDate\", repairable = false, tolerance = \"1d\"",
        "column = \"licenseCount\"",
        "comp = { column = \"isVip\" }",
        "The plan column has no value like this one",
        "# name = \"mega",
        "[[addons]]",
        "No column with an e-mail address was found",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("Token") && !text.contains('\u{1b}'),
        "{text}"
    );
    let json = answer.json();
    let plans: Vec<&str> = json["plans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert_eq!(plans, ["HOBBY", "PRO", "TEAM"], "{text}");
    let check = stage
        .run_with_database(&["check", "--config", "odd.toml", "--as-of", NOW])
        .await;
    assert!(check.status < 2, "{check:?}");
}

#[tokio::test]
async fn where_nothing_fits_it_says_what_is_missing_and_writes_nothing() {
    let tables = "CREATE TABLE customers (id int PRIMARY KEY, stripe_customer_id text); \
                  CREATE TABLE logs (id int PRIMARY KEY, line text); \
                  CREATE TABLE users (email text, plan text)";
    let sample = Sample::new(23, 10, now());
    let stage = Stage::new("init_nothing", tables, sample.shop.clone()).await;
    let answer = stage.run_with_database(&["init"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer
            .err
            .contains("public.customers: no column that says what is granted"),
        "{}",
        answer.err
    );
    assert!(
        answer
            .err
            .contains("public.users: no primary key of one column"),
        "{}",
        answer.err
    );
    assert!(!answer.err.contains("public.logs"), "{}", answer.err);
    assert!(!stage.path("counterfoil.toml").exists());
    let answer = stage
        .run_with_database(&["init", "--table", "public.user"])
        .await;
    assert!(
        answer.err.contains("did you mean `public.users`?"),
        "{}",
        answer.err
    );
    // The schema is what is missing most often.
    let answer = stage.run_with_database(&["init", "--table", "users"]).await;
    assert!(
        answer.err.contains("did you mean `public.users`?"),
        "{}",
        answer.err
    );
}

#[tokio::test]
async fn an_account_that_sells_nothing_is_told_so() {
    let stage = Stage::new("init_no_prices", APP_USERS_TABLE, Shop::new()).await;
    let answer = stage.run_with_database(&["init"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer.err.contains("Stripe has no recurring price"),
        "{}",
        answer.err
    );
    assert!(!stage.path("counterfoil.toml").exists());
}

#[tokio::test]
async fn a_role_that_may_write_and_a_full_key_are_refused() {
    let stage = Stage::new("init_refused", APP_USERS_TABLE, Shop::new()).await;
    stage.sql("GRANT UPDATE ON app_users TO init_refused_read");
    let answer = stage.run_with_database(&["init"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer.err.contains("--allow-writable-role"),
        "{}",
        answer.err
    );
    let answer = stage
        .run_with_database(&["init", "--stripe-key", "sk_live_hunter2"])
        .await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer.err.contains("restricted key") && !answer.err.contains("hunter2"),
        "{}",
        answer.err
    );
}
