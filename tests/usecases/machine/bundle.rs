//! Rules of the workspace, signed and in force as two people bring them there.

use std::sync::LazyLock;

use counterfoil_core::bundles::{PolicyState, RegisteredKey};
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{Clock as _, State as _, StateWrite};
use counterfoil_core::time::Timestamp;
use counterfoil_policy::bundle::SigningKey;
use counterfoil_testkit::bundles::{self, PERMIT};
use serde_json::json;

use super::super::world::World;
use super::steps::Rules;

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
const NO_AGENTS: &str = "@id(\"ws.forbid.agents\") @why(\"what an agent proposed is not done\")
forbid (principal is CF::Agent, action == CF::Action::\"repair.execute\", resource);
";
const NOT_OVER_MCP: &str = "@id(\"ws.forbid.mcp\") @why(\"nobody has it done over MCP\")
forbid (principal, action == CF::Action::\"repair.execute\", resource)
when { context.base.origin == \"mcp\" };
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
            Self::NoAgents => NO_AGENTS,
            Self::NotOverMcp => NOT_OVER_MCP,
            Self::Nobody => NOBODY,
        }
    }

    const fn version(self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::TwoPeople => 2,
            Self::SecondFactor => 3,
            Self::Nobody => 4,
            Self::NoAgents => 5,
            Self::NotOverMcp => 6,
        }
    }
}

/// Stores the rules and moves the pointer to them.
pub(super) async fn in_force(world: &World, rules: Rules) {
    let (store, workspace) = (world.store.as_ref(), world.workspace.id);
    let (by, at) = (world.ben.principal().person().unwrap(), world.clock.now());
    let written = bundles::Rules::of(
        workspace,
        rules.version(),
        &format!("{PERMIT}{}", rules.text()),
    );
    let stored = written.stored(&KEY.0, by, at);
    let approver = world.ann.principal().id();
    let active = bundles::active(&stored, rules.version(), &approver);
    let mut writes = Vec::new();
    let row = bundles::place(workspace, &stored.digest);
    if store.get(&row).await.unwrap().is_none() {
        writes.push(StateWrite::create(row, json!(stored)));
    }
    let state = bundles::place(workspace, "state");
    let found = store.get(&state).await.unwrap();
    let doc = json!(PolicyState {
        keys: vec![RegisteredKey {
            at,
            by,
            ..KEY.1.clone()
        }],
        active: Some(active),
        ..PolicyState::default()
    });
    writes.push(match found {
        None => StateWrite::create(state, doc),
        Some(found) => StateWrite::replace(state, found.version, doc),
    });
    assert!(store.write(writes).await.unwrap());
}

/// The key that signs, and its text: deriving that takes longer than a decision.
static KEY: LazyLock<(SigningKey, RegisteredKey)> = LazyLock::new(|| {
    let key = SigningKey::from_seed(&[7; 32]);
    let registered = bundles::registered(&key, UserId::from_bits(0), Timestamp::from_millis(0));
    (key, registered)
});
