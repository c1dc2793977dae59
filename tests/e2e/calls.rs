//! The product's HTTP API, as people, machines and Stripe call it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use counterfoil_core::incident::Incident;
use counterfoil_testkit::stripe::sign_event;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::stage::{Stage, now, wait};
use super::tenant::Tenant;

/// Headers that differ between two answers that say the same: `connection` is between the gateway and
/// this process (RFC 9110, section 7.6.1).
const MASKED: [&str; 5] = [
    "connection",
    "date",
    "x-amzn-requestid",
    "apigw-requestid",
    "x-amzn-trace-id",
];

/// An answer of the HTTP API, without what differs anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub(crate) fn field(&self, pointer: &str) -> String {
        let json = self.json();
        let field = json.pointer(pointer).and_then(Value::as_str);
        field.unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag")
    }

    /// The status, and the problem's code or the action's state.
    pub(crate) fn says(&self) -> (u16, String) {
        let code = self.field("/code");
        let code = if code.is_empty() {
            self.field("/state")
        } else {
            code
        };
        (self.status, code)
    }
}

impl Stage {
    /// Sends a request to the product's API; every POST is a request of its own.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        etag: Option<&str>,
        body: &Value,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(key) = key {
            request = self.authorize(request, key);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        if method == "POST" {
            request = request.header("idempotency-key", fresh_key());
        }
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        answer(request).await
    }

    /// Sends a POST without an `Idempotency-Key`.
    pub(crate) async fn keyless(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.authorize(self.request("POST", path), key);
        let request = request.header("content-type", "application/json");
        answer(request.body(body.to_string())).await
    }

