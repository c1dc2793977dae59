//! The database URL: a strict grammar with one host, one database and a few parameters.
//!
//! `postgres[ql]://user:password@host[:port]/database[?parameter=value[&...]]`, and after it, on
//! lines of its own, the certificates (PEM) of the server's certificate authority, where the
//! system's are not enough. The parameters are described at [`query`].
//!
//! What `libpq` also takes (several hosts, sockets, `hostaddr`, `options`) is refused, because it
//! would let the writer of a URL choose where the product connects to, or how, behind its back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use counterfoil_core::redacted::Redacted;
use thiserror::Error;

use crate::watch::Login;

mod query;

/// A URL that does not follow the grammar. Shows no part of the URL itself.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the {part} of the database URL {rule}: {fix}")]
pub struct UrlError {
    /// Which part.
    pub part: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// What to write instead.
    pub fix: &'static str,
}

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// A literal address.
    Address(IpAddr),
}

impl Host {
    /// `localhost`, 127.0.0.0/8 or `::1`. A name must also resolve to such an address only.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Certificates of authorities that are trusted besides the system's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// A PEM file on this machine.
    File(PathBuf),
    /// PEM text behind the URL.
    Pem(String),
}

/// How the role proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// By its password.
    Password,
    /// By a token that AWS vouches for, made for each connection.
    RdsIam {
        /// The AWS region of the database.
        region: String,
    },
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// TLS with a certificate that is valid for the host.
    VerifyFull {
        /// Whom to trust besides the system's authorities.
        roots: Option<Roots>,
    },
    /// No TLS. Loopback only.
    Plain,
}

/// A parsed URL. `Debug` shows host, port and database.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// Server.
    pub host: Host,
    /// TCP port.
    pub port: u16,
    /// Database name.
    pub database: String,
    /// Role.
    pub user: Redacted<String>,
    /// Password; only loopback URLs may go without.
    pub password: Option<Redacted<String>>,
    /// How the role logs in.
    pub auth: Auth,
    /// TLS or not.
    pub transport: Transport,
    /// Whether the log-in must be bound to the TLS connection.
    pub channel_binding: bool,
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl")
            .field("place", &self.place())
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl PostgresUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`] with the first part that breaks its rule.
    pub fn parse(url: &Redacted<String>) -> Result<Self, UrlError> {
        let text = url.reveal().as_str();
        let (text, pem) = text.split_once('\n').unwrap_or((text, ""));
        let text = text.trim_end_matches('\r');
        if text
            .chars()
            .any(|it| it.is_whitespace() || it.is_control() || it == '#')
        {
            return Err(wrong(
                "text",
                "has a space, a line break or `#` in it",
                "percent-encode it",
            ));
        }
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|it| text.strip_prefix(it));
        let Some(rest) = rest else {
            return Err(wrong(
                "scheme",
                "is not postgres:// or postgresql://",
                "write postgres://user:password@host/database",
            ));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').ok_or(NO_DATABASE)?;
        let (user, place) = authority.rsplit_once('@').ok_or(NO_USER)?;
        let (host, port) = place_of(place)?;
        let query::Parameters {
            transport,
            auth,
            channel_binding,
        } = query::read(query, pem, &host)?;
        let (user, password) = user_of(user, &host, &auth)?;
        Ok(Self {
            database: database_of(database)?,
            host,
            port,
            user,
            password,
            auth,
            transport,
            channel_binding,
        })
    }

    /// How the server may ask the role to prove itself.
    pub(crate) fn login(&self) -> Login {
        match (&self.auth, &self.transport) {
            (Auth::RdsIam { .. }, _) => Login::Token,
            (_, Transport::Plain) => Login::Open,
            _ => Login::Scram,
        }
    }

    /// `host:port`, which may be shown.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

const NO_DATABASE: UrlError = wrong(
    "database",
    "is missing",
    "write its name after the host: ...@host/database",
);
const NO_USER: UrlError = wrong(
    "user",
    "is missing",
    "write postgres://user:password@host/database",
);

