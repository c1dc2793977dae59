//! What the text of a value means, by the role of its column.

use std::collections::BTreeMap;

use counterfoil_core::cell::Cell;
use counterfoil_core::mapping::Artifact;
use counterfoil_core::time::Timestamp;

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An id, an address, a plan.
    Text,
    /// Yes or no.
    Flag,
    /// A moment.
    Moment,
    /// A whole number.
    Number,
    /// Names.
    Names,
    /// A flag, a moment, or any text.
    Marker,
}

impl Role {
    /// The roles by the place of the cell in a row of the mapping's table.
    pub(super) fn of(artifact: &Artifact) -> BTreeMap<usize, Self> {
        let layout = artifact.layout();
        [
            (layout.plan, Self::Text),
            (layout.premium, Self::Flag),
            (layout.trial, Self::Moment),
            (layout.seats, Self::Number),
            (layout.features, Self::Names),
            (layout.comp, Self::Marker),
        ]
        .into_iter()
        .filter_map(|(place, role)| place.map(|place| (place, role)))
        .collect()
    }
}

/// Reads a value; the error is the rule that it breaks. Empty, `\N` and `NULL` are NULL.
pub(super) fn cell(text: &str, role: Role) -> Result<Cell, &'static str> {
    let text = text.trim();
    if matches!(text, "" | "\\N" | "NULL") {
        return Ok(Cell::Null);
    }
    match role {
        Role::Text => Ok(Cell::Text(text.to_owned())),
        Role::Flag => flag(text)
            .map(Cell::Bool)
            .ok_or("a flag is true or false (also t, f, yes, no, y, n, on, off, 1, 0)"),
        Role::Moment => moment(text).map(Cell::Time).ok_or(
            "a time is 2026-11-23T12:00:00Z, 2026-11-23 12:00:00+00 (without a zone: UTC), 2026-11-23, \
             or seconds since 1970",
        ),
        Role::Number => text
            .parse()
            .map(Cell::Int)
            .map_err(|_| "a number of seats has digits only"),
        Role::Names => names(text).map(Cell::List).ok_or(
            "a list is {a,b}, [\"a\",\"b\"], or names separated by `,`, `;` or `|`",
        ),
        Role::Marker => Ok(flag(text)
            .map(Cell::Bool)
            .or_else(|| moment(text).map(Cell::Time))
            .unwrap_or_else(|| Cell::Text(text.to_owned()))),
    }
}

fn flag(text: &str) -> Option<bool> {
    const YES: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
    const NO: [&str; 6] = ["false", "f", "no", "n", "off", "0"];
    let among = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if among(YES) {
        Some(true)
    } else {
        among(NO).then_some(false)
    }
}

/// RFC 3339, what Postgres prints, a day, or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Twelve digits and more are milliseconds, or no time at all.
        let seconds: i64 = text.parse().ok()?;
        return (text.len() <= 11).then(|| Timestamp::from_secs(seconds));
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let (day, rest) = match text.split_once([' ', 'T']) {
        Some((day, rest)) => (day, rest),
        None => (text, "00:00:00Z"),
    };
    let zoned = match rest.find(['Z', '+', '-']) {
        None => format!("{rest}Z"),
        // Postgres prints whole hours without minutes.
        Some(_) if matches!(rest.rsplit_once(['+', '-']), Some((_, zone)) if zone.len() == 2) => {
            format!("{rest}:00")
        }
        Some(_) => rest.to_owned(),
    };
    format!("{day}T{zoned}").parse().ok()
}

/// An array as Postgres prints it, a JSON list, or names between separators.
fn names(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    if let Some(inner) = text.strip_prefix('{') {
        return array(inner.strip_suffix('}')?);
    }
    let names = text.split([',', ';', '|']).map(str::trim);
    Some(
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// The inside of a one-dimensional array: names, quoted where they need it.
fn array(inner: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut name = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            '\\' => name.push(letters.next()?),
            '{' | '}' if !quoted => return None,
            ',' if !quoted => {
                names.push(std::mem::take(&mut name));
                any = true;
            }
            _ => {
                name.push(letter);
                any = true;
            }
        }
    }
    if quoted {
        return None;
    }
    if any {
        names.push(name);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Cell {
        Cell::Time(text.parse().unwrap())
    }

    #[test]
    fn a_flag_has_many_spellings() {
        for yes in ["true", "T", "Yes", "1", "on", " y "] {
            assert_eq!(cell(yes, Role::Flag), Ok(Cell::Bool(true)), "{yes}");
        }
        for no in ["FALSE", "f", "no", "0", "off"] {
            assert_eq!(cell(no, Role::Flag), Ok(Cell::Bool(false)), "{no}");
        }
        for wrong in ["maybe", "2", "pro"] {
            assert!(cell(wrong, Role::Flag).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_has_many_spellings() {
        for same in [
            "2026-11-23T12:00:00Z",
            "2026-11-23T13:00:00+01:00",
            "2026-11-23 12:00:00",
            "2026-11-23 12:00:00+00",
            "2026-11-23 07:00:00-05",
            "2026-11-23 12:00:00.000+00",
            "1795435200",
        ] {
            assert_eq!(
                cell(same, Role::Moment),
                Ok(time("2026-11-23T12:00:00Z")),
                "{same}"
            );
        }
        assert_eq!(
            cell("2026-11-23", Role::Moment),
            Ok(time("2026-11-23T00:00:00Z"))
        );
        for wrong in [
            "23.11.2026",
            "11/23/2026",
            "2026-13-01",
            "soon",
            "1795435200000",
            "12",
        ] {
            assert!(cell(wrong, Role::Moment).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_what_postgres_json_or_people_write() {
        let list = |names: &[&str]| {
            Ok(Cell::List(
                names.iter().map(|it| (*it).to_owned()).collect(),
            ))
        };
        assert_eq!(cell("{a,b}", Role::Names), list(&["a", "b"]));
        assert_eq!(
            cell(r#"{"a, b","c\"d",e}"#, Role::Names),
            list(&["a, b", "c\"d", "e"])
        );
        assert_eq!(cell("{}", Role::Names), list(&[]));
        assert_eq!(cell(r#"["a","b"]"#, Role::Names), list(&["a", "b"]));
        assert_eq!(cell("a; b|c", Role::Names), list(&["a", "b", "c"]));
        for wrong in ["{a", "{{a}}", "[1]", "[\"a\"", "{\"a}"] {
            assert!(cell(wrong, Role::Names).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_marker_is_a_flag_a_time_or_a_text() {
        assert_eq!(cell("true", Role::Marker), Ok(Cell::Bool(true)));
        assert_eq!(
            cell("2026-11-23", Role::Marker),
            Ok(time("2026-11-23T00:00:00Z"))
        );
        assert_eq!(
            cell("friend", Role::Marker),
            Ok(Cell::Text("friend".to_owned()))
        );
    }

    #[test]
    fn nothing_is_null_in_every_role() {
        for role in [
            Role::Text,
            Role::Flag,
            Role::Moment,
            Role::Number,
            Role::Names,
            Role::Marker,
        ] {
            for nothing in ["", "  ", "\\N", "NULL"] {
                assert_eq!(cell(nothing, role), Ok(Cell::Null), "{role:?}");
            }
        }
        assert!(cell("4.5", Role::Number).is_err());
        assert_eq!(cell("4", Role::Number), Ok(Cell::Int(4)));
    }
}
