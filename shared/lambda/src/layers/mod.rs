//! What every function with routes does around them, so that no route can forget it: the request
//! id, the limits, credentials in URLs, panics, and the headers of every answer.
//!
//! A function hands its router to [`Front`], and [`crate::event::answer`] takes nothing else. What
//! needs to know who calls is raised by the extractors of [`crate::http`], after tenancy:
//! [`InputFault`].

mod answer;
mod judged;
mod leak;
mod limits;
mod once;
pub(crate) mod rate;
mod request_id;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use counterfoil_core::ports::State;
use counterfoil_core::usecases::RecordLeak;
use futures::FutureExt;
use tower::ServiceExt;
use tracing::{Instrument, Span, field::Empty, info_span};

pub use answer::AsItIs;
pub use judged::judged;
pub use limits::{InputFault, MAX_BODY};
pub use once::{For, Repeats, Sent, ShownOnce};
pub use request_id::RequestId;

use crate::Problem;
use crate::http::Authentication;

/// What a function's routes take, besides what every route takes.
struct Rules {
    /// Routes whose handler reads its query string; every other route refuses one.
    queries: &'static [&'static str],
    /// What finds a leaked key and records it, where the function knows keys.
    keys: Option<Keys>,
}

/// Where keys are, and who records that one is leaked.
struct Keys {
    state: Arc<dyn State>,
    leaks: Option<RecordLeak>,
}

/// A router behind the conventions of the API.
#[derive(Debug, Clone)]
pub struct Front(Router);

impl Front {
    /// Routes that take a credential. `queries` names those that read a query string.
    pub fn of<S: Clone + Send + Sync + 'static>(
        router: Router<S>,
        state: S,
        queries: &'static [&'static str],
    ) -> Self
    where
        Authentication: FromRef<S>,
    {
        let authentication = Authentication::from_ref(&state);
        let keys = Keys {
            state: authentication.state,
            leaks: authentication.leaks,
        };
        Self::around(router.with_state(state), queries, Some(keys))
    }

    /// Routes that take no credential of ours.
    pub fn open(router: Router) -> Self {
        Self::around(router, &[], None)
    }

    fn around(router: Router, queries: &'static [&'static str], keys: Option<Keys>) -> Self {
        let rules = Arc::new(Rules { queries, keys });
        let router = router.fallback(async || Problem::not_found());
        Self(router.layer(from_fn(move |request, next| {
            pass(Arc::clone(&rules), request, next)
        })))
    }

    /// Answers one request.
    pub async fn answer(self, request: Request) -> Response {
        match self.0.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

async fn pass(rules: Arc<Rules>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let span = span(&request, &id);
    let outbound = rate::Outbound::default();
    async move {
        let response = match enter(&rules, request, &id).await {
            Ok(mut request) => {
                request.extensions_mut().insert(outbound.clone());
                run(next, request).await
            }
            Err(problem) => problem.into_response(),
        };
        let response = outbound.add_to(answer::finish(response, &id));
        tracing::info!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// What is looked at before any credential.
async fn enter(rules: &Rules, request: Request, id: &RequestId) -> Result<Request, Problem> {
    if let Some(credential) = leak::find(request.uri()) {
        return Err(leak::report(&credential, rules.keys.as_ref()).await);
    }
    let (mut parts, body) = request.into_parts();
    let bytes = limits::read(&parts.headers, body).await?;
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map_or("", MatchedPath::as_str);
    let takes_query = rules.queries.contains(&route);
    if let Some(fault) = limits::fault(&parts, &bytes, takes_query) {
        parts.extensions.insert(fault);
    }
    parts.extensions.insert(id.clone());
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The handler's answer; a panic is a 500. The hook of [`crate::telemetry`] has logged it.
async fn run(next: Next, request: Request) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => Problem::internal().into_response(),
    }
}

/// Who asked what: never a query string, a body or a path with its values.
fn span(request: &Request, id: &RequestId) -> Span {
    let route = request.extensions().get::<MatchedPath>();
    let trace = request_id::trace(request.headers());
    info_span!(
        "request",
        request.id = id.as_str(),
        trace.id = trace,
        method = request.method().as_str(),
        route = route.map_or("none", MatchedPath::as_str),
        workspace.id = Empty,
        project.id = Empty,
    )
}

#[cfg(test)]
mod tests;
