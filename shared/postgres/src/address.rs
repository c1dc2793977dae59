//! From a host to the addresses that are connected to: resolved once, checked, pinned.
//!
//! A name is never resolved a second time, so that what was checked is what is connected to. This
//! is the place where a deployment's rules about private networks belong; what is here today is
//! the one rule that the URL's grammar needs: plain connections stay on this machine.

use std::net::IpAddr;

use tokio::net::lookup_host;

use crate::error::PostgresError;
use crate::url::{Host, PostgresUrl, Transport};

/// Addresses tried in turn; a name with more is cut.
const MAX_ADDRESSES: usize = 4;

/// The addresses of the URL's host.
pub(crate) async fn pin(url: &PostgresUrl) -> Result<Vec<IpAddr>, PostgresError> {
    let unreachable = || PostgresError::Unreachable { place: url.place() };
    let addresses = match &url.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => lookup_host((name.as_str(), url.port))
            .await
            .map_err(|_| unreachable())?
            .map(|address| address.ip())
            .take(MAX_ADDRESSES)
            .collect(),
    };
    if addresses.is_empty() {
        return Err(unreachable());
    }
    check(url, &addresses)?;
    Ok(addresses)
}

fn check(url: &PostgresUrl, addresses: &[IpAddr]) -> Result<(), PostgresError> {
    let local = addresses.iter().all(IpAddr::is_loopback);
    if url.transport == Transport::Plain && !local {
        return Err(PostgresError::Tls {
            place: url.place(),
            reason: "the host is not this machine, so the connection must be encrypted",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use counterfoil_core::redacted::Redacted;

    use super::*;

    #[test]
    fn a_local_name_that_leads_elsewhere_gets_no_plain_connection() {
        let url = Redacted::new("postgres://a:b@localhost/d".to_owned());
        let url = PostgresUrl::parse(&url).unwrap();
        assert_eq!(check(&url, &["127.0.0.1".parse().unwrap()]), Ok(()));
        let rebound = ["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        assert!(matches!(
            check(&url, &rebound),
            Err(PostgresError::Tls { .. })
        ));
    }
}
