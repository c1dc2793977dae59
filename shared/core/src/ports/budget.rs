//! Turns to send requests to one Stripe account, shared by every worker that reads it.

use async_trait::async_trait;

use super::PortError;
use crate::time::Timestamp;

/// How long a request may wait behind others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for one customer: goes before what reads lists.
    Prompt,
    /// Pages of a scan: takes what is left.
    Bulk,
}

/// What a worker may do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// One request each at these times, ascending. A time that has passed by more than
    /// [`crate::budget::LATE`] must not be used any more.
    Slots(Vec<Timestamp>),
    /// Nothing before this time; ask again then.
    Busy(Timestamp),
}

/// The request budget of Stripe accounts. In any second at most the configured number of requests
/// leave, however many workers there are.
///
/// `account` names the account and is never its key ([`crate::budget::account_name`]).
#[async_trait]
pub trait RequestBudget: Send + Sync {
    /// Takes slots from up to `lanes` of the account's lanes: the more lanes, the closer they are.
    ///
    /// # Errors
    /// When it is not certain which slots were taken. They are lost then, and nobody uses them.
    async fn lease(
        &self,
        account: &str,
        urgency: Urgency,
        lanes: usize,
    ) -> Result<Lease, PortError>;

    /// Halves the rate of the account for a while: Stripe answered 429.
    ///
    /// # Errors
    /// When it is not certain that the rate was halved.
    async fn slow_down(&self, account: &str) -> Result<(), PortError>;
}
