//! A network of addresses: an address and the length of its prefix.

use std::net::IpAddr;
use std::str::FromStr;

/// `10.20.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    network: u128,
    prefix: u32,
    bits: u32,
}

/// Not a network, or one with bits behind its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRange;

impl FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (address, prefix) = text.split_once('/').ok_or(NoRange)?;
        let address: IpAddr = address.parse().map_err(|_| NoRange)?;
        let prefix: u32 = prefix.parse().map_err(|_| NoRange)?;
        let (network, bits) = number(address);
        let range = Self {
            network,
            prefix,
            bits,
        };
        if prefix <= bits && range.head(network) == network {
            Ok(range)
        } else {
            Err(NoRange)
        }
    }
}

impl Range {
    /// Whether an address lies in it. An IPv4 address is in no IPv6 network, nor the other way round.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (number, bits) = number(address);
        bits == self.bits && self.head(number) == self.network
    }

    /// Whether another network lies in it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.bits == self.bits
            && other.prefix >= self.prefix
            && self.head(other.network) == self.network
    }

    fn head(&self, number: u128) -> u128 {
        let tail = self.bits.saturating_sub(self.prefix);
        let cut = |number: u128| number.checked_shr(tail).unwrap_or(0);
        cut(number).checked_shl(tail).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_bits_behind_its_prefix() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "fd12::/48", "::/0"] {
            assert!(text.parse::<Range>().is_ok(), "{text}");
        }
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0",
            "fd12::1/48",
            "x/8",
            "10.0.0.0/-1",
            "",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn borders_are_exact() {
        let range: Range = "172.16.0.0/12".parse().unwrap();
        for inside in ["172.16.0.0", "172.31.255.255"] {
            assert!(range.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["172.15.255.255", "172.32.0.0", "::ffff:172.16.0.1"] {
            assert!(!range.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(range.holds(&"172.20.0.0/16".parse().unwrap()));
        assert!(!range.holds(&"172.0.0.0/8".parse().unwrap()));
    }
}
