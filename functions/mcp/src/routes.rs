//! The routes: the tools, and the document about who lets agents in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::http::{HeaderValue, header::WWW_AUTHENTICATE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_lambda::http::{Authentication, Someone};
use counterfoil_lambda::layers::{AsItIs, MAX_BODY};
use counterfoil_lambda::{Front, Problem};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

use crate::caller::Caller;
use crate::metadata::{self, Place};
use crate::tools::Tools;

/// What the routes use.
#[derive(Debug, Clone)]
pub struct Mcp {
    /// Who is calling: keys, and tokens that are meant for agents.
    pub authentication: Authentication,
    /// Where this server is.
    pub place: Place,
    /// The tools.
    pub tools: Arc<Tools>,
}

impl FromRef<Mcp> for Authentication {
    fn from_ref(mcp: &Mcp) -> Self {
        mcp.authentication.clone()
    }
}

/// Every route; made once, and cloned for each request.
pub fn router(mcp: Mcp) -> Front {
    let router = Router::new()
        .route(metadata::PATH, post(tools))
        .route(metadata::DOCUMENT, get(document))
        .layer(from_fn_with_state(mcp.clone(), challenge));
    Front::of(router, mcp, &[])
}

/// One message of the protocol, by an agent whose credential was checked.
async fn tools(
    State(mcp): State<Mcp>,
    Someone(who): Someone,
    mut request: Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(who, request.headers())?;
    request.extensions_mut().insert(caller);
    let config = config(mcp.place.host.as_deref());
    let tools = mcp.tools;
    let service = StreamableHttpService::new(
        move || Ok(Arc::clone(&tools)),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let mut response = service.handle(request).await.map(Body::new);
    response.extensions_mut().insert(AsItIs);
    Ok(response)
}

/// No session, one JSON answer to each message, and no browser: a page of somebody else's site must not
/// speak with the credentials of an agent on the same machine.
fn config(host: Option<&str>) -> StreamableHttpServerConfig {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation()
        .with_max_request_body_bytes(MAX_BODY);
    match host {
        Some(host) => config.with_allowed_hosts([host]),
        None => config.disable_allowed_hosts(),
    }
}

async fn document(State(mcp): State<Mcp>, request: Request) -> Response {
    Json(mcp.place.document(request.headers())).into_response()
}

/// Tells whoever has no credential that is good enough where to get one.
async fn challenge(State(mcp): State<Mcp>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let mut response = next.run(request).await;
    let problem = response.extensions().get::<Problem>();
    let challenge = problem.and_then(|problem| mcp.place.challenge(&headers, problem));
    let challenge = challenge.and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(challenge) = challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
