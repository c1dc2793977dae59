//! Two tenants with a key each, and routes that do what routes do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_core::auth::NewKey;
use counterfoil_core::ids::{KeyId, ProjectId, SecretId, UserId, WorkspaceId};
use counterfoil_core::ports::{Clock, Random, State as StatePort, StateKey, StateWrite};
use counterfoil_core::rate::Rate;
use counterfoil_core::records::{ApiKey, Directory};
use counterfoil_core::tenancy::{Capability, TenantCtx};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::LimitRate;
use counterfoil_lambda::http::{Asked, Authentication, Caller, Repeats, Sent, ShownOnce, Tokens};
use counterfoil_lambda::{Front, Problem};
use counterfoil_testkit::memory::{MemStore, SeededRandom, SetClock};
use http::{HeaderMap, Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) struct Stage {
    pub(crate) store: Arc<MemStore>,
    pub(crate) clock: SetClock,
    pub(crate) key: String,
    pub(crate) key_id: KeyId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) other_key: String,
    pub(crate) limit: Option<LimitRate>,
    /// Whether the callers may make things.
    pub(crate) may: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Routes {
    may: Arc<AtomicBool>,
    authentication: Authentication,
    repeats: Repeats,
}

impl FromRef<Routes> for Authentication {
    fn from_ref(routes: &Routes) -> Self {
        routes.authentication.clone()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
    #[serde(default)]
    outcome: Outcome,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    #[default]
    Made,
    Refused,
    Forbidden,
    Unavailable,
    Stale,
    Held,
    Secret,
    Panic,
}

/// The row that a thing is; every making adds 1 to its count.
fn thing(ctx: &TenantCtx, name: &str) -> StateKey {
    StateKey {
        pk: format!("{}#{}#thing", ctx.workspace(), ctx.project()),
        sk: name.to_owned(),
    }
}

async fn make(
    State(routes): State<Routes>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let wanted: Thing = sent.read()?;
    let repeats = routes.repeats.clone();
    let may = async {
        let denied = || Problem::new(StatusCode::FORBIDDEN, "action-denied", "They may not");
        routes
            .may
            .load(Ordering::SeqCst)
            .then_some(())
            .ok_or_else(denied)
    };
    sent.once(&repeats, &ctx, may, async |once| {
        let refused = || Problem::new(StatusCode::CONFLICT, "wrong-state", "It does not fit");
        match wanted.outcome {
            Outcome::Refused => return Err(refused()),
            Outcome::Forbidden => {
                let status = StatusCode::FORBIDDEN;
                return Err(Problem::new(status, "action-denied", "Policy says no"));
            }
            Outcome::Unavailable => return Err(Problem::unavailable()),
            Outcome::Stale => return Err(Problem::stale_login(300)),
            Outcome::Held => {
                let status = StatusCode::CONFLICT;
                return Err(Problem::new(status, "action-held", "The action is held"));
            }
            Outcome::Panic => panic!("canary-of-a-panic"),
            Outcome::Made | Outcome::Secret => {}
        }
        let key = thing(&ctx, &wanted.name);
        let before = repeats.state.get(&key).await.unwrap();
        let version = before.map(|row| row.version);
        let doc = json!({ "name": wanted.name });
        let write = match version {
            None => StateWrite::create(key, doc),
            Some(version) => StateWrite::replace(key, version, doc),
        };
        let done = once.done(&format!("thing_{}", wanted.name));
        assert!(repeats.state.write(vec![write, done]).await.unwrap());
        let body = json!({ "id": format!("thing_{}", wanted.name), "secret": "canary-shown-once" });
        let mut response = (StatusCode::CREATED, Json(body)).into_response();
        if matches!(wanted.outcome, Outcome::Secret) {
            response.extensions_mut().insert(ShownOnce);
        }
        Ok(response)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u64>,
}

async fn list(Caller(_): Caller, Asked(page): Asked<Page>) -> Json<Value> {
    Json(json!({ "limit": page.limit }))
}

async fn read(Caller(_): Caller, Path(_): Path<String>) -> Problem {
    Problem::not_found()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let clock = SetClock::at(Timestamp::from_secs(1_795_392_000));
        let store = Arc::new(MemStore::new(clock.clone()));
        let workspace = WorkspaceId::from_bits(1);
        let (key, key_id) = new_key(&store, &clock, 1, workspace).await;
        let (other_key, _) = new_key(&store, &clock, 2, WorkspaceId::from_bits(2)).await;
        Self {
            store,
            clock,
            key,
            key_id,
            workspace,
            other_key,
            limit: None,
            may: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(crate) fn limiter(&self, per_minute: u64) -> LimitRate {
        let clock = Arc::new(self.clock.clone());
        LimitRate::new(self.store.clone(), clock, Rate::per_minute(per_minute))
    }

    fn front(&self) -> Front {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let routes = Routes {
            may: self.may.clone(),
            authentication: Authentication {
                state: self.store.clone(),
                clock: Arc::clone(&clock),
                tokens: Tokens::Never,
                limit: self.limit.clone(),
                leaks: None,
            },
            repeats: Repeats {
                state: self.store.clone(),
                clock,
                random: Arc::new(counterfoil_lambda::system::OsRandom),
            },
        };
        let router = Router::new()
            .route("/v1/things", get(list).post(make))
            .route("/v1/things/{id}", get(read))
            .route("/v1/things/{id}/copies", post(make));
        Front::of(router, routes, &["/v1/things"])
    }

    pub(crate) async fn send(&self, request: Call<'_>) -> Answer {
        let mut built = Request::builder().method(request.method).uri(request.uri);
        let key = request.key.unwrap_or(&self.key);
        if !key.is_empty() {
            built = built.header("authorization", format!("Bearer {key}"));
        }
        if let Some(once) = request.once {
            built = built.header("idempotency-key", once);
        }
        if let Some(media) = request.media {
            built = built.header("content-type", media);
        }
        let request = built.body(Body::from(request.body)).unwrap();
        let (parts, body) = self.front().answer(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    /// Makes a thing under this `Idempotency-Key`.
    pub(crate) async fn make(&self, once: &str, body: Value) -> Answer {
        let mut call = Call::post("/v1/things", body.to_string());
        call.once = Some(once);
        self.send(call).await
    }
}

async fn new_key(
    store: &MemStore,
    clock: &SetClock,
    seed: u64,
    workspace: WorkspaceId,
) -> (String, KeyId) {
    let random = SeededRandom::new(seed);
    let bytes: Vec<u8> = (0..4).flat_map(|_| random.bytes32()).collect();
    let made = NewKey::from_random(false, &bytes).unwrap();
    let now = clock.now();
    let row = ApiKey {
        id: KeyId::from_bits(random.bits128()),
        handle: made.handle.clone(),
        hash: made.hash.clone(),
        name: "test".to_owned(),
        workspace,
        project: Some(ProjectId::from_bits(random.bits128())),
        live: false,
        capability: Capability::Repair,
        approver: None,
        agent: false,
        owner: UserId::from_bits(1),
        created_at: now,
        expires_at: now.plus(std::time::Duration::from_hours(9_000)),
        revoked_at: None,
        replaced_by: None,
    };
    let (project, stream) = (row.project.unwrap(), "0".repeat(64));
    let tenant = json!({ "id": workspace, "name": "test", "stream": stream });
    let secret = SecretId::from_bits(1);
    let shop = json!({
        "id": project, "workspace": workspace, "name": "test", "livemode": false, "stream": stream,
        "repair_database": null, "webhook_secrets": [], "pseudonym_key": secret, "auto_propose": false,
    });
    let doc = serde_json::to_value(&row).unwrap();
    let rows = vec![
        StateWrite::create(Directory::api_key_key(&made.handle), doc),
        StateWrite::create(Directory::workspace_key(workspace), tenant),
        StateWrite::create(Directory::project_key(project), shop),
    ];
    assert!(store.write(rows).await.unwrap());
    (made.secret.reveal().clone(), row.id)
}

/// A request, good unless something is changed.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    /// `None` is the stage's key, empty is none.
    pub(crate) key: Option<&'a str>,
    pub(crate) once: Option<&'a str>,
    pub(crate) media: Option<&'a str>,
    pub(crate) body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(uri: &'a str) -> Self {
        Self {
            method: Method::GET,
            uri,
            key: None,
            once: None,
            media: None,
            body: Vec::new(),
        }
    }

    pub(crate) fn post(uri: &'a str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: Method::POST,
            once: Some("k1"),
            media: Some("application/json"),
            body: body.into(),
            ..Self::get(uri)
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn is(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
    }

    pub(crate) fn pointer(&self) -> &str {
        self.body["errors"][0]["pointer"].as_str().unwrap_or("none")
    }
}
