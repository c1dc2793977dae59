//! The binary COPY format: a header, rows of length-prefixed values, a trailer.
//!
//! Follows "Binary Format" of the PostgreSQL documentation of COPY. Pieces may arrive cut anywhere;
//! what is kept between them is at most one row, and that is bounded.

use bytes::{Buf, BytesMut};
use counterfoil_core::cell::Cell;

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
    held: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    End,
}

/// What lies at the front of the held bytes.
enum Front {
    Incomplete,
    End,
    Row(Vec<Cell>, usize),
}

impl CopyReader {
    /// A reader of rows with these columns.
    pub(crate) fn new(forms: Vec<Form>) -> Self {
        Self {
            forms,
            held: BytesMut::new(),
            state: State::Header,
        }
    }

    /// Takes the next piece of the stream.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        self.held.extend_from_slice(piece);
        if self.state == State::Header && self.held.len() >= HEADER {
            self.header()?;
        }
        Ok(())
    }

    /// The next whole row among what was pushed.
    pub(crate) fn row(&mut self) -> Result<Option<Vec<Cell>>, Malformed> {
        if self.state != State::Rows {
            return Ok(None);
        }
        match self.front()? {
            Front::Row(cells, length) => {
                self.held.advance(length);
                Ok(Some(cells))
            }
            Front::End => {
                self.state = State::End;
                self.held.advance(2);
                Ok(None)
            }
            Front::Incomplete if self.held.len() > MAX_ROW => Err(Malformed),
            Front::Incomplete => Ok(None),
        }
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

    fn front(&self) -> Result<Front, Malformed> {
        let mut reader = Reader(&self.held);
        let Ok(fields) = reader.i16() else {
            return Ok(Front::Incomplete);
        };
        if fields == -1 {
            return Ok(Front::End);
        }
        if usize::try_from(fields) != Ok(self.forms.len()) {
            return Err(Malformed);
        }
        let mut cells = Vec::with_capacity(self.forms.len());
        for form in &self.forms {
            let mut ahead = reader;
            let Ok(length) = ahead.i32() else {
                return Ok(Front::Incomplete);
            };
            let wanted = match length {
                -1 => 0,
                _ => usize::try_from(length).map_err(|_| Malformed)?,
            };
            if wanted > MAX_ROW {
                return Err(Malformed);
            }
            let Ok(raw) = reader.value() else {
                return Ok(Front::Incomplete);
            };
            cells.push(decode::cell(*form, raw)?);
        }
        Ok(Front::Row(
            cells,
            self.held.len().saturating_sub(reader.0.len()),
        ))
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

    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<Vec<Cell>>, bool), Malformed> {
        let mut reader = CopyReader::new(vec![Form::Text, Form::Bool]);
        let mut rows = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece)?;
            while let Some(row) = reader.row()? {
                rows.push(row);
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
