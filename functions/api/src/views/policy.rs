//! A workspace's rules: what is in force, what waits, and the bundles.

use std::collections::BTreeMap;

use counterfoil_core::bundles::{
    ActiveBundle, ImpactNote, PolicyState, RegisteredKey, ShadowBundle, StoredBundle, StoredLine,
};
use counterfoil_core::held_change::{HeldChange, POLICY};
use counterfoil_core::ids::UserId;
use counterfoil_core::usecases::{ImpactReport, PolicyFinding as Finding, PolicyView};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

open_words! {
    /// `default`: the bundle that every workspace starts with, which permits what the baseline permits.
    /// `active`: one of its own. `revoked`: that was revoked, and everything but mending it is denied.
    pub(crate) PolicyWord: "default", "active", "revoked";
    /// `stored`: it could become active, or was. `active`, `shadow`, `revoked`.
    pub(crate) BundleWord: "stored", "active", "shadow", "revoked";
    /// What waits for a second person.
    pub(crate) PolicyActWord: "activate", "register_key";
}

/// The rules of a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Policy {
    #[schema(value_type = PolicyWord)]
    state: &'static str,
    /// The bundle in force; `null` while that is the default one. A revoked one stays here until another
    /// takes its place.
    active: Option<ActivePolicy>,
    /// The candidate that is judged beside it and changes nothing.
    shadow: Option<ShadowPolicy>,
    /// Who may sign.
    keys: Vec<PolicyKey>,
    /// What waits for a second person.
    waiting: Vec<PolicyWaiting>,
}

/// The bundle in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivePolicy {
    #[schema(value_type = schema::BundleDigest)]
    digest: String,
    #[schema(minimum = 1)]
    version: u64,
    /// What it replaced; `null` where that was the default one.
    #[schema(value_type = Option<schema::BundleDigest>)]
    previous: Option<String>,
    #[schema(value_type = schema::Time)]
    since: String,
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
    /// The second person; `solo:` before the id of whoever is alone.
    approved_by: String,
}

/// A candidate in shadow.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShadowPolicy {
    #[schema(value_type = schema::BundleDigest)]
    digest: String,
    #[schema(value_type = schema::Time)]
    since: String,
    #[schema(value_type = schema::UserId)]
    by: UserId,
}

/// A key that may sign.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyKey {
    /// `sha256:` over its 32 bytes.
    #[schema(value_type = schema::Digest)]
    fingerprint: String,
    /// Ed25519, base64 of its 32 bytes.
    public_key: String,
    #[schema(value_type = schema::Time)]
    since: String,
    #[schema(value_type = schema::UserId)]
    registered_by: UserId,
}

/// Something that waits for a second person.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyWaiting {
    #[schema(value_type = PolicyActWord)]
    act: &'static str,
    /// The bundle that is to be activated.
    #[schema(value_type = Option<schema::BundleDigest>)]
    digest: Option<String>,
    /// The key that is to be registered.
    public_key: Option<String>,
    /// The fingerprint of the key that it replaces.
    #[schema(value_type = Option<schema::Digest>)]
    replaces: Option<String>,
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
    #[schema(value_type = schema::Time)]
    proposed_at: String,
    /// Until when it can be confirmed.
    #[schema(value_type = schema::Time)]
    lapses_at: String,
}

/// The bundles that are stored, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyBundles {
    items: Vec<ListedBundle>,
    next_cursor: Option<String>,
}

/// A bundle in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedBundle {
    #[schema(value_type = schema::BundleDigest)]
    digest: String,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(value_type = BundleWord)]
    state: &'static str,
    #[schema(value_type = schema::Time)]
    uploaded_at: String,
    #[schema(value_type = schema::UserId)]
    uploaded_by: UserId,
}

/// A bundle.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyBundle {
    #[serde(flatten)]
    #[schema(inline)]
    listed: ListedBundle,
    /// Text of `manifest.json`.
    manifest: String,
    /// The DSSE envelope.
    #[schema(value_type = Object)]
    signature: Value,
    /// Every other file, by path.
    files: BTreeMap<String, String>,
    /// What was last found out about what it would have changed.
    impact: Option<PolicyImpactNote>,
    /// What is to be looked at; only in the answer to an upload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<PolicyWarning>,
}

/// What a bundle would have changed, without the report.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyImpactNote {
    /// `sha256:` over the report, which whoever asked has.
    #[schema(value_type = schema::Digest)]
    report: String,
    judged: u64,
    flipped: u64,
    #[schema(value_type = schema::Time)]
    at: String,
}

/// Something to look at in a file of a bundle.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyWarning {
    file: String,
    #[schema(minimum = 1)]
    line: usize,
    #[schema(minimum = 1)]
    column: usize,
    /// Bytes that it covers.
    length: usize,
    detail: String,
    /// What to do.
    help: String,
    /// The line itself.
    excerpt: String,
}