const fn wrong(part: &'static str, rule: &'static str, fix: &'static str) -> UrlError {
    UrlError { part, rule, fix }
}

fn place_of(place: &str) -> Result<(Host, u16), UrlError> {
    if place.contains(',') {
        return Err(wrong("host", "names several servers", "write one host"));
    }
    if place.contains('%') || place.is_empty() {
        return Err(wrong(
            "host",
            "is empty or a socket path",
            "write a host name or an address",
        ));
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(BAD_HOST)?;
            let address: Ipv6Addr = address.parse().map_err(|_| BAD_HOST)?;
            let port = if port.is_empty() {
                None
            } else {
                Some(port.strip_prefix(':').ok_or(BAD_PORT)?)
            };
            (Host::Address(address.into()), port)
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host_of(host)?, Some(port)),
            None => (host_of(place)?, None),
        },
    };
    Ok((host, port.map_or(Ok(5432), port_of)?))
}

const BAD_HOST: UrlError = wrong(
    "host",
    "is neither a name nor an address",
    "write a DNS name, a dotted IPv4 address, or an IPv6 address in brackets",
);
const BAD_PORT: UrlError = wrong("port", "is not a number from 1 to 65535", "write host:5432");

fn port_of(port: &str) -> Result<u16, UrlError> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse()
        .ok()
        .filter(|port| digits && *port != 0)
        .ok_or(BAD_PORT)
}

fn host_of(host: &str) -> Result<Host, UrlError> {
    // A name whose last label is a number would be read as an address by some resolvers (2130706433,
    // 0x7f.1), so it has to be one in the plain form.
    let last = host
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if numeric {
        let address: Ipv4Addr = host.parse().map_err(|_| BAD_HOST)?;
        return Ok(Host::Address(address.into()));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(BAD_HOST);
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

type Credentials = (Redacted<String>, Option<Redacted<String>>);

fn user_of(userinfo: &str, host: &Host, auth: &Auth) -> Result<Credentials, UrlError> {
    if userinfo.contains('@') {
        return Err(wrong(
            "password",
            "has `@` in it",
            "percent-encode it as %40",
        ));
    }
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let user = decode("user", user)?;
    if user.is_empty() {
        return Err(NO_USER);
    }
    let password = password.map(|it| decode("password", it)).transpose()?;
    let none = password.as_ref().is_none_or(String::is_empty);
    if matches!(auth, Auth::RdsIam { .. }) {
        if !none {
            return Err(wrong(
                "password",
                "is not used with auth=rds-iam",
                "write user@host",
            ));
        }
    } else if none && !host.is_loopback() {
        return Err(wrong("password", "is missing", "write user:password@host"));
    }
    Ok((Redacted::new(user), password.map(Redacted::new)))
}

fn database_of(database: &str) -> Result<String, UrlError> {
    let name = decode("database", database)?;
    if name.is_empty() {
        return Err(NO_DATABASE);
    }
    if name.contains('/') {
        return Err(wrong(
            "database",
            "has `/` in it",
            "end the URL with the name of one database",
        ));
    }
    Ok(name)
}

fn decode(part: &'static str, text: &str) -> Result<String, UrlError> {
    let bad = wrong(
        part,
        "has a `%` that is not followed by two hex digits of UTF-8",
        "write %25 for `%`",
    );
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().ok_or(bad)?, rest.next().ok_or(bad)?];
            let digit = |byte: u8| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|it| u8::try_from(it).ok())
            };
            let [high, low] = digits.map(digit);
            bytes.push(high.ok_or(bad)? << 4 | low.ok_or(bad)?);
        } else {
            bytes.push(byte);
        }
    }
    if bytes.contains(&0) {
        return Err(wrong(part, "has a zero byte in it", "take it out"));
    }
    String::from_utf8(bytes).map_err(|_| bad)
}

#[cfg(test)]
mod tests;
