//! A request that creates or executes: its body, and its `Idempotency-Key`.

use std::future::Future;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use counterfoil_core::auth::login_digest;
use counterfoil_core::idempotency::{
    Begun, Kept, MAX_KEPT, Once, OnceError, OnceScope, begin, keep, release,
};
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::json::canonical;
use counterfoil_core::ports::{Clock, Login, Random, State};
use counterfoil_core::tenancy::{Principal, TenantCtx, WorkspaceCtx};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::RequestId;
use crate::Problem;
use crate::http::{NO_WORKSPACE, idempotency_key};
use crate::input;
use crate::telemetry::chain;

/// Headers that belong to an answer, and come back with it.
const KEPT_HEADERS: [&str; 5] = [
    "content-type",
    "etag",
    "location",
    "counterfoil-decision",
    "counterfoil-policy",
];

/// In the extensions of a response: it has a secret that is shown once, so it is never kept.
#[derive(Debug, Clone, Copy)]
pub struct ShownOnce;

/// What doing requests once needs.
#[derive(Clone)]
pub struct Repeats {
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names of workers.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repeats")
    }
}

/// For whom a request is done once.
#[derive(Debug, Clone)]
pub struct For {
    workspace: WorkspaceId,
    principal: String,
}

impl For {
    fn new(workspace: WorkspaceId, principal: &Principal) -> Self {
        Self {
            workspace,
            principal: principal.account(),
        }
    }
}

impl From<&TenantCtx> for For {
    fn from(ctx: &TenantCtx) -> Self {
        let mut caller = Self::new(ctx.workspace(), ctx.principal());
        // The same person may use the same key in two projects.
        caller.principal = format!("{}\n{}", ctx.project(), caller.principal);
        caller
    }
}

impl From<&WorkspaceCtx> for For {
    fn from(ctx: &WorkspaceCtx) -> Self {
        Self::new(ctx.workspace(), ctx.principal())
    }
}

/// For somebody who signed in and means no workspace.
impl From<&Login> for For {
    fn from(login: &Login) -> Self {
        Self {
            workspace: *NO_WORKSPACE,
            principal: login_digest(login),
        }
    }
}

/// A request as it was sent, for handlers that create or execute. It is the last argument.
#[derive(Debug, Clone)]
pub struct Sent {
    route: String,
    path: String,
    headers: HeaderMap,
    id: Option<RequestId>,
    bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let route = request.extensions().get::<MatchedPath>();
        let template = route.map_or_else(|| request.uri().path(), MatchedPath::as_str);
        let route = format!("{} {template}", request.method());
        let path = request.uri().path().to_owned();
        let headers = request.headers().clone();
        let id = request.extensions().get::<RequestId>().cloned();
        // The layers have read it and know its size.
        let bytes = Bytes::from_request(request, state);
        let bytes = bytes.await.map_err(|_| Problem::internal())?;
        Ok(Self {
            route,
            path,
            headers,
            id,
            bytes,
        })
    }
}

impl Sent {
    /// A request that came through another door than the API's, as the route at `path` would get it:
    /// what comes again through either door is the same request.
    ///
    /// # Errors
    /// See [`idempotency_key`].
    pub fn of(
        method: &Method,
        (route, path): (&str, &str),
        key: &str,
        body: &Map<String, Value>,
    ) -> Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        if let Ok(key) = HeaderValue::from_str(key) {
            headers.insert("idempotency-key", key);
        }
        idempotency_key(&headers)?;
        Ok(Self {
            route: format!("{method} {route}"),
            path: path.to_owned(),
            headers,
            id: None,
            bytes: serde_json::to_vec(body)
                .map_err(|_| Problem::internal())?
                .into(),
        })
    }

    /// The JSON body.
    ///
    /// # Errors
    /// See [`input::body`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        input::body(&self.bytes)
    }

    /// The JSON body, whose texts may have `longest` bytes.
    ///
    /// # Errors
    /// See [`input::body`].
    pub fn read_with<T: DeserializeOwned>(&self, longest: usize) -> Result<T, Problem> {
        input::body_with(&self.bytes, longest)
    }

    /// Whether it came without a body.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The caller's `Idempotency-Key`.
    ///
    /// # Errors
    /// See [`idempotency_key`].
    pub fn key(&self) -> Result<String, Problem> {
        idempotency_key(&self.headers)
    }

    /// The headers.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Does this request once. Before anything of an earlier one is told, `may` says whether the
    /// caller may still do it; a refusal comes back as it was, because it tells nothing. `act` gets
    /// what its transaction must contain ([`Once::done`]); its answer is kept for 24 hours and comes
    /// back, with `Idempotent-Replayed: true`, when the request does. Call it when the input is known
    /// to be good: what `act` answers is final, except for a 401, a 409 `action-held` and a 5xx, which
    /// may be tried again at once if nothing was done.
    ///
    /// # Errors
    /// What `may` answers; 400 without a key, 422 with a key of another request, 409 while the
    /// request is being done and when it was done and its answer is not kept.
    pub async fn once<M, F, R>(
        &self,
        repeats: &Repeats,
        caller: impl Into<For>,
        may: M,
        act: F,
    ) -> Result<Response, Problem>
    where
        M: Future<Output = Result<(), Problem>>,
        F: FnOnce(Once) -> R,
        R: Future<Output = Result<Response, Problem>>,
    {
        let caller: For = caller.into();
        let key = idempotency_key(&self.headers)?;
        let asked = self.asked();
        let scope = OnceScope {
            workspace: caller.workspace,
            principal: &caller.principal,
            route: &self.route,
            key: &key,
            asked: &asked,
        };
        let state = repeats.state.as_ref();
        let (now, holder) = (repeats.clock.now(), repeats.random.bytes32());
        let once = match begin(state, scope, now, holder).await {
            Ok(Begun::First(once)) => once,
            Ok(begun) => {
                let refusal = StatusCode::FORBIDDEN.as_u16();
                if !matches!(&begun, Begun::Again(kept) if kept.status == refusal) {
                    may.await?;
                }
                return repeated(begun, self.id.as_ref());
            }
            Err(error) => return Err(not_begun(&error)),
        };
        let response = match act(once.clone()).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        };
        Ok(settle(state, &once, response).await)
    }

    /// The path, and the body in canonical form: members in another order ask for the same.
    fn asked(&self) -> Vec<u8> {
        let parsed: Option<Value> = serde_json::from_slice(&self.bytes).ok();
        let body = parsed.and_then(|value| canonical(&value).ok());
        let mut asked = format!("{}\n", self.path).into_bytes();
        asked.extend(body.unwrap_or_else(|| self.bytes.to_vec()));
        asked
    }
}

