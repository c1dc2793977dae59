//! An issuer, the functions' side of it, and what a token comes to there.

use std::sync::Arc;

use counterfoil_core::ports::{LoginError, Logins};
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::oidc::{DEFAULT_SCOPE, OidcLogins, OidcOptions};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer};
use counterfoil_testkit::memory::SetClock;
use serde_json::{Map, Value};

pub(crate) const NOW: i64 = 1_790_000_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(NOW + seconds)
}

pub(crate) async fn issuer() -> FakeIssuer {
    FakeIssuer::start(Arc::new(SetClock::at(at(0))))
        .await
        .unwrap()
}

pub(crate) fn options(issuer: &FakeIssuer) -> OidcOptions {
    OidcOptions {
        issuer: issuer.url().to_owned(),
        audiences: vec!["https://api.example.com".to_owned(), CLIENT_ID.to_owned()],
        scope: DEFAULT_SCOPE.to_owned(),
    }
}

pub(crate) fn logins(issuer: &FakeIssuer) -> OidcLogins {
    OidcLogins::new(options(issuer)).unwrap()
}

pub(crate) async fn refused(logins: &OidcLogins, token: &str) -> bool {
    matches!(logins.verify(token, at(0)).await, Err(LoginError::Invalid))
}

pub(crate) async fn unavailable(logins: &OidcLogins, token: &str, now: Timestamp) -> bool {
    matches!(
        logins.verify(token, now).await,
        Err(LoginError::Unavailable(_))
    )
}

/// How often the issuer's keys were read.
pub(crate) fn readings(issuer: &FakeIssuer) -> usize {
    issuer
        .requests()
        .iter()
        .filter(|path| *path == "/keys")
        .count()
}

pub(crate) fn set(claims: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    claims.insert(name.to_owned(), value.into());
}

pub(crate) fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
