//! A workspace under rules of its own.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::bundles::PolicyState;
use counterfoil_core::ids::{UserId, WorkspaceId};
use counterfoil_core::ports::{Clock, State, StateWrite};
use counterfoil_core::tenancy::{Role, WorkspaceCtx};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{AdminPorts, ImpactReport, NewBundle, Policies};
use counterfoil_policy::bundle::SigningKey;
use counterfoil_testkit::bundles::{self, PERMIT, Rules};
use counterfoil_testkit::memory::SeededRandom;

use super::World;

const TESTS: &str = "[{\"name\": \"a viewer repairs\", \"principal\": \"User/viewer\", \"action\": \"repair.execute\", \"resource\": \"Incident/inc\", \"want\": \"DENY\"}]";

/// The key that signs.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn rules_of(workspace: WorkspaceId, rules: &str) -> Rules {
    let written = Rules::of(workspace, 1, &format!("{PERMIT}{rules}\n"));
    written.with("tests/a.json", TESTS)
}

impl World {
    /// Rules, beside one that permits what the baseline does.
    fn rules(&self, rules: &str) -> Rules {
        rules_of(self.workspace.id, rules)
    }

    async fn in_workspace(&self, name: &str) -> WorkspaceCtx {
        let caller = self.presence(name).await;
        let asked = self.workspace.id.to_string();
        caller.workspace(self.store.as_ref(), &asked).await.unwrap()
    }

    fn policies(&self) -> Policies {
        Policies {
            ports: AdminPorts {
                evidence: self.store.clone(),
                state: self.store.clone(),
                clock: Arc::new(self.clock.clone()),
                random: Arc::new(SeededRandom::new(99)),
            },
            reader: self.store.clone(),
        }
    }

    /// What a bundle would have decided of the newest decisions before a time, ms.
    pub(crate) async fn impact(&self, digest: &str, to: Option<u64>, limit: u64) -> ImpactReport {
        let ben = self.in_workspace("Ben").await;
        let span = (None, to.map(Timestamp::from_millis));
        let policies = self.policies();
        let report = policies.impact(&ben, digest, span, Some(limit));
        report.await.unwrap().0
    }

    /// Ben and Cora, who is let in now, bring rules into force as owners do: the digest.
    pub(crate) async fn activated(&self, rules: &str) -> String {
        self.activate(self.rules(rules)).await
    }

    /// The same with a further file.
    pub(crate) async fn activated_with(&self, path: &str, text: &str) -> String {
        self.activate(self.rules("").with(path, text)).await
    }

    async fn activate(&self, rules: Rules) -> String {
        self.join("Cora", Role::Owner).await;
        self.clock.advance(Duration::from_secs(1));
        let policies = self.policies();
        let (ben, cora) = (
            self.in_workspace("Ben").await,
            self.in_workspace("Cora").await,
        );
        let public = signing_key().public().text();
        for ctx in [&ben, &cora] {
            policies.register_key(ctx, &public, None).await.unwrap();
        }
        let new = NewBundle {
            manifest: &rules.manifest.to_string(),
            signature: &serde_json::to_string(&rules.signed(&signing_key())).unwrap(),
            files: &rules.files,
        };
        policies.upload(&ben, new).await.unwrap();
        let bundle = rules.bundle();
        assert!(
            policies
                .activate(&ben, bundle.digest())
                .await
                .unwrap()
                .waits
        );
        assert!(
            !policies
                .activate(&cora, bundle.digest())
                .await
                .unwrap()
                .waits
        );
        bundle.digest().to_owned()
    }

    /// Brings rules into force without anybody's act or record.
    pub(crate) async fn under(&self, rules: &str) {
        self.under_in(self.workspace.id, rules).await;
    }

    /// The same in another workspace.
    pub(crate) async fn under_in(&self, workspace: WorkspaceId, rules: &str) {
        let rows = self.rows_in(workspace, rules);
        assert!(self.store.write(rows).await.unwrap());
    }

    /// The rows that bring rules into force.
    pub(crate) fn rows_of(&self, rules: &str) -> Vec<StateWrite> {
        self.rows_in(self.workspace.id, rules)
    }

    fn rows_in(&self, workspace: WorkspaceId, rules: &str) -> Vec<StateWrite> {
        let (by, at, key) = (UserId::from_bits(7), self.clock.now(), signing_key());
        let row = rules_of(workspace, rules).stored(&key, by, at);
        let state = PolicyState {
            keys: vec![bundles::registered(&key, by, at)],
            active: Some(bundles::active(&row, 1, &by.to_string())),
            ..PolicyState::default()
        };
        let place = |row: &str| bundles::place(workspace, row);
        vec![
            StateWrite::create(place("state"), serde_json::to_value(&state).unwrap()),
            StateWrite::create(place(&row.digest), serde_json::to_value(&row).unwrap()),
        ]
    }
}
