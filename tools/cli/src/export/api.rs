//! A deployment's HTTP API.

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;
use counterfoil_core::redacted::Redacted;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use super::Failure;

/// Where the deployment is, and who asks.
#[derive(ClapArgs)]
pub(crate) struct Access {
    /// Address of the API
    #[arg(long, value_name = "URL", env = "COUNTERFOIL_API")]
    api: String,
    /// API key of somebody who may export
    #[arg(
        long,
        value_name = "cfk_…",
        env = "COUNTERFOIL_API_KEY",
        hide_env_values = true
    )]
    key: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// The API with a key.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
    key: Redacted<String>,
}

impl Api {
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(access: &Access) -> Result<Self, Failure> {
        let address = Url::parse(&access.api).ok();
        let address =
            address.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if address.is_none() {
            // It may hold a password.
            let what =
                "--api is no address; give https://HOST, the output ApiUrl of the deployment";
            return Err(Failure::Unknown(anyhow!(what)));
        }
        Ok(Self {
            client: Client::new(),
            base: access.api.trim_end_matches('/').to_owned(),
            key: Redacted::new(access.key.clone()),
        })
    }

    /// Reads a record.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.client.request(Method::GET, self.url(path));
        self.answer(request, path, path).await
    }

    /// Asks for something, so that asking again with the same `idempotency_key` asks once.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: &str,
    ) -> Result<Value, Failure> {
        let request = self
            .client
            .request(Method::POST, self.url(path))
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key)
            .body(body.to_string());
        let fields = body.as_object().into_iter().flatten();
        let asked = fields.map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => name.clone(),
        });
        let asked = asked.collect::<Vec<_>>().join(", ");
        self.answer(request, path, &asked).await
    }

    /// Follows a link, which has its own permission.
    pub(super) async fn follow(&self, link: &str) -> Result<Response, Failure> {
        let sent = self.client.request(Method::GET, link).send().await;
        let response = sent.and_then(Response::error_for_status);
        // The link is a permission: it must not be printed.
        let response = response.map_err(reqwest::Error::without_url);
        response
            .context("fetching the file")
            .map_err(Failure::Unknown)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request; `asked` is what it is about.
    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        path: &str,
        asked: &str,
    ) -> Result<Value, Failure> {
        let unknown = |error: anyhow::Error| Failure::Unknown(error);
        let sent = request.bearer_auth(self.key.reveal()).send().await;
        let response = sent
            .with_context(|| format!("calling {path}"))
            .map_err(unknown)?;
        let status = response.status();
        let text = response.text().await;
        let text = text
            .with_context(|| format!("reading {path}"))
            .map_err(unknown)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let said = format!("{}{}", problem(status, &body), advice(status, asked));
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Unknown(anyhow!(said)));
        }
        Err(Failure::Refused(said))
    }
}

/// What to do about a refusal.
fn advice(status: StatusCode, asked: &str) -> String {
    match status {
        StatusCode::UNAUTHORIZED => {
            "; give --key (or COUNTERFOIL_API_KEY) a key of this deployment that is not revoked"
                .to_owned()
        }
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
        let api = |address: &str| {
            Api::new(&Access {
                api: address.to_owned(),
                key: "cfk_secret".to_owned(),
            })
        };
        assert!(api("https://api.example.com/").is_ok());
        assert!(api("http://127.0.0.1:3000").is_ok());
        for address in [
            "not-a-url",
            "",
            "ftp://example.com",
            "https://",
            "api.example.com",
        ] {
            let error = api(address).unwrap_err();
            assert_eq!(error.status(), 2, "{address}");
            assert!(error.to_string().contains("ApiUrl"), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let body = serde_json::json!({ "title": "No rule permits it (default-deny)" });
        let said = |status| {
            format!(
                "{}{}",
                problem(status, &body),
                advice(status, "run_id run_1")
            )
        };
        assert!(
            said(StatusCode::FORBIDDEN).contains("default-deny); auditors, admins and the owner")
        );
        assert!(said(StatusCode::NOT_FOUND).ends_with("asked for: run_id run_1"));
        assert!(said(StatusCode::UNAUTHORIZED).contains("--key"));
        assert!(said(StatusCode::CONFLICT).ends_with("(default-deny)"));
    }
}
