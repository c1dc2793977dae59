//! Names of tables and columns in statements.

use std::fmt;

use crate::error::PostgresError;

/// `NAMEDATALEN` - 1: the server cuts longer names silently, and would then mean another column.
const MAX_BYTES: usize = 63;

/// A checked identifier; prints quoted, so that case and keywords do not matter.
///
/// Checking and quoting both: neither alone would be trusted with a name that people typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identifier<'a>(&'a str);

impl<'a> Identifier<'a> {
    /// Accepts `^[A-Za-z_][A-Za-z0-9_$]*$` of at most 63 bytes.
    pub(crate) fn new(name: &'a str) -> Result<Self, PostgresError> {
        let start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        let inner = |byte: u8| start(byte) || byte.is_ascii_digit() || byte == b'$';
        let mut bytes = name.bytes();
        let plain = bytes.next().is_some_and(start) && bytes.all(inner);
        if plain && name.len() <= MAX_BYTES {
            Ok(Self(name))
        } else {
            Err(PostgresError::Name {
                name: name.escape_debug().to_string(),
            })
        }
    }
}

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A table with its schema; prints as `"schema"."table"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QualifiedTable<'a> {
    schema: Identifier<'a>,
    table: Identifier<'a>,
}

impl<'a> QualifiedTable<'a> {
    pub(crate) fn new(schema: &'a str, table: &'a str) -> Result<Self, PostgresError> {
        Ok(Self {
            schema: Identifier::new(schema)?,
            table: Identifier::new(table)?,
        })
    }
}

impl fmt::Display for QualifiedTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_quoted() {
        assert_eq!(
            Identifier::new("Plan_2$").unwrap().to_string(),
            "\"Plan_2$\""
        );
        assert_eq!(
            QualifiedTable::new("public", "users").unwrap().to_string(),
            "\"public\".\"users\""
        );
    }

    #[test]
    fn names_that_could_end_a_quotation_or_be_cut_are_refused() {
        let long = "a".repeat(64);
        for name in [
            "",
            "1a",
            "a b",
            "a\"; drop table x; --",
            "a.b",
            "a\0",
            "ä",
            "a-b",
            &long,
        ] {
            assert!(Identifier::new(name).is_err(), "{name:?}");
        }
        assert!(Identifier::new(&"a".repeat(63)).is_ok());
    }
}
