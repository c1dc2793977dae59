//! A deployment's HTTP API, for every command that talks to one.
//!
//! Who asks is the key that was given, or else who signed in with `counterfoil login`. Nothing is sent twice: whoever repeats a request
//! gives the same `Idempotency-Key`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use counterfoil_core::ports::Clock;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::system::SystemClock;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::access::{Access, Call, segment};
pub(crate) use crate::failure::{Failure, Refused, block_on, exit};
use crate::login;
use crate::place::{self, Place};
use crate::plain::shown;
use crate::refusal::Refusal;

/// How long one answer may take; an HTTP API ends after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long nothing is said about a wait.
const QUIET: Duration = Duration::from_secs(2);

/// The API as somebody.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<Redacted<String>>,
    /// Given, and where no key is: used last.
    workspace: Option<String>,
    project: Option<String>,
    /// Random, so that no two commands share an `Idempotency-Key`.
    command: String,
    asked: AtomicU64,
    /// Whether it says nothing about a wait, because whoever asks does.
    quiet: bool,
}

/// What the deployment says to anybody.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) status: StatusCode,
    /// Its clock.
    pub(crate) date: Option<Timestamp>,
}

/// An answer that is no refusal.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `ETag` as it came, for [`Client::change`]; empty without one.
    pub(crate) etag: String,
    /// Something waits for a second person (202).
    pub(crate) waits: bool,
    /// The body; null where there is none.
    pub(crate) body: Value,
}

impl Client {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(access: &Access) -> Result<Self, Failure> {
        Self::within(access, None)
    }

    /// The same for a command that may be told its workspace.
    pub(crate) fn of(call: &Call) -> Result<Self, Failure> {
        Self::within(&call.access, call.workspace.as_deref())
    }

