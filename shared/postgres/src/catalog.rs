//! Questions to the system catalog: what a table looks like.
//!
//! Constants of these statements are parameters as well, so that no statement of this crate has a
//! literal in it and a log of statements can be checked for that.

use counterfoil_core::mapping::{TableColumn, TableColumns, TableName};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use crate::error::{PostgresError, statement};
use crate::form;
use crate::identifier::{Identifier, QualifiedTable};
use crate::select::name;

/// One row per column: name, NOT NULL, whole primary key, unique alone, readable by this role, filled
/// by the database, longest text.
const COLUMNS: &str = "\
SELECT a.attname::text, a.attnotnull,
  COALESCE(bool_or(i.indisprimary), false), COALESCE(bool_or(i.indisunique), false),
  pg_catalog.has_schema_privilege(n.oid, $3)
    AND pg_catalog.has_column_privilege(c.oid, a.attnum, $4),
  pg_catalog.length(a.attgenerated::text) + pg_catalog.length(a.attidentity::text) > $6,
  CASE WHEN a.atttypid::regtype::text = ANY($7) AND a.atttypmod > $8 THEN a.atttypmod - $8 END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indnkeyatts = 1
  AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indexprs IS NULL
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind::text = ANY($5)
GROUP BY n.oid, c.oid, a.attnum, a.attname, a.attnotnull, a.attgenerated, a.attidentity, a.atttypid,
  a.atttypmod
ORDER BY a.attnum";

/// Types whose modifier is a length in characters plus [`LENGTH_HEADER`] (`VARHDRSZ`).
const LENGTH_TYPES: [&str; 2] = ["character varying", "character"];
const LENGTH_HEADER: i32 = 4;

/// Tables with a column that the role may read.
const TABLES: &str = "\
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind::text = ANY($1) AND NOT n.nspname = ANY($2)
  AND pg_catalog.has_schema_privilege(n.oid, $3)
  AND pg_catalog.has_any_column_privilege(c.oid, $4)
ORDER BY 1, 2
LIMIT $5";
const MAX_TABLES: i64 = 2_000;

/// Ordinary and partitioned tables, views, materialised views, foreign tables.
const READABLE_KINDS: [&str; 5] = ["r", "p", "v", "m", "f"];

/// Schemas that hold nothing of the app.
pub(crate) const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

const KIND: &str = "\
SELECT c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2";

/// A column as the catalog describes it, still without its type.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag per column of the answer"
)]
struct Described {
    column: String,
    not_null: bool,
    primary_key: bool,
    unique: bool,
    readable: bool,
    generated: bool,
    max_chars: Option<i32>,
}

/// The columns that the role may read and that have a plain name; `None` where there is none.
pub(crate) async fn columns(
    transaction: &Transaction<'_>,
    schema: &str,
    table: &str,
) -> Result<Option<TableColumns>, PostgresError> {
    let qualified = QualifiedTable::new(schema, table)?;
    let described: Vec<Described> = describe(transaction, schema, table)
        .await?
        .into_iter()
        .filter(|it| it.readable && Identifier::new(&it.column).is_ok())
        .collect();
    if described.is_empty() {
        return Ok(None);
    }
    let list = described
        .iter()
        .map(|it| Identifier::new(&it.column).map(|it| it.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    // Preparing runs nothing; the answer describes the types.
    let prepared = transaction
        .prepare(&format!("SELECT {} FROM {qualified}", list.join(", ")))
        .await
        .map_err(|error| statement(&error, &name(schema, table)))?;
    let columns = described
        .into_iter()
        .zip(prepared.columns())
        .map(|(described, typed)| TableColumn {
            name: described.column,
            data_type: form::column_type(typed.type_()),
            nullable: !described.not_null,
            primary_key: described.primary_key,
            unique: described.unique,
            generated: described.generated,
            max_chars: described.max_chars.and_then(|it| u32::try_from(it).ok()),
        })
        .collect();
    Ok(Some(TableColumns { columns }))
}

/// The tables that the role may read something of, without those whose names need quoting.
pub(crate) async fn tables(transaction: &Transaction<'_>) -> Result<Vec<TableName>, PostgresError> {
    let parameters: [&(dyn ToSql + Sync); 5] = [
        &&READABLE_KINDS[..],
        &&SYSTEM_SCHEMAS[..],
        &"USAGE",
        &"SELECT",
        &MAX_TABLES,
    ];
    let rows = transaction
        .query(TABLES, &parameters)
        .await
        .map_err(|error| statement(&error, "pg_catalog"))?;
    let mut tables = Vec::new();
    for row in &rows {
        let (schema, table): (String, String) = (get(row, 0)?, get(row, 1)?);
        if QualifiedTable::new(&schema, &table).is_ok() {
            tables.push(TableName { schema, table });
        }
    }
    Ok(tables)
}

async fn describe(
    transaction: &Transaction<'_>,
    schema: &str,
    table: &str,
) -> Result<Vec<Described>, PostgresError> {
    let rows = transaction
        .query(
            COLUMNS,
            &[
                &schema,
                &table,
                &"USAGE",
                &"SELECT",
                &&READABLE_KINDS[..],
                &0_i32,
                &&LENGTH_TYPES[..],
                &LENGTH_HEADER,
            ],
        )
        .await
        .map_err(|error| statement(&error, "pg_catalog"))?;
    rows.iter()
        .map(|row| {
            Ok(Described {
                column: get(row, 0)?,
                not_null: get(row, 1)?,
                primary_key: get(row, 2)?,
                unique: get(row, 3)?,
                readable: get(row, 4)?,
                generated: get(row, 5)?,
                max_chars: get(row, 6)?,
            })
        })
        .collect()
}

/// Why a statement on these columns was refused, as exactly as the catalog can tell.
pub(crate) async fn diagnose(
    transaction: &Transaction<'_>,
    schema: &str,
    table: &str,
    wanted: &[&str],
) -> Result<Option<PostgresError>, PostgresError> {
    let described = describe(transaction, schema, table).await?;
    let table = name(schema, table);
    if described.is_empty() {
        return Ok(Some(PostgresError::NoTable { table }));
    }
    let find = |column: &str| described.iter().find(|it| it.column == column);
    let named = |keep: &dyn Fn(&str) -> bool| {
        wanted
            .iter()
            .filter(|it| keep(it))
            .copied()
            .collect::<Vec<_>>()
            .join(", ")
    };
    let missing = named(&|column| find(column).is_none());
    if !missing.is_empty() {
        return Ok(Some(PostgresError::NoColumn {
            table,
            columns: missing,
        }));
    }
    let hidden = named(&|column| find(column).is_some_and(|it| !it.readable));
    if hidden.is_empty() {
        return Ok(None);
    }
    Ok(Some(PostgresError::MayNotRead {
        table,
        columns: hidden,
    }))
}

/// Refuses everything but an ordinary table, where one row is one row.
pub(crate) async fn require_table(
    transaction: &Transaction<'_>,
    schema: &str,
    table: &str,
) -> Result<(), PostgresError> {
    let row = transaction
        .query_opt(KIND, &[&schema, &table])
        .await
        .map_err(|error| statement(&error, "pg_catalog"))?;
    let table = name(schema, table);
    let Some(row) = row else {
        return Err(PostgresError::NoTable { table });
    };
    let what = match get(&row, 0)? {
        "r" => return Ok(()),
        "p" => "a partitioned table",
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        _ => "no table",
    };
    Err(PostgresError::NotATable { table, what })
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T, PostgresError> {
    row.try_get(index).map_err(|_| PostgresError::Protocol)
}
