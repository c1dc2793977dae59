//! Asking for a check through the API, and reading what it left about a customer.

use serde_json::{Value, json};

use super::calls::{Answer, alike};
use super::stage::{Stage, stage, wait};
use super::tenant::Tenant;

impl Stage {
    async fn ask(&self, tenant: &Tenant, key: &str, customer: Option<&str>) -> Answer {
        let mut body = json!({ "project": tenant.project.id });
        if let Some(customer) = customer {
            body["customer"] = json!(customer);
        }
        self.post_once("/v1/checks", &tenant.repair_key, key, &body)
            .await
    }

    async fn customer(&self, key: &str, customer: &str, query: &str) -> Answer {
        let path = format!("/v1/customers/{customer}/state{query}");
        self.call("GET", &path, Some(key), None, &Value::Null).await
    }

    /// Waits for the run that a request was answered with.
    async fn closed(&self, tenant: &Tenant, asked: &Answer) {
        assert_eq!(asked.status, 202, "{}", asked.text);
        let path = asked.field("/poll");
        let closed = async || {
            let run = self
                .call("GET", &path, Some(&tenant.read_key), None, &Value::Null)
                .await;
            (run.json()["closed"] == true).then_some(())
        };
        wait("the run", closed).await;
    }
}

#[test]
fn a_customer_is_checked_when_somebody_asks_and_both_sides_can_be_read() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        let before = stage.customer(&tenant.read_key, &customer, "").await;
        assert_eq!(before.status, 404, "{}", before.text);

        let asked = stage.ask(&tenant, "k1", Some(&customer)).await;
        stage.closed(&tenant, &asked).await;
        let path = asked.field("/state");
        assert_eq!(path, format!("/v1/customers/{customer}/state"));
        let state = stage.customer(&tenant.read_key, &customer, "").await;
        assert_eq!(state.status, 200, "{}", state.text);
        let view = state.json();
        assert_eq!(view["last_check"]["run"], asked.field("/run").as_str());
        assert_eq!(view["last_check"]["stripe"], "known");
        assert_eq!(view["promise"]["access"], true);
        assert_eq!(view["rows"][0]["row"], user.as_str());
        assert_eq!(view["rows"][0]["grant"]["access"], false);
        assert_eq!(view["incidents"][0]["kind"], "paid_no_access");
        assert_eq!(view["incidents"][0]["state"], "open");
        assert!(view["owed_per_month"]["usd"].as_i64().unwrap() > 0);
        assert_eq!(view["fresh_look"]["body"]["customer"], customer.as_str());

        // The same request is the same run.
        let again = stage.ask(&tenant, "k1", Some(&customer)).await;
        assert_eq!(again.field("/run"), asked.field("/run"));
        assert_eq!(again.header("idempotent-replayed"), "true");
        let other = stage.ask(&tenant, "k1", None).await;
        assert_eq!(other.says(), (422, "idempotency-key-reused".to_owned()));

        // A customer without a difference.
        let equal = &stage.sample.accounts.iter();
        let equal = equal
            .clone()
            .find(|it| !it.drifted && it.subscription.is_some());
        let equal = &equal.unwrap().customer;
        let asked = stage.ask(&tenant, "k2", Some(equal)).await;
        stage.closed(&tenant, &asked).await;
        let view = stage.customer(&tenant.read_key, equal, "").await.json();
        assert_eq!(view["incidents"], json!([]));
        assert_eq!(view["promise"]["plan"], view["rows"][0]["grant"]["plan"]);
    });
}

#[test]
fn a_scan_is_started_when_somebody_asks() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let asked = stage.ask(&tenant, "k1", None).await;
        assert_eq!(asked.json()["state"], Value::Null);
        stage.closed(&tenant, &asked).await;
        let (customer, _) = stage.drifted("access_without_payment");
        let found = async || stage.incident_now(&tenant, &customer).await;
        wait("the incident", found).await;
        let view = stage.customer(&tenant.read_key, &customer, "").await.json();
        assert_eq!(view["last_check"], Value::Null);
        assert_eq!(view["incidents"][0]["kind"], "access_without_payment");
        assert!(view["leak_per_month"]["usd"].as_i64().unwrap() > 0);
    });
}

#[test]
fn strangers_learn_nothing_about_customers_and_readers_ask_for_nothing() {
    let stage = stage();
    stage.run(async {
        let (tenant, stranger) = (stage.tenant().await, stage.tenant().await);
        let (customer, _) = stage.drifted("paid_no_access");
        let asked = stage.ask(&tenant, "k1", Some(&customer)).await;
        stage.closed(&tenant, &asked).await;
        let mut absent = Vec::new();
        for (case, key, id, query) in [
            (
                "another tenant's",
                &stranger.read_key,
                customer.as_str(),
                String::new(),
            ),
            (
                "nobody's",
                &tenant.read_key,
                "cus_NobodyKnowsThis1",
                String::new(),
            ),
            (
                "another project named",
                &tenant.read_key,
                &customer,
                format!("?project={}", stranger.project.id),
            ),
            (
                "no project named",
                &tenant.read_key,
                &customer,
                "?project=x".to_owned(),
            ),
        ] {
            let answer = stage.customer(key, id, &query).await;
            absent.push((case.to_owned(), answer));
        }
        for project in [stranger.project.id.to_string(), "prj_x".to_owned()] {
            let body = json!({ "project": project, "customer": customer });
            let answer = stage
                .post_once("/v1/checks", &tenant.repair_key, "k9", &body)
                .await;
            absent.push((format!("a check of {project}"), answer));
        }
        alike(&absent, 404);
        let own = format!("?project={}", tenant.project.id);
        let own = stage.customer(&tenant.read_key, &customer, &own).await;
        assert_eq!(own.status, 200, "{}", own.text);

        let body = json!({ "project": tenant.project.id, "customer": customer });
        let reader = stage
            .post_once("/v1/checks", &tenant.read_key, "k2", &body)
            .await;
        assert_eq!(reader.says(), (403, "capability-missing".to_owned()));
        let path = "/v1/checks";
        let keyless = stage.keyless(path, &tenant.repair_key, &body).await;
        assert_eq!(keyless.says(), (400, "idempotency-key-missing".to_owned()));
        let nobody = stage.call("POST", path, None, None, &body).await;
        assert_eq!(nobody.status, 401);
        let body = json!({ "project": tenant.project.id, "customer": "u1" });
        let wrong = stage.post_once(path, &tenant.repair_key, "k3", &body).await;
        assert_eq!(wrong.field("/errors/0/pointer"), "/customer");
    });
}
