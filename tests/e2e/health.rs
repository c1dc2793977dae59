//! The health of a webhook through real processes: what was missed is found and checked, and an ended
//! connection is seen by whoever looks.

use std::sync::Arc;

use counterfoil_core::run::{Run, RunResult, RunScope};
use counterfoil_core::time::Timestamp;
use counterfoil_testkit::memory::SetClock;
use counterfoil_testkit::stripe::sign_event;
use serde_json::{Value, json};

use super::stage::{now, stage, wait};
use super::tenant::{Setup, Tenant};

const DAY: u64 = 86_400_000;

async fn health(tenant: &Tenant) -> Value {
    let key = Some(tenant.read_key.as_str());
    let path = "/v1/webhooks/health";
    let answer = stage().call("GET", path, key, None, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    for word in ["cus_", "evt_", "whsec_", "rk_"] {
        assert!(!answer.text.contains(word), "{word}: {}", answer.text);
    }
    answer.json()
}

#[test]
fn an_event_that_never_came_is_found_the_day_after_and_its_customer_checked() {
    let stage = stage();
    stage.run(async {
        let (customer, _) = stage.drifted("paid_no_access");
        // The day that is over, as the product sees it; late on it, Stripe made an event.
        let settled = now().as_millis() - 15 * 60_000;
        let midnight = Timestamp::from_millis(settled / DAY * DAY);
        let late = Timestamp::from_millis(midnight.as_millis() - 60 * 60_000);
        let event = json!({
            "id": "evt_lost", "object": "event", "type": "customer.updated", "livemode": true,
            "created": late.as_secs(), "data": { "object": { "id": customer, "object": "customer" } },
        });
        assert!(stage.stripe.change(|shop| shop.put(event)));
        let long_ago = Timestamp::from_millis(midnight.as_millis() - DAY);
        let setup = Setup {
            clock: Some(Arc::new(SetClock::at(long_ago))),
            ..Setup::default()
        };
        let tenant = stage.tenant_with(setup).await;
        let due = json!({ "source": "counterfoil.schedule", "detail": { "job": "due" } });
        stage.main.invoke("ReconcileFunction", &due).await;

        let recorded = wait("the day's entry", async || {
            let entries = stage.main.entries(&tenant).await.into_iter();
            let mut facts = entries.map(|entry| entry.facts);
            facts.find(|facts| facts["topic"] == "webhook.health")
        })
        .await;
        let missed = json!({
            "listed": 1, "missing": 1, "complete": true, "asked": 1, "looked": 0, "left": 0,
            "kinds": [{ "kind": "customer.updated", "missing": 1 }],
        });
        assert_eq!(recorded["missed"], missed);
        assert_eq!(recorded["result"], "warning");
        wait("the check", async || {
            let runs = stage.main.runs(&tenant).await;
            let checked = RunScope::Check {
                customer: customer.clone(),
            };
            let found = |run: &&Run| run.scope == checked && run.reason == "missed-webhook";
            runs.iter().find(found).map(|_| ())
        })
        .await;
        let shown = health(&tenant).await;
        assert_eq!(shown["last_recorded_day"]["day"], recorded["day"]);
        assert_eq!(shown["last_recorded_day"]["missed"]["missing"], 1);
        assert_eq!(shown["result"], "warning");
        assert_eq!(shown["last_delivery_at"], Value::Null);
    });
}

#[test]
fn an_ended_connection_is_seen_at_once_and_runs_end_with_its_name() {
    let stage = stage();
    stage.run(async {
        let key = stage.stripe.restricted_key();
        let setup = Setup {
            stripe_key: Some(key.clone()),
            ..Setup::default()
        };
        let tenant = stage.tenant_with(setup).await;
        let said = |id: &str| {
            json!({
                "id": id, "object": "event", "type": "account.application.deauthorized",
                "livemode": true, "created": now().as_secs(),
                "data": { "object": { "id": "ca_1", "object": "application" } },
            })
            .to_string()
        };
        let deliver = async |body: &str| {
            let project = tenant.project.id.to_string();
            let secrets = [tenant.webhook_secret.as_str()];
            let signature = sign_event(&secrets, body.as_bytes(), now().as_secs());
            let answer = stage.deliver(&project, Some(&signature), body.as_bytes());
            assert_eq!(answer.await.status, 200);
        };
        let topics = async || {
            let entries = stage.main.entries(&tenant).await.into_iter();
            let topics = entries.filter_map(|it| Some(it.facts["topic"].as_str()?.to_owned()));
            topics.collect::<Vec<_>>()
        };

        // Stripe says so, and still accepts the key.
        deliver(&said("evt_ended_1")).await;
        wait("the probe", async || {
            let probed = topics().await.contains(&"probe.stripe_key".to_owned());
            probed.then_some(())
        })
        .await;
        let shown = health(&tenant).await;
        assert_eq!(shown["connection"]["state"], "open");
        assert_eq!(shown["result"], "alarm");

        stage.stripe.revoke(&key);
        deliver(&said("evt_ended_2")).await;
        let shown = wait("the end of the connection", async || {
            let shown = health(&tenant).await;
            (shown["connection"]["state"] == "ended").then_some(shown)
        })
        .await;
        assert!(shown["connection"]["ended_at"].is_string());
        assert!(topics().await.contains(&"connection.ended".to_owned()));

        let (customer, _) = stage.drifted("paid_no_access");
        let taken = stage.webhook(&tenant, &customer).await;
        assert_eq!(taken.status, 200, "{}", taken.text);
        let run = stage.finished_check(&tenant).await;
        assert_eq!(run.result, Some(RunResult::Partial));
        let id = run.id.to_string();
        let entries = stage.main.entries(&tenant).await.into_iter();
        let mut closes = entries.filter(|entry| entry.kind == "run.close" && entry.run == id);
        assert_eq!(closes.next().unwrap().facts["result"], "connection-ended");
        assert!(stage.main.incidents(&tenant).await.is_empty());
    });
}
