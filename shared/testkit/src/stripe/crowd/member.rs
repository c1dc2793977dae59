//! One customer with everything that belongs to it, made from its number.

use std::collections::BTreeMap;

use super::super::catalog::Plan;
use super::super::drift::{Drift, Expected, bend};
use super::super::objects::{CustomerSpec, SubscriptionSpec};
use super::super::people::person;
use super::super::random::{ALPHABET, Numbers};
use super::super::sample::{
    Account, DAY, Standing, comped, grant, plan_at, standing_at, subscription_of,
};
use super::super::users::AppUser;

/// Characters of an id that say its number.
const NUMBER: usize = 6;

/// How many of 100,000 fitting customers drift in each way. A duplicate, a missing row or a lost
/// webhook only happens to those who pay.
const RULES: [(Drift, u64); 9] = [
    (Drift::PaidNoAccess, 1_000),
    (Drift::AccessWithoutPayment, 2_000),
    (Drift::WrongPlan, 300),
    (Drift::WrongSeats, 1_000),
    (Drift::WrongFeatures, 200),
    (Drift::WrongTrialEnd, 1_000),
    (Drift::MissingUserRow, 100),
    (Drift::OrphanCustomer, 50),
    (Drift::DuplicateCustomer, 100),
];

/// Of 100,000 customers whose subscription ended, so many were deleted.
const DELETED: u64 = 5_000;

/// Of 100,000 active customers, so many have bought twice.
const TWICE: u64 = 300;

/// A customer and what belongs to it.
pub(super) struct Member {
    /// The customer, and perhaps a second one that was made by accident.
    pub(super) customers: Vec<CustomerSpec>,
    /// Stripe knows no more than that the customer was deleted.
    pub(super) deleted: bool,
    pub(super) subscriptions: Vec<SubscriptionSpec>,
    pub(super) user: Option<AppUser>,
    pub(super) expected: Option<Expected>,
}

impl Member {
    pub(super) fn new(seed: u64, number: u32, now: i64) -> Self {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let mut numbers = numbers(seed, u64::from(number));
        let (standing, plan) = (standing_at(place), plan_at(place));
        let mut made = Maker {
            created: now - numbers.between(30 * DAY, 800 * DAY),
            user: user(&mut numbers, place),
            in_metadata: numbers.percent(90),
            numbers,
            number,
            now,
        };
        made.member(standing, plan)
    }
}

/// What has been decided so far.
struct Maker {
    numbers: Numbers,
    number: u32,
    now: i64,
    created: i64,
    user: AppUser,
    in_metadata: bool,
}

impl Maker {
    fn member(&mut self, standing: Standing, plan: &'static Plan) -> Member {
        let customer = self.customer(0);
        let id = customer.id.clone();
        let mut subscriptions = Vec::new();
        if let Some(status) = standing.status() {
            let spec = self.subscription(&id, standing, status, plan, 0);
            if standing.grants() {
                grant(&mut self.user, plan, &spec);
            }
            subscriptions.push(spec);
        }
        if standing == Standing::Returned {
            subscriptions.push(self.subscription(&id, Standing::Canceled, "canceled", plan, 1));
        }
        let deleted = standing == Standing::Canceled && self.roll(DELETED);
        if deleted || !self.in_metadata || self.numbers.percent(95) {
            self.user.stripe_customer_id = Some(id.clone());
        }
        let mut member = Member {
            customers: vec![customer],
            deleted,
            subscriptions,
            user: Some(self.user.clone()),
            expected: None,
        };
        if standing == Standing::Active && self.roll(TWICE) {
            let first = member.subscriptions.first();
            let bought: Vec<i64> = first.map_or_else(Vec::new, |first| {
                first.items.iter().map(|item| item.quantity).collect()
            });
            // The same plan again: the row agrees with either.
            let mut twice = self.subscription(&id, standing, "active", plan, 1);
            for (item, first) in twice.items.iter_mut().zip(bought) {
                item.quantity = first;
            }
            member.subscriptions.push(twice);
        } else {
            self.drift(&mut member, standing, plan, &id);
        }
        member
    }

