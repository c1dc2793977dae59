//! What a role could write, asked of the catalog in one query.
//!
//! The rights of every role that this role can become count, inherited or not. What is refused and
//! what is only told is decided here and described in `docs/connections.md`: a way to change rows,
//! tables or roles is refused; a sequence, a schema or a function that writes with the rights of its
//! owner is told.
//!
//! Not looked at: temporary tables, which end with the session, and new large objects, which every
//! role may create by default.

use std::collections::BTreeSet;

use counterfoil_core::connection::{RepairScope, RoleReport};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use crate::catalog::SYSTEM_SCHEMAS;
use crate::error::{PostgresError, statement};
use crate::select::name;

/// One row per finding: kind, two names, a mask of rights, columns. Every list is cut at the last
/// parameter. A superuser is every role, so nothing else is listed beside that.
const RIGHTS: &str = "\
WITH role AS MATERIALIZED (
  SELECT * FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(current_user, oid, $1)
), plain AS MATERIALIZED (
  SELECT oid FROM role WHERE NOT EXISTS (SELECT FROM role WHERE rolsuper)
), relation AS (
  SELECT c.oid, c.relname, n.nspname, c.relkind,
    bool_or(pg_catalog.has_any_column_privilege(role.oid, c.oid, $2)) AS inserts,
    bool_or(pg_catalog.has_any_column_privilege(role.oid, c.oid, $3)) AS updates,
    bool_or(pg_catalog.has_table_privilege(role.oid, c.oid, $4)) AS deletes,
    bool_or(pg_catalog.has_table_privilege(role.oid, c.oid, $5)) AS truncates,
    bool_or(pg_catalog.has_table_privilege(role.oid, c.oid, $6)) AS triggers,
    bool_or(role.oid = c.relowner) AS owns
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN plain role
  WHERE c.relkind::text = ANY($7) AND NOT n.nspname = ANY($8)
  GROUP BY c.oid, n.nspname, c.relname, c.relkind
)
(SELECT 1 AS kind, rolname::text AS one, NULL::text AS two,
  rolsuper::int + 2 * rolbypassrls::int + 4 * rolcreaterole::int + 8 * rolcreatedb::int
    + 16 * rolreplication::int + 32 * (rolname = ANY($9))::int AS mask, NULL::text[] AS columns
 FROM role
 WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
   OR rolname = ANY($9)
 ORDER BY rolname = current_user DESC, 2 LIMIT $15)
UNION ALL
(SELECT 2, nspname::text, relname::text,
  inserts::int + 2 * updates::int + 4 * deletes::int + 8 * truncates::int + 16 * triggers::int
    + 32 * owns::int,
  CASE WHEN updates THEN ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped AND EXISTS (
      SELECT FROM plain WHERE pg_catalog.has_column_privilege(plain.oid, a.attrelid, a.attnum, $3))
    ORDER BY a.attnum) END
 FROM relation
 WHERE inserts OR updates OR deletes OR truncates OR triggers OR owns
 ORDER BY 2, 3 LIMIT $15)
UNION ALL
(SELECT 3, n.nspname::text, c.relname::text, bool_or(role.oid = c.relowner)::int, NULL
 FROM pg_catalog.pg_class c
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN plain role
 WHERE c.relkind::text = $10 AND NOT n.nspname = ANY($8)
   AND (pg_catalog.has_sequence_privilege(role.oid, c.oid, $11) OR role.oid = c.relowner)
 GROUP BY 2, 3 ORDER BY 2, 3 LIMIT $15)
UNION ALL
(SELECT 4, n.nspname::text, NULL, bool_or(role.oid = n.nspowner)::int, NULL
 FROM pg_catalog.pg_namespace n CROSS JOIN plain role
 WHERE NOT n.nspname = ANY($8)
   AND (pg_catalog.has_schema_privilege(role.oid, n.oid, $12) OR role.oid = n.nspowner)
 GROUP BY 2 ORDER BY 2 LIMIT $15)
UNION ALL
(SELECT 5, d.datname::text, NULL, bool_or(role.oid = d.datdba)::int, NULL
 FROM pg_catalog.pg_database d CROSS JOIN plain role
 WHERE d.datname = pg_catalog.current_database()
   AND (pg_catalog.has_database_privilege(role.oid, d.oid, $12) OR role.oid = d.datdba)
 GROUP BY 2)
UNION ALL
(SELECT 6, n.nspname::text, p.oid::pg_catalog.regprocedure::text,
  bool_or(role.oid = p.proowner)::int, NULL
 FROM pg_catalog.pg_proc p
 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 CROSS JOIN plain role
 WHERE NOT n.nspname = ANY($8) AND (role.oid = p.proowner
   OR (p.prosecdef AND NOT p.prorettype = ANY($14)
     AND pg_catalog.has_schema_privilege(role.oid, n.oid, $16)
     AND pg_catalog.has_function_privilege(role.oid, p.oid, $13)))
 GROUP BY 2, p.oid ORDER BY 2, 3 LIMIT $15)
