//! Which addresses and ports a database may have: the guard against a URL that makes the product
//! talk to its own surroundings (SSRF).
//!
//! Public addresses are allowed. Private ones only where the deployment names their network, and
//! some addresses never, because no database is there: link-local addresses with the cloud's
//! metadata, the runtime API of the function, addresses that stand for other addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::range::Range;

/// Postgres itself, and the usual port of its poolers.
const PORTS: [u16; 2] = [5432, 6543];

/// Addresses outside the public Internet (IANA special-purpose registries, RFC 6890), with a word for
/// people. More exact ones come first.
const SPECIAL: [(&str, &str); 31] = [
    ("0.0.0.0/8", "an address of no host"),
    ("10.0.0.0/8", PRIVATE),
    ("100.64.0.0/10", PRIVATE),
    ("127.0.0.0/8", LOOPBACK),
    ("169.254.0.0/16", LINK_LOCAL),
    ("172.16.0.0/12", PRIVATE),
    ("192.0.0.0/24", RESERVED),
    ("192.0.2.0/24", DOCUMENTATION),
    ("192.88.99.0/24", TRANSLATED),
    ("192.168.0.0/16", PRIVATE),
    ("198.18.0.0/15", RESERVED),
    ("198.51.100.0/24", DOCUMENTATION),
    ("203.0.113.0/24", DOCUMENTATION),
    ("224.0.0.0/4", "a multicast address"),
    ("240.0.0.0/4", RESERVED),
    ("::/128", "an address of no host"),
    ("::1/128", LOOPBACK),
    ("::ffff:0:0/96", TRANSLATED),
    ("::/96", TRANSLATED),
    ("64:ff9b::/96", TRANSLATED),
    ("64:ff9b:1::/48", TRANSLATED),
    ("fd00:ec2::/32", LINK_LOCAL),
    ("fc00::/7", PRIVATE),
    ("fe80::/10", LINK_LOCAL),
    ("ff00::/8", "a multicast address"),
    ("2001:db8::/32", DOCUMENTATION),
    ("3fff::/20", DOCUMENTATION),
    ("2001::/23", TRANSLATED),
    ("2002::/16", TRANSLATED),
    // Only 2000::/3 is given out (RFC 4291 section 2.4).
    ("::/3", RESERVED),
    ("4000::/2", RESERVED),
];
const PRIVATE: &str = "a private address";
const LOOPBACK: &str = "an address of this machine itself";
const LINK_LOCAL: &str = "a link-local address";
const RESERVED: &str = "a reserved address";
const DOCUMENTATION: &str = "an address for examples";
const TRANSLATED: &str = "an address that stands for another one";

/// Why an address or a port is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden {
    /// What it is.
    pub(crate) what: &'static str,
    /// What to do.
    pub(crate) fix: &'static str,
}

/// A setting that names no network or no port.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum NetworkError {
    /// Not a network.
    #[error("`{text}` is not a network: write an address and its prefix, like 10.20.0.0/16")]
    Range {
        /// The text.
        text: String,
    },
    /// A network that needs no permission, or never gets one.
    #[error(
        "the network {text} cannot be permitted: name a part of a private network (10.0.0.0/8, \
         100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16, fc00::/7) or of loopback"
    )]
    NotPrivate {
        /// The text.
        text: String,
    },
    /// Not a port.
    #[error("`{text}` is not a port: write numbers from 1 to 65535, with commas")]
    Port {
        /// The text.
        text: String,
    },
}

/// Where databases may be.
#[derive(Debug, Clone)]
pub struct Network {
    /// `None` lets every address and port pass.
    rules: Option<Rules>,
}

#[derive(Debug, Clone)]
struct Rules {
    private: Vec<Range>,
    ports: BTreeSet<u16>,
    own: Option<u16>,
}

impl Default for Network {
    fn default() -> Self {
        Self::public()
    }
}

