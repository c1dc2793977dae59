//! Whether the live table fits the artifact.

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use super::compiled::MatchSource;
use super::error::{MappingError, MappingErrors};
use super::names::closest;

/// What a column can hold, as far as the product cares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `text`, `varchar`, `citext`.
    Text,
    /// `uuid`.
    Uuid,
    /// `boolean`.
    Bool,
    /// `smallint`, `integer`, `bigint`.
    Int,
    /// `timestamptz`, `timestamp`.
    Time,
    /// `date`.
    Date,
    /// `text[]` and arrays with a text form.
    List,
    /// An enum with its labels.
    Enum(Vec<String>),
    /// Anything else, by its name in the database.
    Other(String),
}

impl ColumnType {
    fn name(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Time => "timestamp",
            Self::Date => "date",
            Self::List => "text[]",
            Self::Enum(_) => "enum",
            Self::Other(name) => name,
        }
    }
}

/// One column of a live table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Name.
    pub name: String,
    /// Type.
    pub data_type: ColumnType,
    /// NULL is allowed.
    pub nullable: bool,
    /// It is the whole primary key.
    pub primary_key: bool,
    /// A unique index covers exactly this column, without a condition.
    pub unique: bool,
}

/// The columns of a live table that the role may see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumns {
    /// In the order of the table.
    pub columns: Vec<TableColumn>,
}

fn missing_table(artifact: &Artifact) -> MappingErrors {
    let compiled = artifact.compiled();
    let (schema, table) = (&compiled.schema, &compiled.table);
    MappingError::new(
        "match.table",
        format!("the database shows this role no table {schema}.{table}"),
        "correct the name, or grant the role USAGE on the schema and SELECT on the table",
    )
    .into()
}

impl Artifact {
    /// Compares with the live table (`None`: there is none, or the role may not see it); returns
    /// what is doubtful but can be run.
    ///
    /// # Errors
    /// Missing columns (with the closest name), columns of a type that cannot hold their value, a
    /// primary key that is none. The run must not start.
    pub fn check_against(
        &self,
        table: Option<&TableColumns>,
    ) -> Result<Vec<MappingError>, MappingErrors> {
        let table = table.ok_or_else(|| missing_table(self))?;
        let mut check = Check {
            table,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        check.primary_key(&self.compiled().primary_key);
        check.keys(self);
        check.access(self);
        MappingErrors::check(check.errors)?;
        Ok(check.warnings)
    }
}

struct Check<'a> {
    table: &'a TableColumns,
    errors: Vec<MappingError>,
    warnings: Vec<MappingError>,
}

