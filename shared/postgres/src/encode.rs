//! From a [`Cell`] to the binary form of a parameter.

use bytes::{BufMut, BytesMut};
use counterfoil_core::cell::Cell;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::form::{Element, Form};
use crate::moment;

type BoxError = Box<dyn std::error::Error + Sync + Send>;

/// A value on its way to the server. `Debug` does not show it.
pub(crate) struct Parameter<'a>(pub(crate) &'a Cell);

impl std::fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[value]")
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, data_type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        write(self.0, data_type, out).ok_or_else(|| BoxError::from("the value does not fit"))
    }

    fn accepts(data_type: &Type) -> bool {
        Form::of(data_type).is_some()
    }

    to_sql_checked!();
}

/// Whether the value has a form in a column of this type. Asked before anything is sent.
pub(crate) fn fits(cell: &Cell, data_type: &Type) -> bool {
    write(cell, data_type, &mut BytesMut::new()).is_some()
}

fn write(cell: &Cell, data_type: &Type, out: &mut BytesMut) -> Option<IsNull> {
    match (cell, Form::of(data_type)?) {
        (Cell::Null, _) => return Some(IsNull::Yes),
        (Cell::Bool(value), Form::Bool) => out.put_u8(u8::from(*value)),
        (Cell::Int(value), Form::Int2) => out.put_i16((*value).try_into().ok()?),
        (Cell::Int(value), Form::Int4) => out.put_i32((*value).try_into().ok()?),
        (Cell::Int(value), Form::Int8) => out.put_i64(*value),
        (Cell::Text(text), Form::Text | Form::Padded) => out.put_slice(utf8(text)?),
        (Cell::Text(text), Form::Uuid) => out.put_u128(uuid(text)?),
        (Cell::Time(time), Form::Time) => out.put_i64(moment::to_micros(*time)?),
        (Cell::Time(time), Form::Date) => out.put_i32(moment::to_days(*time)?),
        (Cell::List(items), Form::List(element)) => list(items, element, data_type, out)?,
        _ => return None,
    }
    Some(IsNull::No)
}

/// Text of the database has no zero byte.
fn utf8(text: &str) -> Option<&[u8]> {
    (!text.contains('\0')).then_some(text.as_bytes())
}

/// Only the form in which the database itself prints a UUID: `text = uuid::text` must hold.
pub(crate) fn uuid(text: &str) -> Option<u128> {
    let mut number = 0_u128;
    let mut groups = text.split('-');
    for length in [8, 4, 4, 4, 12] {
        let group = groups.next().filter(|group| group.len() == length)?;
        for byte in group.bytes() {
            let digit = match byte {
                b'0'..=b'9' | b'a'..=b'f' => char::from(byte).to_digit(16)?,
                _ => return None,
            };
            number = number << 4 | u128::from(digit);
        }
    }
    groups.next().is_none().then_some(number)
}

fn list(items: &[String], element: Element, data_type: &Type, out: &mut BytesMut) -> Option<()> {
    let dimensions = i32::from(!items.is_empty());
    out.put_i32(dimensions);
    out.put_i32(0);
    out.put_u32(element_oid(data_type)?);
    if dimensions == 1 {
        out.put_i32(items.len().try_into().ok()?);
        out.put_i32(1);
    }
    for item in items {
        if element == Element::Uuid {
            out.put_i32(16);
            out.put_u128(uuid(item)?);
        } else {
            let bytes = utf8(item)?;
            out.put_i32(bytes.len().try_into().ok()?);
            out.put_slice(bytes);
        }
    }
    Some(())
}

fn element_oid(data_type: &Type) -> Option<u32> {
    match data_type.kind() {
        Kind::Array(item) => Some(item.oid()),
        Kind::Domain(base) => element_oid(base),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_core::time::Timestamp;

    use super::*;
    use crate::decode;

    #[track_caller]
    fn there_and_back(cell: &Cell, data_type: &Type) {
        let mut out = BytesMut::new();
        assert!(
            write(cell, data_type, &mut out).is_some(),
            "{cell:?} as {data_type}"
        );
        let form = Form::of(data_type).unwrap();
        assert_eq!(
            decode::cell(form, Some(&out)).as_ref(),
            Ok(cell),
            "{data_type}"
        );
    }

    #[test]
    fn every_form_reads_back_what_it_wrote() {
        there_and_back(&Cell::Bool(true), &Type::BOOL);
        there_and_back(&Cell::Int(-7), &Type::INT2);
        there_and_back(&Cell::Int(1 << 20), &Type::INT4);
        there_and_back(&Cell::Int(i64::MIN), &Type::INT8);
        there_and_back(&Cell::Text("x'; --".to_owned()), &Type::VARCHAR);
        let id = "0123abcd-0000-4000-a000-00000000002f".to_owned();
        there_and_back(&Cell::Text(id.clone()), &Type::UUID);
        there_and_back(
            &Cell::Time(Timestamp::from_millis(1_795_392_000_123)),
            &Type::TIMESTAMPTZ,
        );
        there_and_back(
            &Cell::Time(Timestamp::from_secs(1_795_392_000)),
            &Type::DATE,
        );
        there_and_back(&Cell::List(vec![]), &Type::TEXT_ARRAY);
        there_and_back(
            &Cell::List(vec!["a".to_owned(), "b,\"c".to_owned()]),
            &Type::VARCHAR_ARRAY,
        );
        there_and_back(&Cell::List(vec![id]), &Type::UUID_ARRAY);
    }

    #[test]
    fn values_of_another_type_or_range_do_not_fit() {
        assert!(!fits(&Cell::Int(40_000), &Type::INT2));
        assert!(!fits(&Cell::Text("true".to_owned()), &Type::BOOL));
        assert!(!fits(&Cell::Text("a\0b".to_owned()), &Type::TEXT));
        assert!(!fits(
            &Cell::Text("0123ABCD-0000-4000-a000-00000000002f".to_owned()),
            &Type::UUID
        ));
        assert!(!fits(&Cell::Bool(true), &Type::JSONB));
        assert!(fits(&Cell::Null, &Type::UUID));
    }
}
