//! From the binary form of a value to a [`Cell`].

use counterfoil_core::cell::Cell;
use tokio_postgres::types::{FromSql, Type};

use crate::form::{Element, Form};
use crate::moment;

/// Bytes that are not a value of the described type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes big-endian numbers and runs of bytes off the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// A value behind its length; `None` for NULL (length -1).
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => self
                .bytes(usize::try_from(length).map_err(|_| Malformed)?)
                .map(Some),
        }
    }

    fn end<T>(self, value: T) -> Result<T, Malformed> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(Malformed)
        }
    }
}

/// Decodes one value; `None` is NULL.
pub(crate) fn cell(form: Form, raw: Option<&[u8]>) -> Result<Cell, Malformed> {
    let Some(raw) = raw else {
        return Ok(Cell::Null);
    };
    let mut reader = Reader(raw);
    let cell = match form {
        Form::Text => return utf8(raw).map(Cell::Text),
        Form::Padded => return padded(raw).map(Cell::Text),
        Form::List(element) => return list(element, reader).map(Cell::List),
        Form::Bool => match reader.array()? {
            [0] => Cell::Bool(false),
            [1] => Cell::Bool(true),
            _ => return Err(Malformed),
        },
        Form::Int2 => Cell::Int(reader.i16()?.into()),
        Form::Int4 => Cell::Int(reader.i32()?.into()),
        Form::Int8 => Cell::Int(reader.i64()?),
        Form::Uuid => Cell::Text(uuid(reader.array()?)),
        Form::Time => Cell::Time(moment::from_micros(reader.i64()?)),
        Form::Date => Cell::Time(moment::from_days(reader.i32()?)),
    };
    reader.end(cell)
}

fn utf8(raw: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(raw)
        .map(str::to_owned)
        .map_err(|_| Malformed)
}

fn padded(raw: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(raw)
        .map(|it| it.trim_end_matches(' ').to_owned())
        .map_err(|_| Malformed)
}

fn uuid(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        (number >> 80) & 0xffff,
        (number >> 64) & 0xffff,
        (number >> 48) & 0xffff,
        number & 0xffff_ffff_ffff
    )
}

/// Elements in stored order. NULL elements name nothing and are left out; further dimensions are
/// read as one list.
fn list(element: Element, mut reader: Reader<'_>) -> Result<Vec<String>, Malformed> {
    let dimensions = reader.i32()?;
    let (_has_nulls, _element_oid) = (reader.i32()?, reader.i32()?);
    if dimensions == 0 {
        return reader.end(Vec::new());
    }
    // The server's own limit (MAXDIM).
    if !(1..=6).contains(&dimensions) {
        return Err(Malformed);
    }
    let mut count = 1_usize;
    for _ in 0..dimensions {
        let (length, _lower_bound) = (reader.i32()?, reader.i32()?);
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        count = count.checked_mul(length).ok_or(Malformed)?;
    }
    // Each element takes at least the 4 bytes of its length, which bounds the allocation.
    let mut items = Vec::with_capacity(count.min(reader.0.len() / 4));
    for _ in 0..count {
        let Some(raw) = reader.value()? else { continue };
        items.push(match element {
            Element::Text => utf8(raw)?,
            Element::Padded => padded(raw)?,
            Element::Uuid => uuid(raw.try_into().map_err(|_| Malformed)?),
        });
    }
    reader.end(items)
}

/// The bytes of any value, as a row carries them.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_too_short_or_too_long_are_malformed() {
        for form in [
            Form::Bool,
            Form::Int2,
            Form::Int4,
            Form::Int8,
            Form::Uuid,
            Form::Time,
            Form::Date,
        ] {
            assert_eq!(cell(form, Some(&[])), Err(Malformed), "{form:?}");
            assert_eq!(cell(form, Some(&[0; 17])), Err(Malformed), "{form:?}");
            assert_eq!(cell(form, None), Ok(Cell::Null));
        }
        assert_eq!(cell(Form::Bool, Some(&[2])), Err(Malformed));
        assert_eq!(cell(Form::Text, Some(&[0xff])), Err(Malformed));
    }

    #[test]
    fn an_array_header_cannot_ask_for_more_than_is_there() {
        let mut huge = Vec::new();
        for number in [2_i32, 0, 25, i32::MAX, 1, i32::MAX, 1] {
            huge.extend(number.to_be_bytes());
        }
        assert_eq!(cell(Form::List(Element::Text), Some(&huge)), Err(Malformed));
        let empty: Vec<u8> = [0_i32, 0, 25]
            .iter()
            .flat_map(|it| it.to_be_bytes())
            .collect();
        assert_eq!(
            cell(Form::List(Element::Text), Some(&empty)),
            Ok(Cell::List(vec![]))
        );
    }
}
