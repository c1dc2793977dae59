//! Whole numbers that are written with a fraction of zeros.
//!
//! JSON knows one kind of number (RFC 8259 section 6), and to JSON Schema, in which the document is
//! written, `58.0` is an integer. So it is read as `58`. Exponents are left to whoever reads.

use std::borrow::Cow;

/// The document with `58.0` as `58`. `json` must be JSON.
pub(super) fn plain(json: &[u8]) -> Cow<'_, [u8]> {
    if !json.windows(2).any(|pair| pair == b".0") {
        return Cow::Borrowed(json);
    }
    let mut to = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some((&first, after)) = rest.split_first() {
        let length = match first {
            b'"' => text(after).saturating_add(1),
            b'-' | b'0'..=b'9' => number(rest),
            _ => 1,
        };
        let (token, behind) = rest.split_at(length.min(rest.len()));
        to.extend_from_slice(if first == b'"' { token } else { cut(token) });
        rest = behind;
    }
    Cow::Owned(to)
}

/// Bytes of a text behind its first quotation mark, with the last one.
fn text(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end.saturating_add(1))
}

/// Bytes of a number.
fn number(rest: &[u8]) -> usize {
    let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    rest.iter().take_while(|byte| of_number(byte)).count()
}

/// A number without a fraction of zeros.
fn cut(number: &[u8]) -> &[u8] {
    let mut halves = number.splitn(2, |byte| *byte == b'.');
    match (halves.next(), halves.next()) {
        (Some(whole), Some(fraction)) if fraction.iter().all(|byte| *byte == b'0') => whole,
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> String {
        String::from_utf8(plain(json.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zeros() {
        assert_eq!(
            read(r#"{"a":58.0,"b":[-1.000,0.0],"c":7}"#),
            r#"{"a":58,"b":[-1,0],"c":7}"#
        );
    }

    #[test]
    fn other_numbers_and_texts_stay_as_they_are() {
        for json in [
            r#"{"a":5.10,"b":1.0e1,"c":0.05}"#,
            r#"{"a":"1.0","b":"\"2.0","c":"\\","d":"x 3.0"}"#,
            r#""4.0"#,
        ] {
            assert_eq!(read(json), json);
        }
        assert_eq!(read(r#"{"1.0":"\\","b":2.0}"#), r#"{"1.0":"\\","b":2}"#);
    }
}
