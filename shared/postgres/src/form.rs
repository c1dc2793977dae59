//! Which column types the product understands, and what of them.
//!
//! One list serves reading, writing and the description of tables, so that a column that the
//! mapping accepts can be read, and one that can be read can be compared.

use counterfoil_core::mapping::ColumnType;
use tokio_postgres::types::{Kind, Type};

/// The binary form of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    /// UTF-8: `text`, `varchar`, `name`, `citext`, enums.
    Text,
    /// `char(n)`, padded with blanks that mean nothing.
    Padded,
    Uuid,
    /// Microseconds: `timestamptz`, and `timestamp` taken as UTC.
    Time,
    /// Days.
    Date,
    /// A one-dimensional array of a text form.
    List(Element),
}

/// The element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Text,
    Padded,
    Uuid,
}

impl Form {
    /// The form of a type, or `None` for a type that the product does not read.
    pub(crate) fn of(data_type: &Type) -> Option<Self> {
        Some(match *data_type {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::TEXT | Type::VARCHAR | Type::NAME => Self::Text,
            Type::BPCHAR => Self::Padded,
            Type::UUID => Self::Uuid,
            Type::TIMESTAMPTZ | Type::TIMESTAMP => Self::Time,
            Type::DATE => Self::Date,
            _ => match data_type.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Simple if data_type.name() == "citext" => Self::Text,
                Kind::Domain(base) => Self::of(base)?,
                Kind::Array(item) => match Self::of(item)? {
                    Self::Text => Self::List(Element::Text),
                    Self::Padded => Self::List(Element::Padded),
                    Self::Uuid => Self::List(Element::Uuid),
                    _ => return None,
                },
                _ => return None,
            },
        })
    }

    /// Whether a column of the type holds microseconds, which a [`counterfoil_core::cell::Cell`] cuts.
    pub(crate) fn is_time(self) -> bool {
        self == Self::Time
    }
}

/// The type as the mapping's check sees it.
pub(crate) fn column_type(data_type: &Type) -> ColumnType {
    if let Some(labels) = labels(data_type) {
        return ColumnType::Enum(labels.to_vec());
    }
    match Form::of(data_type) {
        Some(Form::Bool) => ColumnType::Bool,
        Some(Form::Int2 | Form::Int4 | Form::Int8) => ColumnType::Int,
        Some(Form::Text | Form::Padded) => ColumnType::Text,
        Some(Form::Uuid) => ColumnType::Uuid,
        Some(Form::Time) => ColumnType::Time,
        Some(Form::Date) => ColumnType::Date,
        Some(Form::List(_)) => ColumnType::List,
        None => ColumnType::Other(data_type.name().to_owned()),
    }
}

fn labels(data_type: &Type) -> Option<&[String]> {
    match data_type.kind() {
        Kind::Enum(labels) => Some(labels),
        Kind::Domain(base) => labels(base),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, kind: Kind) -> Type {
        Type::new(name.to_owned(), 90_000, kind, "public".to_owned())
    }

    #[test]
    fn enums_domains_and_their_arrays_have_a_form() {
        let plan = made(
            "plan",
            Kind::Enum(vec!["free".to_owned(), "pro".to_owned()]),
        );
        let domain = made("short_plan", Kind::Domain(plan.clone()));
        assert_eq!(Form::of(&domain), Some(Form::Text));
        assert_eq!(
            column_type(&domain),
            ColumnType::Enum(vec!["free".to_owned(), "pro".to_owned()])
        );
        let list = made("_plan", Kind::Array(plan));
        assert_eq!(Form::of(&list), Some(Form::List(Element::Text)));
    }

    #[test]
    fn types_without_an_exact_form_have_none() {
        for data_type in [
            Type::FLOAT8,
            Type::NUMERIC,
            Type::JSONB,
            Type::INT4_ARRAY,
            Type::BYTEA,
        ] {
            assert_eq!(Form::of(&data_type), None);
            assert!(matches!(column_type(&data_type), ColumnType::Other(_)));
        }
    }
}
