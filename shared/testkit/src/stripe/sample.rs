//! A whole little business: a Stripe account and the app's users, in agreement with each other.
//!
//! Every state of a subscription occurs in every 50 customers. The rows hold exactly what the
//! decision table promises with default rules, so a check finds nothing until drift is put in.

use std::collections::BTreeMap;

use counterfoil_core::time::Timestamp;

use super::catalog::{self, PLANS, Plan};
use super::drift::Expected;
use super::objects::{CustomerSpec, Interval, ItemSpec, SubscriptionSpec};
use super::people::person;
use super::random::Numbers;
use super::shop::Shop;
use super::users::AppUser;

pub(super) const DAY: i64 = 86_400;

/// What a customer of the sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One active subscription.
    Active,
    /// A trial that runs.
    Trialing,
    /// A payment that failed three days ago: within grace.
    PastDue,
    /// Ended three weeks ago.
    Canceled,
    /// Active until the end of the period.
    Ending,
    /// Active, and no payments are collected.
    CollectionPaused,
    /// Stripe gave up collecting.
    Unpaid,
    /// The first payment is outstanding.
    Incomplete,
    /// Paused.
    Paused,
    /// An old subscription that ended, and an active one.
    Returned,
    /// Active with a coupon of 100 %.
    Free,
    /// No subscription.
    Lead,
}

impl Standing {
    /// Stripe's status of the subscription that counts; `None` without one.
    pub(super) const fn status(self) -> Option<&'static str> {
        Some(match self {
            Self::Active | Self::Ending | Self::CollectionPaused | Self::Returned | Self::Free => {
                "active"
            }
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Incomplete => "incomplete",
            Self::Paused => "paused",
            Self::Lead => return None,
        })
    }

    /// Whether the default rules promise access.
    pub const fn grants(self) -> bool {
        !matches!(
            self,
            Self::Canceled | Self::Unpaid | Self::Incomplete | Self::Paused | Self::Lead
        )
    }
}

/// The order in which standings come, as runs that add up to 50.
const ORDER: [(Standing, usize); 18] = [
    (Standing::Active, 7),
    (Standing::Trialing, 2),
    (Standing::Canceled, 2),
    (Standing::Active, 6),
    (Standing::PastDue, 1),
    (Standing::Ending, 1),
    (Standing::Returned, 1),
    (Standing::Active, 6),
    (Standing::Canceled, 3),
    (Standing::CollectionPaused, 1),
    (Standing::Trialing, 2),
    (Standing::Active, 8),
    (Standing::Lead, 2),
    (Standing::Unpaid, 1),
    (Standing::Canceled, 2),
    (Standing::Paused, 1),
    (Standing::Free, 1),
    (Standing::Incomplete, 3),
];

/// Seven is prime to fifty, so every standing meets every plan.
const PLAN_ORDER: [usize; 7] = [0, 1, 2, 1, 3, 0, 1];

/// The standing of the customer of this number.
pub(super) fn standing_at(number: usize) -> Standing {
    let mut place = number % 50;
    for (standing, run) in ORDER {
        if place < run {
            return standing;
        }
        place -= run;
    }
    Standing::Active
}

/// The plan that the customer of this number bought.
pub(super) fn plan_at(number: usize) -> &'static Plan {
    let [first, ..] = &PLANS;
    let place = PLAN_ORDER.get(number % PLAN_ORDER.len());
    place.and_then(|place| PLANS.get(*place)).unwrap_or(first)
}

/// Gives a user access on purpose.
pub(super) fn comped(user: &mut AppUser, plan: &Plan, now: i64) {
    plan.name.clone_into(&mut user.plan);
    user.premium = true;
    user.features = plan.features.iter().map(|&it| it.to_owned()).collect();
    user.comped_until = Some(now + 200 * DAY);
}

/// One customer of the sample with the user behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Stripe's id.
    pub customer: String,
    /// The subscription that counts.
    pub subscription: Option<String>,
    /// What the customer has.
    pub standing: Standing,
    /// The plan that was bought, also where it ended.
    pub plan: &'static Plan,
    /// Id of the user's row.
    pub user: String,
    /// The customer's metadata names the user.
    pub in_metadata: bool,
    /// Drift was put into this account.
    pub drifted: bool,
}

/// A Stripe account and an app that belong together.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Stripe's side.
    pub shop: Shop,
    /// The app's side.
    pub users: Vec<AppUser>,
    /// The customers, in the order in which they came.
    pub accounts: Vec<Account>,
    /// What a check must find, with the drift put in so far.
    pub expected: Vec<Expected>,
    pub(super) numbers: Numbers,
    pub(super) now: i64,
}

impl Sample {
    /// A consistent business with `customers` Stripe customers as of `now`. The same arguments give
    /// the same business. Besides the customers there are free users without one, and a few who were
    /// given access on purpose.
    pub fn new(seed: u64, customers: usize, now: Timestamp) -> Self {
        let now = now.as_secs();
        let mut sample = Self {
            shop: Shop::new(),
            users: Vec::new(),
            accounts: Vec::new(),
            expected: Vec::new(),
            numbers: Numbers::new(seed),
            now,
        };
        catalog::stock(&mut sample.shop, now - 900 * DAY);
        for number in 0..customers {
            sample.add(standing_at(number), plan_at(number));
        }
        for number in 0..customers / 8 {
            sample.add_user_without_customer(number % 6 == 0);
        }
        sample
    }