    /// Sends a POST that creates something once, whatever happens to its answer.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        key: &str,
        idempotency_key: &str,
        body: &Value,
    ) -> Answer {
        let request = self.authorize(self.request("POST", path), key);
        let request = request.header("content-type", "application/json");
        answer(
            request
                .header("idempotency-key", idempotency_key)
                .body(body.to_string()),
        )
        .await
    }

    /// Sends a request as it is: no key that makes it unique, no version that was seen.
    pub(crate) async fn knock(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        project: Option<&str>,
        body: &Value,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(key) = key {
            request = self.authorize(request, key);
        }
        if let Some(project) = project {
            request = request.header("counterfoil-project", project);
        }
        if !body.is_null() {
            let json = request.header("content-type", "application/json");
            request = json.body(body.to_string());
        }
        answer(request).await
    }

    /// Sends bytes with these headers and no others of ours.
    pub(crate) async fn raw(
        &self,
        (method, path): (&str, &str),
        key: Option<&str>,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.body(body)).await
    }

    /// As the holder of a key, or as somebody who has just signed in ([`person`]).
    pub(crate) fn authorize(&self, request: RequestBuilder, key: &str) -> RequestBuilder {
        let Some((subject, project)) = key
            .strip_prefix("person:")
            .and_then(|it| it.split_once('@'))
        else {
            return request.bearer_auth(key);
        };
        let request = request.bearer_auth(self.issuer.mint(subject, |_| {}));
        if project.is_empty() {
            request
        } else {
            request.header("counterfoil-project", project)
        }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, format!("{}{path}", self.cloud.api_url))
    }

    /// Delivers a signed event about `customer`.
    pub(crate) async fn webhook(&self, tenant: &Tenant, customer: &str) -> Answer {
        let body = event(customer);
        let at = now().as_secs();
        let signature = sign_event(&[&tenant.webhook_secret], body.as_bytes(), at);
        let project = tenant.project.id.to_string();
        self.deliver(&project, Some(&signature), body.as_bytes())
            .await
    }

    pub(crate) async fn deliver(
        &self,
        project: &str,
        signature: Option<&str>,
        body: &[u8],
    ) -> Answer {
        self.deliver_as("application/json; charset=utf-8", project, signature, body)
            .await
    }

    /// The HTTP API hands bodies of some content types to functions as text, all others as base64.
    pub(crate) async fn deliver_as(
        &self,
        content_type: &str,
        project: &str,
        signature: Option<&str>,
        body: &[u8],
    ) -> Answer {
        let path = format!("/webhooks/stripe/{project}");
        let mut request = self.request("POST", &path).body(body.to_vec());
        request = request.header("content-type", content_type);
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        answer(request).await
    }

    /// Asks for the repair of an incident, to be executed on approval.
    pub(crate) async fn propose_as(&self, key: &str, incident: &Incident) -> Answer {
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let body = json!({ "reason": "support asked for it", "execute_on_approval": true });
        self.call("POST", &path, Some(key), None, &body).await
    }

    /// Proposes the repair of an incident with Ada's repair key: what a machine proposes in live waits
    /// for a person.
    pub(crate) async fn propose(&self, tenant: &Tenant, incident: &Incident) -> Answer {
        let answer = self.propose_as(&tenant.repair_key, incident).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// Votes on an action as it was displayed.
    pub(crate) async fn vote(&self, action: &Answer, key: &str, vote: &str) -> Answer {
        let path = format!("/v1/actions/{}/approvals", action.field("/id"));
        let etag = Some(action.etag());
        self.call("POST", &path, Some(key), etag, &ballot(action, vote))
            .await
    }

    /// The same with a token, as a request that may come again.
    pub(crate) async fn vote_with(
        &self,
        action: &Answer,
        token: &str,
        project: &str,
        idempotency_key: &str,
    ) -> Answer {
        let path = format!("/v1/actions/{}/approvals", action.field("/id"));
        let request = self.request("POST", &path).bearer_auth(token);
        let request = request.header("counterfoil-project", project);
        let request = request.header("idempotency-key", idempotency_key);
        let request = request.header("if-match", action.etag());
        let request = request.header("content-type", "application/json");
        answer(request.body(ballot(action, "approve").to_string())).await
    }

    /// The action as it is now.
    pub(crate) async fn action(&self, key: &str, id: &str) -> Answer {
        let path = format!("/v1/actions/{id}");
        self.call("GET", &path, Some(key), None, &Value::Null).await
    }

    /// Makes the package of a run: the export, once it is ready.
    pub(crate) async fn export(&self, key: &str, run: &str) -> Answer {
        self.exported(key, &json!({ "run_id": run })).await
    }

    /// Asks for an export and waits for its end.
    pub(crate) async fn exported(&self, key: &str, body: &Value) -> Answer {
        let asked = self
            .call("POST", "/v1/exports", Some(key), None, body)
            .await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        let path = asked.header("location").to_owned();
        assert_eq!(path, format!("/v1/exports/{}", asked.field("/id")));
        let ended = async || {
            let export = self.call("GET", &path, Some(key), None, &Value::Null).await;
            let state = export.field("/state");
            ["ready", "failed"]
                .contains(&state.as_str())
                .then_some(export)
        };
        wait("the export", ended).await
    }

    /// A fresh link to a part of an export, and what it leads to: the bytes that are recorded.
    pub(crate) async fn fetched(&self, key: &str, export: &Answer, part: &str) -> Vec<u8> {
        let id = export.field("/id");
        let path = format!("/v1/exports/{id}/download?part={part}");
        let link = self.call("GET", &path, Some(key), None, &Value::Null).await;
        assert_eq!(link.status, 200, "{}", link.text);
        let response = self.http.get(link.field("/url")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let bytes = response.bytes().await.unwrap().to_vec();
        let digest = counterfoil_core::evidence::hash::digest_string(&bytes);
        assert_eq!(link.field("/digest"), digest);
        bytes
    }
}

/// Somebody who signs in anew for each request; `project` goes into the header, if there is one.
pub(crate) fn person(subject: &str, project: &str) -> String {
    format!("person:{subject}@{project}")
}

/// What is sent with a vote.
pub(crate) fn ballot(action: &Answer, vote: &str) -> Value {
    json!({
        "vote": vote, "reason": "checked the invoice",
        "action_digest": action.field("/action_digest"),
    })
}

/// Everything that the product has answered, with the route it came from.
static HEARD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// What the product has answered so far.
pub(crate) fn heard() -> Vec<(String, String)> {
    HEARD.lock().unwrap().clone()
}

async fn answer(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let place = format!("answer to {} {}", request.method(), request.url().path());
    let response = client.execute(request).await.unwrap();
    let headers = response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let mut headers: BTreeMap<String, String> = headers
        .filter(|(name, _)| !MASKED.contains(&name.as_str()))
        .collect();
    let status = response.status().as_u16();
    // Problems repeat the request's id in their body.
    let id = headers.remove("x-request-id").unwrap_or_default();
    let text = response.text().await.unwrap();
    let said = (place, format!("{headers:?}\n{text}"));
    HEARD.lock().unwrap().push(said);
    let text = if id.is_empty() {
        text
    } else {
        text.replace(&id, "-")
    };
    Answer {
        status,
        headers,
        text,
    }
}

/// Every answer is the same problem, byte for byte, whatever the reason.
pub(crate) fn alike(answers: &[(String, Answer)], status: u16) {
    let (_, first) = answers.first().unwrap();
    for (case, answer) in answers {
        assert_eq!(answer.status, status, "{case}: {}", answer.text);
        assert_eq!(answer, first, "{case}");
    }
    assert_eq!(first.header("content-type"), "application/problem+json");
}

/// An `Idempotency-Key` that no other request has.
fn fresh_key() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("endtoend-{}", NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// An event of Stripe about `customer`, with an id of its own.
pub(crate) fn event(customer: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    json!({
        "id": format!("evt_endtoend{number}"), "object": "event",
        "type": "customer.subscription.updated",
        "livemode": true, "created": now().as_secs(),
        "data": { "object": { "id": "sub_1", "object": "subscription", "customer": customer } },
    })
    .to_string()
}
