//! The binary COPY format: a header, rows of length-prefixed values, a trailer.
//!
//! Follows "Binary Format" of the PostgreSQL documentation of COPY. Pieces may arrive cut anywhere;
//! what is kept between them is at most one row, and that is bounded.

use bytes::{Buf, BytesMut};
use counterfoil_core::cell::{AppRow, Cell};

use crate::decode::{self, Malformed, Reader};
use crate::form::Form;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the header extension.
const HEADER: usize = 19;
/// Longest row in bytes. Mapped columns are names, flags and times; 8 MB of them are not a row.
const MAX_ROW: usize = 8 << 20;

/// Takes pieces of a COPY stream, gives rows.
#[derive(Debug)]
pub(crate) struct CopyReader {
    forms: Vec<Form>,
    /// The begin of a row whose end has not come.
    held: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    End,
}

/// What lies at the front of some bytes.
enum Front {
    Incomplete,
    End,
    /// A row of this many bytes.
    Row(usize),
}

impl CopyReader {
    /// A reader of rows with these columns, of which the first is the key.
    pub(crate) fn new(forms: Vec<Form>) -> Self {
        Self {
            forms,
            held: BytesMut::new(),
            state: State::Header,
        }
    }

    /// Writes the next whole row over `row` and takes its bytes off `piece`. `false` when the next
    /// piece is needed; all of this one is taken then.
    pub(crate) fn row(&mut self, piece: &mut &[u8], row: &mut AppRow) -> Result<bool, Malformed> {
        // A server sends whole rows: most are read where they arrived.
        if self.state == State::Rows
            && self.held.is_empty()
            && let Front::Row(length) = self.front(piece, row)?
        {
            *piece = piece.get(length..).unwrap_or_default();
            return Ok(true);
        }
        self.held.extend_from_slice(std::mem::take(piece));
        if self.state == State::Header && self.held.len() >= HEADER {
            self.header()?;
        }
        if self.state == State::Rows {
            match self.front(&self.held, row)? {
                Front::Row(length) => {
                    self.held.advance(length);
                    return Ok(true);
                }
                Front::End => {
                    self.state = State::End;
                    self.held.advance(2);
                }
                Front::Incomplete => {}
            }
        }
        if self.held.len() > MAX_ROW {
            return Err(Malformed);
        }
        Ok(false)
    }

    /// Whether the stream ended with its trailer and nothing behind it.
    pub(crate) fn is_whole(&self) -> bool {
        self.state == State::End && self.held.is_empty()
    }

    fn header(&mut self) -> Result<(), Malformed> {
        let mut reader = Reader(&self.held);
        let signature = reader.bytes(SIGNATURE.len())?;
        let (flags, extension) = (reader.i32()?, reader.i32()?);
        // No server sends OIDs (bit 16), unknown critical flags or an extension.
        if signature != SIGNATURE || flags != 0 || extension != 0 {
            return Err(Malformed);
        }
        self.held.advance(HEADER);
        self.state = State::Rows;
        Ok(())
    }

    fn front(&self, bytes: &[u8], row: &mut AppRow) -> Result<Front, Malformed> {
        let mut reader = Reader(bytes);
        let Ok(fields) = reader.i16() else {
            return Ok(Front::Incomplete);
        };
        if fields == -1 {
            return Ok(Front::End);
        }
        let others = self.forms.len().checked_sub(1).ok_or(Malformed)?;
        if usize::try_from(fields) != Ok(self.forms.len()) {
            return Err(Malformed);
        }
        row.cells.resize(others, Cell::Null);
        let cells = std::iter::once(&mut row.key).chain(&mut row.cells);
        for (form, cell) in self.forms.iter().zip(cells) {
            let Ok(length) = reader.i32() else {
                return Ok(Front::Incomplete);
            };
            let raw = if length == -1 {
                None
            } else {
                let length = usize::try_from(length).map_err(|_| Malformed)?;
                if length > MAX_ROW {
                    return Err(Malformed);
                }
                let Ok(raw) = reader.bytes(length) else {
                    return Ok(Front::Incomplete);
                };
                Some(raw)
            };
            decode::replace(cell, *form, raw)?;
        }
        Ok(Front::Row(bytes.len().saturating_sub(reader.0.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for row in rows {
            bytes.extend(i16::try_from(row.len()).unwrap().to_be_bytes());
            for value in *row {
                let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
                bytes.extend(length.to_be_bytes());
                bytes.extend(value.unwrap_or_default());
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<AppRow>, bool), Malformed> {
        let mut reader = CopyReader::new(vec![Form::Text, Form::Bool]);
        let mut rows = Vec::new();
        let mut row = AppRow {
            key: Cell::Null,
            cells: Vec::new(),
        };
        for mut piece in bytes.chunks(piece) {
            while reader.row(&mut piece, &mut row)? {
                rows.push(row.clone());
            }
        }
        Ok((rows, reader.is_whole()))
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let bytes = stream(&[
            &[Some(b"pro"), Some(&[1])],
            &[None, None],
            &[Some(b""), Some(&[0])],
        ]);
        let whole = read(&bytes, bytes.len()).unwrap();
        assert_eq!(whole.0.len(), 3);
        assert!(whole.1);
        for piece in 1..bytes.len() {
            assert_eq!(read(&bytes, piece), Ok(whole.clone()), "pieces of {piece}");
        }
    }

    #[test]
    fn a_stream_that_stops_early_is_not_whole() {
        let bytes = stream(&[&[Some(b"pro"), Some(&[1])]]);
        for length in 0..bytes.len() {
            assert!(!read(&bytes[..length], 1024).unwrap().1, "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_a_row_is_refused() {
        let mut other_magic = stream(&[]);
        other_magic[0] = b'Q';
        assert_eq!(read(&other_magic, 64), Err(Malformed));
        assert_eq!(read(&stream(&[&[None]]), 64), Err(Malformed));
        let mut long = stream(&[]);
        long.truncate(HEADER);
        long.extend([0, 2, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(read(&long, 64), Err(Malformed));
        let mut behind = stream(&[]);
        behind.push(0);
        assert!(!read(&behind, 64).unwrap().1);
    }
}
