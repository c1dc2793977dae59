//! Tokens for IAM database authentication: a presigned request that is never sent.
//!
//! Amazon RDS user guide, section "IAM database authentication": the action is `rds-db:connect`, the token is the URL without its scheme, valid for 15 minutes. The principal that
//! signs is the function's own role; the customer's account must permit it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use counterfoil_core::ports::{Clock, DatabaseLogin, DatabaseTokens, PortError, PortErrorKind};
use counterfoil_core::redacted::Redacted;

/// How long a token is good for.
const VALID: Duration = Duration::from_mins(15);

/// Signs with the credentials of the environment.
#[derive(Clone)]
pub struct RdsTokens {
    credentials: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for RdsTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RdsTokens")
    }
}

impl RdsTokens {
    /// Signs with these credentials.
    pub const fn new(credentials: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self { credentials, clock }
    }
}

#[async_trait]
impl DatabaseTokens for RdsTokens {
    async fn token(&self, login: &DatabaseLogin) -> Result<Redacted<String>, PortError> {
        let doing = "signing a token for the database";
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials
            .map_err(|error| PortError::caused(PortErrorKind::Unavailable, doing, error))?;
        let millis = self.clock.now().as_millis();
        let at = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(millis))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        token(login, credentials, at)
            .ok_or_else(|| PortError::new(PortErrorKind::Refused, doing.to_owned()))
    }
}

fn token(
    login: &DatabaseLogin,
    credentials: Credentials,
    at: SystemTime,
) -> Option<Redacted<String>> {
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(VALID);
    settings.signature_location = SignatureLocation::QueryParams;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&login.region)
        .name("rds-db")
        .time(at)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let mut url = url_of(login)?;
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let (instructions, _) = sign(request.ok()?, &parameters).ok()?.into_parts();
    for (name, value) in instructions.params() {
        url.push('&');
        url.push_str(name);
        url.push('=');
        url.push_str(&encoded(value));
    }
    url.strip_prefix("https://")
        .map(|token| Redacted::new(token.to_owned()))
}

/// The request that the token stands for.
fn url_of(login: &DatabaseLogin) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let host = &login.host;
    if host.is_empty() || !host.bytes().all(plain) {
        return None;
    }
    let user = encoded(login.user.reveal());
    let port = login.port;
    Some(format!(
        "https://{host}:{port}/?Action=connect&DBUser={user}"
    ))
}

/// Percent-encoding of RFC 3986, as a signature wants it.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Made with botocore 1.43.11, `client("rds").generate_db_auth_token`, at 2026-11-23T12:00:00Z for
    /// `counterfoil_read` at this host, with the example keys of the AWS documentation.
    const HOST: &str = "shop.abcdefghijkl.eu-central-1.rds.amazonaws.com";
    const BY_BOTOCORE: [(Option<&str>, &str); 2] = [
        (
            None,
            "Action=connect&DBUser=counterfoil_read&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
             X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Feu-central-1%2Frds-db%2Faws4_request&\
             X-Amz-Date=20261123T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&\
             X-Amz-Signature=615330ed1ac5c0f33561a2e7762015806284f603cdb7f4b60020432ff62e73a9",
        ),
        (
            Some("FwoGZXIvYXdzEXAMPLE//token+="),
            "Action=connect&DBUser=counterfoil_read&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
             X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Feu-central-1%2Frds-db%2Faws4_request&\
             X-Amz-Date=20261123T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&\
             X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2Ftoken%2B%3D&\
             X-Amz-Signature=ab0304ac035033ef6d8b93b1f772bbab7caac2265f20d58251ae06f1011ad649",
        ),
    ];

    fn login(user: &str) -> DatabaseLogin {
        DatabaseLogin {
            host: HOST.to_owned(),
            port: 5432,
            user: Redacted::new(user.to_owned()),
            region: "eu-central-1".to_owned(),
        }
    }

    fn signed(user: &str, session: Option<&str>) -> String {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let session = session.map(str::to_owned);
        let credentials = Credentials::new("AKIDEXAMPLE", key, session, None, "test");
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(498_732);
        token(&login(user), credentials, at)
            .unwrap()
            .reveal()
            .clone()
    }

    #[test]
    fn tokens_are_those_of_another_implementation() {
        for (session, expected) in BY_BOTOCORE {
            let ours = signed("counterfoil_read", session);
            let (place, query) = ours.split_once("/?").unwrap();
            assert_eq!(place, format!("{HOST}:5432"));
            let ours: BTreeSet<&str> = query.split('&').collect();
            let theirs: BTreeSet<&str> = expected.split('&').collect();
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_role_cannot_add_parameters() {
        let token = signed("a&X-Amz-Expires=1", None);
        assert!(token.contains("DBUser=a%26X-Amz-Expires%3D1&"), "{token}");
        let mut elsewhere = login("a");
        elsewhere.host = "h.com/?x=".to_owned();
        assert_eq!(url_of(&elsewhere), None);
    }
}
