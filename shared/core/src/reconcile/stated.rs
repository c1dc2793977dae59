//! One customer in full: what is promised and what each of its rows grants, equal or not.
//!
//! Findings say what differs. Whoever asks about one customer wants to read both sides, and why.
//! Made for a look at one customer; a scan keeps no row for it.

use serde::{Deserialize, Serialize};

use super::diff::{Subject, customer_ids};
use super::finding::{Identity, Outcome};
use super::ids::{CUSTOMER, SUBSCRIPTION};
use super::join::Join;
use super::promised::{Promised, plan, promised};
use super::scan::Scan;
use super::store::{DELETED, READ, Record, WRONG_MODE, index};
use crate::promise::{Rule, Standing};
use crate::time::Timestamp;

/// What Stripe says about a customer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerPresence {
    /// It exists.
    Known,
    /// It was deleted.
    Deleted,
    /// It is of the other mode than the account.
    OtherMode,
    /// The account has no such customer, and never had.
    Unknown,
}

/// One subscription and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// `sub_…`.
    pub id: String,
    /// Whose it is, `cus_…`.
    pub customer: String,
    /// The plan that its prices sell, by the mapping's name.
    pub plan: Option<String>,
    /// Whether it grants; `None` where nothing may be concluded from it.
    pub grants: Option<bool>,
    /// It sets plan, seats and end of trial.
    pub leads: bool,
    /// Why.
    pub rule: Rule,
}

/// What is promised, in the mapping's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseState {
    /// Whether access is promised at all.
    pub access: bool,
    /// The plan; the mapping's `none` where there is no paid one.
    pub plan: Option<String>,
    /// Seats, where the mapping has a column for them and their number is known.
    pub seats: Option<i64>,
    /// End of the running trial.
    #[serde(with = "rfc3339")]
    pub trial_end: Option<Timestamp>,
    /// Features, ascending.
    pub features: Vec<String>,
    /// Every price and state behind it has a rule: nothing more is promised.
    pub certain: bool,
    /// Why.
    pub rule: Rule,
    /// Every subscription that was read, by id.
    pub subscriptions: Vec<SubscriptionState>,
}

/// What a row grants. A column that the mapping does not name is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantState {
    /// Whether it gives paid access.
    pub access: bool,
    /// The plan column's value.
    pub plan: Option<String>,
    /// The number of seats.
    pub seats: Option<i64>,
    /// End of the trial.
    #[serde(with = "rfc3339")]
    pub trial_end: Option<Timestamp>,
    /// Features, ascending.
    pub features: Option<Vec<String>>,
    /// A marker says that access was given on purpose.
    pub comped: bool,
}

/// A row of the app that belongs to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowState {
    /// Its primary key, as text.
    pub row: String,
    /// Every customer that belongs to it, ascending.
    pub customers: Vec<String>,
    /// How surely they do.
    pub identity: Option<Identity>,
    /// What all of them together are promised.
    pub promise: PromiseState,
    /// What it grants.
    pub grant: GrantState,
}

/// One customer on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerState {
    /// `cus_…`.
    pub customer: String,
    /// What Stripe says about it.
    pub presence: CustomerPresence,
    /// What it is promised, whoever else belongs to its row.
    pub promise: PromiseState,
    /// The rows that belong to it: one, unless something is wrong. A customer who points to
    /// several rows belongs to none.
    pub rows: Vec<RowState>,
}

impl Join {
    /// Keeps every row until the end, for [`Join::finish_one`].
    #[must_use]
    pub fn keeping_rows(mut self) -> Self {
        self.keeps_rows = true;
        self
    }

    /// Ends a look at one customer: what differs, and both sides as they are. Rows must have been
    /// kept ([`Join::keeping_rows`]).
    pub fn finish_one(mut self, customer: &str) -> (Outcome, CustomerState) {
        let number = self.number_of(customer);
        let rows = self.row_states(number);
        let state = CustomerState {
            customer: customer.to_owned(),
            presence: self.presence(number),
            promise: self.own_promise(number),
            rows,
        };
        self.keeps_rows = false;
        (self.finish(), state)
    }

    fn number_of(&self, customer: &str) -> Option<u32> {
        let id_of = |number| self.scan.slots.get(index(number)).map(|slot| slot.id);
        let id = self.scan.long.find(CUSTOMER, customer)?;
        self.scan.directory.find(&id, id_of)
    }

