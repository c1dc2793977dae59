//! The customer's database in memory, with the ways in which its answers can go wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::cell::{AppRow, Cell, TableShape};
use counterfoil_core::mapping::{TableColumn, TableColumns};
use counterfoil_core::policy::Permit;
use counterfoil_core::ports::{
    AppDatabase, AppInspector, AppRepairer, Applied, Completeness, PortError, PortErrorKind,
    TakeRows,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::RepairPlan;

type Row = BTreeMap<String, Cell>;

/// What happens to the next UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyFault {
    /// It is committed and the reply to COMMIT is lost.
    LostReply,
    /// It is not committed and the reply to COMMIT is lost.
    LostCommit,
    /// The database cannot be reached.
    Unreachable,
    /// Somebody else has changed the row a moment before.
    Overtaken,
    /// It is committed, and from then on the table cannot be read.
    ThenUnreadable,
}

#[derive(Debug, Default)]
struct Inner {
    columns: Vec<TableColumn>,
    rows: BTreeMap<Cell, Row>,
    writable: Vec<String>,
    updates: u64,
    fault: Option<ApplyFault>,
    unreadable: bool,
}

/// One table.
#[derive(Debug, Clone, Default)]
pub struct MemApp(Arc<Mutex<Inner>>);

impl MemApp {
    /// A table with these columns.
    pub fn new(columns: Vec<TableColumn>) -> Self {
        let app = Self::default();
        app.lock().columns = columns;
        app
    }

    /// Puts a row.
    pub fn put(&self, key: Cell, cells: impl IntoIterator<Item = (&'static str, Cell)>) {
        let row = cells
            .into_iter()
            .map(|(name, cell)| (name.to_owned(), cell))
            .collect();
        self.lock().rows.insert(key, row);
    }

    /// A value.
    pub fn cell(&self, key: &Cell, column: &str) -> Option<Cell> {
        self.lock().rows.get(key)?.get(column).cloned()
    }

    /// How many UPDATEs were committed.
    pub fn updates(&self) -> u64 {
        self.lock().updates
    }

    /// Makes the next UPDATE go wrong.
    pub fn fail_next(&self, fault: ApplyFault) {
        self.lock().fault = Some(fault);
    }

    /// Makes every read fail.
    pub fn unreadable(&self, unreadable: bool) {
        self.lock().unreadable = unreadable;
    }

    /// Says that the reading role can write.
    pub fn grant_write(&self, table: &str) {
        self.lock().writable.push(table.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn row(table: &TableShape, key: &Cell, row: &Row) -> AppRow {
    let cell = |name: &String| row.get(name).cloned().unwrap_or(Cell::Null);
    AppRow {
        key: key.clone(),
        cells: table.columns.iter().map(cell).collect(),
    }
}

fn unavailable(doing: &str) -> PortError {
    PortError::new(PortErrorKind::Unavailable, doing)
}

#[async_trait]
impl AppInspector for MemApp {
    async fn writable(&self) -> Result<Vec<String>, PortError> {
        Ok(self.lock().writable.clone())
    }

    async fn columns(&self, _: &str, _: &str) -> Result<Option<TableColumns>, PortError> {
        Ok(Some(TableColumns {
            columns: self.lock().columns.clone(),
        }))
    }

    async fn rows(
        &self,
        table: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError> {
        let inner = self.lock();
        if inner.unreadable {
            return Err(unavailable("reading the table"));
        }
        for (key, cells) in &inner.rows {
            each(&[row(table, key, cells)]);
        }
        Ok(Completeness::Complete)
    }

    async fn rows_where(
        &self,
        table: &TableShape,
        column: &str,
        values: &[String],
        ignore_case: bool,
    ) -> Result<Vec<AppRow>, PortError> {
        let inner = self.lock();
        if inner.unreadable {
            return Err(unavailable("reading the table"));
        }
        let fold = |text: String| {
            if ignore_case {
                text.to_lowercase()
            } else {
                text
            }
        };
        let wanted: Vec<String> = values.iter().cloned().map(fold).collect();
        let hits = |key: &Cell, cells: &Row| {
            let cell = if column == table.key {
                Some(key)
            } else {
                cells.get(column)
            };
            cell.is_some_and(|cell| *cell != Cell::Null && wanted.contains(&fold(cell.text())))
        };
        let rows = inner.rows.iter().filter(|(key, cells)| hits(key, cells));
        Ok(rows.map(|(key, cells)| row(table, key, cells)).collect())
    }
}

#[async_trait]
impl AppRepairer for MemApp {
    async fn apply(&self, permit: Permit) -> Result<Applied, PortError> {
        let mut inner = self.lock();
        let fault = inner.fault.take();
        if fault == Some(ApplyFault::Unreachable) {
            return Err(unavailable("connecting"));
        }
        let lost = || PortError::new(PortErrorKind::OutcomeUnknown, "committing");
        if fault == Some(ApplyFault::LostCommit) {
            return Err(lost());
        }
        if fault == Some(ApplyFault::Overtaken) {
            return Ok(Applied::Stale);
        }
        let plan = permit.plan();
        let Some(cells) = inner.rows.get_mut(&plan.key) else {
            return Ok(Applied::Stale);
        };
        let same = |change: &counterfoil_core::repair::ColumnChange| {
            cells.get(&change.column).unwrap_or(&Cell::Null) == &change.before
        };
        if !plan.changes.iter().all(same) {
            return Ok(Applied::Stale);
        }
        for change in &plan.changes {
            cells.insert(change.column.clone(), change.after.clone());
        }
        inner.updates += 1;
        inner.unreadable |= fault == Some(ApplyFault::ThenUnreadable);
        if fault == Some(ApplyFault::LostReply) {
            Err(lost())
        } else {
            Ok(Applied::Changed)
        }
    }

    async fn current(&self, plan: &RepairPlan) -> Result<Option<Vec<Cell>>, PortError> {
        let inner = self.lock();
        Ok(inner.rows.get(&plan.key).map(|cells| {
            let cell = |name: &String| cells.get(name).cloned().unwrap_or(Cell::Null);
            plan.changes
                .iter()
                .map(|change| cell(&change.column))
                .collect()
        }))
    }
}

/// Opens [`MemApp`] for every URL.
#[derive(Debug, Clone)]
pub struct MemDatabases(pub MemApp);

#[async_trait]
impl AppDatabase for MemDatabases {
    async fn inspect(&self, _: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError> {
        Ok(Box::new(self.0.clone()))
    }

    async fn repair(&self, _: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError> {
        Ok(Box::new(self.0.clone()))
    }
}
