//! A deployment's HTTP API, for every command that talks to one.
//!
//! Who asks is the key that was given, or else who signed in with `counterfoil login`. A refusal
//! becomes a sentence with what to do about it. Nothing is sent twice: whoever repeats a request
//! gives the same `Idempotency-Key`.

use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;
use counterfoil_core::ports::Clock;
use counterfoil_core::redacted::Redacted;
use counterfoil_lambda::system::SystemClock;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::login;

/// How long one answer may take; an HTTP API ends after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the deployment is, and who asks.
#[derive(ClapArgs)]
pub(crate) struct Access {
    /// Address of the API
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    api: String,
    /// API key; without one, whoever signed in with `counterfoil login` asks
    #[arg(
        long,
        value_name = "cfk_…",
        env = "COUNTERFOIL_API_KEY",
        hide_env_values = true
    )]
    key: Option<String>,
    /// Project, for a person or a key of a whole workspace
    #[arg(long, value_name = "PROJECT", env = "COUNTERFOIL_PROJECT")]
    project: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("api", &self.api)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The deployment said no, or what was asked for failed.
    Refused(String),
    /// It could not be found out.
    Unknown(anyhow::Error),
    /// What came is not what was recorded.
    Different(String),
}

impl Failure {
    /// The exit status.
    pub(crate) const fn status(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Unknown(_) => 2,
            Self::Different(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(said) => write!(f, "refused: {said}"),
            Self::Unknown(error) => write!(f, "not known: {error:#}"),
            Self::Different(what) => write!(f, "different: {what}"),
        }
    }
}

/// Waits for a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting")
        .map_err(Failure::Unknown)?;
    runtime.block_on(future)
}

/// The exit status, after the reason.
pub(crate) fn exit(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure:#}");
            ExitCode::from(failure.status())
        }
    }
}

/// The address of an API, without a slash at its end.
///
/// # Errors
/// When it is none.
pub(crate) fn base_address(given: &str) -> Result<String, Failure> {
    let address = Url::parse(given).ok();
    let address = address.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if address.is_none() {
        // It may hold a password.
        let what = "--api is no address; give https://HOST, the output ApiUrl of the deployment";
        return Err(Failure::Unknown(anyhow!(what)));
    }
    Ok(given.trim_end_matches('/').to_owned())
}

/// The API as somebody.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<Redacted<String>>,
    project: Option<String>,
    /// Random, so that no two commands share an `Idempotency-Key`.
    command: String,
    asked: AtomicU64,
}

/// An answer that is no refusal.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `ETag` as it came, for [`Client::change`]; empty without one.
    #[expect(dead_code, reason = "commands that change a record give it back")]
    pub(crate) etag: String,
    /// The body; null where there is none.
    pub(crate) body: Value,
}

impl Client {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(access: &Access) -> Result<Self, Failure> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|_| Failure::Unknown(anyhow!("this machine has no random numbers")))?;
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build();
        Ok(Self {
            http: http.context("starting").map_err(Failure::Unknown)?,
            base: base_address(&access.api)?,
            key: access.key.clone().map(Redacted::new),
            project: access.project.clone(),
            command: hex::encode(random),
            asked: AtomicU64::new(0),
        })
    }

    /// Reads a record.
    ///
    /// # Errors
    /// What every request may end with: [`Failure::Refused`] for what the deployment refuses,
    /// [`Failure::Unknown`] where it could not be reached, or cannot tell.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self
            .send(self.request(Method::GET, path), path, path)
            .await?;
        Ok(answer.body)
    }

    /// Asks for something, so that asking again with the same `idempotency_key` asks once.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: &str,
    ) -> Result<Value, Failure> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", idempotency_key);
        let answer = self
            .send(with_body(request, body), path, &named(body))
            .await?;
        Ok(answer.body)
    }

    /// Sends any request. A POST gets an `Idempotency-Key` of this command; `etag` becomes
    /// `If-Match`.
    #[expect(dead_code, reason = "commands over the whole API are built on it")]
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut request = self.request(method.clone(), path);
        if method == Method::POST {
            request = request.header("idempotency-key", self.next_key());
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let asked = body.map_or_else(|| path.to_owned(), named);
        if let Some(body) = body {
            request = with_body(request, body);
        }
        self.send(request, path, &asked).await
    }

    /// Follows a link, which has its own permission.
    pub(crate) async fn follow(&self, link: &str) -> Result<Response, Failure> {
        // No limit in time: a package may be large.
        let sent = reqwest::Client::new()
            .request(Method::GET, link)
            .send()
            .await;
        let response = sent.and_then(Response::error_for_status);
        // The link is a permission: it must not be printed.
        let response = response.map_err(reqwest::Error::without_url);
        response
            .context("fetching the file")
            .map_err(Failure::Unknown)
    }

    fn next_key(&self) -> String {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        format!("cli-{}-{number}", self.command)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.project {
            Some(project) => request.header("counterfoil-project", project),
            None => request,
        }
    }

    /// The key, or the token of whoever is signed in.
    async fn credential(&self) -> Result<Redacted<String>, Failure> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let found = login::bearer(&self.base, SystemClock.now()).await?;
        found.ok_or_else(|| {
            let what = "nobody is signed in here: give --key (or COUNTERFOIL_API_KEY), or sign in with \
                        `counterfoil login --api URL`";
            Failure::Unknown(anyhow!(what))
        })
    }

    /// Sends a request; `asked` is what it is about.
    async fn send(
        &self,
        request: RequestBuilder,
        path: &str,
        asked: &str,
    ) -> Result<Answer, Failure> {
        let credential = self.credential().await?;
        let sent = request.bearer_auth(credential.reveal()).send().await;
        let response = sent
            .with_context(|| format!("calling {path}"))
            .map_err(Failure::Unknown)?;
        let status = response.status();
        let etag = response
            .headers()
            .get("etag")
            .and_then(|tag| tag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let text = response.text().await;
        let text = text
            .with_context(|| format!("reading {path}"))
            .map_err(Failure::Unknown)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(Answer { etag, body });
        }
        let advice = advice(status, asked, self.key.is_some());
        let said = format!("{}{advice}", problem(status, &body));
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Unknown(anyhow!(said)));
        }
        Err(Failure::Refused(said))
    }
}

