//! What `check` says when something is missing or was judged at another time.

use counterfoil_testkit::stripe::{APP_USERS_TABLE, Sample, Shop};

use crate::csv::MAPPING;
use crate::support::{Stage, now};

#[tokio::test]
async fn customers_who_came_after_the_time_of_judgement_do_not_look_like_access_without_payment() {
    let sample = Sample::new(21, 120, now());
    let stage = Stage::new("answers_earlier", APP_USERS_TABLE, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.write("counterfoil.toml", MAPPING);
    let earlier = [
        "check",
        "--as-of",
        "2026-06-23T00:00:00Z",
        "--findings",
        "f",
    ];
    let answer = stage.run_with_database(&earlier).await;
    assert!(answer.status < 2, "{answer:?}");
    let unpaid = |(kind, _): &(String, String)| kind == "access_without_payment";
    let found = stage.findings("f");
    assert!(!found.iter().any(unpaid), "{found:?}");
    assert!(!answer.out.contains("were not read"), "{answer:?}");
}

#[tokio::test]
async fn a_missing_mapping_leads_to_init_and_differences_to_who_they_are_about() {
    let stage = Stage::new("answers_missing", APP_USERS_TABLE, Shop::new()).await;
    let answer = stage.run_with_database(&["check"]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.err.contains("`counterfoil init`"), "{answer:?}");
    stage.write("counterfoil.toml", MAPPING);
    stage.sql(
        "INSERT INTO app_users (id, email, name, plan, premium) \
         VALUES (gen_random_uuid(), 'ann@example.com', 'Ann', 'pro', true)",
    );
    let answer = stage.run_with_database(&["check"]).await;
    assert_eq!(answer.status, 1, "{answer:?}");
    assert!(answer.out.contains("--findings drift.ndjson"), "{answer:?}");
    let again = "Each of 1 differences was looked at again.";
    assert!(answer.out.contains(again), "{answer:?}");
    let json = stage.run_with_database(&["check", "--json"]).await.json();
    assert_eq!(json["second_look"]["first"], 1);
    let answer = stage.run_with_database(&["check", "--findings", "f"]).await;
    assert!(!answer.out.contains("--findings"), "{answer:?}");
}
