//! People, as an issuer of sign-ins vouches for them.

use async_trait::async_trait;
use thiserror::Error;

use super::PortError;
use crate::time::Timestamp;

/// A sign-in that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who vouches: the issuer's URL.
    pub issuer: String,
    /// The person, as the issuer names them. Unique per issuer, never reused
    /// (`OpenID` Connect Core, section 2, `sub`).
    pub subject: String,
    /// When they proved who they are.
    pub authenticated_at: Timestamp,
    /// Whether they used a second factor.
    pub second_factor: bool,
}

/// Why a token was not accepted.
#[derive(Debug, Error)]
pub enum LoginError {
    /// It is not a valid token for this deployment. Callers are not told why.
    #[error("the token is not valid here")]
    Invalid,
    /// The issuer's keys could not be read, so nothing can be said.
    #[error("the issuer could not be asked")]
    Unavailable(#[source] PortError),
}

/// Verifies bearer tokens of people.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Who presents `token` at `now`.
    ///
    /// # Errors
    /// See [`LoginError`].
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Login, LoginError>;
}
