//! What handlers of HTTP routes share: the caller, and strict JSON bodies.

use std::sync::{Arc, LazyLock};

use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use counterfoil_core::auth::{
    AuthError, Authenticated, authenticate_delegate, authenticate_key, authenticate_person,
};
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::ports::{Clock, DelegationError, Delegations, LoginError, Logins, State};
use counterfoil_core::tenancy::{Principal, TenantCtx, Via, WorkspaceCtx};
use counterfoil_core::usecases::{Allowance, LimitRate, RecordLeak};
use http::HeaderMap;
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;

use crate::Problem;
use crate::layers::{InputFault, rate};
use crate::telemetry::chain;

pub use crate::input::{Asked, body, body_with};
pub use crate::layers::{For, Repeats, Sent, ShownOnce, judged};

/// Names the project of a request whose path does not, for credentials that reach several.
pub const PROJECT_HEADER: &str = "counterfoil-project";
/// The parameter of a path that names a project.
const PROJECT_PARAM: &str = "project_id";
/// The parameter of a path that names a workspace.
const WORKSPACE_PARAM: &str = "workspace_id";

/// What checking a credential needs; a router's state must hold it.
#[derive(Clone)]
pub struct Authentication {
    /// The state table.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Which tokens are accepted besides keys.
    pub tokens: Tokens,
    /// How many requests a credential may make; `None` where nobody counts.
    pub limit: Option<LimitRate>,
    /// Who records keys that came in a URL; `None` where only the log tells of them.
    pub leaks: Option<RecordLeak>,
}

/// Which tokens are accepted. A function serves people or agents: a token of one is none of the other.
#[derive(Clone, Default)]
pub enum Tokens {
    /// None: keys only.
    #[default]
    Never,
    /// Those of people who sign in.
    OfPeople(Arc<dyn Logins>),
    /// Those of clients that act for people.
    OfAgents(Arc<dyn Delegations>),
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::OfPeople(_) => "OfPeople",
            Self::OfAgents(_) => "OfAgents",
        })
    }
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authentication")
    }
}

/// Whoever presented a valid credential, before it is known which tenant they mean. As an argument of
/// a handler it makes every request without one a 401 before the body is looked at.
#[derive(Debug, Clone)]
pub struct Anybody(pub Authenticated);

/// Whoever presented a valid credential, with the project that the path, the header
/// `Counterfoil-Project` or the key itself names.
#[derive(Debug, Clone)]
pub struct Caller(pub TenantCtx);

/// Whoever presented a valid credential, with the workspace that the path names.
#[derive(Debug, Clone)]
pub struct WorkspaceCaller(pub WorkspaceCtx);

/// Whoever presented a valid credential, for routes that are about no tenant.
#[derive(Debug, Clone)]
pub struct Someone(pub Authenticated);

/// Where requests of people are counted and kept that are about no workspace: nobody has this one.
pub(crate) static NO_WORKSPACE: LazyLock<WorkspaceId> = LazyLock::new(|| WorkspaceId::from_bits(0));

impl<S: Send + Sync> FromRequestParts<S> for Someone
where
    Authentication: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Anybody(caller) = Anybody::from_request_parts(parts, state).await?;
        let authentication = Authentication::from_ref(state);
        if let (Some(limit), Some(who)) = (&authentication.limit, caller.counted()) {
            rate::count(limit, parts, *NO_WORKSPACE, &who).await?;
        }
        sound(parts)?;
        Ok(Self(caller))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anybody
where
    Authentication: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // A request has one credential, however many extractors ask for it.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let header = parts.headers.get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.ok_or_else(Problem::unauthenticated)?;
        let authentication = Authentication::from_ref(state);
        let found = authentication.check(bearer).await;
        let found = Self(found.map_err(|error| problem(&error))?);
        // A key is counted before it is known what it reaches, so that nobody guesses ids for free.
        if let (Some(limit), Some(key)) = (&authentication.limit, found.0.key()) {
            let id = key.id.to_string();
            rate::count(limit, parts, key.workspace, &id).await?;
        }
        parts.extensions.insert(found.clone());
        Ok(found)
    }
}

