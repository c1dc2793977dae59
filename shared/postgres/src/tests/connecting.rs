//! Opening a connection: one sentence for each way in which it fails.

use crate::{Network, PgDatabase, PostgresError, UrlError};
use counterfoil_core::ports::{AppDatabase, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use tokio::net::TcpListener;

use crate::tests::support::{Database, cause, server};

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
    let error = refused(&PgDatabase::new().within(Network::loopback()), &url).await;
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
    let error = refused(
        &PgDatabase::new().within(Network::loopback()),
        "postgres://app:s3cret@db.invalid/shop",
    )
    .await;
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
        refused(&PgDatabase::new().within(Network::loopback()), &wrong).await,
        PostgresError::Authentication
    );
    let nobody = server().url("nobody", "s3cret", "connecting");
    assert_eq!(
        refused(&PgDatabase::new().within(Network::loopback()), &nobody).await,
        PostgresError::Authentication
    );
    let elsewhere = Database { name: "conecting" };
    let url = elsewhere.url(&role);
    let Err(error) = PgDatabase::new()
        .within(Network::loopback())
        .inspect(&url)
        .await
    else {
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
    let Err(error) = PgDatabase::new()
        .within(Network::loopback())
        .repair(&url)
        .await
    else {
        panic!("it connected")
    };
    assert_eq!(error.kind, PortErrorKind::Refused);
    let source = error.source.unwrap();
    assert_eq!(source.downcast_ref::<UrlError>().unwrap().part, "sslmode");
}

#[tokio::test]
async fn a_url_names_files_on_the_machine_of_its_writer_only() {
    let url = "postgres://app:s3cret@db.example.com/shop?sslrootcert=/etc/passwd";
    let Err(error) = PgDatabase::new()
        .inspect(&Redacted::new(url.to_owned()))
        .await
    else {
        panic!("it connected")
    };
    let source = error.source.unwrap();
    assert_eq!(
        source.downcast_ref::<UrlError>().unwrap().part,
        "sslrootcert"
    );
}
