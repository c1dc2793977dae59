//! The compiled form of a mapping: integers only, nothing left to default.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// The compiled mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// Version of this form.
    pub version: u32,
    /// What a row of the table is. Left out for users: such artifacts are older than the field, and
    /// their hashes stay.
    #[serde(default, skip_serializing_if = "Subject::is_user")]
    pub subject: Subject,
    /// Schema of the table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Its primary key column.
    pub primary_key: String,
    /// Who is whom, first hit wins.
    pub keys: Vec<MatchKey>,
    /// What the app grants.
    pub access: Access,
    /// What is promised for money.
    pub plans: Vec<Plan>,
    /// What adds to a plan.
    pub addons: Vec<Addon>,
    /// Knobs of the decision table.
    pub rules: Rules,
    /// Blast radius.
    pub limits: Limits,
}

impl Compiled {
    /// Access columns first, then match columns; each once, without the primary key.
    pub(super) fn columns(&self) -> Vec<&str> {
        let access = &self.access;
        let access = [
            access.plan.as_ref().map(|it| &it.column),
            access.premium.as_ref().map(|it| &it.column),
            access.trial.as_ref().map(|it| &it.column),
            access.seats.as_ref().map(|it| &it.column),
            access.features.as_ref().map(|it| &it.column),
            access.comp.as_ref().map(|it| &it.column),
        ];
        let mut columns = Vec::new();
        for column in access
            .into_iter()
            .flatten()
            .chain(self.keys.iter().map(|key| &key.column))
        {
            if *column != self.primary_key && !columns.contains(&column.as_str()) {
                columns.push(column.as_str());
            }
        }
        columns
    }
}

/// What a row of the table is: who has the access that a customer pays for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One person.
    #[default]
    User,
    /// A company, a team or a workspace with members.
    Organization,
}

impl Subject {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands out references"
    )]
    const fn is_user(&self) -> bool {
        matches!(self, Self::User)
    }

    /// `user`, `organization`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
        }
    }

    /// `users`, `organizations`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Organization => "organizations",
        }
    }
}

/// One way to tell who a customer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchKey {
    /// Value on Stripe's side.
    #[serde(rename = "stripe")]
    pub source: MatchSource,
    /// Column of the app.
    pub column: String,
    /// A hit only reports, it never repairs.
    pub report_only: bool,
}

/// A value of a Stripe customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MatchSource {
    /// `customer.metadata.<key>`.
    Metadata(String),
    /// `customer.id`.
    CustomerId,
    /// `customer.email`, compared without case.
    Email,
}

impl FromStr for MatchSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "customer.id" => Ok(Self::CustomerId),
            "customer.email" => Ok(Self::Email),
            _ => match text.strip_prefix("customer.metadata.") {
                Some(key) if !key.is_empty() => Ok(Self::Metadata(key.to_owned())),
                _ => Err("is customer.id, customer.email or customer.metadata.<key>".to_owned()),
            },
        }
    }
}

impl TryFrom<String> for MatchSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MatchSource> for String {
    fn from(source: MatchSource) -> Self {
        source.to_string()
    }
}

impl fmt::Display for MatchSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(key) => write!(f, "customer.metadata.{key}"),
            Self::CustomerId => f.write_str("customer.id"),
            Self::Email => f.write_str("customer.email"),
        }
    }
}

/// Columns that say what the app grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Name of the plan.
    pub plan: Option<PlanColumn>,
    /// Whether there is any paid access.
    pub premium: Option<SwitchColumn>,
    /// End of the trial.
    pub trial: Option<TrialColumn>,
    /// Number of seats.
    pub seats: Option<SeatsColumn>,
    /// Set of features.
    pub features: Option<SwitchColumn>,
    /// Marks access that was given on purpose.
    pub comp: Option<PlainColumn>,
}

/// The plan column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanColumn {
    /// Column.
    pub column: String,
    /// A repair may write it.
    pub repairable: bool,
    /// What it says when nothing is paid for; NULL means the same.
    pub none: String,
}

/// A column with a natural "nothing": false, or the empty list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchColumn {
    /// Column.
    pub column: String,
    /// A repair may write it.
    pub repairable: bool,
}

/// The trial column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialColumn {
    /// Column.
    pub column: String,
    /// A repair may write it.
    pub repairable: bool,
    /// Differences up to this many seconds are none.
    pub tolerance_s: u64,
}

/// The seats column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatsColumn {
    /// Column.
    pub column: String,
    /// A repair may write it.
    pub repairable: bool,
    /// What it says when nothing is paid for; NULL means the same.
    pub none: i64,
}

/// A column that is only read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainColumn {
    /// Column.
    pub column: String,
}

/// Which prices are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Price ids.
    pub prices: Vec<String>,
    /// Lookup keys of prices.
    pub lookup_keys: Vec<String>,
    /// Product ids.
    pub products: Vec<String>,
    /// Metadata that the product must carry, all of it; empty selects nothing.
    pub product_metadata: BTreeMap<String, String>,
}

/// Where a list of features comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grants {
    /// The entitlement features of the Stripe product.
    Stripe,
    /// This list, ascending.
    Listed(Vec<String>),
}

/// What is sold: a plan or an add-on.
pub trait Offer {
    /// Which prices sell it.
    fn selector(&self) -> &Selector;
    /// The features it brings.
    fn grants(&self) -> &Grants;
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name, as the plan column writes it.
    pub name: String,
    /// The highest rank wins.
    pub rank: u32,
    /// It is paid access.
    pub premium: bool,
    /// Its prices.
    pub selector: Selector,
    /// Its features.
    pub features: Grants,
}

impl Offer for Plan {
    fn selector(&self) -> &Selector {
        &self.selector
    }

    fn grants(&self) -> &Grants {
        &self.features
    }
}

/// An add-on: features without a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// Name.
    pub name: String,
    /// Its prices.
    pub selector: Selector,
    /// Its features.
    pub features: Grants,
}

impl Offer for Addon {
    fn selector(&self) -> &Selector {
        &self.selector
    }

    fn grants(&self) -> &Grants {
        &self.features
    }
}

/// Which subscriptions features come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeaturesFrom {
    /// The union of all that grant.
    All,
    /// The one that sets the plan.
    Highest,
}

/// What a state does to access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Access stays.
    Grant,
    /// Access ends.
    Revoke,
}

/// Knobs of the decision table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How long an unpaid renewal keeps access, in seconds; `None` is for ever.
    pub past_due_grace_s: Option<u64>,
    /// Where features come from.
    pub features_from: FeaturesFrom,
    /// While payments are not collected.
    pub pause_collection: PauseRules,
    /// Status `paused`.
    pub paused: Verdict,
    /// Status `unpaid`.
    pub unpaid: Verdict,
    /// Time between the two looks that an incident needs, in seconds.
    pub race_grace_s: u64,
}

/// `pause_collection`, by behaviour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRules {
    /// Invoices are voided.
    pub void: Verdict,
    /// Invoices stay drafts.
    pub keep_as_draft: Verdict,
    /// Invoices are marked uncollectible.
    pub mark_uncollectible: Verdict,
}

/// Blast radius.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Repairs that one scan may propose.
    pub max_repairs_per_run: u32,
    /// Share of customers that may differ, in 1/1000.
    pub max_drift_permille: u32,
    /// Money at risk per month that a machine may touch.
    pub max_amount_at_risk: Option<Money>,
}