UNION ALL
(SELECT 7, NULL, NULL, count(*)::int, NULL
 FROM pg_catalog.pg_largeobject_metadata l JOIN plain role ON role.oid = l.lomowner
 HAVING count(*) > 0)";

/// Ordinary and partitioned tables, views, materialised views, foreign tables.
const RELATIONS: [&str; 5] = ["r", "p", "v", "m", "f"];
/// Predefined roles that write, or that become the server itself (PostgreSQL documentation,
/// "Predefined Roles").
const WRITING_ROLES: [&str; 7] = [
    "pg_write_all_data",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_create_subscription",
    "pg_maintain",
    "rds_superuser",
    "cloudsqlsuperuser",
];
/// What a trigger function returns (`trigger`, `event_trigger`): nobody can call it.
const TRIGGER_TYPES: [u32; 2] = [2279, 3838];
/// Enough to see what is wrong; a schema may have thousands.
const MAX_NAMED: i64 = 50;

const ATTRIBUTES: [&str; 5] = [
    "SUPERUSER",
    "BYPASSRLS",
    "CREATEROLE",
    "CREATEDB",
    "REPLICATION",
];
const RELATION_RIGHTS: [&str; 6] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "TRIGGER",
    "ownership",
];
const UPDATE: usize = 1;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Right {
    /// A relation: its name, its rights, and the columns that UPDATE is about.
    Relation {
        schema: String,
        relation: String,
        rights: Vec<&'static str>,
        columns: Vec<String>,
    },
    /// Anything else that is refused: in one word, and as a sentence.
    Refused(String, String),
    /// What is only told.
    Told(String),
}

/// The rights of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights(Vec<Right>);

/// Asks the catalog.
pub(crate) async fn of(transaction: &Transaction<'_>) -> Result<Rights, PostgresError> {
    let triggers = TRIGGER_TYPES.as_slice();
    let parameters: [&(dyn ToSql + Sync); 16] = [
        &"MEMBER",
        &"INSERT",
        &"UPDATE",
        &"DELETE",
        &"TRUNCATE",
        &"TRIGGER",
        &RELATIONS.as_slice(),
        &SYSTEM_SCHEMAS.as_slice(),
        &WRITING_ROLES.as_slice(),
        &"S",
        &"USAGE, UPDATE",
        &"CREATE",
        &"EXECUTE",
        &triggers,
        &MAX_NAMED,
        &"USAGE",
    ];
    let rows = transaction
        .query(RIGHTS, &parameters)
        .await
        .map_err(|error| statement(&error, "pg_catalog"))?;
    let mut rights = Vec::new();
    for row in &rows {
        rights.extend(right(row)?);
    }
    // A superuser is every role: its own attributes say all.
    let all = |it: &Right| matches!(it, Right::Refused(word, _) if word.starts_with(ATTRIBUTES[0]));
    if let Some(first) = rights.iter().find(|it| all(it)).cloned() {
        let own = |it: &&Right| match (it, &first) {
            (Right::Refused(word, _), Right::Refused(first, _)) => tail(word) == tail(first),
            _ => false,
        };
        let own: Vec<Right> = rights.iter().filter(own).cloned().collect();
        return Ok(Rights(own));
    }
    Ok(Rights(rights))
}

/// `of role x`.
fn tail(word: &str) -> &str {
    word.split_once(' ').map_or(word, |(_, tail)| tail)
}

fn right(row: &Row) -> Result<Vec<Right>, PostgresError> {
    let get = |index| -> Result<String, PostgresError> {
        let value: Option<String> = row.try_get(index).map_err(|_| PostgresError::Protocol)?;
        Ok(value.unwrap_or_default())
    };
    let kind: i32 = row.try_get(0).map_err(|_| PostgresError::Protocol)?;
    let mask: i32 = row.try_get(3).map_err(|_| PostgresError::Protocol)?;
    let (one, two) = (get(1)?, get(2)?);
    let owned = mask != 0;
    let refused = |word: String, sentence: String| vec![Right::Refused(word, sentence)];
    Ok(match kind {
        1 => role(&one, mask),
        2 => {
            let columns: Option<Vec<String>> =
                row.try_get(4).map_err(|_| PostgresError::Protocol)?;
            vec![Right::Relation {
                schema: one,
                relation: two,
                rights: named(&RELATION_RIGHTS, mask),
                columns: columns.unwrap_or_default(),
            }]
        }
        3 if owned => {
            let name = name(&one, &two);
            refused(name.clone(), format!("it owns the sequence {name}"))
        }
        3 => vec![Right::Told(format!(
            "it may take numbers from the sequence {}, outside of a read-only transaction",
            name(&one, &two)
        ))],
        4 if owned => refused(format!("schema {one}"), format!("it owns the schema {one}")),
        4 => vec![Right::Told(format!(
            "it may create objects in the schema {one}, outside of a read-only transaction"
        ))],
        5 if owned => refused(
            format!("database {one}"),
            format!("it owns the database {one}"),
        ),
        5 => vec![Right::Told(format!(
            "it may create schemas in the database {one}, outside of a read-only transaction"
        ))],
        6 if owned => refused(
            format!("function {two}"),
            format!("it owns the function {two} and can replace it"),
        ),
        6 => vec![Right::Told(format!(
            "it may call the function {two}, which runs with the rights of its owner (SECURITY \
             DEFINER)"
        ))],
        7 => refused(
            "large objects".to_owned(),
            format!("it owns {mask} large objects"),
        ),
        _ => return Err(PostgresError::Protocol),
    })
}

