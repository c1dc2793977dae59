//! Bundles of a workspace's own rules, signed as its owner signs them.

use std::collections::BTreeMap;

use counterfoil_core::bundles::{ActiveBundle, RegisteredKey, StoredBundle};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ids::{UserId, WorkspaceId};
use counterfoil_core::ports::StateKey;
use counterfoil_core::time::Timestamp;
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use serde_json::{Value, json};

/// Permits what the baseline permits.
pub const PERMIT: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";

/// A manifest and the files that it names.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The manifest, not signed yet.
    pub manifest: Value,
    /// Texts by path.
    pub files: BTreeMap<String, String>,
}

impl Rules {
    /// Policies as `policies/a.cedar`, in a version of a workspace's bundle.
    pub fn of(workspace: WorkspaceId, version: u64, policies: &str) -> Self {
        Self {
            manifest: json!({
                "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
                "workspace": workspace.to_string(), "version": version,
                "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
                "files": [], "created_at": "2026-11-01T00:00:00Z", "created_by": "somebody",
                "summary": "",
            }),
            files: BTreeMap::new(),
        }
        .with("policies/a.cedar", policies)
    }

    /// One more file.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        let entries = self.files.iter().map(|(path, text)| {
            json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
        });
        let entries = entries.collect();
        self.set("files", entries)
    }

    /// The bundle that it follows.
    #[must_use]
    pub fn after(self, previous: Option<&str>) -> Self {
        match previous {
            Some(previous) => self.set("previous", previous.into()),
            None => self,
        }
    }

    /// Another field of the manifest.
    #[must_use]
    pub fn set(mut self, field: &str, value: Value) -> Self {
        if let Some(fields) = self.manifest.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        self
    }

    /// The bundle.
    ///
    /// # Panics
    /// When it keeps no rule of bundles.
    #[expect(
        clippy::unwrap_used,
        reason = "a test that means another one reads it itself"
    )]
    pub fn bundle(&self) -> Bundle {
        let manifest = self.manifest.to_string();
        Bundle::read(manifest.as_bytes(), self.files.clone()).unwrap()
    }

    /// Its signature.
    pub fn signed(&self, key: &SigningKey) -> Envelope {
        Envelope::sign(&self.bundle().statement(), key)
    }

    /// The row of it, signed and uploaded by somebody.
    pub fn stored(self, key: &SigningKey, by: UserId, at: Timestamp) -> StoredBundle {
        let bundle = self.bundle();
        StoredBundle {
            digest: bundle.digest().to_owned(),
            envelope: Envelope::sign(&bundle.statement(), key),
            manifest: self.manifest.to_string(),
            files: self.files,
            by,
            at,
            impact: None,
        }
    }
}

/// A key that counts, registered by somebody.
pub fn registered(key: &SigningKey, by: UserId, at: Timestamp) -> RegisteredKey {
    let public = key.public();
    RegisteredKey {
        public_key: public.text(),
        fingerprint: public.fingerprint(),
        at,
        by,
    }
}

/// That a bundle is in force, activated by whoever stored it and by an approver.
pub fn active(stored: &StoredBundle, version: u64, approver: &str) -> ActiveBundle {
    ActiveBundle {
        digest: stored.digest.clone(),
        version,
        previous: None,
        at: stored.at,
        by: stored.by,
        approver: approver.to_owned(),
    }
}

/// The key of a row about a workspace's rules: `state`, or the digest of a bundle.
pub fn place(workspace: WorkspaceId, row: &str) -> StateKey {
    StateKey {
        pk: format!("{workspace}#policy"),
        sk: row.to_owned(),
    }
}
