//! A transaction in which nothing can be written.
//!
//! `default_transaction_read_only` is no lock: whoever can send a statement can turn it off, and
//! `SET TRANSACTION READ WRITE` undoes READ ONLY as long as no query has run. So a query runs
//! first, and only then the mode is looked at; from there on the server itself refuses to change it.

use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::error::{PostgresError, statement};

/// Sets the limits of the transaction, and says in which mode it is. The mode is asked for by a
/// query that runs, so it is the one that stays.
const BEGUN: &str = "SELECT pg_catalog.set_config($1, $2, true), \
                     pg_catalog.set_config($3, $2, true), pg_catalog.current_setting($4)";

/// Makes new transactions of the session read-only, for the case that one is ever begun bare.
pub(crate) async fn lock(client: &Client) -> Result<(), PostgresError> {
    let set = client
        .execute("SET default_transaction_read_only TO on", &[])
        .await;
    set.map(drop)
        .map_err(|error| statement(&error, "the session"))
}

/// Begins a transaction that sees one moment of the database and can write nothing; proves both
/// before it is handed over. `patience` bounds each of its statements on the server.
pub(crate) async fn begin(
    client: &mut Client,
    patience: Duration,
) -> Result<Transaction<'_>, PostgresError> {
    let failed = |error| statement(&error, "the session");
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(failed)?;
    let millis = patience.as_millis().to_string();
    let [statements, idling, mode] = [
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "transaction_read_only",
    ];
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&statements, Type::TEXT),
        (&millis, Type::TEXT),
        (&idling, Type::TEXT),
        (&mode, Type::TEXT),
    ];
    let answer = transaction
        .query_typed(BEGUN, &parameters)
        .await
        .map_err(failed)?;
    match answer.first().map(|row| row.try_get::<_, &str>(2)) {
        Some(Ok("on")) => Ok(transaction),
        _ => Err(PostgresError::NotReadOnly),
    }
}

#[cfg(test)]
mod tests;
