//! The issuer as a client meets it: where to sign in, and its token endpoint.

use std::time::Duration;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
pub(super) use counterfoil_lambda::oidc::SignInPlace as Place;
use counterfoil_lambda::oidc::source::{fetch, trusted};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::Failure;

/// The largest document that is read.
const LARGEST: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Endpoints {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
pub(super) struct Tokens {
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

/// Tokens as they are kept.
pub(super) struct Kept {
    pub(super) access: Redacted<String>,
    pub(super) refresh: Option<Redacted<String>>,
    pub(super) expires_at: Timestamp,
}

#[derive(Deserialize)]
struct IdClaims {
    iss: String,
    sub: String,
    aud: Audience,
    nonce: Option<String>,
    exp: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

fn unknown(error: anyhow::Error) -> Failure {
    Failure::Unknown(error)
}

/// Asks the deployment where its people sign in: `GET /v1/login`.
pub(super) async fn place(api: &str) -> Result<Place, Failure> {
    let address = format!("{api}/v1/login");
    document(&address).await.map_err(|error| {
        unknown(error.context(
            "the deployment does not say where people sign in; give --issuer and --client-id, or use an API key",
        ))
    })
}

/// Reads the issuer's endpoints.
pub(super) async fn endpoints(issuer: &str) -> Result<Endpoints, Failure> {
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let found: Endpoints = document(&address).await.map_err(unknown)?;
    if found.issuer != issuer {
        return Err(unknown(anyhow!(
            "{issuer} calls itself {}; give --issuer exactly as it does",
            found.issuer
        )));
    }
    Ok(found)
}

async fn document<T: DeserializeOwned>(address: &str) -> anyhow::Result<T> {
    let url = trusted(address).with_context(|| format!("{address} is not https"))?;
    let bytes = fetch(&url, LARGEST).await?;
    serde_json::from_slice(&bytes).with_context(|| format!("{address} is not what it should be"))
}

/// Exchanges a code or a refresh token.
pub(super) async fn exchange(endpoint: &str, form: &[(&str, &str)]) -> Result<Tokens, Failure> {
    let url = trusted(endpoint)
        .with_context(|| format!("the token endpoint {endpoint} is not https"))
        .map_err(unknown)?;
    // A form has the syntax of a query (WHATWG URL, application/x-www-form-urlencoded).
    let mut encoded = Url::parse("https://form.invalid/")
        .context("a form")
        .map_err(unknown)?;
    encoded.query_pairs_mut().extend_pairs(form);
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(15))
        .build();
    let client = client.context("starting").map_err(unknown)?;
    let sent = client
        .request(Method::POST, url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(encoded.query().unwrap_or_default().to_owned())
        .send()
        .await;
    let response = sent
        .context("asking the issuer for a token")
        .map_err(unknown)?;
    let status = response.status();
    if status.is_client_error() {
        return Err(Failure::refused(format!(
            "the issuer gives no token ({status}); sign in again: counterfoil login"
        )));
    }
    let bytes = response
        .bytes()
        .await
        .context("reading the issuer's answer")
        .map_err(unknown)?;
    if !status.is_success() || bytes.len() > LARGEST {
        return Err(unknown(anyhow!(
            "the issuer answered {status}; try again later"
        )));
    }
    serde_json::from_slice(&bytes).map_err(|_| {
        unknown(anyhow!(
            "the issuer's answer is not one of a token endpoint"
        ))
    })
}

impl Tokens {
    /// The subject of the ID token. It came over TLS from the token endpoint, which stands for its
    /// signature (OIDC Core 1.0, section 3.1.3.7, point 6); the API verifies the access
    /// token itself.
    pub(super) fn subject(
        &self,
        place: &Place,
        nonce: &str,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let refused =
            |what: &str| Failure::refused(format!("the issuer's ID token {what}; sign in again"));
        let token = self
            .id_token
            .as_deref()
            .ok_or_else(|| refused("is missing"))?;
        let payload = token.split('.').nth(1).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| refused("cannot be read"))?;
        let claims: IdClaims =
            serde_json::from_slice(&bytes).map_err(|_| refused("cannot be read"))?;
        let ours = match &claims.aud {
            Audience::One(name) => *name == place.client_id,
            Audience::Many(names) => names.contains(&place.client_id),
        };
        if claims.iss != place.issuer || !ours {
            return Err(refused("is not for this client"));
        }
        if claims.nonce.as_deref() != Some(nonce) {
            return Err(refused("belongs to another sign-in"));
        }
        if claims.exp.saturating_add(60) <= now.as_secs() {
            return Err(refused("has expired: is this machine's clock right?"));
        }
        Ok(claims.sub)
    }

    /// The tokens to keep; a refresh token that is not replaced stays good.
    pub(super) fn keep(self, before: Option<Redacted<String>>, now: Timestamp) -> Kept {
        let valid = Duration::from_secs(self.expires_in.unwrap_or(300));
        Kept {
            access: Redacted::new(self.access_token),
            refresh: self.refresh_token.map(Redacted::new).or(before),
            expires_at: now.plus(valid),
        }
    }
}