impl<'a> Check<'a> {
    fn find(&mut self, field: &str, name: &str) -> Option<&'a TableColumn> {
        let found = self.table.columns.iter().find(|column| column.name == name);
        if found.is_none() {
            let known = self.table.columns.iter().map(|column| column.name.as_str());
            let fix = closest(name, known).map_or_else(
                || "use a column of the table that the role may read".to_owned(),
                |close| format!("did you mean `{close}`?"),
            );
            self.errors
                .push(MappingError::new(field, format!("no column `{name}`"), fix));
        }
        found
    }

    fn primary_key(&mut self, name: &str) {
        let field = "match.primary_key";
        if self
            .find(field, name)
            .is_some_and(|column| !column.primary_key)
        {
            self.errors.push(MappingError::new(
                field,
                format!("`{name}` is not the primary key, so it may name several rows"),
                "use the table's primary key, one column",
            ));
        }
    }

    fn keys(&mut self, artifact: &Artifact) {
        for (index, key) in artifact.compiled().keys.iter().enumerate() {
            let field = format!("match.keys[{index}].column");
            let Some(column) = self.find(&field, &key.column) else {
                continue;
            };
            let usable = match key.source {
                MatchSource::Metadata(_) => matches!(
                    column.data_type,
                    ColumnType::Text | ColumnType::Uuid | ColumnType::Int
                ),
                MatchSource::CustomerId | MatchSource::Email => {
                    column.data_type == ColumnType::Text
                }
            };
            if !usable && !matches!(column.data_type, ColumnType::Other(_)) {
                self.wrong_type(&field, column, "text that identifies a customer");
            }
            if !key.report_only && !column.unique && !column.primary_key {
                self.warnings.push(MappingError::new(
                    field,
                    format!("`{}` is not unique", key.column),
                    "customers whose value stands in several rows are reported as ambiguous",
                ));
            }
        }
    }

    fn access(&mut self, artifact: &Artifact) {
        let access = &artifact.compiled().access;
        if let Some(plan) = &access.plan {
            self.plan(artifact, &plan.column, &plan.none);
        }
        if let Some(premium) = &access.premium {
            self.typed("premium", &premium.column, "true or false", |it| {
                *it == ColumnType::Bool
            });
        }
        if let Some(trial) = &access.trial {
            self.trial(&trial.column, trial.repairable, trial.tolerance_s);
        }
        if let Some(seats) = &access.seats {
            self.typed("seats", &seats.column, "a whole number", |it| {
                *it == ColumnType::Int
            });
        }
        if let Some(features) = &access.features {
            let repairable = features.repairable;
            self.typed(
                "features",
                &features.column,
                "a list of names (text[])",
                |it| *it == ColumnType::List || (!repairable && *it == ColumnType::Text),
            );
        }
        if let Some(comp) = &access.comp {
            self.typed("comp", &comp.column, "a time, a flag or a text", |it| {
                !matches!(
                    it,
                    ColumnType::List | ColumnType::Int | ColumnType::Other(_)
                )
            });
        }
    }

    fn plan(&mut self, artifact: &Artifact, name: &str, none: &str) {
        let field = "access.plan.column";
        let Some(column) = self.find(field, name) else {
            return;
        };
        match &column.data_type {
            ColumnType::Text => {}
            ColumnType::Enum(labels) => {
                let plans = artifact
                    .compiled()
                    .plans
                    .iter()
                    .map(|plan| plan.name.as_str());
                // NULL can stand for the plan of those who pay nothing.
                let names = plans.chain((!column.nullable).then_some(none));
                let foreign: Vec<&str> = names
                    .filter(|name| !labels.iter().any(|label| label == name))
                    .collect();
                if !foreign.is_empty() {
                    self.errors.push(MappingError::new(
                        "plans",
                        format!("the type of `{name}` has no value {}", foreign.join(", ")),
                        format!("use its values: {}", labels.join(", ")),
                    ));
                }
            }
            _ => self.wrong_type(field, column, "the name of a plan"),
        }
    }

    fn trial(&mut self, name: &str, repairable: bool, tolerance_s: u64) {
        let field = "access.trial.column";
        let Some(column) = self.find(field, name) else {
            return;
        };
        match column.data_type {
            ColumnType::Date if tolerance_s < 86_400 => self.errors.push(MappingError::new(
                "access.trial.tolerance",
                format!("`{name}` holds whole days"),
                "write tolerance = \"1d\" or more",
            )),
            ColumnType::Time | ColumnType::Date => {}
            _ => return self.wrong_type(field, column, "a time"),
        }
        if repairable && !column.nullable {
            self.errors.push(MappingError::new(
                "access.trial.repairable",
                format!("`{name}` is NOT NULL, so the end of a trial cannot be taken out"),
                "write repairable = false",
            ));
        }
    }

    fn typed(&mut self, role: &str, name: &str, holds: &str, fits: impl Fn(&ColumnType) -> bool) {
        let field = format!("access.{role}.column");
        if let Some(column) = self.find(&field, name)
            && !fits(&column.data_type)
        {
            self.wrong_type(&field, column, holds);
        }
    }

    fn wrong_type(&mut self, field: &str, column: &TableColumn, holds: &str) {
        self.errors.push(MappingError::new(
            field,
            format!(
                "`{}` is {}, not {holds}",
                column.name,
                column.data_type.name()
            ),
            "use a column of a fitting type",
        ));
    }
}
