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

    /// All bytes that are left.
    fn only<const N: usize>(self) -> Result<[u8; N], Malformed> {
        self.0.try_into().map_err(|_| Malformed)
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
    let mut cell = Cell::Null;
    replace(&mut cell, form, raw)?;
    Ok(cell)
}

/// Puts a value in the place of another, and in the memory of its text: a table has millions of
/// rows with the same columns. Of a malformed value nothing is left.
pub(crate) fn replace(cell: &mut Cell, form: Form, raw: Option<&[u8]>) -> Result<(), Malformed> {
    let old = std::mem::replace(cell, Cell::Null);
    let Some(raw) = raw else {
        return Ok(());
    };
    let reader = Reader(raw);
    *cell = match form {
        Form::Text => Cell::Text(over(old, utf8(raw)?)),
        Form::Padded => Cell::Text(over(old, utf8(raw)?.trim_end_matches(' '))),
        Form::List(element) => Cell::List(list(element, reader, old)?),
        Form::Uuid => Cell::Text(over(old, utf8(&uuid(reader.only()?))?)),
        Form::Bool => match reader.only()? {
            [0] => Cell::Bool(false),
            [1] => Cell::Bool(true),
            _ => return Err(Malformed),
        },
        Form::Int2 => Cell::Int(i16::from_be_bytes(reader.only()?).into()),
        Form::Int4 => Cell::Int(i32::from_be_bytes(reader.only()?).into()),
        Form::Int8 => Cell::Int(i64::from_be_bytes(reader.only()?)),
        Form::Time => Cell::Time(moment::from_micros(i64::from_be_bytes(reader.only()?))),
        Form::Date => Cell::Time(moment::from_days(i32::from_be_bytes(reader.only()?))),
    };
    Ok(())
}

fn utf8(raw: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(raw).map_err(|_| Malformed)
}

/// A text in the memory of the one that a cell had.
fn over(old: Cell, text: &str) -> String {
    let mut memory = match old {
        Cell::Text(memory) => memory,
        _ => String::new(),
    };
    memory.clear();
    memory.push_str(text);
    memory
}

/// The text form of a UUID, as Postgres prints it.
fn uuid(bytes: [u8; 16]) -> [u8; 36] {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    let mut text = [b'-'; 36];
    for (from, to, length) in [(0, 0, 8), (8, 9, 4), (12, 14, 4), (16, 19, 4), (20, 24, 12)] {
        let target = text.iter_mut().skip(to).take(length);
        for (target, digit) in target.zip(digits.iter().skip(from)) {
            *target = *digit;
        }
    }
    text
}

/// Elements in stored order, in the memory of the ones that a cell had. NULL elements name nothing
/// and are left out; further dimensions are read as one list.
fn list(element: Element, mut reader: Reader<'_>, old: Cell) -> Result<Vec<String>, Malformed> {
    let mut items = match old {
        Cell::List(items) => items,
        _ => Vec::new(),
    };
    let dimensions = reader.i32()?;
    let (_has_nulls, _element_oid) = (reader.i32()?, reader.i32()?);
    if dimensions == 0 {
        items.clear();
        return reader.end(items);
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
    items.reserve(count.min(reader.0.len() / 4).saturating_sub(items.len()));
    let mut used = 0;
    for _ in 0..count {
        let Some(raw) = reader.value()? else { continue };
        let digits;
        let text = match element {
            Element::Text => utf8(raw)?,
            Element::Padded => utf8(raw)?.trim_end_matches(' '),
            Element::Uuid => {
                digits = uuid(Reader(raw).only()?);
                utf8(&digits)?
            }
        };
        if let Some(item) = items.get_mut(used) {
            item.clear();
            item.push_str(text);
        } else {
            items.push(text.to_owned());
        }
        used += 1;
    }
    items.truncate(used);
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
    fn a_value_leaves_nothing_of_the_one_before() {
        let array = |items: &[&str]| {
            let count = i32::try_from(items.len()).unwrap();
            let header = [1, 0, 25, count, 1_i32];
            let mut bytes: Vec<u8> = header.iter().flat_map(|it| it.to_be_bytes()).collect();
            for item in items {
                bytes.extend(i32::try_from(item.len()).unwrap().to_be_bytes());
                bytes.extend(item.as_bytes());
            }
            bytes
        };
        let list = Form::List(Element::Text);
        let values: [(Form, Option<Vec<u8>>); 8] = [
            (Form::Text, Some(b"a long text".to_vec())),
            (Form::Text, Some(b"b".to_vec())),
            (Form::Uuid, Some((0..16).map(|it| it * 17).collect())),
            (list, Some(array(&["one", "two", "three"]))),
            (list, Some(array(&["four"]))),
            (list, Some(array(&[]))),
            (Form::Bool, Some(vec![1])),
            (Form::Text, None),
        ];
        for (before, old) in &values {
            for (form, raw) in &values {
                let mut reused = cell(*before, old.as_deref()).unwrap();
                replace(&mut reused, *form, raw.as_deref()).unwrap();
                assert_eq!(Ok(reused), cell(*form, raw.as_deref()), "{form:?}");
            }
        }
        let uuid = cell(Form::Uuid, values[2].1.as_deref());
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(uuid, Ok(Cell::Text(text.to_owned())));
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
