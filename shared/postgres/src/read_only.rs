//! A transaction in which nothing can be written.
//!
//! `default_transaction_read_only` is no lock: whoever can send a statement can turn it off, and
//! `SET TRANSACTION READ WRITE` undoes READ ONLY as long as no query has run. So a query runs
//! first, and only then the mode is looked at; from there on the server itself refuses to change it.

use std::time::Duration;

use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::error::{PostgresError, statement};

const SETTINGS: &str = "SELECT pg_catalog.set_config($1, $2, true), \
                        pg_catalog.set_config($3, $2, true)";
const MODE: &str = "SELECT pg_catalog.current_setting($1)";

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
    transaction
        .query_one(
            SETTINGS,
            &[
                &"statement_timeout",
                &millis,
                &"idle_in_transaction_session_timeout",
            ],
        )
        .await
        .map_err(failed)?;
    let mode = transaction
        .query_one(MODE, &[&"transaction_read_only"])
        .await
        .map_err(failed)?;
    match mode.try_get::<_, &str>(0) {
        Ok("on") => Ok(transaction),
        _ => Err(PostgresError::NotReadOnly),
    }
}

#[cfg(test)]
mod tests;
