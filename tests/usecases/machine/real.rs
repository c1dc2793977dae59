//! The product with one held or allowed action.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use counterfoil_core::auth::authenticate_key;
use counterfoil_core::ports::{Clock as _, State as _, StateWrite};
use counterfoil_core::records::{Directory, Member, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::{Capability, Principal, Role, TenantCtx};
use counterfoil_core::usecases::{
    ActionError, ProposeRepair, RepairPorts, SweepRepairs, VoteOnAction, Voted,
};

use super::super::world::World;
use super::bundle::in_force;
use super::jitter::Jitter;
use super::steps::{Ballot, Rules, Who};

/// The product with one held or allowed action.
pub(super) struct Real {
    pub(super) world: World,
    ports: RepairPorts,
    pub(super) action: Action,
    keys: BTreeMap<Who, Redacted<String>>,
    ben: Member,
}

impl Real {
    pub(super) async fn new(proposer: Who, at_once: bool, seed: u64, rules: Option<Rules>) -> Self {
        let world = World::new().await;
        world.scan().await;
        let keys = keys(&world).await;
        let ben = world.ben.principal().person().unwrap();
        let directory = Directory::of(world.store.as_ref());
        let ben = directory.member(world.workspace.id, ben).await;
        let ben = ben.unwrap().unwrap().value;
        if let Some(rules) = rules {
            in_force(&world, rules).await;
        }
        let seed = Arc::new(AtomicU64::new(seed));
        let ports = RepairPorts {
            evidence: Arc::new(Jitter {
                port: world.store.clone(),
                seed: seed.clone(),
            }),
            state: Arc::new(Jitter {
                port: world.store.clone(),
                seed,
            }),
            ..world.ports()
        };
        let incident = world.incident().await.id.to_string();
        let propose = ProposeRepair {
            ports: ports.clone(),
        };
        let ctx = enter(&world, &keys[&proposer]).await.unwrap();
        let proposed = propose.propose(&ctx, &incident, Some("support asked"), at_once);
        let action = proposed.await.unwrap().action;
        Self {
            world,
            ports,
            action,
            keys,
            ben,
        }
    }

    pub(super) async fn now(&self) -> (Action, u64) {
        let ctx = Directory::system(&self.world.project, "test");
        let records = Records::of(self.world.store.as_ref(), &ctx);
        let found = records.get::<Action>(&self.action.id.to_string()).await;
        let found = found.unwrap().unwrap();
        (found.value, found.version)
    }

    pub(super) async fn vote(
        &self,
        ballot: Ballot,
        version: u64,
    ) -> Result<ActionState, ActionError> {
        let other = format!("sha256:{}", "0".repeat(64));
        let vote = Voted {
            kind: ballot.kind,
            digest: if ballot.digest {
                &self.action.digest
            } else {
                &other
            },
            reason: if ballot.reason {
                "checked the invoice"
            } else {
                "ok"
            },
            version: Some(if ballot.version { version } else { version + 7 }),
        };
        let votes = VoteOnAction {
            ports: self.ports.clone(),
        };
        let Some(ctx) = self.enter(ballot.who).await else {
            return Err(ActionError::NotFound);
        };
        let id = self.action.id.to_string();
        let after = Box::pin(votes.vote(&ctx, &id, &vote)).await?;
        Ok(after.value.state)
    }

    pub(super) async fn execute(&self, who: Who) -> Result<ActionState, ActionError> {
        let votes = VoteOnAction {
            ports: self.ports.clone(),
        };
        let id = self.action.id.to_string();
        let Some(ctx) = self.enter(who).await else {
            return Err(ActionError::NotFound);
        };
        let after = Box::pin(votes.execute(&ctx, &id, Some(&self.action.digest))).await?;
        Ok(after.value.state)
    }

    pub(super) async fn cancel(&self, who: Who) {
        let votes = VoteOnAction {
            ports: self.ports.clone(),
        };
        let id = self.action.id.to_string();
        if let Some(ctx) = self.enter(who).await {
            drop(votes.cancel(&ctx, &id).await);
        }
    }

    pub(super) async fn sweep(&self) {
        let sweep = SweepRepairs {
            ports: self.ports.clone(),
        };
        sweep.sweep().await.unwrap();
    }

    /// Who somebody is at this moment; `None` whom the product turns away.
    async fn enter(&self, who: Who) -> Option<TenantCtx> {
        enter(&self.world, &self.keys[&who]).await
    }

    /// Brings rules into force.
    pub(super) async fn in_force(&self, rules: Rules) {
        in_force(&self.world, rules).await;
    }

    /// Gives Ben a role, or none at all.
    pub(super) async fn ben_is(&self, role: Option<Role>) {
        let (store, workspace) = (self.world.store.as_ref(), self.world.workspace.id);
        let key = Directory::member_key(workspace, self.ben.id);
        let found = store.get(&key).await.unwrap();
        let write = match (role, found) {
            (None, None) => return,
            (None, Some(_)) => StateWrite::delete(key),
            (Some(role), found) => {
                let member = Member {
                    role,
                    ..self.ben.clone()
                };
                let doc = serde_json::to_value(&member).unwrap();
                match found {
                    None => StateWrite::create(key, doc),
                    Some(found) => StateWrite::replace(key, found.version, doc),
                }
            }
        };
        assert!(store.write(vec![write]).await.unwrap());
    }
}

/// A key of each of them.
async fn keys(world: &World) -> BTreeMap<Who, Redacted<String>> {
    let by = Principal::System {
        duty: "setup".to_owned(),
    };
    let person = |ctx: &TenantCtx| ctx.principal().person().unwrap();
    let (ann, ben) = (person(&world.ann), person(&world.ben));
    let mut keys = BTreeMap::new();
    for (who, capability, owner, approver) in [
        (Who::Ann, Capability::Repair, ann, Some(ann)),
        (Who::Ben, Capability::Repair, ben, Some(ben)),
        (Who::Machine, Capability::Repair, ann, None),
        (Who::Reader, Capability::Read, ann, None),
    ] {
        let create = &world.create;
        let key = create.api_key(&world.project, &by, capability, owner, approver);
        keys.insert(who, key.await.unwrap());
    }
    keys
}

async fn enter(world: &World, key: &Redacted<String>) -> Option<TenantCtx> {
    let store = world.store.as_ref();
    let known = authenticate_key(store, key.reveal(), world.clock.now()).await;
    let known = known.ok()?;
    Some(known.project(store, None).await.unwrap())
}
