//! What an access token says, and whether it may be believed.
//!
//! RFC 7519 (claims), RFC 9068 (`at+jwt`), RFC 8176 (`amr`), OIDC Core 1.0 section 2
//! (`auth_time`, ID tokens), and Amazon Cognito's `token_use` and `client_id`.

use std::time::Duration;

use counterfoil_core::ports::{Delegation, LONGEST_CLIENT, Login};
use counterfoil_core::time::Timestamp;
use jsonwebtoken::Header;
use serde::Deserialize;

use super::OidcOptions;

/// How far the issuer's clock may be from ours.
const LEEWAY: Duration = Duration::from_mins(1);
/// The longest subject (OIDC Core 1.0, section 2).
const LONGEST_SUBJECT: usize = 255;
/// Ways of signing in that are, or include, a second factor: RFC 8176 `mfa` (several factors),
/// `otp` (one-time password), `hwk` (key in hardware).
const SECOND_FACTORS: [&str; 3] = ["mfa", "otp", "hwk"];

/// One value or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(value) => is(value),
            Self::Many(values) => values.iter().any(|value| is(value)),
        }
    }
}

/// The claims that are looked at. One that comes twice, or in another form, refuses the token.
/// Times are whole seconds since the epoch.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    aud: Option<OneOrMany>,
    client_id: Option<String>,
    azp: Option<String>,
    token_use: Option<String>,
    scope: Option<String>,
    scp: Option<OneOrMany>,
    auth_time: Option<u64>,
    amr: Option<Vec<String>>,
    nonce: Option<String>,
    at_hash: Option<String>,
    c_hash: Option<String>,
}

/// Why a token is not believed; the reason is for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// All is right but the scope.
    Scope,
    /// Anything else.
    Because(&'static str),
}

impl Refused {
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Scope => "the scope is missing",
            Self::Because(why) => why,
        }
    }
}

impl From<&'static str> for Refused {
    fn from(why: &'static str) -> Self {
        Self::Because(why)
    }
}

impl Claims {
    /// The person, or why not.
    pub(super) fn check(
        &self,
        header: &Header,
        options: &OidcOptions,
        now: Timestamp,
    ) -> Result<Login, Refused> {
        let is_for = self.is_for(&options.audiences);
        self.login(header, options, is_for, now)
    }

    /// The client and the person whom it acts for, or why not. A token that names no audience is meant
    /// for its client alone, so it is none for a resource.
    pub(super) fn check_client(
        &self,
        header: &Header,
        options: &OidcOptions,
        of_people: &[String],
        now: Timestamp,
    ) -> Result<Delegation, Refused> {
        if self.names(of_people) {
            return Err("it also signs its person in".into());
        }
        let is_for = self.names(&options.audiences);
        let client = self.client();
        let client = client.ok_or("it names no client of 1 to 128 visible ASCII characters");
        // What is wrong with the token comes before what the person did not allow.
        let login = self.login(header, options, is_for, now);
        match login {
            Err(Refused::Because(why)) => Err(why.into()),
            Err(Refused::Scope) => Err(client.map_or_else(Refused::from, |_| Refused::Scope)),
            Ok(person) => Ok(Delegation {
                client: client?,
                person,
            }),
        }
    }

    /// `client_id` (RFC 9068), or `azp`, as some issuers call it. Where both are there, they are the
    /// same. A client that acts for nobody but itself is its own subject (RFC 9068, section 2.2).
    fn client(&self) -> Option<String> {
        let client = match (&self.client_id, &self.azp) {
            (Some(client), Some(azp)) if client != azp => return None,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => return None,
        };
        let visible = client.bytes().all(|byte| byte.is_ascii_graphic());
        let sound = visible && (1..=LONGEST_CLIENT).contains(&client.len());
        (sound && *client != self.sub).then(|| client.clone())
    }

    fn login(
        &self,
        header: &Header,
        options: &OidcOptions,
        is_for: bool,
        now: Timestamp,
    ) -> Result<Login, Refused> {
        if self.iss != options.issuer {
            return Err("another issuer".into());
        }
        self.check_times(now)?;
        self.check_kind(header)?;
        if !is_for {
            return Err("meant for somebody else".into());
        }
        let printable = self.sub.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self.sub.is_empty() || self.sub.len() > LONGEST_SUBJECT || !printable {
            return Err("the subject is not 1 to 255 ASCII characters".into());
        }
        if !self.has_scope(&options.scope) {
            return Err(Refused::Scope);
        }
        Ok(Login {
            issuer: self.iss.clone(),
            subject: self.sub.clone(),
            authenticated_at: self.authenticated_at(now),
            second_factor: self
                .amr
                .iter()
                .flatten()
                .any(|way| SECOND_FACTORS.contains(&way.as_str())),
        })
    }

    fn check_times(&self, now: Timestamp) -> Result<(), &'static str> {
        if seconds(self.exp).plus(LEEWAY) <= now {
            return Err("expired");
        }
        let latest = now.plus(LEEWAY);
        let future = |time: Option<u64>| time.is_some_and(|time| seconds(time) > latest);
        if future(self.nbf) {
            return Err("not valid yet");
        }
        if future(Some(self.iat)) || future(self.auth_time) {
            return Err("issued in the future");
        }
        Ok(())
    }

    /// An ID token proves a sign-in to the client that asked for it, and is no permission to call
    /// an API. Cognito says which is which in `token_use`, RFC 9068 in `typ`; elsewhere, claims that
    /// only ID tokens have give it away, and an ID token has no scope.
    fn check_kind(&self, header: &Header) -> Result<(), &'static str> {
        if self
            .token_use
            .as_deref()
            .is_some_and(|kind| kind != "access")
        {
            return Err("not an access token");
        }
        if self.nonce.is_some() || self.at_hash.is_some() || self.c_hash.is_some() {
            return Err("an ID token");
        }
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        match typ.as_deref() {
            None | Some("jwt" | "at+jwt" | "application/at+jwt") => Ok(()),
            Some(_) => Err("not a type of access tokens"),
        }
    }

    /// Cognito's access tokens have no `aud` and name the client instead.
    fn is_for(&self, audiences: &[String]) -> bool {
        let ours = |name: &str| audiences.iter().any(|audience| audience == name);
        match (&self.aud, self.token_use.as_deref()) {
            (Some(_), _) => self.names(audiences),
            (None, Some("access")) => self.client_id.as_deref().is_some_and(ours),
            (None, _) => false,
        }
    }

    fn names(&self, audiences: &[String]) -> bool {
        let ours = |name: &str| audiences.iter().any(|audience| audience == name);
        self.aud.as_ref().is_some_and(|names| names.any(ours))
    }

    /// `scope` (RFC 8693, RFC 9068), or `scp`, as some issuers call it.
    fn has_scope(&self, wanted: &str) -> bool {
        let has = |scopes: &str| scopes.split(' ').any(|scope| scope == wanted);
        self.scope.as_deref().is_some_and(has) || self.scp.as_ref().is_some_and(|it| it.any(has))
    }

    /// A refreshed token has a new `iat` and the old `auth_time`: where the issuer does not give the
    /// latter, nobody knows how old the sign-in is, and it never counts as fresh.
    fn authenticated_at(&self, now: Timestamp) -> Timestamp {
        let at = self.auth_time.map_or(Timestamp::from_millis(0), seconds);
        at.min(now)
    }
}

fn seconds(time: u64) -> Timestamp {
    Timestamp::from_millis(time.saturating_mul(1_000))
}