    /// Adds a customer with a user whose row agrees.
    fn add(&mut self, standing: Standing, plan: &'static Plan) {
        let mut user = self.user();
        let in_metadata = self.numbers.percent(90);
        let customer = self.customer_of(&user, in_metadata);
        let subscription = standing.status().map(|status| {
            let spec = self.subscription(&customer, standing, status, plan);
            self.shop.put_subscription(&spec);
            if standing.grants() {
                grant(&mut user, plan, &spec);
            }
            spec.id
        });
        if standing == Standing::Returned {
            let old = self.subscription(&customer, Standing::Canceled, "canceled", plan);
            self.shop.put_subscription(&old);
        }
        if !in_metadata || self.numbers.percent(95) {
            user.stripe_customer_id = Some(customer.clone());
        }
        self.accounts.push(Account {
            customer,
            subscription,
            standing,
            plan,
            user: user.id.clone(),
            in_metadata,
            drifted: false,
        });
        self.users.push(user);
    }

    fn add_user_without_customer(&mut self, on_purpose: bool) {
        let mut user = self.user();
        if on_purpose && let Some(plan) = Plan::named("pro") {
            comped(&mut user, plan, self.now);
        }
        self.users.push(user);
    }

    fn user(&mut self) -> AppUser {
        let number = self.users.len() + self.expected.len();
        let (name, email) = person(&mut self.numbers, number);
        AppUser::free(self.numbers.uuid(), email, name)
    }

    /// Puts a customer into the shop that belongs to this user.
    pub(super) fn customer_of(&mut self, user: &AppUser, in_metadata: bool) -> String {
        let id = self.numbers.id("cus_", 14);
        let mut metadata = BTreeMap::new();
        if in_metadata {
            metadata.insert("user_id".to_owned(), user.id.clone());
        }
        self.shop.put_customer(&CustomerSpec {
            id: id.clone(),
            created: self.now - self.numbers.between(30 * DAY, 800 * DAY),
            name: user.name.clone(),
            email: user.email.clone(),
            metadata,
        });
        id
    }

    /// A subscription of this standing, not in the shop yet.
    pub(super) fn subscription(
        &mut self,
        customer: &str,
        standing: Standing,
        status: &str,
        plan: &'static Plan,
    ) -> SubscriptionSpec {
        subscription_of(
            &mut self.numbers,
            self.now,
            customer,
            standing,
            status,
            plan,
        )
    }
}

/// A subscription of this standing as of `now`.
pub(super) fn subscription_of(
    numbers: &mut Numbers,
    now: i64,
    customer: &str,
    standing: Standing,
    status: &str,
    plan: &'static Plan,
) -> SubscriptionSpec {
    let interval = if numbers.percent(30) {
        Interval::Year
    } else {
        Interval::Month
    };
    let quantity = if plan.by_seat {
        numbers.between(3, 40)
    } else {
        1
    };
    let (created, period_start, period_end, trial_end, ended_at) =
        times(numbers, now, standing, interval);
    SubscriptionSpec {
        id: numbers.id("sub_1", 23),
        customer: customer.to_owned(),
        status: status.to_owned(),
        created,
        items: vec![ItemSpec {
            id: numbers.id("si_", 14),
            plan,
            interval,
            quantity,
        }],
        period_start,
        period_end,
        trial_end,
        ended_at,
        cancel_at_period_end: standing == Standing::Ending,
        pause_collection: standing == Standing::CollectionPaused,
        free: standing == Standing::Free,
    }
}

/// Creation, start and end of the period, end of the trial, end.
fn times(
    numbers: &mut Numbers,
    now: i64,
    standing: Standing,
    interval: Interval,
) -> (i64, i64, i64, Option<i64>, Option<i64>) {
    match standing {
        Standing::Trialing => {
            let start = now - numbers.between(1, 6) * DAY;
            (start, start, start + 14 * DAY, Some(start + 14 * DAY), None)
        }
        Standing::Canceled => {
            let end = now - numbers.between(15, 60) * DAY;
            let start = end - interval.seconds();
            (start, start, end, None, Some(end))
        }
        Standing::PastDue => {
            let start = now - 3 * DAY;
            (
                start - interval.seconds(),
                start,
                start + interval.seconds(),
                None,
                None,
            )
        }
        Standing::Unpaid => {
            let start = now - 25 * DAY;
            (
                start - interval.seconds(),
                start,
                start + interval.seconds(),
                None,
                None,
            )
        }
        Standing::Incomplete => {
            let start = now - 7_200;
            (start, start, start + interval.seconds(), None, None)
        }
        _ => {
            let start = now - numbers.between(1, 28) * DAY;
            let before = numbers.between(0, 12) * interval.seconds();
            (
                start - before,
                start,
                start + interval.seconds(),
                None,
                None,
            )
        }
    }
}

/// Writes into a row what the subscription promises.
pub(super) fn grant(user: &mut AppUser, plan: &Plan, subscription: &SubscriptionSpec) {
    plan.name.clone_into(&mut user.plan);
    user.premium = true;
    user.seats = subscription.items.first().map_or(1, |item| item.quantity);
    user.features = plan.features.iter().map(|&it| it.to_owned()).collect();
    user.trial_ends_at = subscription
        .trial_end
        .filter(|_| subscription.status == "trialing");
}
