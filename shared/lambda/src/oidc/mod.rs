//! People who sign in at an OIDC issuer: their access tokens, verified here.
//!
//! The function verifies the token itself, because a gateway that did it would refuse API keys, and
//! function URLs and tests pass a gateway by. Accepted are JWT access tokens (RFC 9068, or those of
//! Amazon Cognito), signed with RS256, PS256, ES256 or `EdDSA` by a key that the issuer publishes.
//! docs/login.md lists each claim and each refusal.
//!
//! It does not sign anybody in, keeps no session, asks no introspection endpoint, and knows no roles.

mod claims;
mod documents;
mod keys;
pub mod source;

use std::fmt;

use async_trait::async_trait;
use counterfoil_core::ports::{
    Delegation, DelegationError, Delegations, Login, LoginError, Logins,
};
use counterfoil_core::time::Timestamp;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use claims::{Claims, Refused};
use documents::Documents;

/// The longest token that is looked at, in bytes. API Gateway carries about 10 KiB of headers.
const LONGEST_TOKEN: usize = 8 * 1024;
/// The scope that an access token must have unless the deployment names another one.
pub const DEFAULT_SCOPE: &str = "counterfoil";

/// Which sign-ins are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcOptions {
    /// The issuer, exactly as its discovery document and its tokens name it.
    pub issuer: String,
    /// Audiences: an access token must be meant for one of them.
    pub audiences: Vec<String>,
    /// The scope that an access token must have.
    pub scope: String,
}

/// Where a client signs people in. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SignInPlace {
    /// The issuer, exactly as it names itself.
    pub issuer: String,
    /// The client of the command line: public, with PKCE.
    pub client_id: String,
    /// The scope to ask for beside `openid`.
    pub scope: String,
}

/// Settings that cannot be used.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum OidcOptionsError {
    /// Not an address that may be trusted.
    #[error(
        "OIDC_ISSUER must be an https address without query or fragment (http only on this machine)"
    )]
    Issuer,
    /// Nobody to whom a token could be meant.
    #[error("OIDC_AUDIENCE must name at least one audience, for example the app client's id")]
    Audience,
    /// Not one scope.
    #[error("OIDC_SCOPE must be one scope, without spaces")]
    Scope,
}

/// Verifies access tokens of one issuer.
pub struct OidcLogins {
    options: OidcOptions,
    documents: Documents,
}

impl fmt::Debug for OidcLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcLogins")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl OidcLogins {
    /// Asks nothing yet: the issuer's documents are read with the first token.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(options: OidcOptions) -> Result<Self, OidcOptionsError> {
        let audience = |name: &String| !name.is_empty();
        if options.audiences.is_empty() || !options.audiences.iter().all(audience) {
            return Err(OidcOptionsError::Audience);
        }
        if options.scope.is_empty() || options.scope.contains(char::is_whitespace) {
            return Err(OidcOptionsError::Scope);
        }
        let documents = Documents::of(&options.issuer).ok_or(OidcOptionsError::Issuer)?;
        Ok(Self { options, documents })
    }

    /// The settings.
    pub fn options(&self) -> &OidcOptions {
        &self.options
    }

    /// What a token says that a key of the issuer has signed.
    async fn read(&self, token: &str, now: Timestamp) -> Result<(Header, Claims), LoginError> {
        if token.len() > LONGEST_TOKEN {
            return Err(refuse("the token is too long"));
        }
        let header = decode_header(token)
            .map_err(|_| refuse("not a JWT, or of no algorithm that is accepted"))?;
        let wanted = keys::wanted(&header).map_err(refuse)?;
        let found = self.documents.key(&wanted, now).await;
        let key = found.map_err(LoginError::Unavailable)?;
        let key = key.ok_or_else(|| refuse("no key of the issuer fits"))?;
        let read = decode::<Claims>(token, &key, &signature_only(&wanted));
        let read = read.map_err(|_| refuse("the signature or a claim's form is wrong"))?;
        Ok((header, read.claims))
    }
}

/// The reason is for the log, never for the caller.
fn refuse(why: &'static str) -> LoginError {
    tracing::info!(why, "a sign-in was refused");
    LoginError::Invalid
}

#[async_trait]
impl Logins for OidcLogins {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Login, LoginError> {
        let (header, claims) = self.read(token, now).await?;
        let checked = claims.check(&header, &self.options, now);
        checked.map_err(|refused| refuse(refused.why()))
    }
}

/// Verifies access tokens of the same issuer with which clients act for people: those that are meant
/// for this resource (RFC 8707) and for nothing else.
///
/// A token that also signs its person in at the API is none for an agent: whoever holds it could vote.
#[derive(Debug)]
pub struct OidcDelegations {
    reader: OidcLogins,
    of_people: Vec<String>,
}

impl OidcDelegations {
    /// As [`OidcLogins::new`]; the audiences are the addresses of the resource, `of_people` those of
    /// tokens with which people sign in.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(options: OidcOptions, of_people: Vec<String>) -> Result<Self, OidcOptionsError> {
        let reader = OidcLogins::new(options)?;
        Ok(Self { reader, of_people })
    }
}

#[async_trait]
impl Delegations for OidcDelegations {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Delegation, DelegationError> {
        let read = self.reader.read(token, now).await;
        let (header, claims) = read.map_err(|error| match error {
            LoginError::Invalid => DelegationError::Invalid,
            LoginError::Unavailable(error) => DelegationError::Unavailable(error),
        })?;
        let checked = claims.check_client(&header, &self.reader.options, &self.of_people, now);
        checked.map_err(|refused| {
            refuse(refused.why());
            match refused {
                Refused::Scope => DelegationError::Scope,
                Refused::Because(_) => DelegationError::Invalid,
            }
        })
    }
}

/// Only the signature: jsonwebtoken would take the time from the system. The claims are checked by
/// [`Claims::check`].
fn signature_only(wanted: &keys::Wanted) -> Validation {
    let mut validation = Validation::new(wanted.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