    fn presence(&self, number: Option<u32>) -> CustomerPresence {
        let slot = number.and_then(|number| self.scan.slots.get(index(number)));
        match slot {
            Some(slot) if slot.is(WRONG_MODE) => CustomerPresence::OtherMode,
            Some(slot) if slot.is(DELETED) => CustomerPresence::Deleted,
            Some(slot) if slot.is(READ) => CustomerPresence::Known,
            _ => CustomerPresence::Unknown,
        }
    }

    fn row_states(&self, number: Option<u32>) -> Vec<RowState> {
        let Some(number) = number else {
            return Vec::new();
        };
        let mut states = Vec::new();
        for (row, hits) in self.held.rows() {
            let subject = self.subject(&row, &hits);
            states.extend(
                subject
                    .filter(|subject| subject.customers.contains(&number))
                    .map(|subject| subject.state()),
            );
        }
        states.sort_by(|a, b| a.row.cmp(&b.row));
        states
    }

    /// The promise to the customer alone.
    fn own_promise(&self, number: Option<u32>) -> PromiseState {
        let records: Vec<Record> = number
            .map(|number| self.records(number).collect())
            .unwrap_or_default();
        let scan = &self.scan;
        let promise = promised(records, scan.artifact.compiled(), &scan.shop, &scan.long);
        let rule = promise.rule.unwrap_or(match number {
            Some(_) => Rule::NoSubscription,
            None => Rule::NoCustomer,
        });
        promise_state(scan, &promise, rule)
    }
}

impl Subject<'_> {
    fn state(&self) -> RowState {
        let mut features = self.grant.features.as_deref().map(<[String]>::to_vec);
        if let Some(features) = &mut features {
            features.sort_unstable();
            features.dedup();
        }
        RowState {
            row: self.row.key.text(),
            customers: customer_ids(self.scan, &self.customers),
            identity: self.identity,
            promise: promise_state(self.scan, &self.promise, self.rule()),
            grant: GrantState {
                access: self.grant.access,
                plan: self.grant.plan.map(str::to_owned),
                seats: self.grant.seats,
                trial_end: self.grant.trial.map(Timestamp::from_secs),
                features,
                comped: self.grant.comped,
            },
        }
    }
}

fn promise_state(scan: &Scan, promise: &Promised, rule: Rule) -> PromiseState {
    let access = &scan.artifact.compiled().access;
    let feature = |id: &u16| scan.shop.feature(*id).map(str::to_owned);
    let seats = access.seats.as_ref().and_then(|column| {
        match promise.leading.filter(|_| promise.plan.is_some()) {
            Some(_) => promise.seats(),
            None => Some(column.none),
        }
    });
    let none = access.plan.as_ref().map(|column| column.none.as_str());
    let plan = plan(scan.artifact.compiled(), promise.plan).map(|plan| plan.name.as_str());
    PromiseState {
        access: promise.premium,
        plan: plan.or(none).map(str::to_owned),
        seats,
        trial_end: promise.trial().map(Timestamp::from_secs),
        features: promise.features.iter().filter_map(feature).collect(),
        certain: promise.is_certain(),
        rule,
        subscriptions: (promise.records.iter())
            .map(|record| subscription_state(scan, promise, record))
            .collect(),
    }
}

fn subscription_state(scan: &Scan, promise: &Promised, record: &Record) -> SubscriptionState {
    let deal = scan.shop.get(record.deal);
    let name = plan(scan.artifact.compiled(), deal.and_then(|deal| deal.plan));
    SubscriptionState {
        id: record.id.text(SUBSCRIPTION, &scan.long),
        customer: customer_ids(scan, &[record.customer])
            .into_iter()
            .next()
            .unwrap_or_default(),
        plan: name.map(|plan| plan.name.clone()),
        grants: match record.standing {
            Standing::Grants => Some(true),
            Standing::Refuses => Some(false),
            Standing::Unknown => None,
        },
        leads: promise.leading.as_ref() == Some(record),
        rule: record.rule,
    }
}

/// Times as the API writes them: a state is kept as it is shown.
mod rfc3339 {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::time::Timestamp;

    #[expect(
        clippy::ref_option,
        reason = "serde hands over a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
