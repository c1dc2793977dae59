//! Looking at the app's table.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::cell::{AppRow, Cell, TableShape};
use counterfoil_core::mapping::{TableColumns, TableName};
use counterfoil_core::ports::{AppInspector, Completeness, PortError, TakeRows};
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::batch::Batch;
use crate::connect::{Session, Stopper};
use crate::copy::CopyReader;
use crate::decode::{self, Malformed, Raw};
use crate::encode::{Parameter, uuid};
use crate::error::{PostgresError, statement};
use crate::form::Form;
use crate::identifier::Identifier;
use crate::rights::Rights;
use crate::select::{Select, forms, name};
use crate::{catalog, read_only, rights};

/// How much and how long a reading call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one scan; after them it is [`Completeness::Capped`].
    pub rows: u64,
    /// Bytes of one scan as the server sends them.
    pub bytes: u64,
    /// Rows of one lookup; more are an error.
    pub found: usize,
    /// Time of one scan, from its first to its last row.
    pub scan: Duration,
    /// Time of every other call.
    pub lookup: Duration,
    /// Time until the session is ready, over all addresses; also for the repair role.
    pub connect: Duration,
}

impl Default for Limits {
    /// Twice the greatest table that the product was measured with (10 million rows, 2 GB), in the
    /// time that a Lambda function has.
    fn default() -> Self {
        Self {
            rows: 20_000_000,
            bytes: 4 << 30,
            found: 100_000,
            scan: Duration::from_mins(10),
            lookup: Duration::from_secs(20),
            connect: Duration::from_secs(10),
        }
    }
}

/// Bytes of an answer of the catalog: every column of a wide table, or fifty names.
const ANSWER: u64 = 4 << 20;
/// Bytes of a lookup.
const FOUND: u64 = 64 << 20;

/// Reads through one connection, one call at a time, each in its own read-only transaction.
#[derive(Debug)]
pub struct PgInspector {
    session: Mutex<Session>,
    limits: Limits,
}

impl PgInspector {
    /// Takes over a connection and makes it read-only.
    pub(crate) async fn new(session: Session, limits: Limits) -> Result<Self, PostgresError> {
        session.bounds.allow(ANSWER);
        let locked = timeout(limits.lookup, read_only::lock(&session.client)).await;
        session.told(locked.unwrap_or(Err(PostgresError::Timeout)))?;
        Ok(Self {
            session: Mutex::new(session),
            limits,
        })
    }

    /// What the role may do.
    pub(crate) async fn rights(&self) -> Result<Rights, PostgresError> {
        let mut session = self.session.lock().await;
        session.bounds.allow(ANSWER);
        let asking = async {
            let transaction = read_only::begin(&mut session.client, self.limits.lookup).await?;
            rights::of(&transaction).await
        };
        let answer = timeout(self.limits.lookup, asking).await;
        session.told(answer.unwrap_or(Err(PostgresError::Timeout)))
    }

    /// Names the table or the columns behind a refusal that the server left vague.
    async fn explain(&self, error: PostgresError, table: &TableShape) -> PostgresError {
        if !error.is_vague() {
            return error;
        }
        let mut session = self.session.lock().await;
        session.bounds.allow(ANSWER);
        let asking = async {
            let transaction = read_only::begin(&mut session.client, self.limits.lookup).await?;
            let mut wanted = vec![table.key.as_str()];
            wanted.extend(table.columns.iter().map(String::as_str));
            catalog::diagnose(&transaction, &table.schema, &table.table, &wanted).await
        };
        match timeout(self.limits.lookup, asking).await {
            Ok(Ok(Some(exact))) => exact,
            _ => error,
        }
    }

