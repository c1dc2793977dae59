//! What an agent asks of a function that it cannot reach itself.
//!
//! `mcp` has no credential of anybody's database and builds no packages: it hands what an agent asks to
//! the function that does, with a reference to the agent's credential and never with a principal. The
//! other function looks the credential up again and answers as its own route does, so that an agent
//! gets the checks, the limits on repeats and the records that everybody gets.
//!
//! What may be asked is [`Ask`]: a vote, an override or a download cannot be named here.

use axum::body::Body;
use counterfoil_core::auth::{AuthError, Authenticated, resolve_key};
use counterfoil_core::ids::{ActionId, IncidentId, RunId};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::event::{self, EventError};
use crate::http::{Anybody, Authentication, PROJECT_HEADER, problem};
use crate::{Error, Front};

/// What an event of this sort has at its top.
const FIELD: &str = "agent";

/// The agent's credential, to be looked up again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// An API key, by its public handle.
    Key(String),
    /// An access token for agents.
    Token(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Token(_) => "Token",
        })
    }
}

/// What an agent may ask of another function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Propose the repair of an incident.
    ProposeRepair(IncidentId),
    /// Read an action.
    ReadAction(ActionId),
    /// Execute an action that may happen.
    ExecuteAction(ActionId),
    /// Withdraw an action.
    CancelAction(ActionId),
    /// Propose an action of a run.
    ProposeInRun(RunId),
    /// Tell what became of an action.
    ReportAction(ActionId),
    /// Ask for an evidence package.
    Export {},
}

impl Ask {
    /// The route that does it.
    fn route(self) -> (Method, String) {
        match self {
            Self::ProposeRepair(id) => (Method::POST, format!("/v1/incidents/{id}/repairs")),
            Self::ReadAction(id) => (Method::GET, format!("/v1/actions/{id}")),
            Self::ExecuteAction(id) => (Method::POST, format!("/v1/actions/{id}/execute")),
            Self::CancelAction(id) => (Method::POST, format!("/v1/actions/{id}/cancel")),
            Self::ProposeInRun(id) => (Method::POST, format!("/v1/runs/{id}/actions")),
            Self::ReportAction(id) => (Method::POST, format!("/v1/actions/{id}/result")),
            Self::Export {} => (Method::POST, "/v1/exports".to_owned()),
        }
    }
}

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRequest {
    /// Whose it is.
    pub credential: Credential,
    /// The project that it is about, in which the credential must reach something.
    pub project: String,
    /// What is asked.
    pub ask: Ask,
    /// The agent's own key of this request.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// The members of the route's body.
    #[serde(default)]
    pub body: Map<String, Value>,
}

impl AgentRequest {
    /// The event that another function is invoked with.
    ///
    /// # Errors
    /// Never, but the serializer could.
    pub fn event(&self) -> Result<Value, serde_json::Error> {
        Ok(json!({ FIELD: serde_json::to_value(self)? }))
    }

    /// Reads an event; `None` where it is of another sort.
    ///
    /// # Errors
    /// When it is of this sort and malformed.
    pub fn read(event: &Value) -> Result<Option<Self>, serde_json::Error> {
        event.get(FIELD).map(Self::deserialize).transpose()
    }

    /// Looks the credential up and answers with the route, in the form of an HTTP answer. `agents`
    /// verifies tokens that are meant for agents, and no others.
    ///
    /// # Errors
    /// When the request cannot be made or its answer not be read; refusals are answers.
    pub async fn answer(self, front: Front, agents: &Authentication) -> Result<Value, Error> {
        let who = match agents.resolve(&self.credential).await {
            Ok(who) => who,
            Err(error) => return Ok(event::told(problem(&error)).await?),
        };
        let mut request = self.request().map_err(EventError::Request)?;
        request.extensions_mut().insert(Anybody(who));
        Ok(event::answer(front, request).await?)
    }

    fn request(self) -> Result<Request<Body>, http::Error> {
        let (method, path) = self.ask.route();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(PROJECT_HEADER, self.project);
        if let Some(key) = self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if self.body.is_empty() {
            return request.body(Body::empty());
        }
        let body = Value::Object(self.body).to_string();
        request
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
    }
}

impl Authentication {
    /// The agent behind a credential that was checked before.
    async fn resolve(&self, credential: &Credential) -> Result<Authenticated, AuthError> {
        let (state, now) = (self.state.as_ref(), self.clock.now());
        let found = match credential {
            Credential::Key(handle) => resolve_key(state, handle, now).await?,
            Credential::Token(token) => self.token(token).await?,
        };
        found.as_agent()
    }
}
