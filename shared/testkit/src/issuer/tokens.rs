//! The tokens of the fake issuer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counterfoil_core::time::Timestamp;
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::sign;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::server::Desk;
use super::{CLIENT_ID, SCOPE};

/// Seconds for which tokens are valid.
pub(super) const VALID: i64 = 900;

impl Desk {
    pub(super) fn header(&self, algorithm: Algorithm) -> Value {
        let (kid, _) = self.keys.of(algorithm);
        json!({"alg": algorithm, "kid": kid, "typ": "at+jwt"})
    }

    /// Claims of an access token (RFC 9068) of somebody who signed in at `signed_in`. Whose name begins
    /// with `mfa-` used a second factor.
    pub(super) fn access_claims(&self, subject: &str, signed_in: Timestamp) -> Map<String, Value> {
        let now = self.now().as_secs();
        let factors = if subject.starts_with("mfa-") {
            json!(["pwd", "otp", "mfa"])
        } else {
            json!(["pwd"])
        };
        let claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": CLIENT_ID,
            "client_id": CLIENT_ID,
            "scope": format!("openid {SCOPE}"),
            "iat": now,
            "exp": now.saturating_add(VALID),
            "auth_time": signed_in.as_secs(),
            "amr": factors,
        });
        claims.as_object().cloned().unwrap_or_default()
    }

    /// An ID token (OIDC Core 1.0, section 2) beside an access token.
    pub(super) fn id_token(
        &self,
        subject: &str,
        nonce: &str,
        access: &str,
        signed_in: Timestamp,
    ) -> String {
        let now = self.now().as_secs();
        let digest = Sha256::digest(access.as_bytes());
        let half = digest.get(..16).unwrap_or_default();
        let claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": CLIENT_ID,
            "nonce": nonce,
            "at_hash": URL_SAFE_NO_PAD.encode(half),
            "iat": now,
            "exp": now.saturating_add(VALID),
            "auth_time": signed_in.as_secs(),
        });
        let (kid, _) = self.keys.of(Algorithm::ES256);
        let header = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
        self.sign(Algorithm::ES256, &header, &claims.to_string())
    }

    /// Signs what is given, whatever the header says.
    pub(super) fn sign(&self, algorithm: Algorithm, header: &Value, claims: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let (_, key) = self.keys.of(algorithm);
        let signature = sign(message.as_bytes(), key, algorithm).unwrap_or_default();
        format!("{message}.{signature}")
    }
}
