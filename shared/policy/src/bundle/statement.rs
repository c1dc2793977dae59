//! What is signed of a bundle. The manifest may be longer than a KMS key signs at once (4,096
//! bytes); this is not.

use counterfoil_evidence::json::{Json, object};
use serde::{Deserialize, Serialize};

use super::manifest::{MANIFEST_SCHEMA, Manifest};
use crate::effect::LayerName;

/// What is signed of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `counterfoil.policy-bundle/v1`.
    pub schema: String,
    /// The bundle's digest.
    pub bundle: String,
    /// The layer.
    pub layer: LayerName,
    /// The workspace; `null` in the baseline and in the default of workspaces.
    pub workspace: Option<String>,
    /// The version.
    pub version: u64,
    /// The digest of the bundle before it; `null` in the first.
    pub previous: Option<String>,
}

impl Statement {
    pub(super) fn of(manifest: &Manifest, digest: &str) -> Self {
        Self {
            schema: MANIFEST_SCHEMA.to_owned(),
            bundle: digest.to_owned(),
            layer: manifest.layer,
            workspace: manifest.workspace.clone(),
            version: manifest.version,
            previous: manifest.previous.clone(),
        }
    }

    /// The bytes that are signed, before DSSE wraps them.
    pub fn canonical(&self) -> Vec<u8> {
        let text = |value: &Option<String>| value.clone().map_or(Json::Null, Json::Str);
        let layer = match self.layer {
            LayerName::Baseline => "baseline",
            LayerName::Workspace => "workspace",
        };
        object([
            ("schema", Json::Str(self.schema.clone())),
            ("bundle", Json::Str(self.bundle.clone())),
            ("layer", Json::Str(layer.to_owned())),
            ("workspace", text(&self.workspace)),
            ("version", Json::uint(self.version)),
            ("previous", text(&self.previous)),
        ])
        .canonical()
    }
}
