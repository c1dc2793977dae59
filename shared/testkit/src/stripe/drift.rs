//! Drift: what goes wrong between Stripe and an app in real life, one kind at a time.

use super::catalog::PLANS;
use super::sample::{Account, Sample, Standing};
use super::users::AppUser;

const DAY: i64 = 86_400;

/// A kind of drift. Each makes exactly one finding of the kind of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// The webhook of the purchase was lost: paid, and the row never changed.
    PaidNoAccess,
    /// The webhook of the cancellation was lost.
    AccessWithoutPayment,
    /// The row has another plan than was bought.
    WrongPlan,
    /// The row has more seats than are paid.
    WrongSeats,
    /// A feature of the plan is missing in the row.
    WrongFeatures,
    /// The trial was extended in Stripe only.
    WrongTrialEnd,
    /// The user's row is gone; the customer pays on.
    MissingUserRow,
    /// A paying customer of whom the app knows nothing.
    OrphanCustomer,
    /// A second customer was made for the same user.
    DuplicateCustomer,
}

impl Drift {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::PaidNoAccess,
        Self::AccessWithoutPayment,
        Self::WrongPlan,
        Self::WrongSeats,
        Self::WrongFeatures,
        Self::WrongTrialEnd,
        Self::MissingUserRow,
        Self::OrphanCustomer,
        Self::DuplicateCustomer,
    ];

    /// The kind of its finding.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PaidNoAccess => "paid_no_access",
            Self::AccessWithoutPayment => "access_without_payment",
            Self::WrongPlan => "wrong_plan",
            Self::WrongSeats => "wrong_seats",
            Self::WrongFeatures => "wrong_features",
            Self::WrongTrialEnd => "wrong_trial_end",
            Self::MissingUserRow => "missing_user_row",
            Self::OrphanCustomer => "orphan_customer",
            Self::DuplicateCustomer => "duplicate_customer",
        }
    }

    /// Whether it can be put into this account.
    pub(super) fn fits(self, account: &Account) -> bool {
        let active = account.standing == Standing::Active;
        !account.drifted
            && match self {
                Self::PaidNoAccess | Self::WrongPlan | Self::WrongFeatures => active,
                Self::AccessWithoutPayment => account.standing == Standing::Canceled,
                Self::WrongSeats => active && account.plan.by_seat,
                Self::WrongTrialEnd => account.standing == Standing::Trialing,
                Self::MissingUserRow | Self::DuplicateCustomer => active && account.in_metadata,
                Self::OrphanCustomer => false,
            }
    }
}

/// A finding that a check must make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// The kind of the finding.
    pub kind: &'static str,
    /// The user's id, or the customer's where there is no row.
    pub subject: String,
    /// The customer concerned.
    pub customer: String,
}

impl Sample {
    /// Puts drift of one kind into `count` accounts that have none yet, and says what must be found
    /// (in the order of the accounts). Fewer when the sample has not enough fitting accounts.
    pub fn inject(&mut self, drift: Drift, count: usize) -> Vec<Expected> {
        let mut made = Vec::new();
        while made.len() < count {
            let Some(expected) = self.inject_one(drift) else {
                break;
            };
            self.expected.push(expected.clone());
            made.push(expected);
        }
        made
    }

    fn inject_one(&mut self, drift: Drift) -> Option<Expected> {
        if drift == Drift::OrphanCustomer {
            return Some(self.orphan());
        }
        let account = self
            .accounts
            .iter_mut()
            .find(|account| drift.fits(account))?;
        account.drifted = true;
        let account = account.clone();
        let place = self.users.iter().position(|user| user.id == account.user)?;
        match drift {
            Drift::MissingUserRow => {
                self.users.remove(place);
            }
            Drift::DuplicateCustomer => {
                let user = self.users.get(place)?.clone();
                self.customer_of(&user, true);
            }
            _ => bend(drift, self.users.get_mut(place)?, &account, self.now),
        }
        let subject = match drift {
            Drift::MissingUserRow => account.customer.clone(),
            _ => account.user,
        };
        Some(Expected {
            kind: drift.kind(),
            subject,
            customer: account.customer,
        })
    }

    /// A new customer that pays and that nothing leads to.
    fn orphan(&mut self) -> Expected {
        let number = self.expected.len();
        let name = format!("Unknown Buyer {number}");
        let email = format!("unknown.buyer{number}@example.com");
        let stranger = AppUser::free(String::new(), email, name);
        let customer = self.customer_of(&stranger, false);
        let [_, plan, ..] = &PLANS;
        let spec = self.subscription(&customer, Standing::Active, "active", plan);
        self.shop.put_subscription(&spec);
        Expected {
            kind: Drift::OrphanCustomer.kind(),
            subject: customer.clone(),
            customer,
        }
    }
}

/// Changes the row away from the promise.
pub(super) fn bend(drift: Drift, user: &mut AppUser, account: &Account, now: i64) {
    match drift {
        Drift::PaidNoAccess => {
            let (id, email, name) = (user.id.clone(), user.email.clone(), user.name.clone());
            let customer = user.stripe_customer_id.take();
            *user = AppUser {
                stripe_customer_id: customer,
                ..AppUser::free(id, email, name)
            };
        }
        Drift::AccessWithoutPayment => {
            account.plan.name.clone_into(&mut user.plan);
            user.premium = true;
            user.features = account
                .plan
                .features
                .iter()
                .map(|&it| it.to_owned())
                .collect();
        }
        Drift::WrongPlan => {
            let other = if account.plan.name == "pro" {
                "starter"
            } else {
                "pro"
            };
            other.clone_into(&mut user.plan);
        }
        Drift::WrongSeats => user.seats = user.seats.saturating_add(5),
        Drift::WrongFeatures => {
            user.features.pop();
        }
        Drift::WrongTrialEnd => user.trial_ends_at = Some(now + DAY / 2),
        Drift::MissingUserRow | Drift::OrphanCustomer | Drift::DuplicateCustomer => {}
    }
}
