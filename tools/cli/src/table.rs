//! Columns for people.

use crate::output::say;
use crate::plain::shown;

/// Rows under a head. Cells may hold what others wrote.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Only the head.
    pub(crate) fn new(head: [&str; N]) -> Self {
        Self {
            rows: vec![head.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [&str; N]) {
        let cell = |cell: &str| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                shown(cell)
            }
        };
        self.rows.push(cells.map(cell));
    }

    /// Prints it, or `nothing` where it has no rows.
    pub(crate) fn print(&self, nothing: &str) {
        if self.rows.len() < 2 {
            say(nothing);
            return;
        }
        for line in self.lines() {
            say(line);
        }
    }

    /// The lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..N).map(|it| width(it).unwrap_or_default()).collect();
        let line = |row: &[String; N]| {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_cannot_break_lines() {
        let mut table = Table::new(["id", "name"]);
        table.row(["prj_1", "A\nB"]);
        table.row(["p", ""]);
        assert_eq!(table.lines(), ["id     name", "prj_1  A\\nB", "p      -"]);
    }
}