impl Authentication {
    /// Counts one more request of a known caller, for a handler that does in one what is otherwise asked
    /// for in several; `false` where that is one too many.
    pub async fn counts(&self, ctx: &TenantCtx) -> bool {
        let (Some(limit), Some(who)) = (&self.limit, counted(ctx.principal())) else {
            return true;
        };
        match limit.spend(ctx.workspace(), &who).await {
            Allowance::Passed { .. } => true,
            Allowance::Refused { .. } => false,
            Allowance::Uncounted(error) => {
                tracing::error!(cause = chain(&error), "a request was not counted");
                true
            }
        }
    }

    async fn check(&self, bearer: &str) -> Result<Authenticated, AuthError> {
        let now = self.clock.now();
        if bearer.starts_with("cfk_") {
            return authenticate_key(self.state.as_ref(), bearer, now).await;
        }
        self.token(bearer).await
    }

    /// Whoever presents a token of the sort that is accepted here.
    pub(crate) async fn token(&self, token: &str) -> Result<Authenticated, AuthError> {
        let (state, now) = (self.state.as_ref(), self.clock.now());
        match &self.tokens {
            Tokens::Never => Err(AuthError::Unauthenticated),
            Tokens::OfPeople(logins) => match logins.verify(token, now).await {
                Ok(login) => authenticate_person(state, login).await,
                Err(LoginError::Invalid) => Err(AuthError::Unauthenticated),
                Err(LoginError::Unavailable(error)) => Err(AuthError::Unavailable(error.into())),
            },
            Tokens::OfAgents(clients) => match clients.verify(token, now).await {
                Ok(delegation) => authenticate_delegate(state, delegation).await,
                Err(DelegationError::Invalid) => Err(AuthError::Unauthenticated),
                Err(DelegationError::Scope) => Err(AuthError::Scope),
                Err(DelegationError::Unavailable(error)) => {
                    Err(AuthError::Unavailable(error.into()))
                }
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authentication: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Anybody(caller) = Anybody::from_request_parts(parts, state).await?;
        let named = parameter(parts, state, PROJECT_PARAM).await;
        let header = parts.headers.get(PROJECT_HEADER);
        let asked = match (named, header.map(|value| value.to_str())) {
            (None, None) => None,
            (Some(named), None) => Some(named),
            (None, Some(Ok(header))) => Some(header.to_owned()),
            (Some(named), Some(Ok(header))) if named == header => Some(named),
            (_, Some(_)) => return Err(Problem::not_found()),
        };
        let authentication = Authentication::from_ref(state);
        let ctx = caller.project(authentication.state.as_ref(), asked.as_deref());
        let ctx = ctx.await.map_err(|error| problem(&error))?;
        tracing::Span::current().record("project.id", ctx.project().to_string());
        admit(parts, &authentication, &caller, ctx.workspace()).await?;
        Ok(Self(ctx))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WorkspaceCaller
where
    Authentication: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Anybody(caller) = Anybody::from_request_parts(parts, state).await?;
        let asked = parameter(parts, state, WORKSPACE_PARAM).await;
        let asked = asked.ok_or_else(Problem::not_found)?;
        let authentication = Authentication::from_ref(state);
        let ctx = caller.workspace(authentication.state.as_ref(), &asked);
        let ctx = ctx.await.map_err(|error| problem(&error))?;
        admit(parts, &authentication, &caller, ctx.workspace()).await?;
        Ok(Self(ctx))
    }
}

async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let mut params = params.iter();
    params
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value.to_owned())
}

/// Why a credential has no context.
pub fn problem(error: &AuthError) -> Problem {
    match error {
        AuthError::Unauthenticated => Problem::unauthenticated(),
        AuthError::NotFound => Problem::not_found(),
        AuthError::NotForAgents => {
            let title = "This credential is a person's: an agent needs a key of its own";
            Problem::new(http::StatusCode::FORBIDDEN, "capability-missing", title)
        }
        AuthError::Scope => {
            let title = "The token lacks the scope that agents need: sign in again and allow it";
            Problem::new(http::StatusCode::FORBIDDEN, "insufficient-scope", title)
        }
        AuthError::ProjectNotNamed => Problem::invalid(
            "",
            "this credential reaches several projects: name one in the header `Counterfoil-Project`",
        ),
        AuthError::Unavailable(_) => {
            tracing::error!(cause = chain(error), "authentication was not possible");
            Problem::unavailable()
        }
    }
}

