//! The SELECTs on the app's table. Every one is generated from a shape; none has a literal in it.

use std::fmt::Write as _;

use counterfoil_core::cell::TableShape;
use tokio_postgres::Column;

use crate::error::PostgresError;
use crate::form::Form;
use crate::identifier::{Identifier, QualifiedTable};

/// `SELECT key, columns FROM table`, and what may be put behind it.
#[derive(Debug)]
pub(crate) struct Select {
    /// The statement without a condition.
    pub(crate) text: String,
    /// `schema.table`, for people.
    pub(crate) table: String,
}

impl Select {
    /// The statement that reads the shape's key and columns, in this order.
    pub(crate) fn of(shape: &TableShape) -> Result<Self, PostgresError> {
        let table = QualifiedTable::new(&shape.schema, &shape.table)?;
        let mut text = format!("SELECT {}", Identifier::new(&shape.key)?);
        for column in &shape.columns {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {}", Identifier::new(column)?);
        }
        let _ = write!(text, " FROM {table}");
        Ok(Self {
            text,
            table: name(&shape.schema, &shape.table),
        })
    }

    /// All rows as a binary COPY.
    pub(crate) fn copy(&self) -> String {
        format!("COPY ({}) TO STDOUT (FORMAT binary)", self.text)
    }

    /// The rows whose column, as text, is in the array `$1`.
    pub(crate) fn with_text_in(&self, column: Identifier<'_>, ignore_case: bool) -> String {
        let text = &self.text;
        if ignore_case {
            format!(
                "{text} WHERE pg_catalog.lower({column}::text) = ANY(ARRAY(SELECT \
                 pg_catalog.lower(wanted) FROM pg_catalog.unnest($1::text[]) AS wanted))"
            )
        } else {
            format!("{text} WHERE {column}::text = ANY($1)")
        }
    }

    /// The rows whose column is in the array `$1` of its own type, so that its index serves.
    pub(crate) fn with_value_in(&self, column: Identifier<'_>) -> String {
        format!("{} WHERE {column} = ANY($1)", self.text)
    }

    /// The rows whose column is `$1`.
    pub(crate) fn with_value(&self, column: Identifier<'_>) -> String {
        format!("{} WHERE {column} = $1", self.text)
    }
}

/// `schema.table` for messages.
pub(crate) fn name(schema: &str, table: &str) -> String {
    format!("{schema}.{table}")
}

/// The forms of described columns.
pub(crate) fn forms(columns: &[Column]) -> Result<Vec<Form>, PostgresError> {
    let form = |column: &Column| {
        Form::of(column.type_()).ok_or_else(|| PostgresError::UnsupportedType {
            column: column.name().to_owned(),
            data_type: column.type_().name().to_owned(),
        })
    };
    columns.iter().map(form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(columns: &[&str]) -> TableShape {
        TableShape {
            schema: "public".to_owned(),
            table: "app_users".to_owned(),
            key: "id".to_owned(),
            columns: columns.iter().map(|&it| it.to_owned()).collect(),
        }
    }

    #[test]
    fn statements_name_only_the_mapped_columns() {
        let select = Select::of(&shape(&["plan", "Premium"])).unwrap();
        assert_eq!(
            select.copy(),
            "COPY (SELECT \"id\", \"plan\", \"Premium\" FROM \"public\".\"app_users\") TO STDOUT \
             (FORMAT binary)"
        );
        let column = Identifier::new("plan").unwrap();
        assert_eq!(
            select.with_text_in(column, false),
            "SELECT \"id\", \"plan\", \"Premium\" FROM \"public\".\"app_users\" WHERE \
             \"plan\"::text = ANY($1)"
        );
    }

    #[test]
    fn a_name_that_is_none_makes_no_statement() {
        let error = Select::of(&shape(&["plan\" FROM secrets; --"])).unwrap_err();
        assert!(matches!(error, PostgresError::Name { .. }));
    }
}