fn conflict(code: &'static str, title: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
}

/// Another worker does this request at this moment.
pub(super) fn in_flight() -> Problem {
    let title = "This request is being done: send it again in a few seconds";
    conflict("idempotency-in-flight", title).retry_after(2)
}

fn repeated(begun: Begun, id: Option<&RequestId>) -> Result<Response, Problem> {
    match begun {
        Begun::Again(kept) => Ok(replay(kept, id)),
        Begun::AlreadyDone(id) => {
            let title = format!(
                "This request was answered before, and the answer is lost: what came of it, also that it was \
                 refused, is on the record of {id}"
            );
            Err(conflict("already-created", title).with_resource(id))
        }
        Begun::InFlight => Err(in_flight()),
        Begun::Reused | Begun::First(_) => {
            let title = "This `Idempotency-Key` came with another request: use a new key";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, "idempotency-key-reused", title))
        }
    }
}

fn not_begun(error: &OnceError) -> Problem {
    tracing::error!(cause = chain(error), "a request was not begun");
    Problem::unavailable()
}

/// Keeps the answer, or forgets a request that did nothing. A failure here changes no answer: what
/// was done says so in its own transaction.
async fn settle(state: &dyn State, once: &Once, response: Response) -> Response {
    if response.extensions().get::<ShownOnce>().is_some() {
        return response;
    }
    if response.status().is_server_error() || passes(&response) {
        noted(release(state, once).await);
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Problem::internal().into_response();
    };
    if let Some(kept) = kept(parts.status, &parts.headers, &bytes) {
        noted(keep(state, once, kept).await);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether a refusal is about this moment, and no answer to the request: it comes again after another
/// sign-in, or once people have approved.
fn passes(response: &Response) -> bool {
    let problem = response.extensions().get::<Problem>();
    response.status() == StatusCode::UNAUTHORIZED
        || problem.is_some_and(|problem| problem.code() == "action-held")
}

fn noted(settled: Result<bool, OnceError>) {
    match settled {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a request is settled by another worker"),
        Err(error) => tracing::warn!(cause = chain(&error), "a request is not settled"),
    }
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Kept> {
    if body.len() > MAX_KEPT {
        return None;
    }
    let header = |name: &&str| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    };
    Some(Kept {
        status: status.as_u16(),
        headers: KEPT_HEADERS.iter().filter_map(header).collect(),
        body: String::from_utf8(body.to_vec()).ok()?,
    })
}

/// The answer once more; a problem names the request that it answers now.
fn replay(kept: Kept, id: Option<&RequestId>) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let problem = !status.is_success();
    let body = match (problem, serde_json::from_str::<Value>(&kept.body), id) {
        (true, Ok(Value::Object(mut fields)), Some(id)) => {
            fields.insert("request_id".to_owned(), id.as_str().into());
            Value::Object(fields).to_string()
        }
        _ => kept.body,
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in kept.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    let replayed = HeaderName::from_static("idempotent-replayed");
    headers.insert(replayed, HeaderValue::from_static("true"));
    response.extensions_mut().insert(Replayed);
    response
}

/// In the extensions of a response: its body is an earlier one's, and whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed;
