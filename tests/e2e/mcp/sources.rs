//! Instructions in what Stripe says and in the columns that the mapping reads, and what they change: nothing.

use counterfoil_testkit::stripe::{Account, AppUser, Standing};
use serde_json::{Value, json};

use super::super::stage::{Stage, stage};
use super::super::tenant::Tenant;
use super::INJECTED;
use super::client::{Agent, call, result};
use super::injected::{done, verdict};

/// Means as little to the mapping, and asks for nothing.
const PLAIN: &str = "Platinum, as it was agreed with the customer in March (see the contract).";

/// What an agent with a key that repairs hears of the difference of a customer, and of its repair.
struct Heard {
    /// What is the same wherever the same differs.
    same: Value,
    /// How the row would change, where that is told.
    change: Value,
    /// Everything else.
    all: Vec<Value>,
}

impl Heard {
    /// What was decided about the repair.
    fn effect(&self) -> &Value {
        &self.same["judged"]["proposed"][0]
    }

    /// The same, whatever the text was.
    fn without(&self, text: &str) -> [String; 2] {
        [&self.same, &self.change].map(|it| it.to_string().replace(text, "…"))
    }
}

async fn hears(stage: &Stage, tenant: &Tenant, customer: &str) -> Heard {
    let agent = Agent::of(stage, &tenant.repair_key);
    let incident = stage.incident(tenant, customer).await;
    let before = done(stage, tenant).await;
    let id = json!({ "incident_id": incident.id.to_string() });
    let propose = json!({
        "incident_id": incident.id.to_string(), "reason": "The invoice is paid and the app does not know",
        "idempotency_key": format!("propose-{customer}"),
    });
    let said = agent.does(&[
        call("incident_get", &id),
        call("repair_propose", &propose),
        call("incidents_list", &json!({ "customer": customer })),
        call("customer_ledger", &json!({ "customer": customer })),
        call("run_get", &json!({ "run_id": incident.opened_by })),
    ]);
    let shown = result(&said[0]).unwrap();
    let told = [
        "kind",
        "field",
        "promised",
        "granted",
        "rule",
        "repairable",
        "at_risk",
    ];
    let told = told.map(|field| shown[field].clone());
    let proposed = result(&said[1]);
    let mut all: Vec<Value> = said[2..].iter().map(|it| result(it).unwrap()).collect();
    all.push(shown);
    let (judged, change) = match proposed {
        Err(code) => (json!(code), Value::Null),
        Ok(mut action) => {
            let [of, decision] = ["action_id", "decision_id"].map(|it| json!({ it: action[it] }));
            let execute = json!({
                "action_id": action["action_id"], "idempotency_key": format!("execute-{customer}"),
            });
            let said = agent.does(&[
                call("action_status", &of),
                call("repair_execute", &execute),
                call("decision_get", &decision),
                call("run_get", &json!({ "run_id": action["run_id"] })),
            ]);
            let mut status = result(&said[0]).unwrap();
            let judged = verdict(&action);
            assert_eq!(verdict(&status), judged);
            let change = action["change"].take();
            assert_eq!(status["change"].take(), change);
            // What waits stays as it is, and what was denied is not done.
            let executed = match result(&said[1]) {
                Ok(mut held) => {
                    assert_eq!(
                        (verdict(&held), held["change"].take()),
                        (judged.clone(), change.clone())
                    );
                    json!(held["refused"])
                }
                Err(code) => json!(code),
            };
            all.extend([action, status]);
            all.extend(said[2..].iter().map(|it| result(it).unwrap()));
            (json!({ "proposed": judged, "executed": executed }), change)
        }
    };
    assert_eq!(done(stage, tenant).await, before, "{customer}");
    Heard {
        same: json!({ "incident": told, "judged": judged }),
        change,
        all,
    }
}

/// In the columns of three customers that the mapping reads: as the value that a repair would replace, and
/// as one that the mapping does not know, of which no repair is allowed.
async fn in_columns(stage: &Stage, text: &str) -> Vec<Heard> {
    let tenant = stage.tenant().await;
    let mut customers = Vec::new();
    for (drift, column, value) in [
        ("paid_no_access", "plan", format!("'{text}'")),
        ("wrong_plan", "plan", format!("'{text}'")),
        ("wrong_features", "features", format!("ARRAY['{text}']")),
    ] {
        let (customer, user) = stage.drifted(drift);
        let poison = format!("UPDATE app_users SET {column} = {value} WHERE id = '{user}'");
        stage.postgres.sql(&tenant.database, &poison).unwrap();
        customers.push(customer);
    }
    // A look at one customer would not take anything away; one at everybody may.
    let everybody = json!({ "idempotency_key": "everybody" });
    let agent = Agent::of(stage, &tenant.repair_key);
    agent.calls("check_start", &everybody).unwrap();
    let mut heard = Vec::new();
    for customer in customers {
        heard.push(hears(stage, &tenant, &customer).await);
    }
    heard
}

#[test]
fn an_instruction_in_a_column_of_the_mapping_is_a_value_like_any_other() {
    let stage = stage();
    stage.run(async {
        let plain = in_columns(stage, PLAIN).await;
        let injected = in_columns(stage, INJECTED).await;
        for (plain, injected) in plain.iter().zip(&injected) {
            assert_eq!(injected.without(INJECTED), plain.without(PLAIN));
            // A value that is not known has one name, and rows are told as what would change.
            for told in injected.all.iter().chain([&injected.same]) {
                assert!(!told.to_string().contains(INJECTED), "{told}");
            }
        }
        let [replaced, plan, features] = injected.as_slice() else {
            panic!("{} customers", injected.len());
        };
        assert!(
            replaced.change.to_string().contains(INJECTED),
            "{}",
            replaced.change
        );
        assert_eq!(replaced.effect(), "REQUIRE", "{}", replaced.same);
        for unknown in [plan, features] {
            assert_eq!(unknown.effect(), "DENY", "{}", unknown.same);
        }
    });
}

