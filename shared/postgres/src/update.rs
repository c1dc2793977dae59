//! The text and the parameters of the one UPDATE, built from a plan.
//!
//! Names come from the plan, checked and quoted; every value is a parameter that is sent in the
//! column's own type. Times are compared at the milliseconds that the product keeps of them.

use counterfoil_core::cell::Cell;
use counterfoil_core::repair::RepairPlan;
use tokio_postgres::types::{ToSql, Type};

use crate::encode::{Parameter, fits};
use crate::error::PostgresError;
use crate::form::Form;
use crate::identifier::{Identifier, QualifiedTable};

/// Names the precision for `date_trunc`.
const PRECISION: &str = "milliseconds";

/// A statement with its parameters and their types.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    pub(crate) text: String,
    pub(crate) types: Vec<Type>,
    values: Vec<Value<'a>>,
}

#[derive(Debug)]
enum Value<'a> {
    Cell(Parameter<'a>),
    Precision,
}

impl Value<'_> {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Cell(parameter) => parameter,
            Self::Precision => &PRECISION,
        }
    }
}

impl<'a> Update<'a> {
    /// The statement for a plan whose key and columns have these types, in plan order.
    pub(crate) fn of(plan: &'a RepairPlan, columns: &[Type]) -> Result<Self, PostgresError> {
        let table = QualifiedTable::new(&plan.schema, &plan.table)?;
        let mut update = Self {
            text: String::new(),
            types: Vec::new(),
            values: Vec::new(),
        };
        let Some((key_type, column_types)) = columns.split_first() else {
            return Err(PostgresError::Protocol);
        };
        let changes = plan.changes.iter().zip(column_types);
        let set = changes
            .clone()
            .map(|(change, data_type)| {
                let column = Identifier::new(&change.column)?;
                let after = update.value(&change.column, &change.after, data_type)?;
                Ok(format!("{column} = {after}"))
            })
            .collect::<Result<Vec<_>, PostgresError>>()?;
        let key = update.value(&plan.key_column, &plan.key, key_type)?;
        let mut conditions = vec![format!("{} = {key}", Identifier::new(&plan.key_column)?)];
        for (change, data_type) in changes {
            let column = Identifier::new(&change.column)?;
            let stored = if Form::of(data_type).is_some_and(Form::is_time) {
                format!("pg_catalog.date_trunc({}, {column})", update.precision())
            } else {
                column.to_string()
            };
            let before = update.value(&change.column, &change.before, data_type)?;
            conditions.push(format!("{stored} IS NOT DISTINCT FROM {before}"));
        }
        update.text = format!(
            "UPDATE {table} SET {} WHERE {}",
            set.join(", "),
            conditions.join(" AND ")
        );
        Ok(update)
    }

    /// The parameters in order.
    pub(crate) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(Value::as_sql).collect()
    }

    fn value(
        &mut self,
        column: &str,
        cell: &'a Cell,
        data_type: &Type,
    ) -> Result<String, PostgresError> {
        if !fits(cell, data_type) {
            return Err(PostgresError::WrongValue {
                column: column.to_owned(),
                data_type: data_type.name().to_owned(),
            });
        }
        Ok(self.push(Value::Cell(Parameter(cell)), data_type.clone()))
    }

    fn precision(&mut self) -> String {
        self.push(Value::Precision, Type::TEXT)
    }

    fn push(&mut self, value: Value<'a>, data_type: Type) -> String {
        self.values.push(value);
        self.types.push(data_type);
        format!("${}", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_core::repair::ColumnChange;

    use super::*;

    fn plan(column: &str) -> RepairPlan {
        let change = |column: &str, before, after| ColumnChange {
            column: column.to_owned(),
            before,
            after,
        };
        RepairPlan {
            schema: "public".to_owned(),
            table: "app_users".to_owned(),
            key_column: "id".to_owned(),
            key: Cell::Int(7),
            changes: vec![
                change(
                    column,
                    Cell::Text("x'; --".to_owned()),
                    Cell::Text("pro".to_owned()),
                ),
                change("trial_ends_at", Cell::Null, Cell::Null),
            ],
        }
    }

    #[test]
    fn the_text_has_names_and_parameters_and_nothing_else() {
        let plan = plan("plan");
        let update = Update::of(&plan, &[Type::INT8, Type::TEXT, Type::TIMESTAMPTZ]).unwrap();
        assert_eq!(
            update.text,
            "UPDATE \"public\".\"app_users\" SET \"plan\" = $1, \"trial_ends_at\" = $2 WHERE \
             \"id\" = $3 AND \"plan\" IS NOT DISTINCT FROM $4 AND \
             pg_catalog.date_trunc($5, \"trial_ends_at\") IS NOT DISTINCT FROM $6"
        );
        assert_eq!(update.types.len(), 6);
        assert_eq!(update.parameters().len(), 6);
        assert!(!format!("{update:?}").contains("--"));
    }

    #[test]
    fn bad_names_and_values_make_no_statement() {
        let injected = plan("plan\" = plan; --");
        let types = [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ];
        assert!(matches!(
            Update::of(&injected, &types),
            Err(PostgresError::Name { .. })
        ));
        let types = [Type::UUID, Type::TEXT, Type::TIMESTAMPTZ];
        assert!(matches!(
            Update::of(&plan("plan"), &types),
            Err(PostgresError::WrongValue { .. })
        ));
    }
}
