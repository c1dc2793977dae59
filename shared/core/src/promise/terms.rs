//! The part of a subscription that decides whether it grants.

use crate::billing::line::SubscriptionLine;
use crate::billing::{Invoice, Status, Subscription};

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
        Self {
            status: &subscription.status,
            trial_end: subscription.trial_end,
            ended_at: subscription.ended_at,
            cancel_at: subscription.cancel_at,
            cancel_at_period_end: subscription.cancel_at_period_end,
            period_start: subscription.period_start(),
            period_end: subscription.period_end(),
            open_invoice_since: open_since(subscription.latest_invoice.as_ref()),
            pause_behavior: subscription
                .pause_collection
                .as_ref()
                .map(|it| it.behavior.as_str()),
            items_complete: !subscription.items.has_more,
        }
    }
}

impl<'a> From<&'a SubscriptionLine<'_>> for Terms<'a> {
    fn from(line: &'a SubscriptionLine<'_>) -> Self {
        Self {
            status: &line.status,
            trial_end: line.trial_end,
            ended_at: line.ended_at,
            cancel_at: line.cancel_at,
            cancel_at_period_end: line.cancel_at_period_end,
            period_start: line.period_start(),
            period_end: line.period_end(),
            open_invoice_since: open_since(line.latest_invoice.as_ref()),
            pause_behavior: line
                .pause_collection
                .as_ref()
                .map(|it| it.behavior.as_str()),
            items_complete: line.items.as_ref().is_none_or(|items| !items.has_more),
        }
    }
}

fn open_since(invoice: Option<&Invoice>) -> Option<i64> {
    let open = |status: &str| matches!(status, "open" | "uncollectible");
    invoice
        .filter(|it| it.status.as_deref().is_some_and(open))
        .and_then(|it| it.created)
}
