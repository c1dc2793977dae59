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

/// What a person's token says that lets a client act for them. It is no sign-in of that person: a
/// [`Login`] comes out of it only to look them up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The client that acts (RFC 9068, section 2.2, `client_id`): 1 to [`LONGEST_CLIENT`] visible
    /// ASCII characters.
    pub client: String,
    /// The person who let it in.
    pub person: Login,
}

/// The longest name of a client, in bytes: evidence names whoever acts in as many.
pub const LONGEST_CLIENT: usize = 128;

/// Why a token of a client that acts for somebody was not accepted.
#[derive(Debug, Error)]
pub enum DelegationError {
    /// It is not a valid token for agents of this deployment. Callers are not told why.
    #[error("the token is not valid here")]
    Invalid,
    /// It is valid, and the person did not let the client do this (RFC 6750, section 3.1).
    #[error("the token lacks the scope")]
    Scope,
    /// The issuer's keys could not be read, so nothing can be said.
    #[error("the issuer could not be asked")]
    Unavailable(#[source] PortError),
}

/// Verifies bearer tokens with which clients act for people.
#[async_trait]
pub trait Delegations: Send + Sync {
    /// Who acts for whom with `token` at `now`.
    ///
    /// # Errors
    /// See [`DelegationError`].
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Delegation, DelegationError>;
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
