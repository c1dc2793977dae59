//! The HTTP side of the fake issuer.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;
use jsonwebtoken::Algorithm;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::keys::IssuerKeys;
use super::tokens::VALID;
use super::{CLIENT_ID, IssuerFault, lock};

/// More than anybody should read.
const HUGE: usize = 1024 * 1024;

type Form = BTreeMap<String, String>;
type Shared = Arc<Mutex<Desk>>;

/// A sign-in that is not redeemed yet, or that can be refreshed.
#[derive(Clone)]
struct SignIn {
    subject: String,
    at: Timestamp,
    nonce: String,
    redirect_uri: String,
    challenge: String,
}

pub(super) struct Desk {
    pub(super) url: String,
    pub(super) keys: IssuerKeys,
    pub(super) fault: Option<IssuerFault>,
    pub(super) person: String,
    pub(super) requests: Vec<String>,
    clock: Arc<dyn Clock>,
    published: Option<Vec<Value>>,
    codes: BTreeMap<String, SignIn>,
    refreshes: BTreeMap<String, SignIn>,
    issued: u64,
}

impl Desk {
    pub(super) fn new(url: String, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Ok(Self {
            url,
            keys: IssuerKeys::new(1)?,
            fault: None,
            person: "person-1".to_owned(),
            requests: Vec::new(),
            clock,
            published: None,
            codes: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            issued: 0,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.keys = self.keys.next()?;
        self.published = None;
        Ok(())
    }

    pub(super) fn published(&self) -> Vec<Value> {
        self.published.clone().unwrap_or_else(|| self.keys.public())
    }

    pub(super) fn publish(&mut self, keys: Vec<Value>) {
        self.published = Some(keys);
    }

    fn next(&mut self, kind: &str) -> String {
        self.issued = self.issued.saturating_add(1);
        format!("{kind}-{}", self.issued)
    }

    fn discovery(&self) -> Value {
        let url = &self.url;
        let (mut issuer, mut keys) = (url.clone(), format!("{url}/keys"));
        match self.fault {
            Some(IssuerFault::OtherIssuer) => issuer.push_str("/other"),
            Some(IssuerFault::PlainKeys) => "http://keys.example.com/".clone_into(&mut keys),
            _ => {}
        }
        json!({
            "issuer": issuer,
            "jwks_uri": keys,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "padding": self.padding(IssuerFault::HugeDiscovery),
        })
    }

    fn padding(&self, fault: IssuerFault) -> String {
        let huge = self.fault == Some(fault);
        "x".repeat(if huge { HUGE } else { 0 })
    }

    /// Lets the person in and says where the browser goes on; `None` for a request that a real
    /// issuer would show an error page for.
    fn authorize(&mut self, query: &Form) -> Option<String> {
        let named = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let known = named("client_id") == CLIENT_ID && named("response_type") == "code";
        let pkce = named("code_challenge_method") == "S256" && !named("code_challenge").is_empty();
        let mut back = Url::parse(named("redirect_uri")).ok()?;
        let here = matches!(back.host_str(), Some("127.0.0.1" | "localhost"));
        let loopback = back.scheme() == "http" && here;
        if !(known && pkce && loopback) {
            return None;
        }
        let sign_in = SignIn {
            subject: self.person.clone(),
            at: self.now(),
            nonce: named("nonce").to_owned(),
            redirect_uri: named("redirect_uri").to_owned(),
            challenge: named("code_challenge").to_owned(),
        };
        let code = self.next("code");
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", named("state"));
        self.codes.insert(code, sign_in);
        Some(back.into())
    }

    /// Redeems a code or a refresh token, each once.
    fn token(&mut self, form: &Form) -> Option<Value> {
        let named = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if named("client_id") != CLIENT_ID {
            return None;
        }
        let sign_in = match named("grant_type") {
            "authorization_code" => {
                let sign_in = self.codes.remove(named("code"))?;
                let digest = Sha256::digest(named("code_verifier").as_bytes());
                let proven = URL_SAFE_NO_PAD.encode(digest) == sign_in.challenge;
                let same = named("redirect_uri") == sign_in.redirect_uri;
                (proven && same).then_some(sign_in)?
            }
            "refresh_token" => self.refreshes.remove(named("refresh_token"))?,
            _ => return None,
        };
        let claims = Value::Object(self.access_claims(&sign_in.subject, sign_in.at));
        let header = self.header(Algorithm::ES256);
        let access = self.sign(Algorithm::ES256, &header, &claims.to_string());
        let id = self.id_token(&sign_in.subject, &sign_in.nonce, &access, sign_in.at);
        let refresh = self.next("refresh");
        self.refreshes.insert(refresh.clone(), sign_in);
        Some(json!({
            "access_token": access,
            "id_token": id,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": VALID,
        }))
    }
}

pub(super) fn router(desk: Shared) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .layer(from_fn_with_state(Arc::clone(&desk), weather))
        .with_state(desk)
}

/// Notes the request, and fails it where that is wanted.
async fn weather(State(desk): State<Shared>, request: Request, next: Next) -> Response<Body> {
    let fault = {
        let mut desk = lock(&desk);
        desk.requests.push(request.uri().path().to_owned());
        desk.fault
    };
    match fault {
        Some(IssuerFault::Down) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(IssuerFault::Slow(delay)) => sleep(delay).await,
        _ => {}
    }
    next.run(request).await
}

async fn discovery(State(desk): State<Shared>) -> Json<Value> {
    Json(lock(&desk).discovery())
}

async fn keys(State(desk): State<Shared>) -> Json<Value> {
    let desk = lock(&desk);
    let padding = desk.padding(IssuerFault::HugeKeys);
    Json(json!({"keys": desk.published(), "padding": padding}))
}

async fn authorize(State(desk): State<Shared>, Query(query): Query<Form>) -> Response<Body> {
    match lock(&desk).authorize(&query) {
        Some(back) => (StatusCode::FOUND, [(header::LOCATION, back)]).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn token(State(desk): State<Shared>, body: String) -> Response<Body> {
    // A form has the syntax of a query (WHATWG URL, application/x-www-form-urlencoded).
    let address = format!("http://localhost/?{body}");
    let form = Url::parse(&address).map(|url| url.query_pairs().into_owned().collect::<Form>());
    if let Some(tokens) = lock(&desk).token(&form.unwrap_or_default()) {
        return Json(tokens).into_response();
    }
    let refusal = Json(json!({"error": "invalid_grant"}));
    (StatusCode::BAD_REQUEST, refusal).into_response()
}