    fn within(access: &Access, workspace: Option<&str>) -> Result<Self, Failure> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|_| Failure::Unknown(anyhow!("this machine has no random numbers")))?;
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build();
        let base = access.address()?;
        for given in workspace.into_iter().chain(access.project.as_deref()) {
            segment(given)?;
        }
        // A key says itself what it is for.
        let last = match &access.key {
            Some(_) => Place::default(),
            None => place::last(&base),
        };
        let same = workspace.is_none() || workspace == last.workspace.as_deref();
        let project = access.project.clone().or_else(|| {
            let last = last.project.filter(|_| same)?;
            eprintln!("project: {last} (used last; --project names another)");
            Some(last)
        });
        Ok(Self {
            http: http.context("starting").map_err(Failure::Unknown)?,
            base,
            key: access.key.clone(),
            workspace: workspace.map(str::to_owned).or(last.workspace),
            project,
            command: hex::encode(random),
            asked: AtomicU64::new(0),
            quiet: false,
        })
    }

    /// The same client, for a command that says itself that it waits.
    pub(crate) fn quiet(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// The address of the deployment.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether a key asks, not a person.
    pub(crate) const fn with_key(&self) -> bool {
        self.key.is_some()
    }

    /// The workspace: given, that of the key, used last, or the only one.
    ///
    /// # Errors
    /// When there are several, or none.
    pub(crate) async fn workspace(&self) -> Result<String, Failure> {
        if let Some(known) = &self.workspace {
            return Ok(known.clone());
        }
        if self.key.is_some() {
            let me = self.get("/v1/me").await?;
            if let Some(own) = me.pointer("/workspace_id").and_then(Value::as_str) {
                segment(own)?;
                return Ok(own.to_owned());
            }
        }
        let list = self.get("/v1/workspaces").await?;
        let found = only(&list, "workspace", "counterfoil workspace create NAME")?;
        self.keep(&found, None);
        Ok(found)
    }

    /// The project: given, that of the key, used last, or the only one.
    ///
    /// # Errors
    /// When there are several, or none.
    pub(crate) async fn project(&self) -> Result<String, Failure> {
        if let Some(known) = &self.project {
            return Ok(known.clone());
        }
        if self.key.is_some() {
            let me = self.get("/v1/me").await?;
            if let Some(own) = me.pointer("/project_id").and_then(Value::as_str) {
                return Ok(own.to_owned());
            }
        }
        let workspace = self.workspace().await?;
        let list = format!("/v1/workspaces/{workspace}/projects");
        let list = self.get(&list).await?;
        let make = "counterfoil project create NAME --environment live";
        let found = only(&list, "project", make)?;
        self.keep(&workspace, Some(&found));
        Ok(found)
    }

    fn keep(&self, workspace: &str, project: Option<&str>) {
        if self.key.is_none() {
            let place = Place {
                workspace: Some(workspace.to_owned()),
                project: project.map(str::to_owned),
            };
            place::keep(&self.base, &place);
        }
    }

    /// The same client, that says with each request which project it means. A key of one project
    /// needs no word about it.
    ///
    /// # Errors
    /// When there are several projects, or none.
    pub(crate) async fn in_project(mut self) -> Result<Self, Failure> {
        if self.project.is_none() && self.key.is_none() {
            self.project = Some(self.project().await?);
        }
        Ok(self)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// What every request may end with: [`Failure::Refused`] for what the deployment refuses,
    /// [`Failure::Unknown`] where it could not be reached, or cannot tell.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.read(path, &[]).await?.body)
    }

    /// Reads a record of the project, which a header names.
    pub(crate) async fn get_of_project(&self, path: &str) -> Result<Value, Failure> {
        let mut request = self.request(Method::GET, path);
        if self.project.is_none() && self.key.is_none() {
            request = request.header("counterfoil-project", self.project().await?);
        }
        Ok(self.send(request, path, path).await?.body)
    }

    /// Asks what needs no credential, whatever the answer is.
    pub(crate) async fn knock(&self) -> Result<Knock, reqwest::Error> {
        let sent = self.http.get(format!("{}/v1/login", self.base)).send();
        let response = sent.await.map_err(reqwest::Error::without_url)?;
        let date = response.headers().get("date");
        let date = date.and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(Knock {
            status: response.status(),
            date: date.map(|date| Timestamp::from_secs(date.timestamp().as_second())),
        })
    }

    /// Reads a record with its `ETag`, or a page of a list.
    pub(crate) async fn read(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let request = self.request(Method::GET, path).query(query);
        self.send(request, path, path).await
    }

    /// A page of a list, or with `all` every page from it on as one document.
    pub(crate) async fn pages(
        &self,
        path: &str,
        query: &[(&str, &str)],
        cursor: Option<&str>,
        all: bool,
    ) -> Result<Value, Failure> {
        let mut cursor = cursor.map(str::to_owned);
        let mut gathered = Vec::new();
        loop {
            let after = cursor.iter().map(|cursor| ("cursor", cursor.as_str()));
            let query: Vec<(&str, &str)> = query.iter().copied().chain(after).collect();
            let mut page = self.read(path, &query).await?.body;
            if !all {
                return Ok(page);
            }
            if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
                gathered.append(items);
            }
            let next = page.get("next_cursor").and_then(Value::as_str);
            let next = next.map(str::to_owned);
            if next.is_some() && next == cursor {
                let what = "the deployment names the same page again";
                return Err(Failure::Unknown(anyhow!(what)));
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(serde_json::json!({ "items": gathered, "next_cursor": null }));
            }
        }
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
    /// `If-Match`. The body may hold a secret: no error repeats it.
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
        if let Some(body) = body {
            request = with_body(request, body);
        }
        self.send(request, path, path).await
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
            Some(project) if needs_project(path) => request.header("counterfoil-project", project),
            _ => request,
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

    /// Says that it waits where an answer takes long: a probe of a database may.
    async fn awaited<T>(&self, answer: impl Future<Output = T>) -> T {
        if self.quiet {
            return answer.await;
        }
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep(QUIET) => {}
        }
        let most = PATIENCE.as_secs();
        eprintln!("waiting for {} (at most {most} seconds)", shown(&self.base));
        answer.await
    }

    /// Sends a request; `asked` is what it is about.
    async fn send(
        &self,
        request: RequestBuilder,
        path: &str,
        asked: &str,
    ) -> Result<Answer, Failure> {
        let credential = self.credential().await?;
        let request = request.bearer_auth(credential.reveal()).build();
        let request = request.context("asking").map_err(Failure::Unknown)?;
        let changes = request.method() != Method::GET;
        let response = self.awaited(self.http.execute(request)).await;
        let response = response
            .with_context(|| lost(path, changes))
            .map_err(Failure::Unknown)?;
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.and_then(|it| it.to_str().ok()).map(str::to_owned)
        };
        let etag = header("etag").unwrap_or_default();
        let retry_after = header("retry-after");
        let challenge = header("www-authenticate");
        let text = response.text().await;
        let text = text
            .with_context(|| lost(path, changes))
            .map_err(Failure::Unknown)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            self.remember(path);
            let waits = status == StatusCode::ACCEPTED;
            return Ok(Answer { etag, waits, body });
        }
        let said = Refusal {
            status,
            body: &body,
            asked,
            with_key: self.key.is_some(),
            retry_after: retry_after.as_deref(),
            challenge: challenge.as_deref(),
        }
        .sentence();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Unknown(anyhow!(said)));
        }
        let of = |pointer| crate::answer::text(&body, pointer).to_owned();
        let (code, made) = (of("/code"), of("/resource_id"));
        Err(Failure::Refused(Refused { said, code, made }))
    }

    /// Keeps the workspace and the project that a person has just reached.
    fn remember(&self, path: &str) {
        if self.key.is_some() {
            return;
        }
        let within = |id: &String| path.split('/').any(|part| part == id);
        let project = self
            .project
            .clone()
            .filter(|id| needs_project(path) || within(id));
        let workspace = self.workspace.clone().filter(within);
        if project.is_none() && workspace.is_none() {
            return;
        }
        let mut kept = place::last(&self.base);
        if workspace.is_some() && workspace != kept.workspace {
            kept = Place {
                workspace,
                project: None,
            };
        }
        if project.is_some() {
            kept.project = project;
            // A project that was named alone may be of another workspace.
            kept.workspace = self.workspace.clone().or(kept.workspace);
        }
        place::keep(&self.base, &kept);
    }
}

