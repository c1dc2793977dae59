//! Customers who were created after a scan had begun.
//!
//! A scan lists the customers until its `as_of` and reads the rows later, so a row of somebody who
//! has come in between looks like access without payment. Where the row has stored the customer's
//! id, the second look finds them; where only the customer names the row, in metadata or by an
//! address, nothing that is read leads from the row to them. So the second look of a scan lists who
//! has come since, and so does a repair that takes something away. A customer of before whose
//! metadata came since is still not found.

use std::collections::BTreeSet;

use super::alone;
use super::sources::{LookError, Sides};
use crate::billing::Customer;
use crate::cell::{AppRow, Cell};
use crate::listing;
use crate::mapping::{Artifact, MatchSource};
use crate::ports::{Completeness, CreatedRange};
use crate::reconcile::Finding;
use crate::time::Timestamp;

/// Pages of customers that a repair reads at most: five seconds at ten requests a second, of the
/// thirty that a request of a person may take.
const MAX_PAGES: usize = 50;

/// When the looks of a run took place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The first one.
    pub(crate) first: Timestamp,
    /// The second one.
    pub(crate) again: Timestamp,
}

/// Whether customers name rows by something that rows do not store.
fn names_rows(artifact: &Artifact) -> bool {
    let mut keys = artifact.match_keys().iter();
    keys.any(|key| key.source != MatchSource::CustomerId)
}

fn since(times: Times) -> CreatedRange {
    CreatedRange {
        from: times.first.as_secs(),
        ..CreatedRange::up_to(times.again)
    }
}

/// Who has come since.
#[derive(Debug, Default)]
pub(super) struct Newcomers(Vec<Customer>);

impl Newcomers {
    /// Lists who was created between the two looks, if one of these findings may be about them.
    pub(super) async fn of<'a>(
        sides: Sides<'_>,
        mut findings: impl Iterator<Item = &'a Finding>,
        times: Times,
    ) -> Result<Self, LookError> {
        if !names_rows(sides.artifact) || !findings.any(|finding| finding.row.is_some()) {
            return Ok(Self::default());
        }
        let mut all = Vec::new();
        listing::customers(sides.billing, since(times), &mut |it| all.push(it))
            .await
            .map_err(LookError::Stripe)?;
        Ok(Self(all))
    }

    /// The same for the repair of one finding, whose worker has little time. More customers only add
    /// to a promise, so nobody is asked for where the repair takes nothing away.
    ///
    /// # Errors
    /// [`LookError::TooManyNewcomers`] after [`MAX_PAGES`] pages.
    pub(super) async fn of_repair(
        sides: Sides<'_>,
        finding: &Finding,
        times: Times,
    ) -> Result<Self, LookError> {
        let concerned = names_rows(sides.artifact) && finding.row.is_some();
        if !concerned || alone::only_adds(finding, sides.artifact) {
            return Ok(Self::default());
        }
        let (mut all, range) = (Vec::new(), since(times));
        let mut each = |it| all.push(it);
        let read = listing::customers_within(sides.billing, range, MAX_PAGES, &mut each);
        match read.await.map_err(LookError::Stripe)? {
            Completeness::Complete => Ok(Self(all)),
            Completeness::Capped => Err(LookError::TooManyNewcomers),
        }
    }

    /// Adds those who name this row.
    pub(super) fn naming(
        &self,
        row: &AppRow,
        artifact: &Artifact,
        customers: &mut BTreeSet<String>,
    ) {
        let table = artifact.table();
        for key in artifact.match_keys() {
            let place = table.columns.iter().position(|name| *name == key.column);
            let cell = match place {
                Some(place) => row.cells.get(place),
                None if table.key == key.column => Some(&row.key),
                None => None,
            };
            let Some(stored) = cell.map(Cell::text).filter(|text| !text.is_empty()) else {
                continue;
            };
            for customer in &self.0 {
                let named = match_value(&key.source, customer).is_some_and(|(value, any_case)| {
                    value == stored || any_case && value.to_lowercase() == stored.to_lowercase()
                });
                if named {
                    customers.insert(customer.id.clone());
                }
            }
        }
    }
}

/// What a customer names a row by, and whether case does not count; `None` where it is empty.
pub(super) fn match_value(source: &MatchSource, customer: &Customer) -> Option<(String, bool)> {
    let value = match source {
        MatchSource::Metadata(name) => (customer.metadata.get(name)?.clone(), false),
        MatchSource::CustomerId => (customer.id.clone(), false),
        MatchSource::Email => (customer.email.clone()?, true),
    };
    (!value.0.is_empty()).then_some(value)
}
