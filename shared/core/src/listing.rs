//! Reading a list of Stripe whole, with one cursor.
//!
//! For checks on one machine and for tests. A scan of a project is read in parts that survive its
//! workers.

use std::collections::BTreeSet;
use std::future::Future;

use crate::billing::{Customer, Invoice, Subscription};
use crate::ports::{
    Billing, Completeness, CreatedRange, ListCursor, ListPage, PortError, PortErrorKind,
};

/// Every customer of the range.
///
/// # Errors
/// When a page could not be read: what was handed out before is no list.
pub async fn customers(
    billing: &dyn Billing,
    range: CreatedRange,
    each: &mut (dyn FnMut(Customer) + Send),
) -> Result<(), PortError> {
    let page = |cursor: Option<ListCursor>| async move {
        billing.customer_page(range, cursor.as_ref()).await
    };
    walk(page, usize::MAX, each).await.map(drop)
}

/// The newest customers of the range, in at most this many pages.
///
/// # Errors
/// As [`customers`].
pub async fn customers_within(
    billing: &dyn Billing,
    range: CreatedRange,
    pages: usize,
    each: &mut (dyn FnMut(Customer) + Send),
) -> Result<Completeness, PortError> {
    let page = |cursor: Option<ListCursor>| async move {
        billing.customer_page(range, cursor.as_ref()).await
    };
    walk(page, pages, each).await
}

/// Every subscription of the range, in every state.
///
/// # Errors
/// As [`customers`].
pub async fn subscriptions(
    billing: &dyn Billing,
    range: CreatedRange,
    each: &mut (dyn FnMut(Subscription) + Send),
) -> Result<(), PortError> {
    let page = |cursor: Option<ListCursor>| async move {
        billing.subscription_page(range, cursor.as_ref()).await
    };
    walk(page, usize::MAX, each).await.map(drop)
}

/// Every open invoice of the range.
///
/// # Errors
/// As [`customers`].
pub async fn open_invoices(
    billing: &dyn Billing,
    range: CreatedRange,
    each: &mut (dyn FnMut(Invoice) + Send),
) -> Result<(), PortError> {
    let page = |cursor: Option<ListCursor>| async move {
        billing.open_invoice_page(range, cursor.as_ref()).await
    };
    walk(page, usize::MAX, each).await.map(drop)
}

async fn walk<T, F>(
    page: impl Fn(Option<ListCursor>) -> F + Send,
    pages: usize,
    each: &mut (dyn FnMut(T) + Send),
) -> Result<Completeness, PortError>
where
    T: Send,
    F: Future<Output = Result<ListPage<T>, PortError>> + Send,
{
    let mut cursor = None;
    // A list that turns in a circle inside one second would otherwise never end.
    let mut seen = BTreeSet::new();
    for _ in 0..pages {
        let ListPage { data, next } = page(cursor).await?;
        data.into_iter().for_each(&mut *each);
        let Some(next) = next else {
            return Ok(Completeness::Complete);
        };
        if !seen.insert(next.after.clone()) {
            let doing = "following the pages of a list of Stripe";
            return Err(PortError::new(PortErrorKind::Corrupt, doing));
        }
        cursor = Some(next);
    }
    Ok(Completeness::Capped)
}
