//! The issuer's discovery document and keys, kept for a while.
//!
//! Per process: read with the first token, again when an hour is over, and at most once a minute
//! when a token names a key that is not known, so that forged names cannot make us a nuisance to the
//! issuer. When the issuer does not answer, known keys are good for six hours from their reading.

use std::time::Duration;

use counterfoil_core::ports::PortError;
use counterfoil_core::time::Timestamp;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::keys::{self, Wanted};
use super::source::{fetch, trusted, unavailable};

/// How long keys are taken without asking.
const LIFETIME: Duration = Duration::from_hours(1);
/// How long known keys are good while the issuer does not answer.
const KEPT: Duration = Duration::from_hours(6);
/// The least time between two readings because of a key that is not known.
const PAUSE: Duration = Duration::from_mins(1);
/// The least time between two attempts while the issuer does not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The largest discovery document, in bytes.
const LARGEST_DISCOVERY: usize = 64 * 1024;
/// The largest set of keys, in bytes.
const LARGEST_KEYS: usize = 256 * 1024;

pub(super) struct Documents {
    issuer: String,
    discovery: Url,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Jwk>,
    read_at: Option<Timestamp>,
    tried: Option<Attempt>,
}

struct Attempt {
    at: Timestamp,
    failed: bool,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Documents {
    /// `None` when the issuer's address may not be trusted.
    pub(super) fn of(issuer: &str) -> Option<Self> {
        let plain = trusted(issuer)?.query().is_none();
        let discovery = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        Some(Self {
            issuer: issuer.to_owned(),
            discovery: trusted(&discovery).filter(|_| plain)?,
            known: Mutex::default(),
        })
    }

    /// The issuer's key for a token; `None` when the issuer has none that fits.
    ///
    /// One reading at a time: who comes meanwhile waits for its result.
    pub(super) async fn key(
        &self,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<DecodingKey>, PortError> {
        let mut known = self.known.lock().await;
        if known.within(LIFETIME, now) && known.has(wanted) {
            return Ok(keys::find(&known.keys, wanted));
        }
        if known.may_try(now) {
            self.refresh(&mut known, now).await;
        }
        let answers = known.tried.as_ref().is_some_and(|last| !last.failed);
        if known.within(KEPT, now) && (answers || known.has(wanted)) {
            return Ok(keys::find(&known.keys, wanted));
        }
        Err(unavailable(
            &self.discovery,
            "the issuer's keys are not known",
        ))
    }

    /// Reads both documents. What is known stays when it fails.
    async fn refresh(&self, known: &mut Known, now: Timestamp) {
        let read = self.read().await;
        known.tried = Some(Attempt {
            at: now,
            failed: read.is_err(),
        });
        match read {
            Ok(keys) => (known.keys, known.read_at) = (keys, Some(now)),
            Err(error) => {
                let cause = crate::telemetry::chain(&error);
                tracing::warn!(cause, "the issuer's keys were not read");
            }
        }
    }

    async fn read(&self) -> Result<Vec<Jwk>, PortError> {
        let bytes = fetch(&self.discovery, LARGEST_DISCOVERY).await?;
        let discovery: Discovery = serde_json::from_slice(&bytes)
            .map_err(|_| unavailable(&self.discovery, "not a discovery document"))?;
        if discovery.issuer != self.issuer {
            return Err(unavailable(&self.discovery, "it names another issuer"));
        }
        let address = trusted(&discovery.jwks_uri)
            .ok_or_else(|| unavailable(&self.discovery, "`jwks_uri` is not https"))?;
        let bytes = fetch(&address, LARGEST_KEYS).await?;
        let set: Keys = serde_json::from_slice(&bytes)
            .map_err(|_| unavailable(&address, "not a set of keys"))?;
        // A key of a kind that is not known here is none of ours; the others are still good.
        let keys = set.keys.into_iter().map(serde_json::from_value);
        Ok(keys.filter_map(Result::ok).collect())
    }
}

impl Known {
    fn within(&self, age: Duration, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| now.since(at) < age)
    }

    fn has(&self, wanted: &Wanted) -> bool {
        keys::named(&self.keys, &wanted.id)
    }

    fn may_try(&self, now: Timestamp) -> bool {
        self.tried.as_ref().is_none_or(|last| {
            let pause = if last.failed {
                PAUSE_AFTER_FAILURE
            } else {
                PAUSE
            };
            now.since(last.at) >= pause
        })
    }
}
