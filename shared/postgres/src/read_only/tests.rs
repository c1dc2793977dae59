use counterfoil_core::redacted::Redacted;
use counterfoil_local::Postgres;
use tokio_postgres::error::SqlState;

use super::*;
use crate::address::System;
use crate::connect::Session;
use crate::network::Network;
use crate::url::PostgresUrl;

const PATIENCE: Duration = Duration::from_secs(5);

#[track_caller]
fn code<T>(refused: Result<T, tokio_postgres::Error>) -> SqlState {
    let Err(error) = refused else {
        panic!("it was not refused")
    };
    error.code().unwrap().clone()
}

#[tokio::test]
async fn not_even_a_superuser_can_write_through_it() {
    let server = Postgres::start(&|_| {}).unwrap();
    let url = Redacted::new(server.create_database("locked").unwrap());
    server.sql("locked", "CREATE TABLE users (id int)").unwrap();
    let url = PostgresUrl::parse(&url).unwrap();
    let mut session = Session::open(&url, &Network::loopback(), &System, PATIENCE)
        .await
        .unwrap();
    lock(&session.client).await.unwrap();

    let insert = "INSERT INTO users VALUES (1)";
    let transaction = begin(&mut session.client, PATIENCE).await.unwrap();
    let refused = code(transaction.execute(insert, &[]).await);
    assert_eq!(refused, SqlState::READ_ONLY_SQL_TRANSACTION);
    transaction.rollback().await.unwrap();

    let transaction = begin(&mut session.client, PATIENCE).await.unwrap();
    let refused = code(transaction.execute("SET TRANSACTION READ WRITE", &[]).await);
    assert_eq!(refused, SqlState::ACTIVE_SQL_TRANSACTION);
    transaction.rollback().await.unwrap();

    let refused = code(session.client.execute(insert, &[]).await);
    assert_eq!(refused, SqlState::READ_ONLY_SQL_TRANSACTION);
    assert_eq!(
        server
            .sql("locked", "SELECT count(*) FROM users")
            .unwrap()
            .trim(),
        "0"
    );
}
