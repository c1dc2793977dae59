//! One named difference, and the outcome of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::risk::Risk;
use crate::cell::Cell;
use crate::money::Money;
use crate::promise::Rule;
use crate::repair::ColumnChange;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$inner:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $type {
            $($(#[$inner])* $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in JSON, in evidence and for policies.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

named! {
    /// What differs.
    FindingKind {
        /// Stripe promises access, the app gives none.
        PaidNoAccess = "paid_no_access",
        /// The app gives access, Stripe promises none.
        AccessWithoutPayment = "access_without_payment",
        /// The plan differs.
        WrongPlan = "wrong_plan",
        /// The end of the trial differs.
        WrongTrialEnd = "wrong_trial_end",
        /// The number of seats differs.
        WrongSeats = "wrong_seats",
        /// The set of features differs.
        WrongFeatures = "wrong_features",
        /// A paying customer names a user whom the app does not have.
        MissingUserRow = "missing_user_row",
        /// A paying customer belongs to nobody.
        OrphanCustomer = "orphan_customer",
        /// Several Stripe customers belong to one row.
        DuplicateCustomer = "duplicate_customer",
        /// The customer's best key hits several rows.
        AmbiguousCustomer = "ambiguous_customer",
        /// The customer's keys point to different rows.
        MappingConflict = "mapping_conflict",
        /// A price has no rule, or a currency that is not known.
        UnmappedPrice = "unmapped_price",
        /// A subscription is in a state without a rule.
        UnknownState = "unknown_state",
        /// Access is backed by a test object, or the reverse.
        TestModeBacking = "test_mode_backing",
        /// So many customers differ that the mapping or a source must be broken.
        MassDrift = "mass_drift",
    }
}

named! {
    /// The part of the access that differs.
    Field {
        /// The plan column.
        Plan = "plan",
        /// The premium flag.
        Premium = "premium",
        /// The end of the trial.
        Trial = "trial",
        /// The number of seats.
        Seats = "seats",
        /// The set of features.
        Features = "features",
    }
}

named! {
    /// How a customer was matched.
    Identity {
        /// By a value in the customer's metadata.
        Metadata = "metadata",
        /// By the Stripe id that the app has stored.
        StoredId = "stored_id",
        /// By e-mail (or another key that only reports).
        Email = "email",
        /// The keys do not agree.
        Ambiguous = "ambiguous",
    }
}

named! {
    /// What stands behind the access.
    Backing {
        /// A subscription, now or earlier.
        Subscription = "subscription",
        /// A marker says that access was given on purpose.
        Comp = "comp",
        /// Nothing that Stripe knows of.
        None = "none",
    }
}

named! {
    /// Who loses by the difference.
    Direction {
        /// Access is given without pay.
        Leak = "leak",
        /// What was paid for is not given.
        Owed = "owed",
    }
}

named! {
    /// Why a repair is out of the question.
    NotRepairable {
        /// Matched by a key that only reports.
        ReportOnlyMatch = "report_only_match",
        /// The customer's keys hit several rows or disagree.
        UncertainIdentity = "uncertain_identity",
        /// A price without a rule or in an unknown currency: what is promised is not known.
        UnmappedPrice = "unmapped_price",
        /// A state without a rule: what is promised is not known.
        UnknownState = "unknown_state",
        /// Stripe has no such customer, or not any more: why is not known.
        UnknownCustomer = "unknown_customer",
        /// Test and live are mixed.
        WrongMode = "wrong_mode",
        /// Only one customer was read: what would be taken away may be another one's.
        OneCustomer = "one_customer",
        /// There is no row to repair.
        NoRow = "no_row",
        /// The difference is not in a column.
        NoColumn = "no_column",
        /// The mapping lets no repair write the column.
        ReadOnlyColumn = "read_only_column",
        /// The column has a value that the mapping does not know.
        UnmappedValue = "unmapped_value",
        /// The row was read from a file: the database may say something else by now.
        NoDatabase = "no_database",
    }
}

/// A promised or granted value, in symbols of the mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Symbol {
    /// Nothing.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A number.
    Count(i64),
    /// A plan, a time (RFC 3339), or a word.
    Name(String),
    /// Features, ascending.
    Set(Vec<String>),
}

impl Symbol {
    /// A name.
    pub fn name(text: impl Into<String>) -> Self {
        Self::Name(text.into())
    }

    /// The value as people read it.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Name(name) => name.clone(),
            Self::Set(names) if names.is_empty() => "none".to_owned(),
            Self::Set(names) => names.join(", "),
        }
    }
}

