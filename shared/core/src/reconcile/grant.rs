//! What the app grants, read from a row.

use std::borrow::Cow;

use crate::cell::{AppRow, Cell};
use crate::mapping::{Compiled, Layout};
use crate::time::Timestamp;

/// The grant of one row. A column that the mapping does not name is absent from it.
#[derive(Debug)]
pub(super) struct Grant<'a> {
    /// The plan column's text; NULL is the mapping's `none`.
    pub(super) plan: Option<&'a str>,
    /// Paid access: the flag, or a plan other than `none`.
    pub(super) access: bool,
    /// End of the trial in seconds.
    pub(super) trial: Option<i64>,
    pub(super) seats: Option<i64>,
    pub(super) features: Option<Cow<'a, [String]>>,
    /// A marker says that access was given on purpose.
    pub(super) comped: bool,
}

impl<'a> Grant<'a> {
    pub(super) fn read(
        row: &'a AppRow,
        layout: &Layout,
        mapping: &'a Compiled,
        as_of: i64,
    ) -> Self {
        let cell = |place: Option<usize>| place.and_then(|place| row.cells.get(place));
        let access = &mapping.access;
        let none = access
            .plan
            .as_ref()
            .map_or("", |column| column.none.as_str());
        let plan = cell(layout.plan).map(|cell| match cell {
            Cell::Text(name) => name.as_str(),
            _ => none,
        });
        let premium = cell(layout.premium).map(|cell| *cell == Cell::Bool(true));
        Self {
            plan,
            access: premium.unwrap_or_else(|| plan.is_some_and(|plan| plan != none)),
            trial: cell(layout.trial).and_then(|cell| match cell {
                Cell::Time(time) => Some(time.as_secs()),
                _ => None,
            }),
            seats: cell(layout.seats).map(|cell| match cell {
                Cell::Int(count) => *count,
                _ => access.seats.as_ref().map_or(0, |column| column.none),
            }),
            features: cell(layout.features).map(features),
            comped: cell(layout.comp).is_some_and(|cell| match cell {
                Cell::Null => false,
                Cell::Bool(flag) => *flag,
                Cell::Time(until) => until.as_secs() > as_of,
                Cell::Text(text) => marked(text, as_of),
                Cell::Int(number) => *number != 0,
                Cell::List(items) => !items.is_empty(),
            }),
        }
    }
}

/// A text marks access as given, unless it is blank, a word for no, or a time that has passed.
fn marked(text: &str, as_of: i64) -> bool {
    const NO: [&str; 9] = ["", "false", "f", "no", "n", "off", "0", "none", "null"];
    let text = text.trim();
    let day = format!("{text}T00:00:00Z");
    let until = text.parse::<Timestamp>().or_else(|_| day.parse());
    match until {
        Ok(until) => until.as_secs() > as_of,
        Err(_) => !NO.iter().any(|no| text.eq_ignore_ascii_case(no)),
    }
}

/// A list, a JSON list in a text, or names separated by commas.
fn features(cell: &Cell) -> Cow<'_, [String]> {
    match cell {
        Cell::List(names) => Cow::Borrowed(names),
        Cell::Text(text) => Cow::Owned(serde_json::from_str(text).unwrap_or_else(|_| {
            let names = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        })),
        _ => Cow::Borrowed(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_marks_unless_it_says_no_or_a_time_that_has_passed() {
        let as_of = Timestamp::from_secs(1_795_392_000).as_secs();
        for covers in [
            "yes",
            "true",
            "friend of Ann",
            "2026-11-24",
            "2026-11-23T00:00:01Z",
        ] {
            assert!(marked(covers, as_of), "{covers}");
        }
        for not in [
            "",
            "  ",
            "false",
            "No",
            "0",
            "none",
            "2026-11-23",
            "2026-11-22T23:59:59Z",
        ] {
            assert!(!marked(not, as_of), "{not:?}");
        }
    }
}
