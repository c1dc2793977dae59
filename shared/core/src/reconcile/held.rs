//! Rows whose customers are not settled yet, packed into one buffer.
//!
//! A customer who was found by a later key may still be claimed by a row with a better one. Such
//! rows wait for the end; there are few of them, but a few per cent of a large table.

use crate::cell::{AppRow, Cell};
use crate::time::Timestamp;

/// A customer's number and the place of the match key by which the row was hit.
pub(super) type Hit = (u32, u8);

/// The waiting rows.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
}

impl Held {
    /// Keeps a row; cells that `keep` refuses come back as NULL.
    pub(super) fn push(&mut self, row: &AppRow, hits: &[Hit], keep: impl Fn(usize) -> bool) {
        self.number(hits.len());
        for (customer, key) in hits {
            self.bytes.extend(customer.to_be_bytes());
            self.bytes.push(*key);
        }
        self.cell(&row.key);
        self.number(row.cells.len());
        for (place, cell) in row.cells.iter().enumerate() {
            self.cell(if keep(place) { cell } else { &Cell::Null });
        }
    }

    /// The rows in the order in which they came.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { rest: &self.bytes }
    }

    fn number(&mut self, number: usize) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes
                .push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        self.bytes.push(u8::try_from(rest).unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes.extend(text.as_bytes());
    }

    fn cell(&mut self, cell: &Cell) {
        match cell {
            Cell::Null => self.bytes.push(0),
            Cell::Text(text) => {
                self.bytes.push(1);
                self.text(text);
            }
            Cell::Bool(flag) => self.bytes.push(2 + u8::from(*flag)),
            Cell::Int(number) => {
                self.bytes.push(4);
                self.bytes.extend(number.to_be_bytes());
            }
            Cell::Time(time) => {
                self.bytes.push(5);
                self.bytes.extend(time.as_millis().to_be_bytes());
            }
            Cell::List(names) => {
                self.bytes.push(6);
                self.number(names.len());
                for name in names {
                    self.text(name);
                }
            }
        }
    }
}

/// Unpacks rows.
pub(super) struct Rows<'a> {
    rest: &'a [u8],
}

impl Iterator for Rows<'_> {
    type Item = (AppRow, Vec<Hit>);

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.number()?;
        let hits = (0..count).map(|_| {
            Some((
                u32::from_be_bytes(self.array()?),
                u8::from_be_bytes(self.array()?),
            ))
        });
        let hits = hits.collect::<Option<_>>()?;
        let key = self.cell()?;
        let count = self.number()?;
        let cells = (0..count).map(|_| self.cell()).collect::<Option<_>>()?;
        Some((AppRow { key, cells }, hits))
    }
}

impl Rows<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let [byte] = self.array()?;
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn cell(&mut self) -> Option<Cell> {
        let [tag] = self.array()?;
        Some(match tag {
            0 => Cell::Null,
            1 => Cell::Text(self.text()?),
            2 | 3 => Cell::Bool(tag == 3),
            4 => Cell::Int(i64::from_be_bytes(self.array()?)),
            5 => Cell::Time(Timestamp::from_millis(u64::from_be_bytes(self.array()?))),
            _ => {
                let count = self.number()?;
                Cell::List((0..count).map(|_| self.text()).collect::<Option<_>>()?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let row = AppRow {
            key: Cell::Int(-7),
            cells: vec![
                Cell::Null,
                Cell::Text("é".repeat(200)),
                Cell::Bool(true),
                Cell::Bool(false),
                Cell::Time(Timestamp::from_millis(1_795_392_000_123)),
                Cell::List(vec![String::new(), "sso".to_owned()]),
            ],
        };
        let mut held = Held::default();
        held.push(&row, &[(5, 1), (900_000, 2)], |_| true);
        held.push(&row, &[], |place| place != 1);
        let mut rows = held.rows();
        assert_eq!(rows.next(), Some((row.clone(), vec![(5, 1), (900_000, 2)])));
        let second = rows.next().unwrap().0;
        assert_eq!(
            (&second.cells[1], &second.cells[5]),
            (&Cell::Null, &row.cells[5])
        );
        assert_eq!(rows.next(), None);
    }
}