/// One difference between promise and grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What differs.
    pub kind: FindingKind,
    /// The row's primary key as text, or the Stripe customer id where no one row is meant.
    pub subject: String,
    /// The part of the access that differs.
    pub field: Option<Field>,
    /// What Stripe promises.
    pub expected: Symbol,
    /// What the app grants; `unmapped` stands for values that the mapping does not know.
    pub actual: Symbol,
    /// Those values, as they stand. For people only, never for evidence.
    pub foreign: Vec<String>,
    /// Stripe customers that belong to the subject, ascending.
    pub customers: Vec<String>,
    /// Subscriptions that led to the finding, ascending.
    pub subscriptions: Vec<String>,
    /// Prices without a rule, ascending.
    pub prices: Vec<String>,
    /// Primary key of the row, where one row is meant.
    pub row: Option<Cell>,
    /// What a repair would write, by column name; empty where nothing may be written.
    pub changes: Vec<ColumnChange>,
    /// Why a repair is out of the question; `None` where `changes` may be proposed.
    pub not_repairable: Option<NotRepairable>,
    /// How the customer was matched; `None` where no customer belongs to the row.
    pub identity: Option<Identity>,
    /// What stands behind the access.
    pub backing: Backing,
    /// Another subscription of the subject grants now.
    pub other_live_subscription: bool,
    /// The rule that led to it.
    pub rule: Rule,
    /// Money at risk per month, at least; `None` where no amount is known. Amounts of different
    /// currencies are never added: this is the one in the currency of the subscription that sets
    /// the plan.
    pub at_risk: Option<Money>,
    /// What is at risk in other currencies besides, by currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_at_risk: Vec<Money>,
    /// Who loses; `None` where nobody does.
    pub direction: Option<Direction>,
    /// Mode of the Stripe account, where the caller told it.
    pub livemode: Option<bool>,
}

impl Finding {
    /// The Stripe customer whom it is about; the subject where no customer belongs to the row.
    pub fn whom(&self) -> &str {
        self.customers.first().unwrap_or(&self.subject)
    }

    /// A finding about something else than a column, which no repair can change.
    pub(super) fn report(
        kind: FindingKind,
        subject: String,
        rule: Rule,
        reason: NotRepairable,
    ) -> Self {
        Self {
            kind,
            subject,
            field: None,
            expected: Symbol::Nothing,
            actual: Symbol::Nothing,
            foreign: Vec::new(),
            customers: Vec::new(),
            subscriptions: Vec::new(),
            prices: Vec::new(),
            row: None,
            changes: Vec::new(),
            not_repairable: Some(reason),
            identity: None,
            backing: Backing::None,
            other_live_subscription: false,
            rule,
            at_risk: None,
            also_at_risk: Vec::new(),
            direction: None,
            livemode: None,
        }
    }

    /// Everything that is at risk, each amount in another currency.
    pub fn amounts(&self) -> impl Iterator<Item = &Money> {
        self.at_risk.iter().chain(&self.also_at_risk)
    }

    /// The same finding with what is at risk and who loses it.
    pub(super) fn with_risk(self, risk: Risk) -> Self {
        let (at_risk, also_at_risk) = risk.amounts.split();
        Self {
            at_risk,
            also_at_risk,
            direction: risk.direction,
            ..self
        }
    }

    /// The one finding of a scan that is not believed: more customers differ than the mapping's
    /// limit in 1/1000.
    pub fn mass_drift(findings: u64, limit_permille: u32) -> Self {
        let report = Self::report(
            FindingKind::MassDrift,
            "project".to_owned(),
            Rule::DriftLimit,
            NotRepairable::NoColumn,
        );
        Self {
            expected: Symbol::Name(format!("at most {limit_permille} of 1000 customers differ")),
            actual: Symbol::Count(i64::try_from(findings).unwrap_or(i64::MAX)),
            ..report
        }
    }

    /// Whether another look has seen the same: as much is promised and given, by the same
    /// subscriptions for the same reason.
    pub fn is_unchanged(&self, again: &Self) -> bool {
        self.expected == again.expected
            && self.actual == again.actual
            && self.subscriptions == again.subscriptions
            && self.rule == again.rule
    }

    /// Whether this is the finding of [`Finding::mass_drift`].
    pub fn is_mass_drift(&self) -> bool {
        self.kind == FindingKind::MassDrift
    }

