//! Which page of a list is asked for.

use counterfoil_core::usecases::PageOf;
use serde::Deserialize;

use crate::Problem;

/// Items of one page at most, and when nothing else is asked for.
const PAGE: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// Items of this page at most.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 1024)]
    cursor: Option<String>,
}

impl Pages {
    /// The page.
    ///
    /// # Errors
    /// When `limit` is not 1 to 100.
    pub fn page(&self) -> Result<PageOf<'_>, Problem> {
        page(self.limit, self.cursor.as_deref())
    }
}

/// The page of a list that has parameters of its own besides.
///
/// # Errors
/// When `limit` is not 1 to 100.
pub fn page(limit: Option<usize>, cursor: Option<&str>) -> Result<PageOf<'_>, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::invalid("/limit", "must be 1 to 100"));
    }
    Ok(PageOf { cursor, limit })
}
