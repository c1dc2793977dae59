//! Opening a connection: one sentence for each way in which it fails.

use counterfoil_core::ports::{AppDatabase, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use counterfoil_local::Postgres;
use counterfoil_postgres::{PgDatabase, PostgresError, UrlError};
use tokio::net::TcpListener;

use crate::support::{Database, cause, server};

async fn refused(database: &PgDatabase, url: &str) -> PostgresError {
    let url = Redacted::new(url.to_owned());
    let Err(error) = database.inspect(&url).await else {
        panic!("it connected")
    };
    let shown = format!("{error} {error:?} {}", cause(&error));
    assert!(!shown.contains("s3cret"), "{shown}");
    cause(&error)
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgres://app:s3cret@127.0.0.1:{port}/shop");
    let error = refused(&PgDatabase::new(), &url).await;
    assert_eq!(
        error,
        PostgresError::Unreachable {
            place: format!("127.0.0.1:{port}")
        }
    );
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
}

#[tokio::test]
async fn an_unknown_name_is_unreachable() {
    let error = refused(&PgDatabase::new(), "postgres://app:s3cret@db.invalid/shop").await;
    assert!(
        matches!(error, PostgresError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn wrong_credentials_and_databases_are_told_apart() {
    let database = Database::with("connecting", "CREATE TABLE users (id int)");
    database.make_reading_role("users", "id");
    let role = database.reading_role();
    let wrong = server().url(&role, "s3cret", "connecting");
    assert_eq!(
        refused(&PgDatabase::new(), &wrong).await,
        PostgresError::Authentication
    );
    let nobody = server().url("nobody", "s3cret", "connecting");
    assert_eq!(
        refused(&PgDatabase::new(), &nobody).await,
        PostgresError::Authentication
    );
    let elsewhere = Database { name: "conecting" };
    let url = elsewhere.url(&role);
    let Err(error) = PgDatabase::new().inspect(&url).await else {
        panic!("it connected")
    };
    assert_eq!(
        cause(&error),
        PostgresError::NoDatabase {
            database: "conecting".to_owned()
        }
    );
}

#[tokio::test]
async fn a_bad_url_never_reaches_the_network() {
    let url = Redacted::new("postgres://app:s3cret@10.0.0.1/shop?sslmode=disable".to_owned());
    let Err(error) = PgDatabase::new().repair(&url).await else {
        panic!("it connected")
    };
    assert_eq!(error.kind, PortErrorKind::Refused);
    let source = error.source.unwrap();
    assert_eq!(source.downcast_ref::<UrlError>().unwrap().part, "sslmode");
}

/// Lets the server make its own certificate for `localhost` and turns TLS on.
fn turn_on_tls(server: &Postgres) -> String {
    let make = "printf ''[req]\\ndistinguished_name=dn\\n[dn]\\n[v3]\\nsubjectAltName=DNS:localhost\\n\
                basicConstraints=critical,CA:FALSE\\n'' > tls.cnf && openssl req -x509 -newkey ec \
                -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost -config \
                tls.cnf -extensions v3 -keyout server.key -out server.crt && chmod 600 server.key";
    server
        .sql("postgres", &format!("COPY (SELECT 1) TO PROGRAM '{make}'"))
        .unwrap();
    server.sql("postgres", "ALTER SYSTEM SET ssl = on").unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let mut questions = 0..500;
    while server.sql("postgres", "SHOW ssl").unwrap().trim() != "on" {
        assert!(questions.next().is_some(), "the server did not turn TLS on");
    }
    server
        .sql("postgres", "SELECT pg_read_file('server.crt')")
        .unwrap()
}

#[tokio::test]
async fn tls_is_verified_in_full() {
    let server = Postgres::start(&|_| {}).unwrap();
    let local = PgDatabase::new().with_local_files();
    let admin = server.admin_url();
    let at = |host: &str, query: &str| format!("{}?{query}", admin.replace("127.0.0.1", host));
    let verify = "sslmode=verify-full";
    let error = refused(&local, &at("localhost", verify)).await;
    let PostgresError::Tls { reason, .. } = error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("no TLS"), "{reason}");

    let certificate = turn_on_tls(&server);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.crt");
    std::fs::write(&file, certificate).unwrap();
    let trusted = format!("{verify}&sslrootcert={}", file.display());

    let url = Redacted::new(at("localhost", &trusted));
    let inspector = local.inspect(&url).await.unwrap();
    inspector.writable().await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'counterfoil'";
    assert_eq!(server.sql("postgres", encrypted).unwrap().trim(), "1");

    for url in [at("localhost", verify), at("127.0.0.1", &trusted)] {
        let error = refused(&local, &url).await;
        let PostgresError::Tls { reason, .. } = error else {
            panic!("{error:?}")
        };
        assert!(reason.contains("not valid for this host"), "{reason}");
    }
    let Err(error) = PgDatabase::new().inspect(&url).await else {
        panic!("it connected")
    };
    let source = error.source.unwrap();
    assert_eq!(
        source.downcast_ref::<UrlError>().unwrap().part,
        "sslrootcert"
    );
}
