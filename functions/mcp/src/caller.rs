//! Whose request this is.

use counterfoil_core::auth::{Authenticated, key_handle};
use counterfoil_core::ports::State;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_lambda::Problem;
use counterfoil_lambda::agent::Credential;
use counterfoil_lambda::http::{PROJECT_HEADER, problem};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// An agent whose credential was checked.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    who: Authenticated,
    /// What other functions look it up by.
    pub(crate) credential: Credential,
    /// The project that the header names.
    project: Option<String>,
}

impl Caller {
    /// An agent, with a key of its own or on behalf of somebody; a person's own credential is refused.
    pub(crate) fn of(who: Authenticated, headers: &HeaderMap) -> Result<Self, Problem> {
        let bearer = headers.get(AUTHORIZATION);
        let bearer = bearer.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let bearer = bearer.ok_or_else(Problem::unauthenticated)?;
        let credential = match key_handle(bearer) {
            Some(handle) => Credential::Key(handle.to_owned()),
            None => Credential::Token(bearer.to_owned()),
        };
        let project = match headers.get(PROJECT_HEADER).map(|value| value.to_str()) {
            None => None,
            Some(Ok(project)) => Some(project.to_owned()),
            Some(Err(_)) => return Err(Problem::not_found()),
        };
        Ok(Self {
            who: who.as_agent().map_err(|error| problem(&error))?,
            credential,
            project,
        })
    }

    /// The project that a tool is asked about: the argument, the header, or the key's own.
    pub(crate) async fn tenant(
        &self,
        state: &dyn State,
        named: Option<&str>,
    ) -> Result<TenantCtx, Problem> {
        let asked = match (named, self.project.as_deref()) {
            (Some(named), Some(header)) if named != header => return Err(Problem::not_found()),
            (named, header) => named.or(header),
        };
        let ctx = self.who.project(state, asked).await;
        ctx.map_err(|error| problem(&error))
    }
}
