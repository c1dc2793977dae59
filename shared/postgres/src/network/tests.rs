use super::*;

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

const NEVER: [&str; 27] = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:0:1::1",
];
const PRIVATE_ONES: [&str; 12] = [
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.8.8",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "fdff::1",
];
const PUBLIC: [&str; 8] = [
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "2600:1f18::1",
    "2a05:d018::1",
    "2001:4860:4860::8888",
];

#[test]
fn only_public_addresses_pass_by_default() {
    let network = Network::public();
    for address in NEVER.iter().chain(&PRIVATE_ONES) {
        assert!(network.check(at(address, 5432)).is_err(), "{address}");
    }
    for address in PUBLIC {
        assert_eq!(network.check(at(address, 5432)), Ok(()), "{address}");
    }
}

#[test]
fn the_deployment_may_add_private_networks_and_nothing_else() {
    let all = "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7";
    let network = Network::from_settings(Some(all), None, None).unwrap();
    for address in PRIVATE_ONES {
        assert_eq!(network.check(at(address, 5432)), Ok(()), "{address}");
    }
    for address in NEVER {
        assert!(network.check(at(address, 5432)).is_err(), "{address}");
    }
    let one = Network::from_settings(Some("10.20.0.0/16"), None, None).unwrap();
    assert_eq!(one.check(at("10.20.255.1", 5432)), Ok(()));
    assert!(one.check(at("10.21.0.1", 5432)).is_err());
    for text in ["0.0.0.0/0", "169.254.0.0/16", "8.8.8.0/24", "10.0.0.0/7"] {
        let refused = Network::from_settings(Some(text), None, None).unwrap_err();
        assert!(
            matches!(refused, NetworkError::NotPrivate { .. }),
            "{text}: {refused}"
        );
    }
    let refused = Network::from_settings(Some("10.0.0.1/8"), None, None).unwrap_err();
    assert!(matches!(refused, NetworkError::Range { .. }), "{refused}");
}

#[test]
fn ports_are_those_of_databases_unless_the_deployment_adds_one() {
    let network = Network::public();
    assert_eq!(network.check(at("8.8.8.8", 6543)), Ok(()));
    for port in [22, 80, 5433, 6379, 9001] {
        assert!(network.check(at("8.8.8.8", port)).is_err(), "{port}");
    }
    let more = Network::from_settings(None, Some("5433, 6432"), None).unwrap();
    assert_eq!(more.check(at("8.8.8.8", 5433)), Ok(()));
    assert_eq!(more.check(at("8.8.8.8", 5432)), Ok(()));
    assert!(more.check(at("8.8.8.8", 80)).is_err());
    for text in ["0", "x", "70000", "5432-5440"] {
        assert!(
            Network::from_settings(None, Some(text), None).is_err(),
            "{text}"
        );
    }
}

#[test]
fn the_runtime_api_of_the_function_is_no_database_even_where_loopback_is_permitted() {
    let network =
        Network::from_settings(Some("127.0.0.0/8"), Some("any"), Some("127.0.0.1:9001")).unwrap();
    assert_eq!(network.check(at("127.0.0.1", 15432)), Ok(()));
    assert!(network.check(at("127.0.0.1", 9001)).is_err());
    assert!(network.check(at("127.0.0.2", 9001)).is_err());
}
