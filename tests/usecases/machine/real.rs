//! The product with a repair, and with what takes it back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use counterfoil_core::auth::{
    Authenticated, authenticate_delegate, authenticate_key, authenticate_person, key_handle,
};
use counterfoil_core::ids::ActionId;
use counterfoil_core::ports::{Clock as _, Delegation, Login, State as _, StateKey, StateWrite};
use counterfoil_core::records::{ApiKey, Directory, Member, Records, Versioned};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::{Capability, Principal, Role, TenantCtx};
use counterfoil_core::usecases::{
    ActionError, Glass, ProposeRepair, RepairPorts, SweepRepairs, VoteOnAction, Voted,
};

use super::super::world::{World, login};
use super::answer::{Answer, Entries};
use super::bundle::in_force;
use super::jitter::Jitter;
use super::steps::{Ballot, Breaking, Caller, Door, Rules, Who};

const CLIENT: &str = "https://agents.example/client.json";

/// The product with one action, or with one and what takes it back.
pub(super) struct Real {
    pub(super) world: World,
    ports: RepairPorts,
    /// The repair.
    first: ActionId,
    /// The newest action that was not denied at once.
    action: Action,
    at_once: bool,
    keys: BTreeMap<Who, Redacted<String>>,
    logins: BTreeMap<Who, Login>,
    ben: Member,
    before: Entries,
}

impl Real {
    pub(super) async fn new(by: Caller, at_once: bool, seed: u64, rules: Option<Rules>) -> Self {
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
        let logins = [(Who::Ann, "Ann"), (Who::Ben, "Ben")];
        let logins = logins.map(|(who, name)| (who, login(name, world.clock.now())));
        let logins = BTreeMap::from(logins);
        let before = Entries::of(&world);
        let incident = world.incident().await.id.to_string();
        let propose = ProposeRepair {
            ports: ports.clone(),
        };
        let ctx = enter(&world, (&keys, &logins), by).await.unwrap();
        let proposed = propose.propose(&ctx, &incident, Some("support asked"), at_once);
        let action = proposed.await.unwrap().action;
        Self {
            world,
            ports,
            first: action.id,
            action,
            at_once,
            keys,
            logins,
            ben,
            before,
        }
    }

    pub(super) async fn now(&self) -> (Action, u64) {
        let ctx = Directory::system(&self.world.project, "test");
        let records = Records::of(self.world.store.as_ref(), &ctx);
        let found = records.get::<Action>(&self.action.id.to_string()).await;
        let found = found.unwrap().unwrap();
        (found.value, found.version)
    }

    /// What came onto the record since before the proposal.
    pub(super) fn entries(&self) -> Entries {
        Entries::of(&self.world).since(self.before)
    }

    fn votes(&self) -> VoteOnAction {
        VoteOnAction {
            ports: self.ports.clone(),
        }
    }

    pub(super) async fn vote(&self, ballot: Ballot, version: u64) -> Answer {
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
        let Some(ctx) = self.enter(ballot.by).await else {
            return Answer::TurnedAway;
        };
        let (votes, id) = (self.votes(), self.action.id.to_string());
        let voted = Box::pin(votes.vote(&ctx, &id, &vote)).await;
        told(&voted.map(|it| it.action))
    }

    pub(super) async fn execute(&self, by: Caller) -> Answer {
        let Some(ctx) = self.enter(by).await else {
            return Answer::TurnedAway;
        };
        let (votes, id) = (self.votes(), self.action.id.to_string());
        told(&Box::pin(votes.execute(&ctx, &id, Some(&self.action.digest))).await)
    }

    pub(super) async fn cancel(&self, by: Caller) -> Answer {
        let Some(ctx) = self.enter(by).await else {
            return Answer::TurnedAway;
        };
        let (votes, id) = (self.votes(), self.action.id.to_string());
        told(&votes.cancel(&ctx, &id).await)
    }

