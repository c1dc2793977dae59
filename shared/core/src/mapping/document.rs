//! The document that people write.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::compiled::{FeaturesFrom, Subject, Verdict};
use super::error::{MappingError, MappingErrors, TextPlace};
use super::shape;
use super::units::{Percent, Span};
use crate::money::Money;

/// The mapping as written, not checked yet. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(rename = "match")]
    pub(super) matching: Matching,
    pub(super) access: AccessDoc,
    #[serde(default)]
    pub(super) plans: Vec<PlanDoc>,
    #[serde(default)]
    pub(super) addons: Vec<AddonDoc>,
    #[serde(default)]
    pub(super) rules: RulesDoc,
    #[serde(default)]
    pub(super) limits: LimitsDoc,
}

impl Mapping {
    /// Reads TOML.
    ///
    /// # Errors
    /// Everything that does not have the document's shape, by its path; what is no TOML at all by its
    /// line.
    pub fn from_toml(text: &str) -> Result<Self, MappingErrors> {
        toml::from_str(text).map_err(|error| {
            let shapes = toml::from_str::<serde_json::Value>(text).map(|it| shape::errors(&it));
            let start = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().replace('\n', ", ");
            MappingErrors::first(shapes.unwrap_or_default(), || {
                unreadable(TextPlace::of(text, start), message)
            })
        })
    }

    /// Reads JSON, the same document in the API.
    ///
    /// # Errors
    /// Everything that does not have the document's shape, by its path; what is no JSON at all by its
    /// line.
    pub fn from_json(bytes: &[u8]) -> Result<Self, MappingErrors> {
        serde_json::from_slice(bytes).map_err(|error| {
            let shapes = serde_json::from_slice(bytes).map(|it| shape::errors(&it));
            MappingErrors::first(shapes.unwrap_or_default(), || {
                let place = TextPlace {
                    line: error.line().max(1),
                    // At the very end the parser counts from the line's beginning.
                    column: error.column().max(1),
                };
                unreadable(Some(place), error.to_string())
            })
        })
    }
}

fn unreadable(place: Option<TextPlace>, message: String) -> MappingError {
    let line = place.map_or(1, |place| place.line);
    MappingError::new(format!("line {line}"), message, "correct this line").at(place)
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    #[serde(default)]
    pub(super) subject: Subject,
    pub(super) table: String,
    pub(super) primary_key: String,
    pub(super) keys: Vec<KeyDoc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyDoc {
    pub(super) stripe: String,
    pub(super) column: String,
    #[serde(default)]
    pub(super) report_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessDoc {
    pub(super) plan: Option<PlanAccess>,
    pub(super) premium: Option<SwitchAccess>,
    pub(super) trial: Option<TrialAccess>,
    pub(super) seats: Option<SeatsAccess>,
    pub(super) features: Option<SwitchAccess>,
    pub(super) comp: Option<CompAccess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanAccess {
    pub(super) column: String,
    #[serde(default)]
    pub(super) repairable: bool,
    #[serde(default = "free")]
    pub(super) none: String,
}

fn free() -> String {
    "free".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchAccess {
    pub(super) column: String,
    #[serde(default)]
    pub(super) repairable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialAccess {
    pub(super) column: String,
    #[serde(default)]
    pub(super) repairable: bool,
    #[serde(default = "hour")]
    pub(super) tolerance: Span,
}

fn hour() -> Span {
    Span::of("1h")
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeatsAccess {
    pub(super) column: String,
    #[serde(default)]
    pub(super) repairable: bool,
    #[serde(default = "one")]
    pub(super) none: i64,
}

const fn one() -> i64 {
    1
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompAccess {
    pub(super) column: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanDoc {
    pub(super) name: String,
    pub(super) rank: u32,
    #[serde(default = "yes")]
    pub(super) premium: bool,
    #[serde(rename = "match")]
    pub(super) matching: SelectorDoc,
    #[serde(default)]
    pub(super) features: FeaturesDoc,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddonDoc {
    pub(super) name: String,
    #[serde(rename = "match")]
    pub(super) matching: SelectorDoc,
    #[serde(default)]
    pub(super) features: FeaturesDoc,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SelectorDoc {
    pub(super) price: Vec<String>,
    pub(super) lookup_key: Vec<String>,
    pub(super) product: Vec<String>,
    pub(super) product_metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a list of feature names, or \"stripe\"")]
pub(super) enum FeaturesDoc {
    Named(String),
    Listed(Vec<String>),
}

impl Default for FeaturesDoc {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesDoc {
    pub(super) past_due_grace: Span,
    pub(super) features_from: FeaturesFrom,
    pub(super) pause_collection: PauseDoc,
    pub(super) paused: Verdict,
    pub(super) unpaid: Verdict,
    pub(super) race_grace: Span,
}

impl Default for RulesDoc {
    fn default() -> Self {
        Self {
            past_due_grace: Span::of("14d"),
            features_from: FeaturesFrom::All,
            pause_collection: PauseDoc::All(Verdict::Grant),
            paused: Verdict::Revoke,
            unpaid: Verdict::Revoke,
            race_grace: Span::of("10m"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "\"grant\", \"revoke\", or one of them for each of void, keep_as_draft, mark_uncollectible"
)]
pub(super) enum PauseDoc {
    All(Verdict),
    Each(PauseEach),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PauseEach {
    pub(super) void: Verdict,
    pub(super) keep_as_draft: Verdict,
    pub(super) mark_uncollectible: Verdict,
}

impl Default for PauseEach {
    fn default() -> Self {
        let grant = Verdict::Grant;
        Self {
            void: grant,
            keep_as_draft: grant,
            mark_uncollectible: grant,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the document's own names")]
pub(super) struct LimitsDoc {
    pub(super) max_repairs_per_run: u32,
    pub(super) max_drift_percent: Percent,
    pub(super) max_amount_at_risk: Option<Money>,
}

impl Default for LimitsDoc {
    fn default() -> Self {
        Self {
            max_repairs_per_run: 50,
            max_drift_percent: Percent("5".to_owned()),
            max_amount_at_risk: None,
        }
    }
}
