//! What a repair would do: one row of one table, named columns, before and after.

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::json::{JsonError, canonical};

/// One column's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnChange {
    /// Column name.
    pub column: String,
    /// Value that must still be there.
    pub before: Cell,
    /// Value to write.
    pub after: Cell,
}

/// A single-row change. Values live in `subject` parts and in the state table, never in `facts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairPlan {
    /// Schema of the table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Primary key column.
    pub key_column: String,
    /// Primary key value of the one row.
    pub key: Cell,
    /// Changes, ordered by column name.
    pub changes: Vec<ColumnChange>,
}

impl RepairPlan {
    /// The salted digest by which decisions and permits name this plan: SHA-256 of
    /// salt followed by the canonical JSON of the plan.
    ///
    /// # Errors
    /// When a value has no canonical form.
    pub fn digest(&self, salt: &[u8; 32]) -> Result<String, JsonError> {
        let mut bytes = salt.to_vec();
        bytes.extend(canonical(self)?);
        Ok(digest_string(&bytes))
    }

    /// Whether it writes this column.
    pub fn writes(&self, column: &str) -> bool {
        self.changes.iter().any(|change| change.column == column)
    }

    /// The repair back: before and after swapped.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let changes = self
            .changes
            .iter()
            .map(|change| ColumnChange {
                column: change.column.clone(),
                before: change.after.clone(),
                after: change.before.clone(),
            })
            .collect();
        Self {
            changes,
            ..self.clone()
        }
    }
}
