//! What the app grants, read from a row.

use std::borrow::Cow;

use crate::cell::{AppRow, Cell};
use crate::mapping::{Compiled, Layout};

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
                Cell::Text(text) => !text.is_empty(),
                Cell::Int(number) => *number != 0,
                Cell::List(items) => !items.is_empty(),
            }),
        }
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
