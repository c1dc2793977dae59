//! `check --customer`: both sides of one customer, whatever its state.

use counterfoil_testkit::stripe::{APP_USERS_TABLE, Drift, Sample};
use serde_json::Value;

use crate::csv::MAPPING;
use crate::support::{Answer, NOW, Stage, now};

const UNKNOWN: &str = "cus_NobodyKnowsThis1";

/// A customer for each drift, and one without.
struct Scene {
    stage: Stage,
    sample: Sample,
    drifted: Vec<(Drift, String)>,
}

impl Scene {
    async fn new(name: &'static str, drifts: &[Drift]) -> Self {
        let mut sample = Sample::new(21, 120, now());
        let drifted = drifts
            .iter()
            .map(|drift| (*drift, sample.inject(*drift, 1)[0].customer.clone()))
            .collect();
        let stage = Stage::new(name, APP_USERS_TABLE, sample.shop.clone()).await;
        stage.insert(&sample);
        stage.write("counterfoil.toml", MAPPING);
        Self {
            stage,
            sample,
            drifted,
        }
    }

    fn of(&self, drift: Drift) -> &str {
        let found = self.drifted.iter().find(|(it, _)| *it == drift);
        &found.unwrap().1
    }

    async fn ask(&self, customer: &str, more: &[&str]) -> Answer {
        let words = ["check", "--as-of", NOW, "--customer", customer];
        let words: Vec<&str> = words.into_iter().chain(more.iter().copied()).collect();
        self.stage.run_with_database(&words).await
    }
}

fn says(answer: &Answer, sentences: &[&str]) {
    for sentence in sentences {
        assert!(answer.out.contains(sentence), "{sentence}: {answer:?}");
    }
}

#[tokio::test]
async fn a_customer_who_is_locked_out_is_shown_with_the_promise_the_row_and_the_money() {
    let scene = Scene::new("customer_owed", &[Drift::PaidNoAccess]).await;
    let customer = scene.of(Drift::PaidNoAccess);
    let account = (scene.sample.accounts.iter())
        .find(|it| it.customer == customer)
        .unwrap();
    let answer = scene.ask(customer, &[]).await;
    assert_eq!(answer.status, 1, "{answer:?}");
    let row = format!("Granted by row {} of public.app_users:", account.user);
    let promised = format!("Promised: plan {}, access", account.plan.name);
    let subscription = account.subscription.clone().unwrap();
    says(
        &answer,
        &[
            &promised,
            "An active subscription grants.",
            &format!(
                "{subscription} of {customer} ({}) grants: active. It sets the plan.",
                account.plan.name
            ),
            &row,
            "no paid access",
            "paid, but no access: promised",
            "a month paid, not given. A repair would set",
        ],
    );
    let json = scene.ask(customer, &["--json"]).await.json();
    assert_eq!(json["result"], "drift");
    assert_eq!(json["state"]["presence"], "known");
    assert_eq!(json["state"]["rows"][0]["row"], account.user.as_str());
    assert_eq!(json["state"]["rows"][0]["promise"]["access"], true);
    assert_eq!(json["state"]["rows"][0]["grant"]["access"], false);
    assert_eq!(json["findings"][0]["kind"], "paid_no_access");
    assert!(json["findings"][0]["at_risk"]["minor"].as_i64().unwrap() > 0);
    // One customer was read, not the account; the probe of the key asks for one object of each list.
    for request in scene.stage.stripe.requests() {
        let lists = ["/v1/customers", "/v1/subscriptions"].contains(&request.path.as_str());
        let query = request.query;
        let narrow = query.contains("limit=1") && !query.contains("limit=100")
            || query.contains(&format!("customer={customer}"));
        assert!(!lists || narrow, "{} {query}", request.path);
    }
    assert_eq!(scene.stage.stripe.non_get_calls(), 0);
}

