//! The part of a subscription that decides whether it grants.

use crate::billing::line::SubscriptionLine;
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
            pause_behavior: line
                .pause_collection
                .as_ref()
                .map(|it| it.behavior.as_str()),
            items_complete: line.items.as_ref().is_none_or(|items| !items.has_more),
        }
    }
}
