//! Who may call what, and what strangers learn. Every route of `repair-approve` and `export`.

use counterfoil_core::ports::{State, StateWrite};
use counterfoil_core::records::{ApiKey, Directory};
use serde_json::{Value, json};

use super::calls::{Answer, alike};
use super::stage::{Stage, now, stage};
use super::tenant::Tenant;

const NEVER_ISSUED: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A route and what it answers to keys that are valid.
struct Route {
    method: &'static str,
    /// `{}` stands for the id, here or in the body.
    path: &'static str,
    prefix: &'static str,
    body: Value,
    /// What a key that may only read gets for a record that exists.
    reader: (u16, &'static str),
    /// What a key that may do everything gets for a record that exists.
    owner: (u16, &'static str),
}

/// Every route that takes an id. The record is an action that Ada's repair key has proposed, its
/// incident, its run or an export of it.
fn routes(digest: &str) -> Vec<Route> {
    let route = |method, path, prefix, body, reader, owner| Route {
        method,
        path,
        prefix,
        body,
        reader,
        owner,
    };
    let reason = json!({ "reason": "support asked for it" });
    let vote = json!({ "vote": "approve", "reason": "checked it twice", "action_digest": digest });
    let run = json!({ "run_id": "{}" });
    let none = Value::Null;
    let missing = (403, "capability-missing");
    let denied = (403, "action-denied");
    vec![
        route(
            "POST",
            "/v1/incidents/{}/repairs",
            "inc_",
            reason,
            missing,
            (409, "wrong-state"),
        ),
        route(
            "GET",
            "/v1/actions/{}",
            "act_",
            none.clone(),
            (200, "held"),
            (200, "held"),
        ),
        route(
            "POST",
            "/v1/actions/{}/approvals",
            "act_",
            vote,
            denied,
            denied,
        ),
        route(
            "POST",
            "/v1/actions/{}/execute",
            "act_",
            json!({ "action_digest": digest }),
            missing,
            (409, "action-held"),
        ),
        route("POST", "/v1/exports", "run_", run, denied, (202, "queued")),
        route(
            "GET",
            "/v1/exports/{}",
            "exp_",
            none.clone(),
            (200, "ready"),
            (200, "ready"),
        ),
        route(
            "GET",
            "/v1/exports/{}/download",
            "exp_",
            none.clone(),
            denied,
            (200, ""),
        ),
        // Last: it ends the action.
        route(
            "POST",
            "/v1/actions/{}/cancel",
            "act_",
            none,
            missing,
            (200, "cancelled"),
        ),
    ]
}

impl Route {
    async fn call(&self, stage: &Stage, key: Option<&str>, id: &str) -> Answer {
        let path = self.path.replace("{}", &id.replace(' ', "%20"));
        let body = self.body.to_string().replace("{}", id);
        let body = serde_json::from_str(&body).unwrap();
        stage
            .call(self.method, &path, key, Some("\"1\""), &body)
            .await
    }

    fn never_issued(&self) -> String {
        format!("{}{NEVER_ISSUED}", self.prefix)
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A held action, with everything around it that has an id.
struct Held {
    tenant: Tenant,
    digest: String,
    ids: Vec<String>,
}

async fn held(stage: &Stage) -> Held {
    let tenant = stage.tenant().await;
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(&tenant, &customer).await;
    let action = stage.propose(&tenant, &incident).await;
    let run = incident.opened_by.to_string();
    let export = stage.export(&tenant.ada, &run).await;
    Held {
        digest: action.field("/action_digest"),
        ids: vec![
            incident.id.to_string(),
            action.field("/id"),
            run,
            export.field("/id"),
        ],
        tenant,
    }
}

impl Held {
    fn id(&self, route: &Route) -> &str {
        let mut ids = self.ids.iter();
        ids.find(|id| id.starts_with(route.prefix)).unwrap()
    }
}

#[test]
fn without_a_valid_key_every_route_answers_401_whatever_the_id() {
    let stage = stage();
    stage.run(async {
        let held = held(stage).await;
        let good = &held.tenant.ada;
        let wrong_checksum = swapped(good, good.len() - 1);
        let wrong_secret = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";
        let of_nobody = wrong_secret.replace("cfk_test_", "cfk_live_");
        let revoked = altered_key(stage, |key| key.revoked_at = Some(now())).await;
        let expired = altered_key(stage, |key| key.expires_at = now()).await;
        let keys = [
            None,
            Some(""),
            Some("nonsense"),
            Some("cfk_test_0123456789"),
            Some(wrong_checksum.as_str()),
            Some(wrong_secret),
            Some(of_nobody.as_str()),
            Some(revoked.as_str()),
            Some(expired.as_str()),
        ];
        let bad_body = json!({ "b": 1 });
        let mut answers = Vec::new();
        for key in keys {
            for route in routes(&held.digest) {
                for id in [held.id(&route), &route.never_issued()] {
                    let answer = route.call(stage, key, id).await;
                    answers.push((format!("{} {key:?}", route.name()), answer));
                }
            }
            let answer = stage.call("GET", "/v1/approvals", key, None, &Value::Null);
            answers.push(("GET /v1/approvals".to_owned(), answer.await));
            let bad = stage.call("POST", "/v1/exports", key, None, &bad_body);
            answers.push(("POST /v1/exports, bad body".to_owned(), bad.await));
        }
        alike(&answers, 401);
        let (_, first) = answers.first().unwrap();
        assert_eq!(first.header("www-authenticate"), "Bearer");
    });
}

/// A key whose row was changed after it was issued.
async fn altered_key(stage: &Stage, alter: impl FnOnce(&mut ApiKey)) -> String {
    let key = stage.tenant().await.ada;
    let handle = key.split('_').nth(2).unwrap();
    let state = stage.main.boot.state().unwrap();
    let directory = Directory::of(state.as_ref());
    let mut row = directory.api_key(handle).await.unwrap().unwrap();
    alter(&mut row.value);
    let doc = serde_json::to_value(&row.value).unwrap();
    let mut write = StateWrite::replace(Directory::api_key_key(handle), row.version, doc);
    write.cites = row.evidence;
    assert!(state.write(vec![write]).await.unwrap());
    key
}

/// The text with another letter at one place.
fn swapped(text: &str, place: usize) -> String {
    let letters = text
        .char_indices()
        .map(|(at, letter)| match (at == place, letter) {
            (false, letter) => letter,
            (true, 'A') => 'B',
            (true, _) => 'A',
        });
    letters.collect()
}

#[test]
fn what_belongs_to_another_project_looks_like_what_never_existed() {
    let stage = stage();
    stage.run(async {
        let (held, stranger) = (held(stage).await, stage.tenant().await);
        let too_long = "x".repeat(2_000);
        for route in routes(&held.digest) {
            for key in [&stranger.ada, &stranger.repair_key, &stranger.read_key] {
                let mut answers = Vec::new();
                let absent = route.never_issued();
                for id in [held.id(&route), &absent, "no such thing", &too_long] {
                    let answer = route.call(stage, Some(key), id).await;
                    answers.push((format!("{} {id}", route.name()), answer));
                }
                alike(&answers, 404);
            }
        }
        let inbox = stage.call(
            "GET",
            "/v1/approvals",
            Some(&stranger.ada),
            None,
            &Value::Null,
        );
        assert_eq!(inbox.await.json()["items"], json!([]));
    });
}

#[test]
fn every_route_answers_each_key_as_its_rights_say() {
    let stage = stage();
    stage.run(async {
        let held = held(stage).await;
        let tenant = &held.tenant;
        for route in routes(&held.digest) {
            for (key, expected) in [
                (&tenant.read_key, route.reader),
                (&tenant.repair_key, route.owner),
            ] {
                let absent = route.call(stage, Some(key), &route.never_issued()).await;
                assert_eq!(absent.status, 404, "{}: {}", route.name(), absent.text);
                let answer = route.call(stage, Some(key), held.id(&route)).await;
                let says = answer.says();
                let says = (says.0, says.1.as_str());
                assert_eq!(says, expected, "{}: {}", route.name(), answer.text);
            }
        }
        assert_eq!(stage.updates(tenant), 0);
    });
}

#[test]
fn the_inbox_shows_held_actions_to_every_key_of_the_project() {
    let stage = stage();
    stage.run(async {
        let held = held(stage).await;
        let tenant = &held.tenant;
        for key in [
            &tenant.ada,
            &tenant.ben,
            &tenant.repair_key,
            &tenant.read_key,
        ] {
            let inbox = stage.call("GET", "/v1/approvals", Some(key), None, &Value::Null);
            let inbox = inbox.await.json();
            let items = inbox["items"].as_array().unwrap();
            assert_eq!(items.len(), 1);
            assert_eq!(items[0]["action_digest"], json!(held.digest));
            assert_eq!(items[0]["etag"], json!("\"1\""));
        }
    });
}

/// 401, then 404, then 403, then 400.
#[test]
fn a_request_is_judged_by_who_may_know_before_what_it_says() {
    let stage = stage();
    stage.run(async {
        let held = held(stage).await;
        let tenant = &held.tenant;
        let (ada, reader) = (Some(tenant.ada.as_str()), Some(tenant.read_key.as_str()));
        let (incident, action) = (&held.ids[0], &held.ids[1]);
        let bad = json!({ "b": 1 });
        let (no_incident, no_action) =
            (format!("inc_{NEVER_ISSUED}"), format!("act_{NEVER_ISSUED}"));
        let propose = |id: &str| format!("/v1/incidents/{id}/repairs");
        let vote = |id: &str| format!("/v1/actions/{id}/approvals");
        for (path, key, status) in [
            (propose(incident), None, 401),
            (propose(&no_incident), reader, 404),
            (propose(&no_incident), ada, 404),
            (propose(incident), reader, 403),
            (propose(incident), ada, 400),
            (vote(action), None, 401),
            (vote(&no_action), reader, 404),
            (vote(&no_action), ada, 404),
            (vote(action), ada, 400),
        ] {
            let answer = stage.call("POST", &path, key, None, &bad).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
        }
    });
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let ada = Some(tenant.ada.as_str());
        for (body, word) in [
            (json!({}), "reason"),
            (json!({ "reason": "x" }), "10 to 1,000 characters"),
            (json!({ "reason": "long enough", "bogus": 1 }), "bogus"),
            (json!({ "reason": 7 }), "string"),
            (json!("no object"), "an object"),
        ] {
            let refused = stage.call("POST", &path, ada, None, &body).await;
            assert_eq!(
                refused.says(),
                (400, "invalid-request".to_owned()),
                "{body}"
            );
            assert!(refused.text.contains(word), "{body}: {}", refused.text);
        }
        let before = stage.main.entries(&tenant).await.len();
        let run = json!({ "run_id": 7 });
        let refused = stage.call("POST", "/v1/exports", ada, None, &run).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert_eq!(stage.main.entries(&tenant).await.len(), before);
        assert_eq!(stage.incident(&tenant, &customer).await.action, None);
    });
}
