//! Stored mappings.

use counterfoil_core::records;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

open_words! {
    /// How a mapping is written.
    pub(crate) MappingFormatWord: "toml", "json";
}

/// A page of mappings.
#[derive(Serialize, ToSchema)]
pub(crate) struct Mappings {
    items: Vec<ListedMapping>,
    /// Where the next page begins; `null` at the end.
    next_cursor: Option<String>,
}

/// A mapping in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedMapping {
    #[schema(value_type = schema::MappingHash)]
    hash: String,
    #[schema(value_type = schema::Time)]
    added_at: String,
    /// Whether it is the one that new runs use.
    active: bool,
}

/// A mapping.
#[derive(Serialize, ToSchema)]
pub(crate) struct Mapping {
    #[serde(flatten)]
    #[schema(inline)]
    listed: ListedMapping,
    /// What somebody wrote; `null` where it came compiled.
    source: Option<MappingSource>,
    /// What runs. `hash` is the SHA-256 of its canonical JSON (RFC 8785).
    #[schema(value_type = Object)]
    artifact: Value,
}

/// A mapping as somebody wrote it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MappingSource {
    #[schema(value_type = MappingFormatWord)]
    format: &'static str,
    text: String,
}

impl Mappings {
    pub(crate) fn of(
        items: Vec<(String, Timestamp)>,
        active: Option<&str>,
        next_cursor: Option<String>,
    ) -> Self {
        Self {
            items: (items.into_iter())
                .map(|(hash, at)| ListedMapping::of(hash, at, active))
                .collect(),
            next_cursor,
        }
    }
}

impl ListedMapping {
    fn of(hash: String, added_at: Timestamp, active: Option<&str>) -> Self {
        Self {
            active: active == Some(hash.as_str()),
            added_at: added_at.to_string(),
            hash,
        }
    }
}

impl Mapping {
    pub(crate) fn of(mapping: &records::Mapping, active: Option<&str>) -> Self {
        let source = mapping.source.as_ref().map(|source| MappingSource {
            format: source.format.name(),
            text: source.text.clone(),
        });
        Self {
            listed: ListedMapping::of(mapping.hash.clone(), mapping.added_at, active),
            source,
            artifact: serde_json::from_str(&mapping.artifact).unwrap_or_default(),
        }
    }
}
