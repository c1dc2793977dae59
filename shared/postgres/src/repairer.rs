//! The only UPDATE of the product: one permitted plan, one row, or nothing.

use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::cell::{Cell, TableShape};
use counterfoil_core::policy::Permit;
use counterfoil_core::ports::{AppRepairer, Applied, PortError};
use counterfoil_core::repair::RepairPlan;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::catalog;
use crate::connect::Session;
use crate::encode::{Parameter, fits};
use crate::error::{PostgresError, is_going_down, statement};
use crate::identifier::Identifier;
use crate::inspector::cells;
use crate::select::{Select, forms};
use crate::update::Update;

/// How long a statement of the repair may run or wait for a lock on the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long everything before COMMIT may take, seen from here.
const BEFORE_COMMIT: Duration = Duration::from_secs(20);
/// How long the answer to COMMIT is waited for.
const COMMIT: Duration = Duration::from_secs(10);

/// Bytes of everything that one row and its description can be.
const ANSWER: u64 = 16 << 20;

const LIMITS: &str = "SELECT pg_catalog.set_config($1, $2, true), \
                      pg_catalog.set_config($3, $2, true), \
                      pg_catalog.set_config($4, $2, true)";

/// Writes through one connection of the repair role.
#[derive(Debug)]
pub struct PgRepairer {
    session: Mutex<Session>,
}

impl PgRepairer {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session: Mutex::new(session),
        }
    }

    /// What a permit permits; nothing but [`AppRepairer::apply`] and tests may ask for it.
    async fn carry_out(&self, plan: &RepairPlan) -> Result<Applied, PortError> {
        let mut session = self.session.lock().await;
        session.bounds.allow(ANSWER);
        let applied = apply(&mut session.client, plan).await;
        session
            .told(applied)
            .map_err(|error| error.doing("repairing the row"))
    }
}

#[async_trait]
impl AppRepairer for PgRepairer {
    async fn apply(&self, permit: Permit) -> Result<Applied, PortError> {
        self.carry_out(permit.plan()).await
    }

    async fn current(&self, plan: &RepairPlan) -> Result<Option<Vec<Cell>>, PortError> {
        let mut session = self.session.lock().await;
        session.bounds.allow(ANSWER);
        let reading = current(&mut session.client, plan);
        let read = timeout(BEFORE_COMMIT, reading)
            .await
            .unwrap_or(Err(PostgresError::Timeout));
        session
            .told(read)
            .map_err(|error| error.doing("reading the row of the repair"))
    }
}

async fn apply(client: &mut Client, plan: &RepairPlan) -> Result<Applied, PostgresError> {
    // Dropping the transaction rolls it back, so every way out before COMMIT changes nothing.
    let updating = update(client, plan);
    let updated = timeout(BEFORE_COMMIT, updating)
        .await
        .unwrap_or(Err(PostgresError::Timeout))?;
    let (transaction, rows) = updated;
    match rows {
        1 => commit(transaction).await.map(|()| Applied::Changed),
        0 => roll_back(transaction).await.map(|()| Applied::Stale),
        more => roll_back(transaction)
            .await
            .map(|()| Applied::NotOneRow(more)),
    }
}

async fn update<'c>(
    client: &'c mut Client,
    plan: &RepairPlan,
) -> Result<(Transaction<'c>, u64), PostgresError> {
    let shape = shape(plan);
    let select = Select::of(&shape)?;
    let failed = |error| statement(&error, &select.table);
    let transaction = begin(client).await.map_err(failed)?;
    catalog::require_table(&transaction, &plan.schema, &plan.table).await?;
    let types = types(&transaction, &select).await?;
    let update = Update::of(plan, &types)?;
    let prepared = transaction
        .prepare_typed(&update.text, &update.types)
        .await
        .map_err(failed)?;
    let rows = transaction
        .execute(&prepared, &update.parameters())
        .await
        .map_err(failed)?;
    Ok((transaction, rows))
}

/// Begins a transaction that may write, with bounds on statements and locks.
///
/// READ COMMITTED compares with the newest row even if another session changes it meanwhile.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .read_only(false)
        .start()
        .await?;
    limit(&transaction).await?;
    Ok(transaction)
}

/// Bounds every wait of the transaction, and what becomes of its locks if this program disappears.
async fn limit(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let millis = PATIENCE.as_millis().to_string();
    let [statements, locks, idling] = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    ];
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&statements, Type::TEXT),
        (&millis, Type::TEXT),
        (&locks, Type::TEXT),
        (&idling, Type::TEXT),
    ];
    transaction.query_typed(LIMITS, &parameters).await.map(drop)
}

/// The types of key and columns. Preparing runs nothing.
async fn types(transaction: &Transaction<'_>, select: &Select) -> Result<Vec<Type>, PostgresError> {
    let described = transaction
        .prepare(&select.text)
        .await
        .map_err(|error| statement(&error, &select.table))?;
    forms(described.columns())?;
    Ok(described
        .columns()
        .iter()
        .map(|column| column.type_().clone())
        .collect())
}

async fn commit(transaction: Transaction<'_>) -> Result<(), PostgresError> {
    match timeout(COMMIT, transaction.commit()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => match error.as_db_error() {
            // The server answered COMMIT with a refusal, for example of a deferred constraint.
            Some(refusal) if !is_going_down(refusal) => Err(statement(&error, "the table")),
            _ => Err(PostgresError::CommitUnknown),
        },
        Err(_) => Err(PostgresError::CommitUnknown),
    }
}

/// A lost answer does not matter here: without COMMIT nothing stays.
async fn roll_back(transaction: Transaction<'_>) -> Result<(), PostgresError> {
    let ended = timeout(PATIENCE, transaction.rollback()).await;
    if !matches!(ended, Ok(Ok(()))) {
        tracing::debug!("the rollback was not acknowledged");
    }
    Ok(())
}

async fn current(
    client: &mut Client,
    plan: &RepairPlan,
) -> Result<Option<Vec<Cell>>, PostgresError> {
    let select = Select::of(&shape(plan))?;
    let failed = |error| statement(&error, &select.table);
    // The lock waits for a transaction whose COMMIT is still on its way: without it, the row could
    // change right after it was read, and a repair that happened would be recorded as one that did
    // not. Dropping the transaction releases it.
    let transaction = begin(client).await.map_err(failed)?;
    let types = types(&transaction, &select).await?;
    let Some(key_type) = types.first() else {
        return Err(PostgresError::Protocol);
    };
    if !fits(&plan.key, key_type) {
        return Err(PostgresError::WrongValue {
            column: plan.key_column.clone(),
            data_type: key_type.name().to_owned(),
        });
    }
    let text = select.with_value(Identifier::new(&plan.key_column)?) + " FOR NO KEY UPDATE";
    let prepared = transaction
        .prepare_typed(&text, std::slice::from_ref(key_type))
        .await
        .map_err(failed)?;
    let found = transaction
        .query(&prepared, &[&Parameter(&plan.key)])
        .await
        .map_err(failed)?;
    let row = match found.as_slice() {
        [] => return Ok(None),
        [row] => row,
        _ => {
            return Err(PostgresError::NotUnique {
                table: select.table,
            });
        }
    };
    let mut cells = cells(row, &forms(prepared.columns())?)?;
    cells.remove(0);
    Ok(Some(cells))
}

fn shape(plan: &RepairPlan) -> TableShape {
    TableShape {
        schema: plan.schema.clone(),
        table: plan.table.clone(),
        key: plan.key_column.clone(),
        columns: plan
            .changes
            .iter()
            .map(|change| change.column.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests;
