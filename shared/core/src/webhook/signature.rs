//! The `Stripe-Signature` header (docs.stripe.com/webhooks#verify-manually).
//!
//! `v1` is HMAC-SHA256 under the endpoint's secret over `{t}.{raw body}`. While a secret is being
//! rolled there are several `v1` and several secrets: every pair is tried. Unlike Stripe's own
//! libraries this check also refuses timestamps from the future.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::redacted::Redacted;
use crate::time::Timestamp;

/// How far the timestamp may lie from now, on both sides.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Why a delivery is not accepted. Senders see one answer for all of them.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// No header, or an empty one.
    #[error("the delivery is not signed")]
    NotSigned,
    /// The header is not a list of key=value with a numeric `t`.
    #[error("the signature header is malformed")]
    InvalidHeader,
    /// No `v1` fits any secret of this project.
    #[error("no signature fits")]
    NoValidSignature,
    /// Signed correctly, too long ago.
    #[error("the signature is too old")]
    TooOld,
    /// Signed correctly, with a time in the future.
    #[error("the signature is from the future")]
    TooNew,
}

/// Whether `text` has the form of an endpoint's signing secret: `whsec_` and plain characters. White
/// space around a pasted secret would make every delivery fail.
pub fn is_signing_secret(text: &str) -> bool {
    text.strip_prefix("whsec_")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Checks a delivery.
///
/// # Errors
/// See [`SignatureError`]. The time is looked at after the signature, so that an answer about the
/// time tells nothing to whoever cannot sign.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Redacted<String>],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let (time, signatures) = parse(header)?;
    let mut valid = false;
    for secret in secrets {
        let Some(mac) = signed(secret, &time.to_string(), body) else {
            continue;
        };
        for signature in &signatures {
            valid |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !valid {
        return Err(SignatureError::NoValidSignature);
    }
    let tolerance = i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX);
    let age = now.as_secs().saturating_sub(time);
    if age > tolerance {
        return Err(SignatureError::TooOld);
    }
    if age < -tolerance {
        return Err(SignatureError::TooNew);
    }
    Ok(())
}

/// The timestamp and every readable `v1`. An unreadable `v1` is ignored: another one may fit.
fn parse(header: &str) -> Result<(i64, Vec<Vec<u8>>), SignatureError> {
    if header.is_empty() {
        return Err(SignatureError::NotSigned);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (key, value) = part.split_once('=').ok_or(SignatureError::InvalidHeader)?;
        match key.trim() {
            "t" => time = Some(value.parse().map_err(|_| SignatureError::InvalidHeader)?),
            "v1" => signatures.extend(hex::decode(value)),
            _ => {}
        }
    }
    Ok((time.ok_or(SignatureError::InvalidHeader)?, signatures))
}

/// What a secret makes of time and body. The body is read once per secret, however many signatures
/// a header holds.
fn signed(secret: &Redacted<String>, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::event::{EventError, read_event};
    use super::*;

    /// Signature vectors; origin in tests/data/SOURCES.md.
    const VECTORS: &str = include_str!("../../tests/data/stripe-signature-vectors.json");

    fn outcome(vector: &serde_json::Value) -> String {
        let text = |name: &str| vector[name].as_str().unwrap();
        let secrets: Vec<_> = vector["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| Redacted::new(secret.as_str().unwrap().to_owned()))
            .collect();
        let now = Timestamp::from_secs(vector["now"].as_i64().unwrap());
        let tolerance = Duration::from_secs(vector["tolerance"].as_u64().unwrap());
        let body = text("payload").as_bytes();
        match verify(text("header"), body, &secrets, now, tolerance) {
            Err(SignatureError::NotSigned) => "not_signed".to_owned(),
            Err(SignatureError::InvalidHeader) => "invalid_header".to_owned(),
            Err(SignatureError::NoValidSignature) => "no_valid_signature".to_owned(),
            Err(SignatureError::TooOld) => "too_old".to_owned(),
            Err(SignatureError::TooNew) => "too_new".to_owned(),
            Ok(()) => match read_event(body) {
                Err(EventError::NotJson) => "bad_json".to_owned(),
                Ok(event) if event.thin => "thin_event".to_owned(),
                _ => "ok".to_owned(),
            },
        }
    }

    #[test]
    fn a_signing_secret_is_one_word_behind_its_prefix() {
        assert!(is_signing_secret("whsec_a1+/="));
        for text in [
            "",
            "whsec_",
            "sk_live_1",
            " whsec_a",
            "whsec_a\n",
            "whsec_a b",
            "whsec_ä",
        ] {
            assert!(!is_signing_secret(text), "{text:?}");
        }
    }

    #[test]
    fn every_published_vector_is_judged_as_expected() {
        let file: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 20);
        let kinds: BTreeSet<_> = vectors
            .iter()
            .map(|vector| vector["expect"].as_str().unwrap())
            .collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        for vector in vectors {
            let expected = vector["expect"].as_str().unwrap();
            assert_eq!(outcome(vector), expected, "vector {}", vector["name"]);
        }
    }
}
