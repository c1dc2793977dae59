//! The connection to Stripe. Its one sending function takes no method: it can only GET.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::ports::{Clock, RequestBudget, Urgency};
use counterfoil_core::redacted::Redacted;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::Endpoint;
use crate::error::StripeError;
use crate::key::{Mode, RestrictedKey};
use crate::pace::{Pace, Pacing};
use crate::refusal;
use crate::retry::{Retries, should_retry};
use crate::turns::Turns;

/// The version of Stripe's API that every request names, so that Stripe's changes do not become ours.
pub const STRIPE_VERSION: &str = "2026-09-30.endive";

/// Where Stripe is.
pub const STRIPE_URL: &str = "https://api.stripe.com";

/// Requests per second by default: Stripe allows 25 per endpoint (docs.stripe.com/rate-limits).
pub const REQUESTS_PER_SECOND: u32 = counterfoil_core::budget::REQUESTS_PER_SECOND;

/// A page of 100 objects is below 1 MB; this leaves room for long metadata and many items.
const MAX_ANSWER: usize = 32 << 20;

/// A read-only client of one Stripe account.
pub struct StripeClient {
    http: Client,
    base: Url,
    mode: Mode,
    pacing: Box<dyn Pacing>,
    retries: Retries,
}

impl std::fmt::Debug for StripeClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeClient")
            .field("base", &self.base.as_str())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl StripeClient {
    /// A client of `base` ([`STRIPE_URL`], or a fake on this machine).
    ///
    /// # Errors
    /// [`StripeError::BaseUrl`], [`StripeError::Client`].
    pub fn new(base: &str, key: &RestrictedKey) -> Result<Self, StripeError> {
        let (base, local) = base_url(base)?;
        let mut builder = Client::builder()
            .default_headers(headers(key)?)
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .https_only(!local)
            .gzip(true)
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_mins(1));
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|_| StripeError::Client)?;
        Ok(Self {
            http,
            base,
            mode: key.mode(),
            pacing: Box::new(Pace::new(REQUESTS_PER_SECOND)),
            retries: Retries::default(),
        })
    }

    /// Sets the requests per second, at least 1.
    #[must_use]
    pub fn with_pace(mut self, requests_per_second: u32) -> Self {
        self.pacing = Box::new(Pace::new(requests_per_second));
        self
    }

    /// Sends only in the turns that the account's budget gives to this client.
    #[must_use]
    pub fn with_budget(
        mut self,
        budget: Arc<dyn RequestBudget>,
        clock: Arc<dyn Clock>,
        key: &RestrictedKey,
    ) -> Self {
        self.pacing = Box::new(Turns::new(budget, clock, key.reveal()));
        self
    }

    /// Sets how long and how often one page is tried.
    #[must_use]
    pub const fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// The mode of the key. Objects of the other mode never appear under it.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Reads one answer, trying again where that may help.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint<'_>,
        query: &[(&str, &str)],
    ) -> Result<T, StripeError> {
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes);
        self.read_with(Urgency::Prompt, endpoint, query, parse)
            .await
    }

    /// Reads one answer that may wait behind what is asked for single customers.
    pub(crate) async fn read_in_bulk<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint<'_>,
        query: &[(&str, &str)],
    ) -> Result<T, StripeError> {
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes);
        self.read_with(Urgency::Bulk, endpoint, query, parse).await
    }

    /// The same, with the function that reads the bytes.
    pub(crate) async fn read_with<T>(
        &self,
        urgency: Urgency,
        endpoint: Endpoint<'_>,
        query: &[(&str, &str)],
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error> + Send,
    ) -> Result<T, StripeError> {
        let what = endpoint.what();
        let mut url = self.base.clone();
        url.set_path(&endpoint.path()?);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // Waiting for a turn is not Stripe's fault and does not count.
        let mut left = self.retries.page;
        let late = || StripeError::Deadline { what };
        let mut attempt = 1;
        loop {
            self.pacing.take(urgency).await?;
            let begun = Instant::now();
            let failure = match timeout(left, self.get(url.clone(), what)).await {
                Err(_) => return Err(late()),
                Ok(Ok(bytes)) => match parse(&bytes) {
                    Ok(value) => return Ok(value),
                    // JSON that stops in the middle was cut on the way.
                    Err(error) if error.is_eof() => Failure::again(StripeError::Network),
                    Err(error) => return Err(StripeError::shape(what, &error)),
                },
                Ok(Err(failure)) => failure,
            };
            if failure.error == StripeError::RateLimited {
                self.pacing.slow_down().await;
            }
            if !failure.again || attempt >= self.retries.attempts {
                return Err(failure.error);
            }
            tracing::debug!(attempt, what, "a request to Stripe is repeated");
            let pause = self.retries.pause_before(attempt, random());
            left = left.saturating_sub(begun.elapsed().saturating_add(pause));
            if left.is_zero() {
                return Err(late());
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    /// Sends one request. This is the only place that sends, and GET is all it can do.
    async fn get(&self, url: Url, what: &'static str) -> Result<Vec<u8>, Failure> {
        let lost = |_| Failure::again(StripeError::Network);
        let request = self.http.get(url).timeout(self.retries.attempt);
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let told = answer.headers().get("stripe-should-retry").cloned();
        let told = told.as_ref().and_then(|value| value.to_str().ok());
        let again = should_retry(status.as_u16(), told);
        let body = body(answer, what).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(Failure {
            error: refusal::classify(status.as_u16(), &body, what),
            again,
        })
    }
}

/// A failed attempt, and whether another one may help.
struct Failure {
    error: StripeError,
    again: bool,
}

impl Failure {
    const fn again(error: StripeError) -> Self {
        Self { error, again: true }
    }
}

async fn body(mut answer: Response, what: &'static str) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(Failure::again(StripeError::Network)),
        }
        if body.len() > MAX_ANSWER {
            let error = StripeError::TooLarge {
                what,
                limit: MAX_ANSWER,
            };
            return Err(Failure {
                error,
                again: false,
            });
        }
    }
}

fn headers(key: &RestrictedKey) -> Result<HeaderMap, StripeError> {
    let bearer = Redacted::new(format!("Bearer {}", key.reveal()));
    let mut bearer = HeaderValue::from_str(bearer.reveal()).map_err(|_| StripeError::Client)?;
    bearer.set_sensitive(true);
    let version = HeaderName::from_static("stripe-version");
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (version, HeaderValue::from_static(STRIPE_VERSION)),
    ]))
}

/// The URL, and whether it leads to this machine.
fn base_url(base: &str) -> Result<(Url, bool), StripeError> {
    let url = Url::parse(base).map_err(|_| StripeError::BaseUrl)?;
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if secure && bare {
        Ok((url, local))
    } else {
        Err(StripeError::BaseUrl)
    }
}

/// For jitter. Without randomness the pause is the full one.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_travels_encrypted_or_not_at_all() {
        for base in [
            "https://api.stripe.com",
            "https://api.stripe.com/",
            "http://127.0.0.1:4010",
        ] {
            assert!(base_url(base).is_ok(), "{base}");
        }
        for base in [
            "http://api.stripe.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://a:b@api.stripe.com",
            "https://api.stripe.com/v1",
            "https://api.stripe.com?x=1",
            "api.stripe.com",
        ] {
            assert_eq!(base_url(base).unwrap_err(), StripeError::BaseUrl, "{base}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key = RestrictedKey::parse(&Redacted::new("rk_test_abc123".to_owned())).unwrap();
        let shown = format!("{:?}", StripeClient::new(STRIPE_URL, &key).unwrap());
        assert!(!shown.contains("abc123"), "{shown}");
    }
}
