//! Credentials in a URL: URLs lie in the logs of every proxy on the way, so what was sent in one is
//! no secret any more.

use counterfoil_core::auth::exposed_key;
use counterfoil_core::records::ApiKey;
use form_urlencoded::parse;
use http::{StatusCode, Uri};

use super::Keys;
use crate::Problem;
use crate::telemetry::chain;

/// Parameters that exist to carry a credential, whatever their value looks like.
const NAMES: [&str; 8] = [
    "key",
    "api_key",
    "apikey",
    "access_token",
    "id_token",
    "token",
    "secret",
    "authorization",
];

/// With which the token of an invitation begins.
const INVITATION: &str = "cfi_";

/// What looks like a credential. Never printed.
pub(super) struct Credential(String);

/// The first credential in a path or a query string: one of our keys, a token of an invitation, a JWT,
/// or a parameter that is made for one.
pub(super) fn find(uri: &Uri) -> Option<Credential> {
    let query = uri.query().unwrap_or_default();
    let in_query = parse(query.as_bytes()).find_map(|(name, value)| {
        let named = NAMES.contains(&name.to_ascii_lowercase().as_str());
        let found = looks_like_one(&value).or_else(|| looks_like_one(&name));
        found.or_else(|| named.then(|| value.into_owned()))
    });
    let in_path = || {
        uri.path().split('/').find_map(|segment| {
            // A segment has the escapes of a query, except that `+` is itself.
            let pair = segment.replace('+', "%2B").replace(['&', '='], "/");
            let decoded = parse(pair.as_bytes()).next();
            decoded.and_then(|(text, _)| looks_like_one(&text))
        })
    };
    in_query.or_else(in_path).map(Credential)
}

fn looks_like_one(text: &str) -> Option<String> {
    let ours = |prefix| text.find(prefix).and_then(|at| text.get(at..));
    let key = ours("cfk_").or_else(|| ours(INVITATION));
    // The base64url of `{"`, with which the header of every JWT begins, and its three parts.
    let jwt = text.find("eyJ").and_then(|at| text.get(at..));
    let jwt = jwt.filter(|jwt| jwt.bytes().filter(|byte| *byte == b'.').count() >= 2);
    key.or(jwt).map(str::to_owned)
}

/// Reports the leak and answers. A key that exists is named in an alarm by its id, and in evidence. It
/// is not revoked here: whoever finds somebody's key could otherwise stop them, and the owner may be
/// running production with it.
pub(super) async fn report(credential: &Credential, keys: Option<&Keys>) -> Problem {
    if credential.0.starts_with(INVITATION) {
        tracing::error!(
            alarm = "invitation leaked in a URL",
            "a token of an invitation came in a URL: revoke the invitation"
        );
    } else {
        key(&credential.0, keys).await;
    }
    let title = "A credential came in the URL, so it is leaked: revoke it, make a new one, and send \
                 it where it belongs (a key as `Authorization: Bearer ...`)";
    Problem::new(StatusCode::BAD_REQUEST, "credential-in-url", title)
}

async fn key(text: &str, keys: Option<&Keys>) {
    let found = match keys {
        Some(keys) => exposed_key(keys.state.as_ref(), text).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(key)) => {
            tracing::error!(
                alarm = "key leaked in a URL",
                key.id = %key.id,
                key.workspace = %key.workspace,
                revoked = key.revoked_at.is_some(),
                "an API key came in a URL: revoke it"
            );
            record(&key, keys).await;
        }
        Ok(None) => tracing::warn!("a credential that is no key of ours came in a URL"),
        Err(error) => tracing::error!(
            alarm = "key leaked in a URL",
            cause = chain(&error),
            "a credential came in a URL, and it was not found out whose"
        ),
    }
}

/// The answer does not depend on it.
async fn record(key: &ApiKey, keys: Option<&Keys>) {
    let Some(leaks) = keys.and_then(|keys| keys.leaks.as_ref()) else {
        return;
    };
    if let Err(error) = leaks.in_url(key).await {
        tracing::error!(cause = chain(&error), "a leaked key was not recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";

    fn found(uri: &str) -> Option<String> {
        find(&uri.parse().unwrap()).map(|found| found.0)
    }

    #[test]
    fn a_credential_is_found_wherever_it_is_in_a_url() {
        for uri in [
            format!("/v1/runs?x={KEY}"),
            format!("/v1/runs?{KEY}"),
            format!("/v1/runs/{KEY}"),
            format!("/v1/runs?a=1&b=Bearer%20{KEY}"),
            format!("/v1/runs?x={}", KEY.replace("cfk_", "%63%66%6b_")),
            format!("/v1/{}", KEY.replace("cfk_", "%63fk_")),
        ] {
            assert_eq!(found(&uri).as_deref(), Some(KEY), "{uri}");
        }
        for uri in [
            "/v1/runs?key=abc",
            "/v1/runs?API_KEY=abc",
            "/v1/runs?access_token=abc",
            "/v1/runs?token=",
            "/v1/runs?x=eyJhbGciOi.eyJzdWIi.c2ln",
            "/v1/invitations/accept?invitation=cfi_0123456789",
            "/v1/invitations/cfi_0123456789",
            "/v1/runs/eyJhbGciOi.eyJzdWIi.c2ln",
        ] {
            assert!(found(uri).is_some(), "{uri}");
        }
    }

    #[test]
    fn what_only_looks_a_little_like_one_passes() {
        for uri in [
            "/v1/incidents?state=open&cursor=eyJrIjoiaW5jXzEifQ",
            "/v1/keys/key_01J0000000000000000000000",
            "/v1/runs/run_1",
            "/v1/incidents?limit=5",
        ] {
            assert_eq!(found(uri), None, "{uri}");
        }
    }
}
