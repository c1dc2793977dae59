//! The part of a subscription that decides whether it grants.

use crate::billing::{Status, Subscription};

/// What the decision table looks at. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms<'a> {
    /// State.
    pub status: &'a Status,
    /// End of the trial.
    pub trial_end: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// When it will end.
    pub cancel_at: Option<i64>,
    /// It ends with the period.
    pub cancel_at_period_end: bool,
    /// Start of the period that runs now.
    pub period_start: Option<i64>,
    /// End of the period that runs now.
    pub period_end: Option<i64>,
    /// Creation of the newest invoice while it is open, where it was read.
    pub open_invoice_since: Option<i64>,
    /// What becomes of invoices while no payments are collected.
    pub pause_behavior: Option<&'a str>,
    /// Every item is known.
    pub items_complete: bool,
}

impl<'a> From<&'a Subscription> for Terms<'a> {
    fn from(subscription: &'a Subscription) -> Self {
        let open = |status: &str| matches!(status, "open" | "uncollectible");
        let invoice = subscription.latest_invoice.as_ref();
        let invoice = invoice.filter(|invoice| invoice.status.as_deref().is_some_and(open));
        Self {
            status: &subscription.status,
            trial_end: subscription.trial_end,
            ended_at: subscription.ended_at,
            cancel_at: subscription.cancel_at,
            cancel_at_period_end: subscription.cancel_at_period_end,
            period_start: subscription.period_start(),
            period_end: subscription.period_end(),
            open_invoice_since: invoice.and_then(|invoice| invoice.created),
            pause_behavior: subscription
                .pause_collection
                .as_ref()
                .map(|it| it.behavior.as_str()),
            items_complete: !subscription.items.has_more,
        }
    }
}
