//! Rules of the workspace, signed and in force as two people bring them there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use counterfoil_core::bundles::{ActiveBundle, PolicyState, RegisteredKey, StoredBundle};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use serde_json::{Value, json};

use super::super::world::World;
use super::steps::Rules;

const PLAIN: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")
permit (principal, action, resource);
";
const TWO_PEOPLE: &str =
    "@id(\"ws.require.two\") @why(\"every repair needs two people\") @role(\"approver\")
forbid (principal, action == CF::Action::\"repair.execute\", resource)
unless { context.base.approvals.count >= 2 };
";
const SECOND_FACTOR: &str =
    "@id(\"ws.forbid.one-factor\") @why(\"whoever has it done came with a second factor\")
forbid (principal, action == CF::Action::\"repair.execute\", resource)
unless { context.base.mfa };
";
const NOBODY: &str = "@id(\"ws.forbid.repairs\") @why(\"nothing is repaired\")
forbid (principal, action == CF::Action::\"repair.execute\", resource);
";

impl Rules {
    const fn text(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::TwoPeople => TWO_PEOPLE,
            Self::SecondFactor => SECOND_FACTOR,
            Self::Nobody => NOBODY,
        }
    }

    const fn version(self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::TwoPeople => 2,
            Self::SecondFactor => 3,
            Self::Nobody => 4,
        }
    }
}

/// Stores the rules and moves the pointer to them.
pub(super) async fn in_force(world: &World, rules: Rules) {
    let store = world.store.as_ref();
    let place = |sk: &str| StateKey {
        pk: format!("{}#policy", world.workspace.id),
        sk: sk.to_owned(),
    };
    let (manifest, files, bundle) = written(world, rules);
    let mut writes = Vec::new();
    let row = place(bundle.digest());
    if store.get(&row).await.unwrap().is_none() {
        let stored = stored(world, manifest, files, &bundle);
        writes.push(StateWrite::create(row, json!(stored)));
    }
    let state = place("state");
    let found = store.get(&state).await.unwrap();
    let doc = json!(pointing(world, bundle.digest(), rules.version()));
    writes.push(match found {
        None => StateWrite::create(state, doc),
        Some(found) => StateWrite::replace(state, found.version, doc),
    });
    assert!(store.write(writes).await.unwrap());
}

/// The key that signs, its text and its fingerprint: deriving them takes longer than a decision.
static KEY: LazyLock<(SigningKey, String, String)> = LazyLock::new(|| {
    let key = SigningKey::from_seed(&[7; 32]);
    let public = key.public();
    (key, public.text(), public.fingerprint())
});

fn pointing(world: &World, digest: &str, version: u64) -> PolicyState {
    let (by, at) = (world.ben.principal().person().unwrap(), world.clock.now());
    PolicyState {
        keys: vec![RegisteredKey {
            public_key: KEY.1.clone(),
            fingerprint: KEY.2.clone(),
            at,
            by,
        }],
        active: Some(ActiveBundle {
            digest: digest.to_owned(),
            version,
            previous: None,
            at,
            by,
            approver: world.ann.principal().id(),
        }),
        ..PolicyState::default()
    }
}

/// The manifest, the files, the bundle.
fn written(world: &World, rules: Rules) -> (String, BTreeMap<String, String>, Bundle) {
    let text = format!("{PLAIN}{}", rules.text());
    let files = BTreeMap::from([("policies/a.cedar".to_owned(), text)]);
    let entries = files.iter().map(|(path, text)| {
        json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
    });
    let entries: Vec<Value> = entries.collect();
    let manifest = json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
        "workspace": world.workspace.id.to_string(), "version": rules.version(),
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
        "files": entries, "created_at": "2026-11-01T00:00:00Z", "created_by": "somebody", "summary": "",
    });
    let manifest = manifest.to_string();
    let bundle = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
    (manifest, files, bundle)
}

fn stored(
    world: &World,
    manifest: String,
    files: BTreeMap<String, String>,
    bundle: &Bundle,
) -> StoredBundle {
    StoredBundle {
        digest: bundle.digest().to_owned(),
        envelope: Envelope::sign(&bundle.statement(), &KEY.0),
        manifest,
        files,
        by: world.ben.principal().person().unwrap(),
        at: world.clock.now(),
        impact: None,
    }
}
