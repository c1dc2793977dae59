//! The compiled form: integers only, canonical JSON, named by its SHA-256. This is what runs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cell::TableShape;
use crate::json::{JsonError, canonical, from_json};
use crate::money::Money;

/// Version of the compiled form.
pub(super) const VERSION: u32 = 1;

/// A stored artifact that cannot be run.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// Not the compiled form, or written by hand.
    #[error("the stored mapping is not in its compiled form: save the mapping again")]
    Form(#[source] JsonError),
    /// Compiled by another version of the product.
    #[error("the stored mapping has version {0}, this program runs version 1: save it again")]
    Version(u32),
    /// The bytes are not the canonical ones, so their hash would not name them.
    #[error("the stored mapping is not canonical: save the mapping again")]
    NotCanonical,
}

/// A mapping that was checked and compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    compiled: Compiled,
    text: String,
    hash: String,
}

impl Artifact {
    pub(super) fn new(compiled: Compiled) -> Result<Self, JsonError> {
        let bytes = canonical(&compiled)?;
        let hash = digest_string(&bytes);
        Ok(Self {
            compiled,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            hash,
        })
    }

    /// Loads a stored artifact.
    ///
    /// # Errors
    /// When `bytes` are not exactly what [`Artifact::canonical_text`] gave.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let compiled: Compiled = from_json(bytes).map_err(ArtifactError::Form)?;
        if compiled.version != VERSION {
            return Err(ArtifactError::Version(compiled.version));
        }
        let artifact = Self::new(compiled).map_err(ArtifactError::Form)?;
        if artifact.text.as_bytes() == bytes {
            Ok(artifact)
        } else {
            Err(ArtifactError::NotCanonical)
        }
    }

    /// `sha256:` and hex64 over the canonical JSON.
    pub fn hash(&self) -> String {
        self.hash.clone()
    }

    /// The canonical JSON.
    pub fn canonical_text(&self) -> String {
        self.text.clone()
    }

    /// The rules in typed form.
    pub const fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The columns that the engine reads, in the order of [`Artifact::layout`].
    pub fn table(&self) -> TableShape {
        TableShape {
            schema: self.compiled.schema.clone(),
            table: self.compiled.table.clone(),
            key: self.compiled.primary_key.clone(),
            columns: self
                .compiled
                .columns()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Where each role's cell is in a row of [`Artifact::table`].
    pub fn layout(&self) -> Layout {
        let columns = self.compiled.columns();
        let place = |name: &str| columns.iter().position(|column| *column == name);
        let access = &self.compiled.access;
        Layout {
            plan: access.plan.as_ref().and_then(|it| place(&it.column)),
            premium: access.premium.as_ref().and_then(|it| place(&it.column)),
            trial: access.trial.as_ref().and_then(|it| place(&it.column)),
            seats: access.seats.as_ref().and_then(|it| place(&it.column)),
            features: access.features.as_ref().and_then(|it| place(&it.column)),
            comp: access.comp.as_ref().and_then(|it| place(&it.column)),
            keys: self
                .compiled
                .keys
                .iter()
                .map(|key| place(&key.column).map_or(Place::PrimaryKey, Place::Cell))
                .collect(),
        }
    }

    /// Columns that a repair may write, ascending.
    pub fn repairable_columns(&self) -> Vec<String> {
        let access = &self.compiled.access;
        let mut columns: Vec<String> = [
            access.plan.as_ref().map(|it| (&it.column, it.repairable)),
            access
                .premium
                .as_ref()
                .map(|it| (&it.column, it.repairable)),
            access.trial.as_ref().map(|it| (&it.column, it.repairable)),
            access.seats.as_ref().map(|it| (&it.column, it.repairable)),
            access
                .features
                .as_ref()
                .map(|it| (&it.column, it.repairable)),
        ]
        .into_iter()
        .flatten()
        .filter(|(_, repairable)| *repairable)
        .map(|(column, _)| column.clone())
        .collect();
        columns.sort_unstable();
        columns
    }

    /// Repairs that one scan may propose.
    pub fn max_repairs_per_run(&self) -> usize {
        usize::try_from(self.compiled.limits.max_repairs_per_run).unwrap_or(usize::MAX)
    }

    /// Drift above which a scan is taken for a broken mapping or a half-read source.
    pub const fn max_drift_permille(&self) -> u32 {
        self.compiled.limits.max_drift_permille
    }

    /// Who is whom, first hit wins.
    pub fn match_keys(&self) -> &[MatchKey] {
        &self.compiled.keys
    }

    /// Time between the two looks that an incident needs.
    pub const fn race_grace(&self) -> Duration {
        Duration::from_secs(self.compiled.rules.race_grace_s)
    }

    /// Money at risk above which only people may act.
    pub const fn max_amount_at_risk(&self) -> Option<&Money> {
        self.compiled.limits.max_amount_at_risk.as_ref()
    }
}

/// Where the engine finds its values in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Index of the plan's cell.
    pub plan: Option<usize>,
    /// Index of the premium flag's cell.
    pub premium: Option<usize>,
    /// Index of the trial end's cell.
    pub trial: Option<usize>,
    /// Index of the seats' cell.
    pub seats: Option<usize>,
    /// Index of the features' cell.
    pub features: Option<usize>,
    /// Index of the comp marker's cell.
    pub comp: Option<usize>,
    /// The value that each match key compares, in mapping order.
    pub keys: Vec<Place>,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The primary key.
    PrimaryKey,
    /// A further cell.
    Cell(usize),
}

/// The compiled mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// Version of this form.
    pub version: u32,
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
    fn columns(&self) -> Vec<&str> {
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
