//! Reading both sides and comparing them: the whole project, or just who is concerned.

use std::collections::{BTreeMap, BTreeSet};

use super::alone;
use super::newcomers::{Newcomers, match_value};
use super::sources::{LookError, MAX_CUSTOMERS, Sides, Sources};
use crate::billing::{Status, Subscription};
use crate::cell::{AppRow, Cell};
use crate::listing;
use crate::mapping::{Artifact, MatchSource};
use crate::ports::{Completeness, CreatedRange};
use crate::reconcile::{CustomerState, Join, Outcome, Scan};
use crate::run::RunScope;
use crate::time::Timestamp;
/// A look at one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerLook {
    /// Both sides as they are.
    pub state: CustomerState,
    /// What is true whoever else belongs to the customer's row.
    pub outcome: Outcome,
    /// Differences that only a look at every customer can tell.
    pub withheld: u64,
}

/// The first look of a run.
///
/// # Errors
/// See [`LookError`].
pub(crate) async fn first_look(
    sources: &Sources,
    scope: &RunScope,
    as_of: Timestamp,
) -> Result<Outcome, LookError> {
    Ok(first_look_of(sources, scope, as_of).await?.0)
}

/// The first look of a run, and of a check both sides as they are.
///
/// # Errors
/// See [`LookError`].
pub(super) async fn first_look_of(
    sources: &Sources,
    scope: &RunScope,
    as_of: Timestamp,
) -> Result<(Outcome, Option<CustomerLook>), LookError> {
    match scope {
        RunScope::Scan => Ok((look_at_all(sources, as_of).await?, None)),
        RunScope::Check { customer } => {
            let look = look_at_customer(sources.sides(), customer, as_of).await?;
            Ok((look.outcome.clone(), Some(look)))
        }
    }
}

/// Compares everything.
///
/// # Errors
/// When a side could not be read whole: what was read then proves nothing.
pub async fn look_at_all(sources: &Sources, as_of: Timestamp) -> Result<Outcome, LookError> {
    let mut scan = sources.engine(as_of);
    let (billing, range) = (sources.billing.as_ref(), CreatedRange::up_to(as_of));
    listing::customers(billing, range, &mut |customer| scan.customer(&customer))
        .await
        .map_err(LookError::Stripe)?;
    listing::subscriptions(billing, range, &mut |it| scan.subscription(&it))
        .await
        .map_err(LookError::Stripe)?;
    listing::open_invoices(billing, range, &mut |it| scan.invoice(&it))
        .await
        .map_err(LookError::Stripe)?;
    let mut join = scan.seal();
    let table = sources.artifact.table();
    let read = sources
        .app
        .rows(&table, &mut |rows| join.rows(rows))
        .await
        .map_err(LookError::App)?;
    if read == Completeness::Capped {
        return Err(LookError::TooManyRows);
    }
    Ok(join.finish())
}

/// Compares one customer, with every row and other customer that is found from it, and keeps what is
/// true whoever else there is.
///
/// # Errors
/// See [`LookError`].
pub async fn look_at_customer(
    sides: Sides<'_>,
    customer: &str,
    as_of: Timestamp,
) -> Result<CustomerLook, LookError> {
    let customers = BTreeSet::from([customer.to_owned()]);
    let join = read(sides, customers, None, &Newcomers::default(), as_of).await?;
    let (outcome, state) = join.finish_one(customer);
    Ok(of_one(outcome, state, sides.artifact))
}

pub(super) fn of_one(outcome: Outcome, state: CustomerState, artifact: &Artifact) -> CustomerLook {
    let customer = state.customer.as_str();
    let own = outcome.findings.iter();
    let own = own.filter(|finding| finding.customers.iter().any(|it| it == customer));
    let own = own.count();
    let outcome = alone::of_customer(outcome, customer, artifact);
    let withheld = own.saturating_sub(outcome.findings.len());
    CustomerLook {
        withheld: u64::try_from(withheld).unwrap_or(u64::MAX),
        state,
        outcome,
    }
}

/// Reads these customers and this row, and whoever is found from them.
pub(super) async fn read(
    sides: Sides<'_>,
    mut customers: BTreeSet<String>,
    row: Option<&Cell>,
    newcomers: &Newcomers,
    as_of: Timestamp,
) -> Result<Join, LookError> {
    let mut scan = Scan::new(sides.artifact, sides.catalog, as_of, sides.livemode);
    let mut rows = BTreeMap::new();
    let mut seen = BTreeSet::new();
    if let Some(key) = row {
        let column = sides.artifact.table().key;
        find_rows(sides, &column, key.text(), false, &mut rows, &mut customers).await?;
        for row in rows.values() {
            newcomers.naming(row, sides.artifact, &mut customers);
        }
    }
    while let Some(id) = customers.pop_first() {
        if !seen.insert(id.clone()) {
            continue;
        }
        if seen.len() > MAX_CUSTOMERS {
            return Err(LookError::TooManyCustomers);
        }
        let Some(customer) = sides
            .billing
            .customer(&id)
            .await
            .map_err(LookError::Stripe)?
        else {
            continue;
        };
        scan.customer(&customer);
        let subscriptions = sides
            .billing
            .subscriptions_of(&id)
            .await
            .map_err(LookError::Stripe)?;
        for subscription in &subscriptions {
            scan.subscription(subscription);
        }
        let overdue = |it: &Subscription| it.status == Status::PastDue;
        if subscriptions.iter().any(overdue) {
            for invoice in sides
                .billing
                .open_invoices_of(&id)
                .await
                .map_err(LookError::Stripe)?
            {
                scan.invoice(&invoice);
            }
        }
        for key in sides.artifact.match_keys() {
            if let Some((value, ignore_case)) = match_value(&key.source, &customer) {
                find_rows(
                    sides,
                    &key.column,
                    value,
                    ignore_case,
                    &mut rows,
                    &mut customers,
                )
                .await?;
            }
        }
    }
    let mut join = scan.seal().keeping_rows();
    for row in rows.values() {
        join.row(row);
    }
    Ok(join)
}

/// Adds the rows where `column` is `value`, and the Stripe customers that those rows name.
async fn find_rows(
    sides: Sides<'_>,
    column: &str,
    value: String,
    ignore_case: bool,
    rows: &mut BTreeMap<Cell, AppRow>,
    customers: &mut BTreeSet<String>,
) -> Result<(), LookError> {
    let table = sides.artifact.table();
    let link = sides
        .artifact
        .match_keys()
        .iter()
        .find(|key| key.source == MatchSource::CustomerId);
    let link = link.and_then(|key| table.columns.iter().position(|name| *name == key.column));
    for row in sides
        .app
        .rows_where(&table, column, &[value], ignore_case)
        .await
        .map_err(LookError::App)?
    {
        if let Some(Cell::Text(id)) = link.and_then(|place| row.cells.get(place))
            && id.starts_with("cus_")
        {
            customers.insert(id.clone());
        }
        rows.insert(row.key.clone(), row);
    }
    Ok(())
}
