//! One server for the whole binary, one database and one pair of roles per test.

use std::path::Path;
use std::sync::OnceLock;

use crate::{Network, PgDatabase, PgRepairer, PostgresError};
use counterfoil_core::cell::{AppRow, Cell, TableShape};
use counterfoil_core::ports::{AppDatabase, AppInspector, Completeness, PortError};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{ColumnChange, RepairPlan};
use counterfoil_local::Postgres;

const PASSWORD: &str = "s3cret-of-the-role";

pub(crate) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(&|_| {}).unwrap())
}

/// A database of its own.
pub(crate) struct Database {
    pub(crate) name: &'static str,
}

impl Database {
    pub(crate) fn with(name: &'static str, schema: &str) -> Self {
        server().create_database(name).unwrap();
        let database = Self { name };
        database.sql(schema);
        database
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        server()
            .sql(self.name, statements)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    pub(crate) fn reading_role(&self) -> String {
        format!("{}_read", self.name)
    }

    pub(crate) fn repair_role(&self) -> String {
        format!("{}_repair", self.name)
    }

    pub(crate) fn url(&self, role: &str) -> Redacted<String> {
        Redacted::new(server().url(role, PASSWORD, self.name))
    }

    pub(crate) fn repair_url_through(&self, port: u16) -> Redacted<String> {
        let (role, database) = (self.repair_role(), self.name);
        Redacted::new(format!(
            "postgres://{role}:{PASSWORD}@127.0.0.1:{port}/{database}"
        ))
    }

    /// Runs one of the product's role scripts.
    fn role(&self, script: &str, variables: &[(&str, &str)]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/sql");
        let secret = [("COUNTERFOIL_ROLE_PASSWORD", PASSWORD)];
        server()
            .script(self.name, &folder.join(script), variables, &secret)
            .unwrap();
    }

    pub(crate) fn make_reading_role(&self, table: &str, columns: &str) {
        let role = self.reading_role();
        let variables = [
            ("role", role.as_str()),
            ("schema", "public"),
            ("table", table),
            ("columns", columns),
        ];
        self.role("read-role.sql", &variables);
    }

    pub(crate) fn make_repair_role(&self, table: &str, columns: &str, update: &str) {
        let role = self.repair_role();
        let variables = [
            ("role", role.as_str()),
            ("schema", "public"),
            ("table", table),
            ("columns", columns),
            ("update_columns", update),
        ];
        self.role("repair-role.sql", &variables);
    }

    pub(crate) async fn inspector(&self) -> Box<dyn AppInspector> {
        PgDatabase::new()
            .within(Network::loopback())
            .inspect(&self.url(&self.reading_role()))
            .await
            .unwrap()
    }

    pub(crate) async fn repairer(&self) -> PgRepairer {
        PgDatabase::new()
            .within(Network::loopback())
            .repairer(&self.url(&self.repair_role()))
            .await
            .unwrap()
    }

    /// The statements that a role sent to this database, as the server logged them.
    pub(crate) fn statements(&self, role: &str) -> Vec<String> {
        let log = std::fs::read_to_string(server().log_path()).unwrap();
        let mine = format!("] {role}@{} LOG:  ", self.name);
        let mut statements: Vec<String> = Vec::new();
        let mut inside = false;
        for line in log.lines() {
            if let Some(more) = line.strip_prefix('\t') {
                if let Some(last) = statements.last_mut().filter(|_| inside) {
                    last.push(' ');
                    last.push_str(more);
                }
                continue;
            }
            let text = line.split_once(&mine).map(|(_, text)| text);
            let text =
                text.filter(|it| it.starts_with("execute ") || it.starts_with("statement: "));
            inside = text.is_some();
            statements.extend(
                text.and_then(|it| it.split_once(": "))
                    .map(|it| it.1.to_owned()),
            );
        }
        statements
    }
}

pub(crate) fn shape(table: &str, key: &str, columns: &[&str]) -> TableShape {
    TableShape {
        schema: "public".to_owned(),
        table: table.to_owned(),
        key: key.to_owned(),
        columns: columns.iter().map(|&it| it.to_owned()).collect(),
    }
}

pub(crate) async fn rows(
    inspector: &dyn AppInspector,
    shape: &TableShape,
) -> Result<(Vec<AppRow>, Completeness), PortError> {
    let mut rows = Vec::new();
    let completeness = inspector
        .rows(shape, &mut |some| rows.extend_from_slice(some))
        .await?;
    Ok((rows, completeness))
}

pub(crate) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

pub(crate) fn list(items: &[&str]) -> Cell {
    Cell::List(items.iter().map(|&it| it.to_owned()).collect())
}

pub(crate) fn time(text: &str) -> Cell {
    Cell::Time(text.parse().unwrap())
}

pub(crate) fn plan(table: &str, key: Cell, changes: &[(&str, Cell, Cell)]) -> RepairPlan {
    let change = |(column, before, after): &(&str, Cell, Cell)| ColumnChange {
        column: (*column).to_owned(),
        before: before.clone(),
        after: after.clone(),
    };
    RepairPlan {
        schema: "public".to_owned(),
        table: table.to_owned(),
        key_column: "id".to_owned(),
        key,
        changes: changes.iter().map(change).collect(),
    }
}

/// The adapter's own error behind the port's.
pub(crate) fn cause(error: &PortError) -> PostgresError {
    let source = error.source.as_ref().unwrap();
    source.downcast_ref::<PostgresError>().unwrap().clone()
}
