//! Whether the live table fits the artifact.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use super::compiled::{MatchSource, PlanColumn};
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the catalog"
)]
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
    /// The database fills it: GENERATED ALWAYS AS, or an identity.
    #[serde(default)]
    pub generated: bool,
    /// Longest text in characters, as `varchar(20)` says it.
    #[serde(default)]
    pub max_chars: Option<u32>,
}

/// The columns of a live table that the role may see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumns {
    /// In the order of the table.
    pub columns: Vec<TableColumn>,
}

/// A table and its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What the artifact is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Findings only. What would make a repair unsafe is a doubt.
    Look,
    /// Findings that may become repairs. What would make a repair unsafe is an error.
    Repair,
}

impl Artifact {
    /// Compares with the live table (`None`: there is none, or the role may not see it); `known` are
    /// the tables to suggest from. Returns what is doubtful but can be run.
    ///
    /// # Errors
    /// Missing columns (with the closest name), columns of a type that cannot hold their value, a
    /// primary key that is none, columns that a repair could not write. The run must not start.
    pub fn check_against(
        &self,
        table: Option<&TableColumns>,
        known: &[TableName],
        purpose: Intent,
    ) -> Result<Vec<MappingError>, MappingErrors> {
        let table = table.ok_or_else(|| missing_table(self, known))?;
        let mut check = Check {
            table,
            purpose,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        check.primary_key(&self.compiled().primary_key);
        check.keys(self);
        check.access(self);
        check.repairs(self);
        MappingErrors::check(check.errors)?;
        Ok(check.warnings)
    }
}

fn missing_table(artifact: &Artifact, known: &[TableName]) -> MappingErrors {
    let compiled = artifact.compiled();
    let wanted = TableName {
        schema: compiled.schema.clone(),
        table: compiled.table.clone(),
    };
    let elsewhere = known.iter().find(|it| it.table == wanted.table);
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let near = elsewhere.map(ToString::to_string).or_else(|| {
        closest(&wanted.to_string(), names.iter().map(String::as_str)).map(str::to_owned)
    });
    let fix = near.map_or_else(
        || {
            "correct the name, or grant the role USAGE on the schema and SELECT on the table"
                .to_owned()
        },
        |near| format!("did you mean `{near}`?"),
    );
    let rule = format!("the database shows this role no table {wanted}");
    MappingError::new("match.table", rule, fix).into()
}

struct Check<'a> {
    table: &'a TableColumns,
    purpose: Intent,
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
                self.not_unique(
                    field,
                    &key.column,
                    !artifact.repairable_columns().is_empty(),
                );
            }
        }
    }

    /// A repair through such a key could mean another row tomorrow; a look reports the doubt.
    fn not_unique(&mut self, field: String, column: &str, repairs: bool) {
        let rule = format!("`{column}` is not unique");
        if repairs && self.purpose == Intent::Repair {
            let fix = "add a unique index on it, or write report_only = true";
            self.errors.push(MappingError::new(field, rule, fix));
        } else {
            let note = "customers whose value stands in several rows are reported as ambiguous";
            self.warnings.push(MappingError::new(field, rule, note));
        }
    }

    /// What the database would refuse to write.
    fn repairs(&mut self, artifact: &Artifact) {
        let access = &artifact.compiled().access;
        let roles = [
            (
                "plan",
                access.plan.as_ref().map(|it| (&it.column, it.repairable)),
            ),
            (
                "premium",
                access
                    .premium
                    .as_ref()
                    .map(|it| (&it.column, it.repairable)),
            ),
            (
                "trial",
                access.trial.as_ref().map(|it| (&it.column, it.repairable)),
            ),
            (
                "seats",
                access.seats.as_ref().map(|it| (&it.column, it.repairable)),
            ),
            (
                "features",
                access
                    .features
                    .as_ref()
                    .map(|it| (&it.column, it.repairable)),
            ),
        ];
        for (role, (name, _)) in roles
            .into_iter()
            .filter_map(|(role, it)| it.filter(|it| it.1).map(|it| (role, it)))
        {
            let generated = |it: &&TableColumn| it.name == *name && it.generated;
            if self.table.columns.iter().any(|it| generated(&it)) {
                self.errors.push(MappingError::new(
                    format!("access.{role}.repairable"),
                    format!("the database itself fills `{name}`"),
                    "write repairable = false, or map the column that it is computed from",
                ));
            }
        }
    }

    fn access(&mut self, artifact: &Artifact) {
        let access = &artifact.compiled().access;
        if let Some(plan) = &access.plan {
            self.plan(artifact, plan);
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
            self.typed(
                "comp",
                &comp.column,
                "a time, a flag, a number or a text",
                |it| !matches!(it, ColumnType::List | ColumnType::Other(_)),
            );
        }
    }

    fn plan(&mut self, artifact: &Artifact, plan: &PlanColumn) {
        let field = "access.plan.column";
        let name = &plan.column;
        let Some(column) = self.find(field, name) else {
            return;
        };
        let plans = || artifact.compiled().plans.iter().map(|it| it.name.as_str());
        match &column.data_type {
            ColumnType::Text => {
                let names = plans().chain([plan.none.as_str()]);
                if plan.repairable
                    && let Some(limit) = column.max_chars
                {
                    self.plans_within(name, limit, names);
                }
            }
            ColumnType::Enum(labels) => {
                // NULL can stand for the plan of those who pay nothing, but no repair writes it.
                let none = (!column.nullable || plan.repairable).then_some(plan.none.as_str());
                if let Some(none) = none {
                    self.label("access.plan.none", name, none, labels);
                }
                for (index, plan) in plans().enumerate() {
                    self.label(&format!("plans[{index}].name"), name, plan, labels);
                }
            }
            _ => self.wrong_type(field, column, "the name of a plan"),
        }
    }

    fn plans_within<'b>(&mut self, column: &str, limit: u32, names: impl Iterator<Item = &'b str>) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        for name in names.filter(|name| name.chars().count() > limit) {
            self.errors.push(MappingError::new(
                "access.plan.column",
                format!("`{column}` holds {limit} characters, too few for `{name}`"),
                "use a shorter name, a wider column, or repairable = false",
            ));
        }
    }

    fn label(&mut self, field: &str, column: &str, name: &str, labels: &[String]) {
        if labels.iter().any(|label| label == name) {
            return;
        }
        let fix = closest(name, labels.iter().map(String::as_str)).map_or_else(
            || format!("use one of {}", labels.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.errors.push(MappingError::new(
            field,
            format!("the type of `{column}` has no value `{name}`"),
            fix,
        ));
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
