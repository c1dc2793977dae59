//! Why a connection did not come about.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;
use tokio_postgres::error::SqlState;

use crate::error::PostgresError;
use crate::url::PostgresUrl;
use crate::watch::Bounds;

/// Classifies an error before the session was ready.
pub(crate) fn classify(
    error: &tokio_postgres::Error,
    bounds: &Bounds,
    url: &PostgresUrl,
) -> PostgresError {
    if let Some(refusal) = bounds.refusal() {
        return refusal.clone();
    }
    if let Some(code) = error.code() {
        return database(code, url);
    }
    // The library has no other way to tell these apart from a failed connection.
    let shown = error.to_string();
    if shown.starts_with("error performing TLS handshake") {
        return PostgresError::Tls {
            place: url.place(),
            reason: handshake(error),
        };
    }
    if shown.starts_with("authentication error") && url.channel_binding {
        return PostgresError::Tls {
            place: url.place(),
            reason: "the server does not bind the log-in to the TLS connection: leave out \
                     channel_binding=require, or turn on scram-sha-256 there",
        };
    }
    if shown.starts_with("authentication error") || shown.starts_with("invalid configuration") {
        return PostgresError::Authentication;
    }
    if shown.starts_with("unexpected message") || shown.starts_with("error parsing") {
        return PostgresError::Protocol;
    }
    PostgresError::Unreachable { place: url.place() }
}

fn database(code: &SqlState, url: &PostgresUrl) -> PostgresError {
    let class = code.code();
    if class.starts_with("28") {
        PostgresError::Authentication
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        PostgresError::NoDatabase {
            database: url.database.clone(),
        }
    } else if class.starts_with("53") || class.starts_with("57") {
        PostgresError::Busy
    } else {
        PostgresError::Rejected {
            code: class.chars().filter(char::is_ascii_alphanumeric).collect(),
            at: String::new(),
        }
    }
}

fn handshake(error: &tokio_postgres::Error) -> &'static str {
    let cause = StdError::source(error);
    if cause.is_some_and(|it| it.to_string().contains("does not support TLS")) {
        return "the server offers no TLS: turn `ssl` on there";
    }
    let inner = cause
        .and_then(|it| it.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .and_then(|it| it.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(error)) => certificate(error),
        _ => "the handshake failed: the server must offer TLS 1.2 or later",
    }
}

fn certificate(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired: renew it there",
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet: correct the clock of one of both sides"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is not valid for this host: use a name that stands in the certificate"
        }
        E::UnknownIssuer | E::BadSignature => {
            "its certificate comes from an authority that is not trusted here: add the \
             authority's certificate (PEM) to the connection"
        }
        _ => "its certificate cannot be accepted: renew it there",
    }
}