    async fn scan(
        &self,
        table: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PostgresError> {
        let mut session = self.session.lock().await;
        // The limits of a scan count rows and bytes themselves, because reaching them is no error.
        session.bounds.allow(u64::MAX);
        let stopper = session.stopper();
        let reading = async {
            let transaction = read_only::begin(&mut session.client, self.limits.scan).await?;
            copy(&transaction, table, self.limits, stopper, each).await
        };
        let read = timeout(self.limits.scan, reading).await;
        session.told(read.unwrap_or(Err(PostgresError::Timeout)))
    }

    async fn find(
        &self,
        table: &TableShape,
        lookup: &Lookup<'_>,
    ) -> Result<Vec<AppRow>, PostgresError> {
        let mut session = self.session.lock().await;
        session.bounds.allow(FOUND);
        let reading = async {
            let transaction = read_only::begin(&mut session.client, self.limits.lookup).await?;
            lookup.run(&transaction, table, self.limits.found).await
        };
        let read = timeout(self.limits.lookup, reading).await;
        session.told(read.unwrap_or(Err(PostgresError::Timeout)))
    }
}

#[async_trait]
impl AppInspector for PgInspector {
    async fn writable(&self) -> Result<Vec<String>, PortError> {
        let rights = self.rights().await;
        rights
            .map(|rights| rights.writable())
            .map_err(|error| error.doing("looking up what the reading role may write"))
    }

    async fn columns(&self, schema: &str, table: &str) -> Result<Option<TableColumns>, PortError> {
        let mut session = self.session.lock().await;
        session.bounds.allow(ANSWER);
        let asking = async {
            let transaction = read_only::begin(&mut session.client, self.limits.lookup).await?;
            catalog::columns(&transaction, schema, table).await
        };
        let answer = timeout(self.limits.lookup, asking).await;
        session
            .told(answer.unwrap_or(Err(PostgresError::Timeout)))
            .map_err(|error| error.doing("describing the app's table"))
    }

    async fn tables(&self) -> Result<Vec<TableName>, PortError> {
        let mut session = self.session.lock().await;
        let asking = async {
            let transaction = read_only::begin(&mut session.client, self.limits.lookup).await?;
            catalog::tables(&transaction).await
        };
        let answer = timeout(self.limits.lookup, asking).await;
        answer
            .unwrap_or(Err(PostgresError::Timeout))
            .map_err(|error| error.doing("listing the app's tables"))
    }

    async fn rows(
        &self,
        table: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError> {
        match self.scan(table, each).await {
            Ok(completeness) => Ok(completeness),
            Err(error) => Err(self
                .explain(error, table)
                .await
                .doing("reading the app's table")),
        }
    }

    async fn rows_where(
        &self,
        table: &TableShape,
        column: &str,
        values: &[String],
        ignore_case: bool,
    ) -> Result<Vec<AppRow>, PortError> {
        match self
            .find(
                table,
                &Lookup {
                    column,
                    values,
                    ignore_case,
                },
            )
            .await
        {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self
                .explain(error, table)
                .await
                .doing("looking up rows of the app's table")),
        }
    }
}

async fn copy(
    transaction: &Transaction<'_>,
    table: &TableShape,
    limits: Limits,
    stopper: Stopper,
    each: &mut TakeRows<'_>,
) -> Result<Completeness, PostgresError> {
    let select = Select::of(table)?;
    let failed = |error| statement(&error, &select.table);
    // The description comes from the same transaction and table lock as the data.
    let described = transaction.prepare(&select.text).await.map_err(failed)?;
    let mut reader = CopyReader::new(forms(described.columns())?);
    let mut pieces = pin!(transaction.copy_out(&select.copy()).await.map_err(failed)?);
    let mut batch = Batch::new();
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        bytes = bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let mut piece: &[u8] = &piece;
        while reader.row(&mut piece, &mut batch.next).map_err(protocol)? {
            rows = rows.saturating_add(1);
            if rows > limits.rows || bytes > limits.bytes {
                batch.flush(each);
                stopper.stop().await;
                return Ok(Completeness::Capped);
            }
            batch.keep(each);
        }
    }
    batch.flush(each);
    if reader.is_whole() {
        Ok(Completeness::Complete)
    } else {
        Err(PostgresError::Protocol)
    }
}

/// The first cell is the key.
fn row(mut cells: Vec<Cell>) -> Result<AppRow, PostgresError> {
    if cells.is_empty() {
        return Err(PostgresError::Protocol);
    }
    let key = cells.remove(0);
    Ok(AppRow { key, cells })
}