    /// What differed, without whom it was about: no id, no row, no value, no amount.
    #[must_use]
    pub fn without_person(self, instead: &str) -> Self {
        let reason = self.not_repairable.unwrap_or(NotRepairable::NoRow);
        Self {
            field: self.field,
            ..Self::report(self.kind, instead.to_owned(), self.rule, reason)
        }
    }

    /// Takes back what a repair would write.
    pub(super) fn refuse_repair(&mut self, reason: NotRepairable) {
        self.changes.clear();
        self.not_repairable.get_or_insert(reason);
    }
}

named! {
    /// Why nothing was concluded about somebody.
    Doubt {
        /// A subscription's items were not read to their end.
        UnreadItems = "unread_items",
        /// A state or price has no rule, or it is not known whose row it is. A finding says so.
        UnclearPromise = "unclear_promise",
        /// More customers belong together than a second look follows.
        TooManyCustomers = "too_many_customers",
        /// The second look saw another difference than the first one.
        StillChanging = "still_changing",
    }
}

/// Somebody about whom a look concluded nothing, or not everything. That a difference was not found
/// does not mean that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Undecided {
    /// As in [`Finding::subject`].
    pub subject: String,
    /// Stripe customers that belong to the subject, ascending.
    pub customers: Vec<String>,
    /// Why.
    pub because: Doubt,
    /// The one difference that this is about; without one, all that depend on the promise.
    pub difference: Option<(FindingKind, Option<Field>)>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Sorted by kind, subject and field.
    pub findings: Vec<Finding>,
    /// Stripe customers read, each once, without deleted ones.
    pub customers: u64,
    /// Stripe subscriptions read, each once.
    pub subscriptions: u64,
    /// Rows of the app read.
    pub rows: u64,
    /// Granting subscriptions whose customer was not read: no loss is concluded from them.
    pub unread_customers: u64,
    /// Subscriptions of which not all items were read: nothing is concluded from them.
    pub incomplete_subscriptions: u64,
    /// About whom nothing is concluded, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Undecided>,
}

/// Fewer differing customers than this are never a mass drift: one or two can be looked at by hand,
/// and in a project of three customers one is a third.
const FEW: u64 = 3;

/// Whether more customers differ than a limit in 1/1000 allows. Exactly at the limit is within.
pub fn is_mass_drift(differing: u64, customers: u64, limit_permille: u32) -> bool {
    differing >= FEW && drift_permille(differing, customers) > limit_permille
}

/// Number of subjects with at least one of these findings.
pub fn differing(findings: &[Finding]) -> u64 {
    let mut subjects: Vec<&str> = findings.iter().map(|it| it.subject.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    u64::try_from(subjects.len()).unwrap_or(u64::MAX)
}

/// Differing subjects per 1,000 customers, rounded up, at most 1,000.
pub fn drift_permille(differing: u64, customers: u64) -> u32 {
    let permille = differing.saturating_mul(1_000).div_ceil(customers.max(1));
    u32::try_from(permille.min(1_000)).unwrap_or(1_000)
}

impl Outcome {
    /// Takes back what repairs would write: the rows did not come from a database.
    pub fn without_database(&mut self) {
        for finding in &mut self.findings {
            finding.refuse_repair(NotRepairable::NoDatabase);
        }
    }

    /// Whether more customers differ than a limit in 1/1000 allows. Exactly at the limit is within.
    pub fn is_mass_drift(&self, limit_permille: u32) -> bool {
        is_mass_drift(self.differing(), self.customers, limit_permille)
    }

    /// Whether everything that was listed could be judged. Where it could not, no finding does not
    /// mean no difference.
    pub const fn is_whole(&self) -> bool {
        self.incomplete_subscriptions == 0 && self.unread_customers == 0
    }

    /// Number of findings by kind.
    pub fn by_kind(&self) -> BTreeMap<FindingKind, u64> {
        let mut by_kind = BTreeMap::new();
        for finding in &self.findings {
            *by_kind.entry(finding.kind).or_default() += 1;
        }
        by_kind
    }

    /// Number of subjects with at least one finding.
    pub fn differing(&self) -> u64 {
        differing(&self.findings)
    }

    /// Differing subjects per 1,000 customers, rounded up, at most 1,000. For a check of one
    /// customer this says nothing: it is 0 or 1,000.
    pub fn drift_permille(&self) -> u32 {
        drift_permille(self.differing(), self.customers)
    }
}