/// Lets a known caller in, unless they ask too often or their request breaks a rule of every route.
async fn admit(
    parts: &Parts,
    authentication: &Authentication,
    caller: &Authenticated,
    workspace: WorkspaceId,
) -> Result<(), Problem> {
    tracing::Span::current().record("workspace.id", workspace.to_string());
    let person = caller.login().and_then(|(_, person)| person);
    if let (Some(limit), Some(person)) = (&authentication.limit, person) {
        rate::count(limit, parts, workspace, &person.to_string()).await?;
    }
    sound(parts)
}

/// By what the requests of a known caller are counted: a key by itself, whoever it speaks for.
fn counted(who: &Principal) -> Option<String> {
    match who {
        Principal::User {
            via: Via::Key { id },
            ..
        }
        | Principal::ApiKey { id, .. } => Some(id.to_string()),
        Principal::User { id, .. } => Some(id.to_string()),
        Principal::Agent { id, .. } => Some(id.clone()),
        Principal::Scheduler { .. } | Principal::System { .. } => None,
    }
}

/// Whether the request keeps the rules of every route.
fn sound(parts: &Parts) -> Result<(), Problem> {
    match parts.extensions.get::<InputFault>() {
        Some(InputFault(problem)) => Err(problem.clone()),
        None => Ok(()),
    }
}

/// The version that `If-Match` names, if it is there.
///
/// # Errors
/// When the header is not an `ETag` of this API (`"7"`).
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let quoted = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    // `parse` takes a sign as well.
    let digits = quoted.filter(|tag| tag.bytes().all(|byte| byte.is_ascii_digit()));
    let version = digits.and_then(|tag| tag.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::invalid(
            "",
            "`If-Match` must be the ETag of the record, for example \"3\"",
        )
    })
}

/// The version that `If-Match` names, where a request must name one.
///
/// # Errors
/// A 428 without the header; as [`if_match`] otherwise.
pub fn demand_if_match(headers: &HeaderMap) -> Result<u64, Problem> {
    if_match(headers)?.ok_or_else(|| {
        let title = "Send `If-Match` with the ETag of the record that was displayed";
        let status = http::StatusCode::PRECONDITION_REQUIRED;
        Problem::new(status, "precondition-required", title)
    })
}

/// What was sent. Where that is bad, whether the caller may do this at all comes first, in `may`.
///
/// # Errors
/// What `may` answers to those who may not; else what is wrong with the request.
pub async fn admitted<T, A, E>(
    sent: Result<T, Problem>,
    may: impl Future<Output = Result<A, E>>,
    problem: impl Fn(&E) -> Problem,
) -> Result<T, Problem> {
    match sent {
        Ok(sent) => Ok(sent),
        Err(bad) => Err(may.await.map_or_else(|error| problem(&error), |_| bad)),
    }
}

/// Whether the caller may do something, as a handler answers it: for [`Sent::once`].
///
/// # Errors
/// What `problem` makes of the refusal.
pub async fn allowed<A, E>(
    may: impl Future<Output = Result<A, E>>,
    problem: impl Fn(&E) -> Problem,
) -> Result<(), Problem> {
    let may = may.await;
    may.map(|_| ()).map_err(|error| problem(&error))
}

/// The `Idempotency-Key`, which routes that change something demand.
///
/// # Errors
/// A 400 when it is missing or not 1 to 255 visible ASCII characters long.
pub fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=255).contains(&key.len()))
        .filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.map(str::to_owned).ok_or_else(|| {
        let title =
            "Send `Idempotency-Key` with 1 to 255 visible ASCII characters of your own choice";
        let status = http::StatusCode::BAD_REQUEST;
        Problem::new(status, "idempotency-key-missing", title)
    })
}
