//! What can go wrong with the customer's database, each as one sentence that says what to do.
//!
//! No variant carries a value of a row, a user name or a password: messages of the server are not
//! passed on, because some of them quote values.

use counterfoil_core::ports::{PortError, PortErrorKind};
use thiserror::Error;
use tokio_postgres::error::{DbError, SqlState};

/// A refused or failed call.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PostgresError {
    /// No TCP connection, or no answer on it.
    #[error("the database server at {place} cannot be reached: check host, port and firewall")]
    Unreachable {
        /// `host:port`.
        place: String,
    },
    /// An address that the product does not connect to.
    #[error("the database server {place} is {what}: {fix}")]
    Address {
        /// `host:port`.
        place: String,
        /// What is wrong with it.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// A way to log in that would hand the password to the server.
    #[error(
        "the database server asks for {what}, so nothing was sent: set password_encryption to \
         scram-sha-256, give the role its password again and require scram-sha-256 in pg_hba.conf"
    )]
    AuthMethod {
        /// What it asks for.
        what: &'static str,
    },
    /// The server sent what no query of the product needs, or too much of it.
    #[error("the database server was cut off: it sent {what}")]
    CutOff {
        /// What it sent.
        what: &'static str,
    },
    /// The server has no TLS, or its certificate is not valid for this host.
    #[error("the TLS connection to {place} was refused: {reason}")]
    Tls {
        /// `host:port`.
        place: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// Wrong user or password, or no entry in the server's access rules.
    #[error("the database refused the user or the password of the URL")]
    Authentication,
    /// The server is there, the database is not.
    #[error("the server has no database named `{database}`: correct the end of the URL")]
    NoDatabase {
        /// Its name as the URL has it.
        database: String,
    },
    /// Too many connections, starting up, or shutting down.
    #[error("the database server takes no connections at the moment")]
    Busy,
    /// The connection ended in the middle of a call.
    #[error("the connection to the database was lost")]
    Lost,
    /// A limit of time was reached, here or on the server.
    #[error("the database did not answer in time")]
    Timeout,
    /// The read-only setting did not take effect. Nothing was read.
    #[error("the connection is not read-only: a pooler or proxy changed the transaction")]
    NotReadOnly,
    /// A name that cannot be an identifier.
    #[error("`{name}` is not a plain name: use letters, digits, `_` and `$`, at most 63")]
    Name {
        /// The name.
        name: String,
    },
    /// A lookup by a column that the statement may not use.
    #[error("column `{column}` is not part of the mapping of {table}")]
    NotMapped {
        /// `schema.table`.
        table: String,
        /// The column.
        column: String,
    },
    /// No such table, or no right to see it.
    #[error("there is no table {table}, or the role has no USAGE on its schema")]
    NoTable {
        /// `schema.table`.
        table: String,
    },
    /// The table lacks columns.
    #[error("table {table} has no column {columns}: correct the mapping")]
    NoColumn {
        /// `schema.table`.
        table: String,
        /// Names, with commas.
        columns: String,
    },
    /// The role may not read columns of the table.
    #[error("the role may not read {columns} of {table}: GRANT SELECT on these columns to it")]
    MayNotRead {
        /// `schema.table`.
        table: String,
        /// Names, with commas.
        columns: String,
    },
    /// The role may not do this to the table.
    #[error(
        "the role lacks a privilege on {table}: the repair role needs UPDATE on the repaired \
             columns and SELECT on them and on the key"
    )]
    Denied {
        /// `schema.table`.
        table: String,
    },
    /// A column of a type that has no place in the product.
    #[error(
        "column `{column}` has type {data_type}, which cannot be compared: map a column of type \
             boolean, integer, text, uuid, enum, timestamp, date or text[], or a view that casts it"
    )]
    UnsupportedType {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// A value that does not fit the column's type.
    #[error("the value for column `{column}` does not fit its type {data_type}")]
    WrongValue {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// A repair of something that is not an ordinary table.
    #[error("{table} is {what}, and only rows of an ordinary table are repaired")]
    NotATable {
        /// `schema.table`.
        table: String,
        /// `a view`, `a partitioned table`, ...
        what: &'static str,
    },
    /// The key of a plan names more than one row.
    #[error("the key names more than one row of {table}")]
    NotUnique {
        /// `schema.table`.
        table: String,
    },
    /// A lookup that would return too much.
    #[error("more than {limit} rows of {table} match the lookup")]
    TooManyRows {
        /// `schema.table`.
        table: String,
        /// The limit.
        limit: usize,
    },
    /// A constraint or trigger of the app refused the change.
    #[error("the database refused the change with SQLSTATE {code}{at}")]
    Rejected {
        /// Five characters.
        code: String,
        /// ` (constraint x)`, or empty.
        at: String,
    },
    /// Bytes that no Postgres server sends.
    #[error("the server's answer breaks the protocol")]
    Protocol,
    /// COMMIT was sent; whether it took effect is not known.
    #[error("the answer to COMMIT was lost")]
    CommitUnknown,
}

impl PostgresError {
    /// What may be concluded from the error.
    pub const fn kind(&self) -> PortErrorKind {
        match self {
            Self::Unreachable { .. } | Self::Busy | Self::Lost | Self::Timeout => {
                PortErrorKind::Unavailable
            }
            Self::Protocol | Self::CutOff { .. } => PortErrorKind::Corrupt,
            Self::CommitUnknown => PortErrorKind::OutcomeUnknown,
            _ => PortErrorKind::Refused,
        }
    }

    /// The port's error for it.
    pub(crate) fn doing(self, doing: impl Into<String>) -> PortError {
        PortError::caused(self.kind(), doing, self)
    }

    /// Whether the catalog can tell more about the cause.
    pub(crate) const fn is_vague(&self) -> bool {
        matches!(
            self,
            Self::NoTable { .. } | Self::NoColumn { .. } | Self::Denied { .. }
        )
    }
}

/// Classifies a failed statement on `table` (`schema.table`).
pub(crate) fn statement(error: &tokio_postgres::Error, table: &str) -> PostgresError {
    let table = table.to_owned();
    let Some(error) = error.as_db_error() else {
        return transport(error);
    };
    let code = error.code();
    if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME {
        PostgresError::NoTable { table }
    } else if *code == SqlState::UNDEFINED_COLUMN {
        PostgresError::NoColumn {
            table,
            columns: "of that name".to_owned(),
        }
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        PostgresError::Denied { table }
    } else if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
        PostgresError::Timeout
    } else if is_going_down(error) {
        PostgresError::Lost
    } else {
        rejected(error)
    }
}

/// Whether the server ended the session: after COMMIT was sent this proves nothing about it.
pub(crate) fn is_going_down(error: &DbError) -> bool {
    let class = error.code().code();
    class.starts_with("57P") || class.starts_with("08") || class.starts_with("XX")
}

/// Classifies an answer without an SQLSTATE. The library tells its kinds apart by text only.
pub(crate) fn transport(error: &tokio_postgres::Error) -> PostgresError {
    const ENDED: [&str; 3] = [
        "error communicating with the server",
        "connection closed",
        "timeout waiting for server",
    ];
    let shown = error.to_string();
    if ENDED.iter().any(|it| shown.starts_with(it)) {
        PostgresError::Lost
    } else {
        PostgresError::Protocol
    }
}

fn rejected(error: &DbError) -> PostgresError {
    let at = error
        .constraint()
        .map_or_else(String::new, |name| format!(" (constraint {name})"));
    PostgresError::Rejected {
        code: error.code().code().to_owned(),
        at,
    }
}