/// What Stripe had before the text came into it; it has that again in the end.
struct Spoken<'a> {
    stage: &'a Stage,
    before: Vec<Value>,
}

impl<'a> Spoken<'a> {
    /// Lets objects of Stripe's say something else.
    fn by(stage: &'a Stage, objects: Vec<Value>, change: impl Fn(&mut Value)) -> Self {
        let put = |mut object: Value| {
            change(&mut object);
            assert!(stage.stripe.change(|shop| shop.put(object)));
        };
        objects.iter().cloned().for_each(put);
        let before = objects;
        Self { stage, before }
    }
}

impl Drop for Spoken<'_> {
    fn drop(&mut self) {
        for object in self.before.drain(..) {
            self.stage.stripe.change(|shop| shop.put(object));
        }
    }
}

/// Whatever Stripe says about a customer: who they are, and what they have bought.
fn about(stage: &Stage, account: &Account) -> Vec<Value> {
    let subscription = account.subscription.as_deref().unwrap();
    stage.stripe.change(|shop| {
        let subscription = shop.subscription(subscription).unwrap();
        let sold = subscription["items"]["data"][0]["price"]["id"].as_str();
        let found = [
            shop.customer(&account.customer),
            Some(subscription),
            shop.price(sold.unwrap()),
            shop.product(&account.plan.product()),
        ];
        found.map(|it| it.unwrap().clone()).to_vec()
    })
}

/// Writes the text wherever people write in an object, also in what is embedded in it.
fn say(object: &mut Value, text: &str) {
    let fields = match object {
        Value::Object(fields) => fields,
        Value::Array(items) => return items.iter_mut().for_each(|it| say(it, text)),
        _ => return,
    };
    for (name, value) in fields {
        match name.as_str() {
            "name"
            | "email"
            | "description"
            | "nickname"
            | "statement_descriptor"
            | "unit_label" => {
                *value = json!(text);
            }
            "metadata" => {
                value["note"] = json!(text);
                value[text] = json!("note");
            }
            _ => say(value, text),
        }
    }
}

/// How often the product has asked Stripe about a customer.
fn asked(stage: &Stage, customer: &str) -> usize {
    let requests = stage.stripe.requests().into_iter();
    requests
        .filter(|it| it.path.ends_with(customer) || it.query.contains(customer))
        .count()
}

/// A customer who pays, of whom no other test speaks, and the user whom they are.
fn somebody(stage: &Stage) -> (&Account, &AppUser) {
    let mut accounts = stage.sample.accounts.iter().rev();
    let found = accounts.find_map(|account| {
        let plain = account.standing == Standing::Active && account.in_metadata && !account.drifted;
        let mut users = stage.sample.users.iter();
        let user = users.find(|it| it.id == account.user && it.stripe_customer_id.is_some())?;
        plain.then_some((account, user))
    });
    found.unwrap()
}

/// The app has forgotten what they have paid for, in a project of its own.
async fn as_stripe_says(stage: &Stage) -> Heard {
    let tenant = stage.tenant().await;
    let (account, user) = somebody(stage);
    let poison = format!(
        "UPDATE app_users SET premium = false WHERE id = '{}'",
        user.id
    );
    stage.postgres.sql(&tenant.database, &poison).unwrap();
    let before = asked(stage, &account.customer);
    stage.found(&tenant, &account.customer).await;
    let heard = hears(stage, &tenant, &account.customer).await;
    assert!(
        asked(stage, &account.customer) > before,
        "nobody has read what Stripe says"
    );
    heard
}

#[test]
fn an_instruction_in_what_stripe_says_changes_no_verdict_and_reaches_nobody() {
    let stage = stage();
    stage.run(async {
        let (account, _) = somebody(stage);
        let silent = as_stripe_says(stage).await;
        assert_eq!(silent.effect(), "REQUIRE", "{}", silent.same);
        let spoken = Spoken::by(stage, about(stage, account), |it| say(it, INJECTED));
        let said = about(stage, account);
        assert!(
            said.iter().all(|it| it.to_string().contains(INJECTED)),
            "{said:?}"
        );
        let injected = as_stripe_says(stage).await;
        drop(spoken);
        assert_eq!(injected.without(INJECTED), silent.without(PLAIN));

        // The key by which a customer is found: it leads to nobody, whatever it says.
        let key = |text: &str| {
            let found = about(stage, account).swap_remove(0);
            Spoken::by(stage, vec![found], |it| {
                it["metadata"]["user_id"] = json!(text);
            })
        };
        let spoken = key(PLAIN);
        let plain = as_stripe_says(stage).await;
        drop(spoken);
        let spoken = key(INJECTED);
        let keyed = as_stripe_says(stage).await;
        drop(spoken);
        assert_eq!(keyed.without(INJECTED), plain.without(PLAIN));
        for told in [&injected, &keyed] {
            let all = told.all.iter().chain([&told.same, &told.change]);
            for told in all {
                assert!(!told.to_string().contains(INJECTED), "{told}");
            }
        }
    });
}