#[tokio::test]
async fn a_customer_without_a_difference_is_status_0_and_both_sides_are_shown() {
    let scene = Scene::new("customer_equal", &[]).await;
    let plain = (scene.sample.accounts.iter())
        .find(|it| it.subscription.is_some() && it.in_metadata)
        .unwrap();
    let answer = scene.ask(&plain.customer, &[]).await;
    assert_eq!(answer.status, 0, "{answer:?}");
    says(
        &answer,
        &[
            "Promised: ",
            "Granted by row ",
            "Promise and grant do not differ.",
        ],
    );
    // Most of the sample reads the same by this way and by the whole check: nobody differs.
    for account in scene.sample.accounts.iter().take(25) {
        let json = scene.ask(&account.customer, &["--json"]).await;
        assert_eq!(json.status, 0, "{json:?}");
        assert_eq!(json.json()["findings"], Value::Array(Vec::new()));
    }
}

#[tokio::test]
async fn too_much_access_is_left_to_a_full_check_and_is_no_clean_answer() {
    let scene = Scene::new("customer_leak", &[Drift::AccessWithoutPayment]).await;
    let customer = scene.of(Drift::AccessWithoutPayment);
    let answer = scene.ask(customer, &[]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    says(
        &answer,
        &[
            "Promised: no paid access. The subscription has ended.",
            "another one may belong to the same row: run the check without --customer",
        ],
    );
    assert!(!answer.out.contains("do not differ"), "{answer:?}");
    let json = scene.ask(customer, &["--json"]).await.json();
    assert_eq!(json["result"], "could_not_tell");
    assert_eq!(json["left_to_a_full_check"], 1);
    // Where the stored id is the only key, nobody else can belong to the row.
    let by_id = MAPPING
        .replace(
            "  { stripe = \"customer.metadata.user_id\", column = \"id\" },\n",
            "",
        )
        .replace(
            "  { stripe = \"customer.email\", column = \"email\", report_only = true },\n",
            "",
        );
    assert_ne!(by_id, MAPPING);
    scene.stage.write("counterfoil.toml", &by_id);
    let user = &scene
        .sample
        .accounts
        .iter()
        .find(|it| it.customer == customer)
        .unwrap()
        .user;
    scene.stage.sql(&format!(
        "UPDATE app_users SET stripe_customer_id = '{customer}' WHERE id = '{user}'"
    ));
    let answer = scene.ask(customer, &[]).await;
    assert_eq!(answer.status, 1, "{answer:?}");
    says(
        &answer,
        &[
            "access without payment: promised",
            "a month given without pay",
        ],
    );
}

#[tokio::test]
async fn customers_who_are_unknown_deleted_or_without_a_row_are_told_so() {
    let drifts = [Drift::MissingUserRow, Drift::OrphanCustomer];
    let scene = Scene::new("customer_absent", &drifts).await;
    let answer = scene.ask(UNKNOWN, &[]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    says(&answer, &["Stripe does not know this customer in"]);

    let no_row = "No one row of public.app_users belongs to this customer.";
    for (drift, words) in [
        (
            Drift::MissingUserRow,
            "paying customer names a user who is not there",
        ),
        (Drift::OrphanCustomer, "paying customer belongs to nobody"),
    ] {
        let answer = scene.ask(scene.of(drift), &[]).await;
        assert_eq!(answer.status, 1, "{answer:?}");
        says(&answer, &[no_row, words, "paid, not given"]);
    }

    let gone = scene.of(Drift::OrphanCustomer).to_owned();
    scene
        .stage
        .stripe
        .change(|shop| shop.delete_customer(&gone, now().as_secs()));
    let answer = scene.ask(&gone, &[]).await;
    assert_eq!(answer.status, 0, "{answer:?}");
    says(
        &answer,
        &["Stripe has deleted this customer", "no paid access", no_row],
    );

    let answer = scene.ask("42", &[]).await;
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("a Stripe customer id"), "{answer:?}");
}
