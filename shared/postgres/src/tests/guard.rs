//! Where the product does not connect to: each row is refused while a listener sees nothing.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::{Network, PgDatabase, PostgresError, Resolver, UrlError};
use async_trait::async_trait;
use counterfoil_core::ports::{AppDatabase, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use tokio::net::TcpListener;

/// Answers every name with the same addresses.
#[derive(Debug)]
struct Names(Vec<IpAddr>);

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

/// A listener on every address of this machine, and a database that may use its port.
struct Trap {
    listener: TcpListener,
    port: u16,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    fn network(&self) -> Network {
        Network::from_settings(None, Some(&self.port.to_string()), None).unwrap()
    }

    async fn refuses(&self, url: &str, names: &[&str]) {
        let names = names.iter().map(|it| it.parse().unwrap()).collect();
        let database = PgDatabase::new()
            .within(self.network())
            .with_resolver(Arc::new(Names(names)));
        let url = Redacted::new(url.replace("{port}", &self.port.to_string()));
        for attempt in [
            database.inspect(&url).await.err(),
            database.repair(&url).await.err(),
        ] {
            let error = attempt.unwrap_or_else(|| panic!("{}: it connected", url.reveal()));
            assert_eq!(error.kind, PortErrorKind::Refused, "{}", url.reveal());
            let source = error.source.unwrap();
            let address = matches!(
                source.downcast_ref::<PostgresError>(),
                Some(PostgresError::Address { .. })
            );
            let grammar = source.downcast_ref::<UrlError>().is_some();
            assert!(address || grammar, "{}: {source}", url.reveal());
            assert!(!source.to_string().contains("s3cret"), "{source}");
        }
    }

    /// Nobody has connected: the first connection that is accepted is our own.
    async fn saw_nothing(self) {
        let own = tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .unwrap();
        let (_, first) = self.listener.accept().await.unwrap();
        assert_eq!(first.port(), own.local_addr().unwrap().port());
    }
}

/// Literal hosts that lead into the surroundings of the product, or would in some resolver.
const HOSTS: [&str; 34] = [
    "127.0.0.1:{port}",
    "127.1.2.3:{port}",
    "[::1]:{port}",
    "localhost:{port}",
    "0.0.0.0:{port}",
    "[::]:{port}",
    "169.254.169.254:{port}",
    "169.254.170.2:{port}",
    "[fd00:ec2::254]:{port}",
    "10.0.0.5:{port}",
    "172.16.0.1:{port}",
    "192.168.0.1:{port}",
    "100.64.0.1:{port}",
    "[fc00::1]:{port}",
    "[fe80::1]:{port}",
    "[64:ff9b::7f00:1]:{port}",
    "[64:ff9b:1::7f00:1]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "[::ffff:7f00:1]:{port}",
    "[::127.0.0.1]:{port}",
    "[2002:7f00:1::]:{port}",
    "224.0.0.1:{port}",
    "255.255.255.255:{port}",
    "203.0.113.9:{port}",
    "[2001:db8::1]:{port}",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "0x7f.0.0.1:{port}",
    "017700000001:{port}",
    "0177.0.0.1:{port}",
    "127.1:{port}",
    "127.0.0.1.:{port}",
    "%2Fvar%2Frun%2Fpostgresql",
    "db.example.com,127.0.0.1:{port}",
];

#[tokio::test]
async fn no_literal_host_leads_into_the_surroundings() {
    let trap = Trap::set().await;
    for host in HOSTS {
        let url = format!("postgres://app:s3cret@{host}/shop");
        trap.refuses(&url, &["127.0.0.1"]).await;
    }
    trap.saw_nothing().await;
}

#[tokio::test]
async fn no_parameter_leads_there_either() {
    let trap = Trap::set().await;
    for query in [
        "host=127.0.0.1",
        "host=/var/run/postgresql",
        "hostaddr=127.0.0.1",
        "port=1",
        "options=-c%20default_transaction_read_only%3Doff",
        "service=local",
        "passfile=/etc/passwd",
        "sslkey=/etc/passwd",
        "target_session_attrs=any",
    ] {
        let url = format!("postgres://app:s3cret@db.example.com:{{port}}/shop?{query}");
        trap.refuses(&url, &["127.0.0.1"]).await;
    }
    trap.saw_nothing().await;
}

#[tokio::test]
async fn a_name_with_one_private_address_is_refused_wherever_it_stands() {
    let trap = Trap::set().await;
    let url = "postgres://app:s3cret@db.example.com:{port}/shop";
    for names in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["2600:1f18::1", "::1"],
        &["8.8.8.8", "::ffff:127.0.0.1"],
        &[
            "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "10.0.0.1",
        ],
    ] {
        trap.refuses(url, names).await;
    }
    trap.saw_nothing().await;
}

#[tokio::test]
async fn a_port_of_something_else_is_refused_before_a_name_is_looked_up() {
    let trap = Trap::set().await;
    for port in [22, 80, 443, 2375, 6379, 9001] {
        let url = format!("postgres://app:s3cret@db.example.com:{port}/shop");
        trap.refuses(&url, &["8.8.8.8"]).await;
    }
    trap.saw_nothing().await;
}

#[tokio::test]
async fn loopback_is_reached_only_by_the_deployments_own_word() {
    let trap = Trap::set().await;
    let port = trap.port.to_string();
    let network = Network::from_settings(Some("127.0.0.0/8"), Some(&port), None).unwrap();
    let database = PgDatabase::new().within(network);
    let url = Redacted::new(format!("postgres://app:s3cret@127.0.0.1:{port}/shop"));
    let connecting = database.inspect(&url);
    let accepted = trap.listener.accept();
    let accepted = tokio::select! {
        _ = connecting => false,
        seen = accepted => seen.is_ok(),
    };
    assert!(accepted);
}
