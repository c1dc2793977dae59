//! The parameters of the URL.
//!
//! - `sslmode=verify-full`, the default; `disable` on this machine only.
//! - `sslrootcert=FILE`: authorities that are trusted besides the system's. Only where the URL's
//!   writer is on this machine; elsewhere they stand behind the URL, as PEM.
//! - `channel_binding=require`: log in by SCRAM-SHA-256-PLUS or not at all. `prefer` is the default.
//! - `auth=rds-iam&region=eu-central-1`: a token of AWS IAM instead of a password.

use super::{Auth, Host, PathBuf, Roots, Transport, UrlError, decode, wrong};

/// What the parameters say.
pub(super) struct Parameters {
    pub(super) transport: Transport,
    pub(super) auth: Auth,
    pub(super) channel_binding: bool,
}

#[derive(Default)]
struct Given {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    channel_binding: Option<String>,
    auth: Option<String>,
    region: Option<String>,
}

/// Reads the text between `?` and the end of the line, and the certificates behind it.
pub(super) fn read(query: &str, pem: &str, host: &Host) -> Result<Parameters, UrlError> {
    let given = given(query)?;
    let transport = transport(&given, pem, host)?;
    let channel_binding = match given.channel_binding.as_deref() {
        None | Some("prefer") => false,
        Some("require") if transport != Transport::Plain => true,
        Some(_) => {
            return Err(wrong(
                "channel_binding",
                "is neither prefer nor require, or there is no TLS to bind to",
                "leave it out",
            ));
        }
    };
    let auth = auth(&given, &transport)?;
    if channel_binding && auth != Auth::Password {
        return Err(wrong(
            "channel_binding",
            "is for passwords, not for auth=rds-iam",
            "leave it out",
        ));
    }
    Ok(Parameters {
        transport,
        auth,
        channel_binding,
    })
}

fn given(query: &str) -> Result<Given, UrlError> {
    let mut given = Given::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match name {
            "sslmode" => &mut given.sslmode,
            "sslrootcert" => &mut given.sslrootcert,
            "channel_binding" => &mut given.channel_binding,
            "auth" => &mut given.auth,
            "region" => &mut given.region,
            _ => {
                return Err(wrong(
                    "query",
                    "has a parameter that is not taken",
                    "use sslmode, sslrootcert, channel_binding, auth and region only",
                ));
            }
        };
        if slot.replace(decode("query", value)?).is_some() {
            return Err(wrong("query", "names a parameter twice", "write it once"));
        }
    }
    Ok(given)
}

/// More would be no list of authorities.
const MAX_PEM: usize = 512 << 10;

fn transport(given: &Given, pem: &str, host: &Host) -> Result<Transport, UrlError> {
    let pem = pem.trim();
    if pem.len() > MAX_PEM || !(pem.is_empty() || pem.starts_with("-----BEGIN CERTIFICATE-----")) {
        return Err(wrong(
            "text behind the first line",
            "is not a list of certificates",
            "paste the PEM of the server's certificate authority, at most 512 KiB",
        ));
    }
    let roots = match (&given.sslrootcert, pem.is_empty()) {
        (None, true) => None,
        (None, false) => Some(Roots::Pem(pem.to_owned())),
        (Some(file), true) => Some(Roots::File(PathBuf::from(file))),
        (Some(_), false) => {
            return Err(wrong(
                "sslrootcert",
                "comes with certificates behind the URL",
                "use one of both",
            ));
        }
    };
    match given.sslmode.as_deref() {
        None if host.is_loopback() && roots.is_none() => Ok(Transport::Plain),
        None | Some("verify-full") => Ok(Transport::VerifyFull { roots }),
        Some("disable") if host.is_loopback() => Ok(Transport::Plain),
        Some("disable") => Err(wrong(
            "sslmode",
            "is disable, which is for databases on this machine only",
            "leave it out: the certificate is then checked",
        )),
        Some(_) => Err(wrong(
            "sslmode",
            "is not verify-full",
            "leave it out or write verify-full",
        )),
    }
}

fn auth(given: &Given, transport: &Transport) -> Result<Auth, UrlError> {
    match (given.auth.as_deref(), given.region.as_deref()) {
        (None | Some("password"), None) => Ok(Auth::Password),
        (None | Some("password"), Some(_)) => {
            Err(wrong("region", "is for auth=rds-iam only", "leave it out"))
        }
        (Some("rds-iam"), Some(region)) if is_region(region) => {
            if *transport == Transport::Plain {
                return Err(wrong(
                    "auth",
                    "is rds-iam, whose token needs TLS",
                    "write sslmode=verify-full",
                ));
            }
            Ok(Auth::RdsIam {
                region: region.to_owned(),
            })
        }
        (Some("rds-iam"), _) => Err(wrong(
            "region",
            "is missing or no AWS region",
            "write auth=rds-iam&region=eu-central-1 with the region of the database",
        )),
        (Some(_), _) => Err(wrong(
            "auth",
            "is neither password nor rds-iam",
            "leave it out or write rds-iam",
        )),
    }
}

fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}
