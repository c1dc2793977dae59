//! `check --csv`: the same findings as from the database, and nothing to repair.

use counterfoil_testkit::stripe::{APP_USERS_TABLE, Drift, Sample, Shop};

use crate::support::{NOW, Stage, config, expected, now};

pub(crate) const MAPPING: &str = r#"
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
seats = { column = "seats", repairable = true, none = 1 }
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

async fn stage(name: &'static str) -> (Stage, Sample) {
    let mut sample = Sample::new(7, 120, now());
    for drift in Drift::ALL {
        sample.inject(drift, 1);
    }
    let stage = Stage::new(name, APP_USERS_TABLE, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.write("counterfoil.toml", MAPPING);
    (stage, sample)
}

#[tokio::test]
async fn an_export_of_the_table_leads_to_the_findings_of_the_table() {
    let (stage, sample) = stage("csv_same").await;
    let database = stage
        .run_with_database(&[
            "check",
            "--as-of",
            NOW,
            "--findings",
            "database.ndjson",
            "--json",
        ])
        .await;
    assert_eq!(database.status, 1, "{database:?}");
    assert_eq!(database.json()["rows_from"], "database");
    assert_eq!(stage.findings("database.ndjson"), expected(&sample));
    for (file, options) in [
        ("commas.csv", "CSV, HEADER"),
        (
            "semicolons.csv",
            "CSV, HEADER, DELIMITER ';', FORCE_QUOTE *",
        ),
    ] {
        let options = options.replace("CSV,", "FORMAT CSV,");
        let rows = stage.sql(&format!("COPY app_users TO STDOUT WITH ({options})"));
        let path = stage.write(file, &rows);
        let findings = format!("{file}.ndjson");
        let words = [
            "check",
            "--as-of",
            NOW,
            "--csv",
            config(&path),
            "--findings",
            &findings,
        ];
        let csv = stage.run(&words).await;
        assert_eq!(csv.status, 1, "{csv:?}");
        assert!(
            csv.out.contains("none of this can be repaired from here"),
            "{}",
            csv.out
        );
        assert_eq!(stage.findings(&findings), expected(&sample), "{file}");
        for finding in stage.lines(&findings) {
            assert!(finding["not_repairable"].is_string(), "{finding}");
            assert_eq!(finding["changes"], serde_json::json!([]));
        }
    }
    assert!(
        stage
            .lines("database.ndjson")
            .iter()
            .any(|it| it["not_repairable"].is_null())
    );
    assert_eq!(stage.stripe.non_get_calls(), 0);
}

#[tokio::test]
async fn a_file_without_drift_is_status_0_and_one_that_cannot_be_read_is_status_2() {
    let sample = Sample::new(8, 60, now());
    let stage = Stage::new("csv_status", APP_USERS_TABLE, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.write("counterfoil.toml", MAPPING);
    let rows = stage.sql("COPY app_users TO STDOUT WITH (FORMAT CSV, HEADER)");
    stage.write("good.csv", &rows);
    let answer = stage
        .run(&["check", "--as-of", NOW, "--csv", "good.csv"])
        .await;
    assert_eq!(answer.status, 0, "{answer:?}");

    let bad = rows.replacen(",t,", ",hunter2,", 1);
    assert_ne!(bad, rows);
    stage.write("bad.csv", &bad);
    let answer = stage
        .run(&["check", "--as-of", NOW, "--csv", "bad.csv"])
        .await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer
            .err
            .contains("column `premium`: a flag is true or false"),
        "{}",
        answer.err
    );
    assert!(!answer.err.contains("hunter2"), "{}", answer.err);

    let answer = stage.run(&["check", "--csv", "missing.csv"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
}

#[tokio::test]
async fn a_check_needs_a_database_or_a_file() {
    let stage = Stage::new("csv_neither", "", Shop::new()).await;
    let answer = stage.run(&["check"]).await;
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("--database-url"), "{}", answer.err);
}
