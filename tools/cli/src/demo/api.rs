//! The product's HTTP API as a person with a key uses it.

use anyhow::{Context, Result, anyhow, bail};
use counterfoil_core::redacted::Redacted;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// One person's (or machine's) access to the API.
#[derive(Debug, Clone)]
pub(super) struct Api {
    client: Client,
    base: String,
    key: Redacted<String>,
}

/// An answer: status, `ETag` and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) etag: String,
    pub(super) body: Value,
}

impl Answer {
    /// A text field of the body.
    pub(super) fn text(&self, pointer: &str) -> Result<&str> {
        let value = self.body.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("the answer has no {pointer}: {}", self.body))
    }

    /// Fails with the problem's title unless the status is the expected one.
    pub(super) fn expect(self, status: StatusCode) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        bail!("expected {status}, got {}: {}", self.status, self.body)
    }
}

impl Api {
    pub(super) fn new(base: &str, key: Redacted<String>) -> Self {
        Self {
            client: Client::new(),
            base: base.to_owned(),
            key,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None, None).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        etag: Option<&str>,
    ) -> Result<Answer> {
        self.send(Method::POST, path, Some(body), etag).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .client
            .request(method, url)
            .bearer_auth(self.key.reveal());
        if body.is_some() {
            // Nothing here is sent twice.
            let mut random = [0_u8; 16];
            getrandom::fill(&mut random)
                .map_err(|_| anyhow!("this machine has no random numbers"))?;
            request = request.header("idempotency-key", hex::encode(random));
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("calling {path}"))?;
        let status = response.status();
        let etag = response
            .headers()
            .get("etag")
            .and_then(|tag| tag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let text = response
            .text()
            .await
            .with_context(|| format!("reading {path}"))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, etag, body })
    }
}