fn with_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// What a body asks for, in a few words.
fn named(body: &Value) -> String {
    let fields = body.as_object().into_iter().flatten();
    let asked = fields.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name} {text}"),
        None => name.clone(),
    });
    asked.collect::<Vec<_>>().join(", ")
}

/// What to do about a refusal.
fn advice(status: StatusCode, asked: &str, with_key: bool) -> String {
    match status {
        StatusCode::UNAUTHORIZED if with_key => {
            "; give --key (or COUNTERFOIL_API_KEY) a key of this deployment that is not revoked"
                .to_owned()
        }
        StatusCode::UNAUTHORIZED => "; sign in again: counterfoil login".to_owned(),
        StatusCode::FORBIDDEN => {
            "; auditors, admins and the owner may export: use a key of one of them".to_owned()
        }
        StatusCode::NOT_FOUND => format!("; asked for: {asked}"),
        _ => String::new(),
    }
}

/// What a problem says, with its fields.
fn problem(status: StatusCode, body: &Value) -> String {
    let text = |value: &Value, pointer: &str| {
        let text = value.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let errors = body.pointer("/errors").and_then(Value::as_array);
    let errors = errors.into_iter().flatten();
    let fields: Vec<String> = errors
        .map(|error| format!("; {} {}", text(error, "/pointer"), text(error, "/detail")))
        .collect();
    format!("{status}: {}{}", text(body, "/title"), fields.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_before_anything_is_sent() {
        let client = |address: &str| {
            Client::new(&Access {
                api: address.to_owned(),
                key: Some("cfk_secret".to_owned()),
                project: None,
            })
        };
        assert!(client("https://api.example.com/").is_ok());
        assert!(client("http://127.0.0.1:3000").is_ok());
        for address in [
            "not-a-url",
            "",
            "ftp://example.com",
            "https://",
            "api.example.com",
        ] {
            let error = client(address).unwrap_err();
            assert_eq!(error.status(), 2, "{address}");
            assert!(error.to_string().contains("ApiUrl"), "{error}");
        }
        let shown = format!("{:?}", client("https://api.example.com/").unwrap());
        assert!(!shown.contains("cfk_secret"), "{shown}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let body = serde_json::json!({ "title": "No rule permits it (default-deny)" });
        let said = |status, with_key| {
            let advice = advice(status, "run_id run_1", with_key);
            format!("{}{advice}", problem(status, &body))
        };
        assert!(
            said(StatusCode::FORBIDDEN, true)
                .contains("default-deny); auditors, admins and the owner")
        );
        assert!(said(StatusCode::NOT_FOUND, true).ends_with("asked for: run_id run_1"));
        assert!(said(StatusCode::UNAUTHORIZED, true).contains("--key"));
        assert!(said(StatusCode::UNAUTHORIZED, false).ends_with("counterfoil login"));
        assert!(said(StatusCode::CONFLICT, true).ends_with("(default-deny)"));
    }
}
