//! TLS against a real server with certificates of our own making.

use crate::{Network, PgDatabase, PostgresError};
use counterfoil_core::ports::AppDatabase;
use counterfoil_core::redacted::Redacted;
use counterfoil_local::Postgres;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::tests::support::cause;

/// An authority.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Certificate and key (PEM) of a server.
    pub(crate) fn certify(&self, host: &str, until: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Gives a running server a certificate.
fn install(server: &Postgres, (certificate, key): &(String, String)) {
    for (file, text) in [("server.crt", certificate), ("server.key", key)] {
        let hex = hex::encode(text);
        let program = format!("xxd -r -p > {file} && chmod 600 {file}");
        let copy = format!("COPY (SELECT ''{hex}'') TO PROGRAM ''{program}''").replace("''", "'");
        server.sql("postgres", &copy).unwrap();
    }
    server.sql("postgres", "ALTER SYSTEM SET ssl = on").unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let mut questions = 0..500;
    while server.sql("postgres", "SHOW ssl").unwrap().trim() != "on" {
        assert!(questions.next().is_some(), "the server did not turn TLS on");
    }
}

async fn connect(url: &str, pem: Option<&str>) -> Result<(), PostgresError> {
    let pem = pem.map(|pem| format!("\n{pem}")).unwrap_or_default();
    let url = Redacted::new(format!("{url}{pem}"));
    let database = PgDatabase::new().within(Network::loopback());
    match database.inspect(&url).await {
        Ok(inspector) => {
            inspector.writable().await.unwrap();
            Ok(())
        }
        Err(error) => Err(cause(&error)),
    }
}

#[track_caller]
fn refused(result: Result<(), PostgresError>, word: &str) {
    match result {
        Err(PostgresError::Tls { reason, .. }) if reason.contains(word) => {}
        other => panic!("not {word}: {other:?}"),
    }
}

#[tokio::test]
async fn the_server_is_verified_in_full_with_the_customers_authority() {
    let server = Postgres::start(&|_| {}).unwrap();
    let admin = server.admin_url();
    let at = |host: &str, query: &str| format!("{}?{query}", admin.replace("127.0.0.1", host));
    let verify = "sslmode=verify-full";
    let [ours, theirs] = ["ours", "theirs"].map(Authority::new);
    refused(
        connect(&at("localhost", verify), Some(ours.pem())).await,
        "no TLS",
    );

    install(&server, &ours.certify("localhost", 2099));
    connect(&at("localhost", verify), Some(ours.pem()))
        .await
        .unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'counterfoil'";
    let bound = at("localhost", "channel_binding=require");
    let url = Redacted::new(format!("{bound}\n{}", ours.pem()));
    let database = PgDatabase::new().within(Network::loopback());
    let inspector = database.inspect(&url).await.unwrap();
    assert_ne!(server.sql("postgres", encrypted).unwrap().trim(), "0");
    drop(inspector);

    let both = format!("{}{}", theirs.pem(), ours.pem());
    connect(&at("localhost", verify), Some(&both))
        .await
        .unwrap();
    refused(
        connect(&at("localhost", verify), None).await,
        "authority that is not trusted",
    );
    refused(
        connect(&at("localhost", verify), Some(theirs.pem())).await,
        "authority that is not trusted",
    );
    refused(
        connect(&at("127.0.0.1", verify), Some(ours.pem())).await,
        "not valid for this host",
    );
    refused(
        connect(
            &at("localhost", verify),
            Some("-----BEGIN CERTIFICATE-----\nAAAA"),
        )
        .await,
        "no certificate that can be read",
    );
}

#[tokio::test]
async fn an_expired_certificate_and_one_for_another_host_are_told_apart() {
    let server = Postgres::start(&|_| {}).unwrap();
    let url = server.admin_url().replace("127.0.0.1", "localhost");
    let ours = Authority::new("ours");
    install(&server, &ours.certify("localhost", 2021));
    refused(connect(&url, Some(ours.pem())).await, "expired");

    let server = Postgres::start(&|_| {}).unwrap();
    let url = server.admin_url().replace("127.0.0.1", "localhost");
    install(&server, &ours.certify("db.example.com", 2099));
    refused(
        connect(&url, Some(ours.pem())).await,
        "not valid for this host",
    );
}
