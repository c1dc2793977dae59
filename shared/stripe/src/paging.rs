//! Walking a list by cursor, page by page.

use std::collections::BTreeSet;

use counterfoil_core::billing::Page;
use counterfoil_core::ports::{CreatedRange, ListCursor, ListPage};
use serde::de::DeserializeOwned;

use crate::client::StripeClient;
use crate::endpoint::Endpoint;
use crate::error::StripeError;
use crate::listed::Listed;

/// The largest page that Stripe gives.
const PAGE: &str = "100";

/// Position in a list. Remembers every cursor, since a list that turns in a circle would otherwise
/// never end; 20 bytes per 100 objects.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    after: Option<String>,
    seen: BTreeSet<String>,
}

impl Cursor {
    /// Continues after an object that was embedded elsewhere.
    pub(crate) fn after(id: &str) -> Self {
        Self {
            after: Some(id.to_owned()),
            seen: BTreeSet::from([id.to_owned()]),
        }
    }

    /// The parameters of the next request.
    pub(crate) fn query<'a>(&'a self, fixed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut query = fixed.to_vec();
        query.push(("limit", PAGE));
        query.extend(self.after.as_deref().map(|id| ("starting_after", id)));
        query
    }

    /// Moves behind the page; `false` when it was the last one.
    ///
    /// # Errors
    /// [`StripeError::Loop`] when more is promised but the cursor was there before.
    pub(crate) fn advance(
        &mut self,
        has_more: bool,
        last: Option<&str>,
        what: &'static str,
    ) -> Result<bool, StripeError> {
        if !has_more {
            return Ok(false);
        }
        let last = last
            .filter(|id| !id.is_empty())
            .ok_or(StripeError::Loop { what })?;
        if !self.seen.insert(last.to_owned()) {
            return Err(StripeError::Loop { what });
        }
        self.after = Some(last.to_owned());
        Ok(true)
    }
}

impl StripeClient {
    /// Reads the page behind `cursor` of the objects that were created in the range.
    ///
    /// Where the cursor's object was deleted, Stripe does not know the place any more: the rest of
    /// the range, with the second of that object once more, is read instead.
    pub(crate) async fn created_in<T: DeserializeOwned + Listed>(
        &self,
        endpoint: Endpoint<'_>,
        fixed: &[(&str, &str)],
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<T>, StripeError> {
        let after = cursor.map(|cursor| cursor.after.as_str());
        let read = self.ranged(endpoint, fixed, range, after).await;
        let page: Page<T> = match (read, cursor) {
            (Err(error), Some(cursor)) if error.is_missing() => {
                let to = cursor.created.saturating_add(1).min(range.to);
                let rest = CreatedRange { to, ..range };
                self.ranged(endpoint, fixed, rest, None).await?
            }
            (read, _) => read?,
        };
        let again = |cursor: &ListCursor| page.data.iter().any(|it| it.id() == cursor.after);
        if cursor.is_some_and(again) {
            return Err(StripeError::Loop {
                what: endpoint.what(),
            });
        }
        let next = match page.data.last().filter(|_| page.has_more) {
            Some(last) => Some(following(last, cursor, endpoint.what())?),
            None if page.has_more => {
                return Err(StripeError::Loop {
                    what: endpoint.what(),
                });
            }
            None => None,
        };
        let data = page.data;
        Ok(ListPage { data, next })
    }

    async fn ranged<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint<'_>,
        fixed: &[(&str, &str)],
        range: CreatedRange,
        after: Option<&str>,
    ) -> Result<Page<T>, StripeError> {
        let (from, to) = (range.from.to_string(), range.to.to_string());
        let mut query = fixed.to_vec();
        query.extend([
            ("created[gte]", from.as_str()),
            ("created[lt]", to.as_str()),
            ("limit", PAGE),
        ]);
        query.extend(after.map(|id| ("starting_after", id)));
        self.read_in_bulk(endpoint, &query).await
    }

    /// Reads the page at the cursor and moves the cursor; `true` when more pages follow.
    pub(crate) async fn page<T: DeserializeOwned + Listed>(
        &self,
        endpoint: Endpoint<'_>,
        fixed: &[(&str, &str)],
        cursor: &mut Cursor,
    ) -> Result<(Vec<T>, bool), StripeError> {
        let page: Page<T> = self.read(endpoint, &cursor.query(fixed)).await?;
        let last = page.data.last().map(Listed::id);
        let more = cursor.advance(page.has_more, last, endpoint.what())?;
        Ok((page.data, more))
    }

    /// Reads a list of one customer whole. Whoever is not there, or not any more, has nothing: only
    /// the first page, which names no other object, can say that nobody is there.
    pub(crate) async fn list_of_customer<T: DeserializeOwned + Listed>(
        &self,
        endpoint: Endpoint<'_>,
        customer: &str,
        fixed: &[(&str, &str)],
    ) -> Result<Vec<T>, StripeError> {
        let mut query = vec![("customer", customer)];
        query.extend_from_slice(fixed);
        let mut cursor = Cursor::default();
        let first = self.page(endpoint, &query, &mut cursor).await;
        let (mut all, more) = match first {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            first => first?,
        };
        if more {
            all.extend(self.list(endpoint, &query, cursor).await?);
        }
        Ok(all)
    }

    /// Reads a list whole.
    pub(crate) async fn list<T: DeserializeOwned + Listed>(
        &self,
        endpoint: Endpoint<'_>,
        fixed: &[(&str, &str)],
        mut cursor: Cursor,
    ) -> Result<Vec<T>, StripeError> {
        let mut all = Vec::new();
        loop {
            let (objects, more) = self.page(endpoint, fixed, &mut cursor).await?;
            all.extend(objects);
            if !more {
                return Ok(all);
            }
        }
    }
}

/// The cursor behind the last object of a page.
///
/// # Errors
/// [`StripeError::Loop`] when it would lead back: lists are newest first.
fn following<T: Listed>(
    last: &T,
    cursor: Option<&ListCursor>,
    what: &'static str,
) -> Result<ListCursor, StripeError> {
    let (id, created) = (last.id(), last.created());
    if id.is_empty() || cursor.is_some_and(|cursor| created > cursor.created) {
        return Err(StripeError::Loop { what });
    }
    let after = id.to_owned();
    Ok(ListCursor { after, created })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_comes_back_is_an_error() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.advance(true, Some("a"), "x"), Ok(true));
        assert_eq!(cursor.advance(true, Some("b"), "x"), Ok(true));
        assert_eq!(
            cursor.advance(true, Some("a"), "x"),
            Err(StripeError::Loop { what: "x" })
        );
        assert_eq!(
            cursor.advance(true, None, "x"),
            Err(StripeError::Loop { what: "x" })
        );
        assert_eq!(cursor.advance(false, Some("b"), "x"), Ok(false));
    }
}
