//! One sign-in: the page, the way back, the tokens.

use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::oidc::source::trusted;
use sha2::{Digest, Sha256};

use super::callback::Callback;
use super::issuer::{self, Place};
use super::store::StoredLogin;
use crate::client::Failure;

/// Signs somebody in, who has five minutes for it.
pub(super) async fn sign_in(
    api: &str,
    place: &Place,
    opens: bool,
    now: Timestamp,
) -> Result<StoredLogin, Failure> {
    let endpoints = issuer::endpoints(&place.issuer).await?;
    let callback = Callback::listen().await?;
    let (verifier, state, nonce) = (random()?, random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.reveal().as_bytes()));
    let mut page = trusted(&endpoints.authorization_endpoint)
        .context("the issuer's page is not https")
        .map_err(Failure::Unknown)?;
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &place.client_id)
        .append_pair("redirect_uri", callback.address())
        .append_pair("scope", &format!("openid {}", place.scope))
        .append_pair("state", state.reveal())
        .append_pair("nonce", nonce.reveal())
        // Somebody who signs in again proves again who they are: a session at the issuer that goes on
        // would answer with the old proof (OpenID Connect Core 1.0, section 3.1.2.1).
        .append_pair("prompt", "login")
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    eprintln!("sign in at:\n{page}");
    if opens {
        open(page.as_str());
    }
    let code = callback.code(state.reveal()).await?;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", place.client_id.as_str()),
        ("code", code.reveal().as_str()),
        ("redirect_uri", callback.address()),
        ("code_verifier", verifier.reveal().as_str()),
    ];
    let tokens = issuer::exchange(&endpoints.token_endpoint, &form).await?;
    let subject = tokens.subject(place, nonce.reveal(), now)?;
    Ok(StoredLogin::new(
        api,
        place,
        &endpoints.token_endpoint,
        subject,
        &tokens.keep(None, now),
        now,
    ))
}

/// 256 random bits as text.
fn random() -> Result<Redacted<String>, Failure> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::Unknown(anyhow!("this machine has no random numbers")))?;
    Ok(Redacted::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Opens the page; where that does not work, its address was printed.
fn open(page: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let _ = Command::new(program)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