    pub(super) async fn break_glass(&self, breaking: Breaking, version: u64) -> Answer {
        let glass = Glass {
            digest: &self.action.digest,
            reason: if breaking.reason {
                "nobody else is awake and the customer waits"
            } else {
                "it is urgent"
            },
            ticket: "OPS-1",
            version: if breaking.version {
                version
            } else {
                version + 7
            },
        };
        let Some(ctx) = self.enter(breaking.by).await else {
            return Answer::TurnedAway;
        };
        let (votes, id) = (self.votes(), self.action.id.to_string());
        let overridden = Box::pin(votes.override_approvals(&ctx, &id, &glass, &|| {})).await;
        let done = match overridden {
            Err(error) => Err(error),
            Ok(overridden) => Box::pin(votes.carry_out(&ctx, overridden)).await,
        };
        told(&done.map(|it| it.action))
    }

    pub(super) async fn undo(&mut self, by: Caller) -> Answer {
        let Some(ctx) = self.enter(by).await else {
            return Answer::TurnedAway;
        };
        let propose = ProposeRepair {
            ports: self.ports.clone(),
        };
        let (id, why) = (self.first.to_string(), Some("it was mapped wrongly"));
        let proposed = Box::pin(propose.undo(&ctx, &id, why, self.at_once)).await;
        let answer = Answer::of(proposed.as_ref().map(|it| it.action.state));
        if let Ok(proposed) = proposed
            && proposed.action.state != ActionState::Denied
        {
            self.action = proposed.action;
        }
        answer
    }

    pub(super) async fn sweep(&self) {
        let sweep = SweepRepairs {
            ports: self.ports.clone(),
        };
        let swept = sweep.sweep().await.unwrap();
        assert!(swept.failed.is_empty(), "{swept:?}");
    }

    /// Who somebody is at this moment; `None` whom the product turns away.
    async fn enter(&self, by: Caller) -> Option<TenantCtx> {
        enter(&self.world, (&self.keys, &self.logins), by).await
    }

    /// Somebody signs in now.
    pub(super) fn sign_in(&mut self, who: Who, second_factor: bool) {
        let now = self.world.clock.now();
        self.logins.entry(who).and_modify(|login| {
            login.authenticated_at = now;
            login.second_factor = second_factor;
        });
    }

    /// The key of somebody is revoked, in both of its rows.
    pub(super) async fn revoke(&self, who: Who) {
        let store = self.world.store.as_ref();
        let handle = key_handle(self.keys[&who].reveal()).unwrap();
        let found = Directory::of(store).api_key(handle).await.unwrap().unwrap();
        let listed = StateKey {
            pk: format!("{}#key", self.world.workspace.id),
            sk: found.value.id.to_string(),
        };
        let revoked = ApiKey {
            revoked_at: Some(self.world.clock.now()),
            ..found.value
        };
        let row = serde_json::to_value(&revoked).unwrap();
        for key in [Directory::api_key_key(handle), listed] {
            let version = store.get(&key).await.unwrap().unwrap().version;
            let write = StateWrite::replace(key, version, row.clone());
            assert!(store.write(vec![write]).await.unwrap());
        }
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
        (Who::Agent, Capability::Repair, ann, None),
    ] {
        let create = &world.create;
        let key = create.api_key(&world.project, &by, capability, owner, approver);
        keys.insert(who, key.await.unwrap());
    }
    keys
}

async fn enter(
    world: &World,
    (keys, logins): (&BTreeMap<Who, Redacted<String>>, &BTreeMap<Who, Login>),
    by: Caller,
) -> Option<TenantCtx> {
    let (store, now) = (world.store.as_ref(), world.clock.now());
    let named = Some(world.project.id.to_string());
    let key = async || authenticate_key(store, keys[&by.who].reveal(), now).await;
    let (known, project) = match (by.door, logins.get(&by.who)) {
        (Door::Login, Some(login)) => (authenticate_person(store, login.clone()).await, named),
        (Door::Mcp, _) if by.who == Who::Client => {
            let acts = Delegation {
                client: CLIENT.to_owned(),
                person: login("Ben", now),
            };
            (authenticate_delegate(store, acts).await, named)
        }
        (Door::Mcp, _) => (key().await.and_then(Authenticated::as_agent), None),
        _ => (key().await, None),
    };
    known.ok()?.project(store, project.as_deref()).await.ok()
}

fn told(came: &Result<Versioned<Action>, ActionError>) -> Answer {
    Answer::of(came.as_ref().map(|action| action.value.state))
}