const fn protocol(_: Malformed) -> PostgresError {
    PostgresError::Protocol
}

/// Rows by the value of one column.
struct Lookup<'a> {
    column: &'a str,
    values: &'a [String],
    ignore_case: bool,
}

impl Lookup<'_> {
    async fn run(
        &self,
        transaction: &Transaction<'_>,
        table: &TableShape,
        limit: usize,
    ) -> Result<Vec<AppRow>, PostgresError> {
        let select = Select::of(table)?;
        let failed = |error| statement(&error, &select.table);
        let described = transaction.prepare(&select.text).await.map_err(failed)?;
        let forms = forms(described.columns())?;
        let form = self.form(table, &forms)?;
        let column = Identifier::new(self.column)?;
        let (text, array, wanted) = match form {
            Form::Uuid => (select.with_value_in(column), Type::UUID_ARRAY, self.uuids()),
            Form::Int2 | Form::Int4 | Form::Int8 => (
                select.with_value_in(column),
                Type::INT8_ARRAY,
                self.numbers(),
            ),
            _ => (
                select.with_text_in(column, self.ignore_case),
                Type::TEXT_ARRAY,
                self.texts(),
            ),
        };
        let prepared = transaction
            .prepare_typed(&text, &[array])
            .await
            .map_err(failed)?;
        let found = transaction
            .query_raw(&prepared, [wanted.as_sql()])
            .await
            .map_err(failed)?;
        let mut found = pin!(found);
        let mut rows = Vec::new();
        while let Some(next) = found.next().await {
            if rows.len() >= limit {
                return Err(PostgresError::TooManyRows {
                    table: select.table,
                    limit,
                });
            }
            rows.push(row(cells(&next.map_err(failed)?, &forms)?)?);
        }
        Ok(rows)
    }

    fn form(&self, table: &TableShape, forms: &[Form]) -> Result<Form, PostgresError> {
        let mut names = std::iter::once(&table.key).chain(&table.columns);
        let place = names.position(|name| name == self.column);
        place
            .and_then(|place| forms.get(place))
            .copied()
            .ok_or_else(|| PostgresError::NotMapped {
                table: name(&table.schema, &table.table),
                column: self.column.to_owned(),
            })
    }

    fn texts(&self) -> Wanted<'_> {
        Wanted::Texts(self.values)
    }

    /// Comparison is that of texts: what no UUID prints as matches none.
    fn uuids(&self) -> Wanted<'_> {
        let values = self
            .values
            .iter()
            .filter(|it| uuid(it).is_some())
            .cloned()
            .collect();
        Wanted::Uuids(Cell::List(values))
    }

    fn numbers(&self) -> Wanted<'_> {
        let number = |text: &String| {
            text.parse::<i64>()
                .ok()
                .filter(|number| number.to_string() == *text)
        };
        Wanted::Numbers(self.values.iter().filter_map(number).collect())
    }
}

/// The values of a lookup in the type of its column.
enum Wanted<'a> {
    Texts(&'a [String]),
    Uuids(Cell),
    Numbers(Vec<i64>),
}

impl Wanted<'_> {
    fn as_sql(&self) -> Box<dyn ToSql + Sync + Send + '_> {
        match self {
            Self::Texts(values) => Box::new(*values),
            Self::Uuids(values) => Box::new(Parameter(values)),
            Self::Numbers(values) => Box::new(values.as_slice()),
        }
    }
}

/// Decodes a row of an ordinary query.
pub(crate) fn cells(row: &tokio_postgres::Row, forms: &[Form]) -> Result<Vec<Cell>, PostgresError> {
    let cell = |(index, form): (usize, &Form)| {
        let raw: Option<Raw<'_>> = row.try_get(index).map_err(|_| PostgresError::Protocol)?;
        decode::cell(*form, raw.map(|raw| raw.0)).map_err(protocol)
    };
    forms.iter().enumerate().map(cell).collect()
}