    /// Puts in the drift that the rules decide for, if any.
    fn drift(&mut self, member: &mut Member, standing: Standing, plan: &'static Plan, id: &str) {
        let account = Account {
            customer: id.to_owned(),
            subscription: None,
            standing,
            plan,
            user: self.user.id.clone(),
            in_metadata: self.in_metadata,
            drifted: false,
        };
        let Some(drift) = self.drift_of(&account) else {
            return;
        };
        match drift {
            Drift::MissingUserRow => member.user = None,
            Drift::OrphanCustomer => {
                member.user = None;
                for customer in &mut member.customers {
                    customer.metadata.clear();
                }
            }
            Drift::DuplicateCustomer => member.customers.push(self.customer(1)),
            _ => {
                if let Some(user) = &mut member.user {
                    bend(drift, user, &account, self.now);
                }
            }
        }
        let subject = match drift {
            Drift::MissingUserRow | Drift::OrphanCustomer => account.customer.clone(),
            _ => account.user,
        };
        member.expected = Some(Expected {
            kind: drift.kind(),
            subject,
            customer: account.customer,
        });
    }

    fn drift_of(&mut self, account: &Account) -> Option<Drift> {
        RULES.iter().find_map(|(drift, rate)| {
            let fits = match drift {
                Drift::OrphanCustomer => account.standing == Standing::Active,
                _ => drift.fits(account),
            };
            (self.roll(*rate) && fits).then_some(*drift)
        })
    }

    fn roll(&mut self, of_100_000: u64) -> bool {
        self.numbers.next() % 100_000 < of_100_000
    }

    fn customer(&mut self, copy: u8) -> CustomerSpec {
        let mut metadata = BTreeMap::new();
        if self.in_metadata {
            metadata.insert("user_id".to_owned(), self.user.id.clone());
        }
        CustomerSpec {
            id: id("cus_", &mut self.numbers, 7, self.number, copy),
            created: self.created,
            name: self.user.name.clone(),
            email: self.user.email.clone(),
            metadata,
        }
    }

    fn subscription(
        &mut self,
        customer: &str,
        standing: Standing,
        status: &str,
        plan: &'static Plan,
        copy: u8,
    ) -> SubscriptionSpec {
        let numbers = &mut self.numbers;
        let mut spec = subscription_of(numbers, self.now, customer, standing, status, plan);
        spec.id = id("sub_1", numbers, 16, self.number, copy);
        spec
    }
}

/// A user without a customer; some were given access on purpose.
pub(super) fn stranger(seed: u64, size: u32, number: u32, now: i64) -> AppUser {
    let place = u64::from(size) + u64::from(number);
    let mut numbers = numbers(seed, place);
    let mut user = user(&mut numbers, usize::try_from(place).unwrap_or(usize::MAX));
    if number.is_multiple_of(6)
        && let Some(plan) = Plan::named("pro")
    {
        comped(&mut user, plan, now);
    }
    user
}

fn user(numbers: &mut Numbers, place: usize) -> AppUser {
    let (name, email) = person(numbers, place);
    AppUser::free(numbers.uuid(), email, name)
}

/// The newest invoice of this subscription is to be paid.
pub(super) fn is_open(spec: &SubscriptionSpec) -> bool {
    matches!(spec.status.as_str(), "past_due" | "unpaid" | "incomplete")
}

fn numbers(seed: u64, place: u64) -> Numbers {
    let mut mixed = Numbers::new(seed ^ place.wrapping_mul(0x2545_f491_4f6c_dd1d));
    Numbers::new(mixed.next())
}

/// An id that says its number and which copy it is, behind some random characters.
fn id(prefix: &str, numbers: &mut Numbers, random: usize, number: u32, copy: u8) -> String {
    let mut id = numbers.id(prefix, random);
    let mut rest = u64::from(number);
    let mut digits = [b'A'; NUMBER];
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or(0);
        *digit = ALPHABET.get(place).copied().unwrap_or(b'A');
        rest /= 62;
    }
    id.extend(digits.iter().map(|digit| char::from(*digit)));
    id.push(char::from(b'0' + copy.min(9)));
    id
}

/// The number and copy that an id says; whether there is such an object is another question.
pub(super) fn number_of(id: &str) -> Option<(u32, u8)> {
    let (rest, copy) = id.split_at_checked(id.len().checked_sub(1)?)?;
    let (_, digits) = rest.split_at_checked(rest.len().checked_sub(NUMBER)?)?;
    let number = digits.bytes().try_fold(0_u64, |number, byte| {
        let digit = ALPHABET.iter().position(|it| *it == byte)?;
        Some(number * 62 + u64::try_from(digit).ok()?)
    })?;
    Some((u32::try_from(number).ok()?, copy.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_its_number() {
        for number in [0, 1, 61, 62, 999_999, u32::MAX] {
            let id = id("cus_", &mut Numbers::new(1), 7, number, 1);
            assert_eq!(id.len(), 18);
            assert_eq!(number_of(&id), Some((number, 1)), "{id}");
        }
        for id in ["", "cus_", "cus_never", "ä"] {
            assert!(number_of(id).is_none_or(|(number, _)| number > 0), "{id}");
        }
    }
}
