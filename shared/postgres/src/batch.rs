//! Some rows at a time, in the same memory each time.

use counterfoil_core::cell::{AppRow, Cell};
use counterfoil_core::ports::TakeRows;

/// Enough for the engine to look up many rows together, few enough for the processor's cache.
const ROWS: usize = 64;

/// Rows that are handed over together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What is read next; becomes a row by [`Batch::keep`].
    pub(crate) next: AppRow,
    /// The first `kept` are rows, the others are memory.
    rows: Vec<AppRow>,
    kept: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            next: empty(),
            rows: Vec::with_capacity(ROWS),
            kept: 0,
        }
    }

    /// Takes the next row; hands over all of them when there are enough.
    pub(crate) fn keep(&mut self, each: &mut TakeRows<'_>) {
        match self.rows.get_mut(self.kept) {
            Some(memory) => std::mem::swap(memory, &mut self.next),
            None => self.rows.push(std::mem::replace(&mut self.next, empty())),
        }
        self.kept += 1;
        if self.kept == ROWS {
            self.flush(each);
        }
    }

    /// Hands over what is there.
    pub(crate) fn flush(&mut self, each: &mut TakeRows<'_>) {
        let rows = self.rows.get(..self.kept).unwrap_or_default();
        if !rows.is_empty() {
            each(rows);
        }
        self.kept = 0;
    }
}

const fn empty() -> AppRow {
    AppRow {
        key: Cell::Null,
        cells: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_handed_over_once_and_in_order() {
        for count in [0, 1, 63, 64, 65, 200] {
            let mut seen = Vec::new();
            let mut each = |rows: &[AppRow]| seen.extend_from_slice(rows);
            let mut batch = Batch::new();
            for number in 0..count {
                batch.next.key = Cell::Int(number);
                batch.keep(&mut each);
            }
            batch.flush(&mut each);
            batch.flush(&mut each);
            let keys: Vec<Cell> = seen.into_iter().map(|row| row.key).collect();
            assert_eq!(keys, (0..count).map(Cell::Int).collect::<Vec<_>>());
        }
    }
}
