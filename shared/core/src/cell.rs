//! One value of the app's database, as far as the product understands it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A column value. Everything that may be compared or written is one of these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// `text`, `varchar`, `uuid`, enums, and whatever else has only a text form.
    Text(String),
    /// `boolean`.
    Bool(bool),
    /// `smallint`, `integer`, `bigint`.
    Int(i64),
    /// `timestamptz`, `timestamp` (taken as UTC) and `date` (midnight UTC).
    Time(Timestamp),
    /// `text[]` and arrays with a text form, in stored order.
    List(Vec<String>),
}

impl Cell {
    /// The value as people read it; NULL is the empty string.
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Time(time) => time.to_string(),
            Self::List(items) => items.join(","),
        }
    }
}

/// The columns that the product reads of one table; every statement is generated from this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Schema, for example `public`.
    pub schema: String,
    /// Table, for example `app_users`.
    pub table: String,
    /// Primary key column.
    pub key: String,
    /// Further columns, in the order in which rows carry them.
    pub columns: Vec<String>,
}

/// One row of the app's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRow {
    /// Primary key.
    pub key: Cell,
    /// Values in the order of [`TableShape::columns`].
    pub cells: Vec<Cell>,
}