impl Network {
    /// Public addresses, ports 5432 and 6543.
    pub fn public() -> Self {
        Self {
            rules: Some(Rules {
                private: Vec::new(),
                ports: PORTS.into(),
                own: None,
            }),
        }
    }

    /// Every address and port. Only for programs that run on the machine of whoever writes the URL.
    pub const fn anywhere() -> Self {
        Self { rules: None }
    }

    /// This machine, any port: for tests and the local cloud.
    pub fn loopback() -> Self {
        let mut network = Self::public();
        if let Some(rules) = &mut network.rules {
            rules.private = ["127.0.0.0/8", "::1/128"]
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect();
            rules.ports = (1..=u16::MAX).collect();
        }
        network
    }

    /// Public addresses and what the deployment adds: `networks` as `10.20.0.0/16,fd12::/48`,
    /// `ports` as `5433,6432` or `any`, `runtime` as the `host:port` of the function's runtime API.
    ///
    /// # Errors
    /// When a text is not what it should be, or a network is not private.
    pub fn from_settings(
        networks: Option<&str>,
        ports: Option<&str>,
        runtime: Option<&str>,
    ) -> Result<Self, NetworkError> {
        let mut rules = Rules {
            private: Vec::new(),
            ports: PORTS.into(),
            own: runtime
                .and_then(|text| text.rsplit_once(':'))
                .and_then(|(_, port)| port.parse().ok()),
        };
        for text in items(networks) {
            rules.private.push(private(text)?);
        }
        if ports == Some("any") {
            rules.ports = (1..=u16::MAX).collect();
            return Ok(Self { rules: Some(rules) });
        }
        for text in items(ports) {
            let port = text.parse().ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| NetworkError::Port {
                text: text.to_owned(),
            })?;
            rules.ports.insert(port);
        }
        Ok(Self { rules: Some(rules) })
    }

    /// Whether a port may be connected to at all: asked before a name is resolved.
    pub(crate) fn check_port(&self, port: u16) -> Result<(), Forbidden> {
        match &self.rules {
            Some(rules) if !rules.ports.contains(&port) => Err(Forbidden {
                what: "at a port where no database is expected",
                fix: "use 5432 or 6543, or let the deployment's DatabasePorts name the port",
            }),
            _ => Ok(()),
        }
    }

    /// Whether an address may be connected to.
    pub(crate) fn check(&self, address: SocketAddr) -> Result<(), Forbidden> {
        let Some(rules) = &self.rules else {
            return Ok(());
        };
        self.check_port(address.port())?;
        let Some(what) = special(address.ip()) else {
            return Ok(());
        };
        let own = address.ip().is_loopback() && rules.own == Some(address.port());
        let named = rules.private.iter().any(|it| it.contains(address.ip()));
        if may_be_permitted(what) && named && !own {
            return Ok(());
        }
        let fix = if may_be_permitted(what) && !own {
            "use a public address, or let the deployment's DatabaseNetworks name the network"
        } else {
            "use the public address of the server"
        };
        Err(Forbidden { what, fix })
    }
}

fn may_be_permitted(what: &str) -> bool {
    what == PRIVATE || what == LOOPBACK
}

fn special(address: IpAddr) -> Option<&'static str> {
    let mut special = SPECIAL.iter();
    special
        .find(|(range, _)| {
            let range: Result<Range, _> = range.parse();
            range.is_ok_and(|range| range.contains(address))
        })
        .map(|(_, what)| *what)
}

fn items(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn private(text: &str) -> Result<Range, NetworkError> {
    let range: Range = text.parse().map_err(|_| NetworkError::Range {
        text: text.to_owned(),
    })?;
    let inside = SPECIAL.iter().any(|(whole, what)| {
        let whole: Result<Range, _> = whole.parse();
        may_be_permitted(what) && whole.is_ok_and(|whole| whole.holds(&range))
    });
    if inside {
        Ok(range)
    } else {
        Err(NetworkError::NotPrivate {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