fn role(role: &str, mask: i32) -> Vec<Right> {
    let attributes = named(&ATTRIBUTES, mask).into_iter().map(|attribute| {
        Right::Refused(
            format!("{attribute} of role {role}"),
            format!("it is or can become the role {role}, which has {attribute}"),
        )
    });
    let writing = (mask & 32 != 0).then(|| {
        Right::Refused(
            format!("every table (member of {role})"),
            format!("it is a member of {role}"),
        )
    });
    writing.into_iter().chain(attributes).collect()
}

fn named(names: &[&'static str], mask: i32) -> Vec<&'static str> {
    let bit = |place: usize| {
        u32::try_from(place)
            .ok()
            .and_then(|it| 1_i32.checked_shl(it))
    };
    let set = |place: usize| bit(place).is_some_and(|bit| mask & bit != 0);
    let numbered = names.iter().enumerate();
    numbered
        .filter(|(place, _)| set(*place))
        .map(|(_, name)| *name)
        .collect()
}

impl Rights {
    /// What is refused, in the fewest words: `public.users`.
    pub(crate) fn writable(&self) -> Vec<String> {
        let word = |right: &Right| match right {
            Right::Relation {
                schema, relation, ..
            } => Some(name(schema, relation)),
            Right::Refused(word, _) => Some(word.clone()),
            Right::Told(_) => None,
        };
        self.0.iter().filter_map(word).collect()
    }

    /// As a reading role.
    pub(crate) fn reading(&self) -> RoleReport {
        let mut report = RoleReport::default();
        for right in &self.0 {
            sort(right, &mut report);
        }
        report
    }

    /// As the repair role of these columns.
    pub(crate) fn repairing(&self, scope: RepairScope<'_>) -> RoleReport {
        let mut report = RoleReport::default();
        let mut lacking: BTreeSet<&str> = scope.columns.iter().map(String::as_str).collect();
        for right in &self.0 {
            let Right::Relation {
                schema,
                relation,
                rights,
                columns,
            } = right
            else {
                sort(right, &mut report);
                continue;
            };
            if schema != scope.schema || relation != scope.table {
                sort(right, &mut report);
                continue;
            }
            let (repaired, more): (Vec<_>, Vec<_>) = columns
                .iter()
                .cloned()
                .partition(|column| scope.columns.contains(column));
            for column in &repaired {
                lacking.remove(column.as_str());
            }
            let beyond =
                |right: &&&'static str| Some(**right) != RELATION_RIGHTS.get(UPDATE).copied();
            let mut rights: Vec<_> = rights.iter().filter(beyond).copied().collect();
            if !more.is_empty() {
                rights.extend(RELATION_RIGHTS.get(UPDATE));
            }
            if !rights.is_empty() {
                let beyond = Right::Relation {
                    schema: schema.clone(),
                    relation: relation.clone(),
                    rights,
                    columns: more,
                };
                sort(&beyond, &mut report);
            }
        }
        let table = name(scope.schema, scope.table);
        let lack = |column: &&str| format!("the right UPDATE on the column {column} of {table}");
        report.missing = lacking.iter().map(lack).collect();
        report
    }
}

fn sort(right: &Right, report: &mut RoleReport) {
    match right {
        Right::Relation {
            schema,
            relation,
            rights,
            columns,
        } => report
            .refused
            .push(may(&name(schema, relation), rights, columns)),
        Right::Refused(_, sentence) => report.refused.push(sentence.clone()),
        Right::Told(sentence) => report.warned.push(sentence.clone()),
    }
}

fn may(relation: &str, rights: &[&'static str], columns: &[String]) -> String {
    const SHOWN: usize = 5;
    let words: Vec<String> = rights
        .iter()
        .map(|right| {
            if Some(right) != RELATION_RIGHTS.get(UPDATE) || columns.is_empty() {
                return (*right).to_owned();
            }
            let mut shown: Vec<&str> = columns.iter().take(SHOWN).map(String::as_str).collect();
            if columns.len() > SHOWN {
                shown.push("...");
            }
            format!("{right} ({})", shown.join(", "))
        })
        .collect();
    format!("this role can write {relation}: {}", words.join(", "))
}
