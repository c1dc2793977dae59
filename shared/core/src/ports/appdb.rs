//! The customer's own database: looking, and the one way to write.

use async_trait::async_trait;

use super::PortError;
use crate::cell::{AppRow, Cell, TableShape};
use crate::mapping::{TableColumns, TableName};
use crate::policy::Permit;
use crate::redacted::Redacted;
use crate::repair::RepairPlan;

/// Whether a stream of rows is the whole table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Every row was handed over.
    Complete,
    /// A cap was reached; findings of missing rows would be guesses.
    Capped,
}

/// Takes some rows at a time; what it wants to keep it copies.
pub type TakeRows<'a> = dyn FnMut(&[AppRow]) + Send + 'a;

/// Read access. Every call runs in its own READ ONLY transaction, which is asserted before the
/// first row, and uses statements generated from a [`TableShape`] only.
#[async_trait]
pub trait AppInspector: Send + Sync {
    /// What this role could write, by name (`public.users`), empty for a proper reading role.
    async fn writable(&self) -> Result<Vec<String>, PortError>;

    /// The columns of a table, or `None` when there is no such table (or no right to see it).
    async fn columns(&self, schema: &str, table: &str) -> Result<Option<TableColumns>, PortError>;

    /// The tables of the app that the role may see, ascending, to suggest names from; empty where
    /// the source cannot tell.
    async fn tables(&self) -> Result<Vec<TableName>, PortError> {
        Ok(Vec::new())
    }

    /// Every row, in any order, some at a time: as many as the source has at hand.
    async fn rows(
        &self,
        table: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError>;

    /// The rows whose `column` equals one of `values` (compared as text; e-mail columns without case).
    async fn rows_where(
        &self,
        table: &TableShape,
        column: &str,
        values: &[String],
        ignore_case: bool,
    ) -> Result<Vec<AppRow>, PortError>;
}

/// How the one UPDATE ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Exactly one row was changed and committed.
    Changed,
    /// No row has the key and all the before-values any more; rolled back.
    Stale,
    /// More than one row would change; rolled back.
    NotOneRow(u64),
}

/// The only writer of the customer's database in the product.
#[async_trait]
pub trait AppRepairer: Send + Sync {
    /// Executes the permitted plan in one transaction: `UPDATE … WHERE key = $1 AND each
    /// before-value IS NOT DISTINCT FROM $n`; exactly one row, or rollback.
    ///
    /// # Errors
    /// `OutcomeUnknown` when COMMIT was sent and no answer came: read the row back. Every other
    /// error means that nothing changed.
    async fn apply(&self, permit: Permit) -> Result<Applied, PortError>;

    /// The cells of the plan's columns as they are now, in plan order; `None` without such a row.
    async fn current(&self, plan: &RepairPlan) -> Result<Option<Vec<Cell>>, PortError>;
}

/// Opens connections from an unsealed URL.
#[async_trait]
pub trait AppDatabase: Send + Sync {
    /// Connects with the reading role.
    async fn inspect(&self, url: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError>;

    /// Connects with the repair role.
    async fn repair(&self, url: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError>;
}
