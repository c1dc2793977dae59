use super::*;

fn parse(url: &str) -> Result<PostgresUrl, UrlError> {
    PostgresUrl::parse(&Redacted::new(url.to_owned()))
}

#[track_caller]
fn refused(url: &str, part: &str) {
    let error = parse(url).expect_err(url);
    assert_eq!(error.part, part, "{url}: {error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn a_remote_url_is_verified_in_full_by_default() {
    let url = parse("postgresql://app:s3cret@db.Example.com/shop").unwrap();
    assert_eq!(url.place(), "db.example.com:5432");
    assert_eq!(url.database, "shop");
    assert_eq!(url.user.reveal(), "app");
    assert_eq!(url.transport, Transport::VerifyFull { roots: None });
}

#[test]
fn a_loopback_url_has_no_tls_unless_asked() {
    for host in ["127.0.0.1", "127.8.0.1:6000", "[::1]", "localhost:6543"] {
        let url = parse(&format!("postgres://app:x@{host}/shop")).unwrap();
        assert_eq!(url.transport, Transport::Plain, "{host}");
    }
    let url = parse("postgres://app:x@localhost/shop?sslmode=verify-full&sslrootcert=ca%2Epem");
    let expected = Transport::VerifyFull {
        roots: Some(Roots::File("ca.pem".into())),
    };
    assert_eq!(url.unwrap().transport, expected);
}

#[test]
fn credentials_are_percent_decoded() {
    let url = parse("postgres://a%40b:p%3A%2F%25@db.example.com:6543/s%20h").unwrap();
    assert_eq!(url.user.reveal(), "a@b");
    assert_eq!(url.password.unwrap().reveal(), "p:/%");
    assert_eq!(url.database, "s h");
    assert_eq!(url.port, 6543);
}

#[test]
fn every_part_has_a_rule() {
    refused("mysql://a:s3cret@h.com/d", "scheme");
    refused("postgres://a:s3cret@h.com", "database");
    refused("postgres://a:s3cret@h.com/", "database");
    refused("postgres://a:s3cret@h.com/d/e", "database");
    refused("postgres://h.com/d", "user");
    refused("postgres://:s3cret@h.com/d", "user");
    refused("postgres://a@h.com/d", "password");
    refused("postgres://a:s3cret@x@h.com/d", "password");
    refused("postgres://a:%zz@h.com/d", "password");
    refused("postgres://a:%00@h.com/d", "password");
    refused("postgres://a:%ff@h.com/d", "password");
    refused("postgres://a:s3cret@h.com:0/d", "port");
    refused("postgres://a:s3cret@h.com:+1/d", "port");
    refused("postgres://a:s3cret@h.com:99999/d", "port");
    refused("postgres://a:s3cret @h.com/d", "text");
    refused("postgres://a:s3cret@h.com/d#x", "text");
}

#[test]
fn a_host_is_one_server_on_the_network() {
    for host in [
        "",
        "a,b",
        "a.com:1,b.com:2",
        "%2Fvar%2Frun",
        "[::1",
        "[fe80::1%25eth0]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "1.2.3.4.",
        "a..b",
        "h!st",
    ] {
        refused(&format!("postgres://a:s3cret@{host}/d"), "host");
    }
}

#[test]
fn parameters_that_change_where_or_how_to_connect_are_refused() {
    for query in [
        "hostaddr=10.0.0.1",
        "host=/tmp",
        "options=-c%20x",
        "user=b",
        "SSLMODE=disable",
    ] {
        refused(&format!("postgres://a:s3cret@h.com/d?{query}"), "query");
    }
    refused(
        "postgres://a:s3cret@h.com/d?sslmode=verify-full&sslmode=disable",
        "query",
    );
    for mode in ["disable", "prefer", "require", "verify-ca", ""] {
        refused(
            &format!("postgres://a:s3cret@h.com/d?sslmode={mode}"),
            "sslmode",
        );
    }
    refused("postgres://a:s3cret@10.0.0.1/d?sslmode=disable", "sslmode");
}

#[test]
fn authorities_of_the_customer_stand_behind_the_url() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let url = parse(&format!("postgres://a:b@h.com/d\r\n{pem}\n")).unwrap();
    let roots = Some(Roots::Pem(pem.to_owned()));
    assert_eq!(url.transport, Transport::VerifyFull { roots });
    assert_eq!(url.database, "d");
    let local = parse(&format!("postgres://a:b@localhost/d\n{pem}")).unwrap();
    assert_ne!(local.transport, Transport::Plain);
    refused(
        "postgres://a:s3cret@h.com/d\npostgres://b",
        "text behind the first line",
    );
    refused(
        &format!("postgres://a:s3cret@h.com/d?sslrootcert=x\n{pem}"),
        "sslrootcert",
    );
}

#[test]
fn a_token_of_iam_replaces_the_password() {
    let url = parse("postgres://reader@db.example.com/d?auth=rds-iam&region=eu-central-1").unwrap();
    assert_eq!(
        url.auth,
        Auth::RdsIam {
            region: "eu-central-1".to_owned()
        }
    );
    refused(
        "postgres://a:s3cret@h.com/d?auth=rds-iam&region=eu-central-1",
        "password",
    );
    refused("postgres://a@h.com/d?auth=rds-iam", "region");
    refused("postgres://a@h.com/d?auth=rds-iam&region=EU", "region");
    refused("postgres://a:s3cret@h.com/d?region=eu-central-1", "region");
    refused("postgres://a:s3cret@h.com/d?auth=gss", "auth");
    refused(
        "postgres://a@localhost/d?auth=rds-iam&region=eu-central-1",
        "auth",
    );
}

#[test]
fn binding_to_the_channel_needs_a_channel() {
    let url = parse("postgres://a:b@h.com/d?channel_binding=require").unwrap();
    assert!(url.channel_binding);
    assert!(!parse("postgres://a:b@h.com/d").unwrap().channel_binding);
    refused(
        "postgres://a:s3cret@localhost/d?channel_binding=require",
        "channel_binding",
    );
    refused(
        "postgres://a:s3cret@h.com/d?channel_binding=disable",
        "channel_binding",
    );
    refused(
        "postgres://a@h.com/d?auth=rds-iam&region=x&channel_binding=require",
        "channel_binding",
    );
}

#[test]
fn debug_shows_no_credentials() {
    let url = parse("postgres://app:s3cret@db.example.com/shop").unwrap();
    let shown = format!("{url:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("app"),
        "{shown}"
    );
}