/// What a bundle would have decided.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyImpact {
    /// In a sentence.
    sentence: String,
    /// `sha256:` over the canonical JSON (RFC 8785) of `report`; the activation cites the last one that
    /// was asked for without `to`.
    #[schema(value_type = schema::Digest)]
    digest: String,
    /// All of it: transitions by effect, decisions that flip with the rules of both sides, errors. Where
    /// `complete` is false, `reached` is the `to` (ms) with which another request goes on.
    #[schema(value_type = Object)]
    report: Value,
}

impl Policy {
    pub(crate) fn of(view: &PolicyView) -> Self {
        let now = &view.state.value;
        let state = match now.active_digest() {
            None => "default",
            Some(digest) if now.revoked.contains_key(digest) => "revoked",
            Some(_) => "active",
        };
        let waiting = view.activation.iter().chain(&view.key);
        Self {
            state,
            active: now.active.as_ref().map(ActivePolicy::of),
            shadow: now.shadow.as_ref().map(ShadowPolicy::of),
            keys: now.keys.iter().map(PolicyKey::of).collect(),
            waiting: waiting.map(PolicyWaiting::of).collect(),
        }
    }
}

impl ActivePolicy {
    fn of(active: &ActiveBundle) -> Self {
        Self {
            digest: active.digest.clone(),
            version: active.version,
            previous: active.previous.clone(),
            since: active.at.to_string(),
            proposed_by: active.by,
            approved_by: active.approver.clone(),
        }
    }
}

impl ShadowPolicy {
    fn of(shadow: &ShadowBundle) -> Self {
        Self {
            digest: shadow.digest.clone(),
            since: shadow.at.to_string(),
            by: shadow.by,
        }
    }
}

impl PolicyKey {
    fn of(key: &RegisteredKey) -> Self {
        Self {
            fingerprint: key.fingerprint.clone(),
            public_key: key.public_key.clone(),
            since: key.at.to_string(),
            registered_by: key.by,
        }
    }
}

impl PolicyWaiting {
    fn of(waits: &HeldChange) -> Self {
        let text = |field| waits.text(field).map(str::to_owned);
        let act = match waits.name.as_str() {
            POLICY => "activate",
            _ => "register_key",
        };
        Self {
            act,
            digest: text("bundle"),
            public_key: text("public_key"),
            replaces: text("replaces"),
            proposed_by: waits.by,
            proposed_at: waits.at.to_string(),
            lapses_at: waits.expires_at.to_string(),
        }
    }
}

fn state_of(state: &PolicyState, digest: &str) -> &'static str {
    let shadow = state.shadow.as_ref();
    if state.revoked.contains_key(digest) {
        "revoked"
    } else if state.active_digest() == Some(digest) {
        "active"
    } else if shadow.is_some_and(|it| it.digest == digest) {
        "shadow"
    } else {
        "stored"
    }
}

impl PolicyBundles {
    pub(crate) fn of(state: &PolicyState) -> Self {
        let mut lines: Vec<_> = state.stored.iter().collect();
        lines.sort_by(|one, other| other.1.at.cmp(&one.1.at).then(one.0.cmp(other.0)));
        let items = lines.into_iter();
        let items = items.map(|(digest, line)| ListedBundle::of(state, digest, *line));
        Self {
            items: items.collect(),
            next_cursor: None,
        }
    }
}

impl ListedBundle {
    fn of(state: &PolicyState, digest: &str, line: StoredLine) -> Self {
        Self {
            digest: digest.to_owned(),
            version: line.version,
            state: state_of(state, digest),
            uploaded_at: line.at.to_string(),
            uploaded_by: line.by,
        }
    }
}

impl PolicyBundle {
    pub(crate) fn of(state: &PolicyState, bundle: &StoredBundle) -> Self {
        let (by, at) = (bundle.by, bundle.at);
        let line = state.stored.get(&bundle.digest).copied();
        let line = line.unwrap_or(StoredLine { version: 1, at, by });
        Self {
            listed: ListedBundle::of(state, &bundle.digest, line),
            manifest: bundle.manifest.clone(),
            signature: serde_json::to_value(&bundle.envelope).unwrap_or_default(),
            files: bundle.files.clone(),
            impact: bundle.impact.as_ref().map(PolicyImpactNote::of),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn warned(mut self, warnings: Vec<PolicyWarning>) -> Self {
        self.warnings = warnings;
        self
    }
}

impl PolicyWarning {
    pub(crate) fn of(finding: &Finding) -> Self {
        Self {
            file: finding.file.clone(),
            line: finding.line,
            column: finding.column,
            length: finding.length,
            detail: finding.detail.clone(),
            help: finding.help.clone(),
            excerpt: finding.excerpt.clone(),
        }
    }
}

impl PolicyImpactNote {
    fn of(note: &ImpactNote) -> Self {
        Self {
            report: note.report.clone(),
            judged: note.judged,
            flipped: note.flipped,
            at: note.at.to_string(),
        }
    }
}

impl PolicyImpact {
    pub(crate) fn of(report: &ImpactReport, digest: String) -> Self {
        Self {
            sentence: report.sentence.clone(),
            digest,
            report: serde_json::to_value(report).unwrap_or_default(),
        }
    }
}