/// What is said where no answer came.
fn lost(path: &str, changes: bool) -> String {
    if changes {
        format!("no answer from {path}: it may have been done, so look before you ask again")
    } else {
        format!("no answer from {path}: try again, or see what is wrong with `counterfoil doctor`")
    }
}

/// Whether a route takes its project from a header (docs/design/0004-tenants.md).
fn needs_project(path: &str) -> bool {
    let own = [
        "/v1/workspaces",
        "/v1/projects",
        "/v1/invitations",
        "/v1/me",
        "/v1/login",
    ];
    !own.iter().any(|prefix| path.starts_with(prefix))
}

/// The only item of a list.
fn only(list: &Value, what: &str, make: &str) -> Result<String, Failure> {
    let items = list.pointer("/items").and_then(Value::as_array);
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let of = |item: &Value, field: &str| {
        let text = item.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    match items {
        [] => Err(Failure::refused(format!(
            "there is no {what}; next: {make}"
        ))),
        [item] => {
            let id = of(item, "id");
            eprintln!("{what}: {} (the only one)", shown(&id));
            segment(&id)?;
            Ok(id)
        }
        several => {
            let all = several
                .iter()
                .map(|it| format!("{} ({})", shown(&of(it, "id")), shown(&of(it, "name"))));
            let all = all.collect::<Vec<_>>().join(", ");
            Err(Failure::refused(format!(
                "there are several; give --{what} (or COUNTERFOIL_{}) one of: {all}",
                what.to_uppercase()
            )))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_before_anything_is_sent() {
        let client = |address: &str| {
            Client::new(&Access {
                api: Some(address.to_owned()),
                key: Some(Redacted::new("cfk_secret".to_owned())),
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
}
