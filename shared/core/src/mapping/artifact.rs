//! What runs: the compiled form with its canonical bytes and their SHA-256.

use std::time::Duration;

use counterfoil_evidence::hash::digest_string;
use thiserror::Error;

use super::compiled::{Compiled, Grants, MatchKey};

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

    /// Whether what a customer was promised depends on the entitlement features of Stripe's products.
    pub fn needs_stripe_features(&self) -> bool {
        let plans = self.compiled.plans.iter().map(|plan| &plan.features);
        let addons = self.compiled.addons.iter().map(|addon| &addon.features);
        let stripe = plans.chain(addons).any(|it| *it == Grants::Stripe);
        self.compiled.access.features.is_some() && stripe
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
