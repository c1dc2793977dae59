//! Reading a document of an issuer: bounded in time and size, and from a trusted address only.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

use counterfoil_core::ports::{PortError, PortErrorKind};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// How long one document may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// An address that may be trusted: https, or http on this machine; no password, no fragment.
pub fn trusted(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let plain = url.scheme() == "http" && on_this_machine(&url);
    let safe = url.scheme() == "https" || plain;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (safe && bare && url.has_host()).then_some(url)
}

fn on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    loopback || host == "localhost"
}

/// Fetches at most `largest` bytes. Redirects are not followed.
///
/// # Errors
/// When it takes more than three seconds, is larger, or has another status than 2xx.
pub async fn fetch(url: &Url, largest: usize) -> Result<Vec<u8>, PortError> {
    let failed = |error: reqwest::Error| unavailable(url, error);
    let mut builder = Client::builder()
        .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT);
    if on_this_machine(url) {
        builder = builder.no_proxy();
    } else {
        builder = builder.https_only(true);
    }
    let client = builder.build().map_err(failed)?;
    let response = client.get(url.clone()).send().await;
    let mut response = response.map_err(failed)?;
    if !response.status().is_success() {
        return Err(unavailable(
            url,
            format!("it answered {}", response.status()),
        ));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len().saturating_add(chunk.len()) > largest {
            return Err(unavailable(url, format!("more than {largest} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The issuer did not say what it must: nothing can be verified until it does.
pub(super) fn unavailable(
    url: &Url,
    cause: impl Into<Box<dyn StdError + Send + Sync>>,
) -> PortError {
    let doing = format!("reading {url} of the issuer");
    PortError::caused(PortErrorKind::Unavailable, doing, cause)
}
