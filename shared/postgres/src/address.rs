//! From a host to the addresses that are connected to: resolved once, every one checked, pinned.
//!
//! A name is never resolved a second time, so that what was checked is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::{fmt, io};

use async_trait::async_trait;
use tokio::net::lookup_host;

use crate::error::PostgresError;
use crate::network::{Forbidden, Network};
use crate::url::{Host, PostgresUrl, Transport};

/// Addresses tried in turn; a name with more is cut after all were checked.
const MAX_ADDRESSES: usize = 4;

/// From names to addresses.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// Every address of a name.
    ///
    /// # Errors
    /// When the name is unknown, or nobody answered.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(lookup_host((name, 0)).await?.map(|it| it.ip()).collect())
    }
}

/// The addresses of the URL's host. All of them are fit to be connected to, or none is returned: a
/// name with one public and one private address is a trap.
pub(crate) async fn pin(
    url: &PostgresUrl,
    network: &Network,
    resolver: &dyn Resolver,
) -> Result<Vec<SocketAddr>, PostgresError> {
    let unreachable = || PostgresError::Unreachable { place: url.place() };
    let forbidden = |Forbidden { what, fix }| PostgresError::Address {
        place: url.place(),
        what,
        fix,
    };
    network.check_port(url.port).map_err(forbidden)?;
    let addresses = match &url.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => resolver.resolve(name).await.map_err(|_| unreachable())?,
    };
    let mut pinned = Vec::new();
    for address in addresses {
        let address = SocketAddr::new(address, url.port);
        network.check(address).map_err(forbidden)?;
        if url.transport == Transport::Plain && !address.ip().is_loopback() {
            return Err(PostgresError::Tls {
                place: url.place(),
                reason: "the host is not this machine, so the connection must be encrypted",
            });
        }
        pinned.push(address);
    }
    pinned.truncate(MAX_ADDRESSES);
    if pinned.is_empty() {
        return Err(unreachable());
    }
    Ok(pinned)
}

#[cfg(test)]
mod tests {
    use counterfoil_core::redacted::Redacted;

    use super::*;

    #[derive(Debug)]
    struct Fixed(&'static [&'static str]);

    #[async_trait]
    impl Resolver for Fixed {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.iter().map(|it| it.parse().unwrap()).collect())
        }
    }

    async fn pinned(
        host: &str,
        network: Network,
        addresses: &'static [&'static str],
    ) -> Result<Vec<SocketAddr>, PostgresError> {
        let url = Redacted::new(format!("postgres://a:b@{host}/d"));
        let url = PostgresUrl::parse(&url).unwrap();
        pin(&url, &network, &Fixed(addresses)).await
    }

    #[tokio::test]
    async fn a_local_name_that_leads_elsewhere_gets_no_plain_connection() {
        let local = pinned("localhost", Network::loopback(), &["127.0.0.1"]).await;
        assert_eq!(local.unwrap(), ["127.0.0.1:5432".parse().unwrap()]);
        let rebound = pinned(
            "localhost",
            Network::anywhere(),
            &["127.0.0.1", "192.0.2.1"],
        )
        .await;
        assert!(
            matches!(rebound, Err(PostgresError::Tls { .. })),
            "{rebound:?}"
        );
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_checked_also_those_that_would_not_be_tried() {
        let public = pinned(
            "db.example.com",
            Network::public(),
            &["8.8.8.8", "2600:1f18::1"],
        );
        assert_eq!(public.await.unwrap().len(), 2);
        for addresses in [
            &["8.8.8.8", "10.0.0.1"][..],
            &["8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "::1"],
            &["169.254.169.254"],
        ] {
            let refused = pinned("db.example.com", Network::public(), addresses).await;
            assert!(
                matches!(refused, Err(PostgresError::Address { .. })),
                "{addresses:?}"
            );
        }
        let nothing = pinned("db.example.com", Network::public(), &[]).await;
        assert!(matches!(nothing, Err(PostgresError::Unreachable { .. })));
    }
}
