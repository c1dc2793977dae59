//! The life of one action against a small model of it: whatever people, keys, clocks, rows and
//! promises do in whatever order and at once, it is executed once or not at all, and both leave their
//! records.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, State, StateKey, StateWrite, Stored,
};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ActionError, ProposeRepair, RepairPorts, SWEEP_AFTER, SweepRepairs, VoteOnAction, Voted,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::world::World;

/// Longer than any hold.
const TOO_LONG: Duration = Duration::from_hours(73);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// A person, by a key of hers that speaks for her.
    Ann,
    /// Another person.
    Ben,
    /// A plain key of Ann's.
    Machine,
    /// A key that may only read.
    Reader,
}

impl Who {
    const fn is_person(self) -> bool {
        matches!(self, Self::Ann | Self::Ben)
    }
}

/// What somebody sends as a vote.
#[derive(Debug, Clone, Copy)]
struct Ballot {
    who: Who,
    kind: VoteKind,
    /// The digest of what was displayed, or of something else.
    digest: bool,
    /// The version that was displayed is the present one.
    version: bool,
    reason: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Vote(Ballot),
    /// Two people, each with a double click, at once.
    Rush(Ballot, Ballot),
    Execute(Who),
    /// Two who execute at once.
    Race(Who, Who),
    Cancel(Who),
    /// Somebody else writes the row.
    RowChanges,
    /// What Stripe promises changes.
    PromiseEnds,
    TimePasses,
    TooMuchTimePasses,
    Sweep,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => Just(Who::Ann),
        4 => Just(Who::Ben),
        2 => Just(Who::Machine),
        1 => Just(Who::Reader),
    ]
}

fn ballot() -> impl Strategy<Value = Ballot> {
    let kind = prop_oneof![6 => Just(VoteKind::Approve), 1 => Just(VoteKind::Reject)];
    let mostly = || prop::bool::weighted(0.85);
    (who(), kind, mostly(), mostly(), mostly()).prop_map(|(who, kind, digest, version, reason)| {
        Ballot {
            who,
            kind,
            digest,
            version,
            reason,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => ballot().prop_map(Step::Vote),
        3 => (ballot(), ballot()).prop_map(|(one, other)| Step::Rush(one, other)),
        3 => who().prop_map(Step::Execute),
        2 => (who(), who()).prop_map(|(one, other)| Step::Race(one, other)),
        1 => who().prop_map(Step::Cancel),
        1 => Just(Step::RowChanges),
        1 => Just(Step::PromiseEnds),
        2 => Just(Step::TimePasses),
        1 => Just(Step::TooMuchTimePasses),
        2 => Just(Step::Sweep),
    ]
}

/// What must become of the action, in a few lines.
#[derive(Debug, Clone)]
struct Model {
    state: ActionState,
    proposer: Who,
    needed: usize,
    at_once: bool,
    approved: BTreeSet<Who>,
    votes: usize,
    /// The row or the promise is not what was displayed any more.
    unfit: bool,
    too_late: bool,
    updates: u64,
}

impl Model {
    /// Whether time has ended what waits; whoever asks next finds it so.
    fn expires(&mut self) -> bool {
        let over = self.too_late && self.state.is_waiting();
        if over {
            self.state = ActionState::Expired;
        }
        over
    }

    /// Whether a vote counts.
    fn vote(&mut self, ballot: Ballot) -> bool {
        if !ballot.version || self.expires() {
            return false;
        }
        let approves = ballot.kind == VoteKind::Approve;
        let may = ballot.who.is_person() && (!approves || ballot.who != self.proposer);
        let new = !self.approved.contains(&ballot.who);
        let fits = ballot.digest && ballot.reason;
        if self.state != ActionState::Held || !may || !fits || !new {
            return false;
        }
        self.votes += 1;
        if !approves {
            self.state = ActionState::Rejected;
            return true;
        }
        self.approved.insert(ballot.who);
        if self.approved.len() >= self.needed {
            self.state = ActionState::Approved;
            if self.at_once {
                self.executes();
            }
        }
        true
    }

    fn execute(&mut self, who: Who) {
        let may = who != Who::Reader;
        let ready = matches!(self.state, ActionState::Allowed | ActionState::Approved);
        // A machine has no sign-in, so it starts nobody's own repair; what fits no more it finds.
        let starts = who != Who::Machine || !self.proposer.is_person() || self.unfit;
        if may && ready && !self.expires() && starts {
            self.executes();
        }
    }

    fn executes(&mut self) {
        if self.unfit {
            self.state = ActionState::Stale;
        } else {
            self.state = ActionState::Verified;
            self.updates += 1;
        }
    }

    fn cancel(&mut self, who: Who) {
        let may = who.is_person() || who == self.proposer;
        if may && self.state.is_waiting() {
            self.state = ActionState::Cancelled;
        }
    }

    fn sweep(&mut self) {
        self.expires();
    }
}

/// Lets other requests go first, for some turns that differ from call to call.
struct Jitter<T> {
    port: Arc<T>,
    seed: Arc<AtomicU64>,
}

impl<T> Jitter<T> {
    async fn pause(&self) {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let seed = self.seed.fetch_add(step, Ordering::SeqCst);
        let turns = (seed ^ (seed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 62;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl<T: EvidenceAppend> EvidenceAppend for Jitter<T> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        self.pause().await;
        let done = self.port.append(stream, batch).await;
        self.pause().await;
        done
    }
}

#[async_trait]
impl<T: State> State for Jitter<T> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.pause().await;
        self.port.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.pause().await;
        self.port.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.pause().await;
        self.port.write(writes).await
    }
}

/// The product with one held or allowed action.
struct Real {
    world: World,
    ports: RepairPorts,
    action: Action,
}

impl Real {
    async fn new(proposer: Who, at_once: bool, seed: u64) -> Self {
        let world = World::new().await;
        world.scan().await;
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
        let ctx = ctx(&world, proposer);
        let proposed = propose.propose(ctx, &incident, Some("support asked"), at_once);
        let action = proposed.await.unwrap().action;
        Self {
            world,
            ports,
            action,
        }
    }

    async fn now(&self) -> (Action, u64) {
        let ctx = Directory::system(&self.world.project, "test");
        let records = Records::of(self.world.store.as_ref(), &ctx);
        let found = records.get::<Action>(&self.action.id.to_string()).await;
        let found = found.unwrap().unwrap();
        (found.value, found.version)
    }

    async fn vote(&self, ballot: Ballot, version: u64) -> Result<ActionState, ActionError> {
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
        let ctx = ctx(&self.world, ballot.who);
        let id = self.action.id.to_string();
        let after = Box::pin(votes.vote(ctx, &id, &vote)).await?;
        Ok(after.value.state)
    }

    async fn execute(&self, who: Who) -> Result<ActionState, ActionError> {
        let votes = VoteOnAction {
            ports: self.ports.clone(),
        };
        let id = self.action.id.to_string();
        let after = Box::pin(votes.execute(ctx(&self.world, who), &id)).await?;
        Ok(after.value.state)
    }

    async fn cancel(&self, who: Who) {
        let votes = VoteOnAction {
            ports: self.ports.clone(),
        };
        let id = self.action.id.to_string();
        drop(votes.cancel(ctx(&self.world, who), &id).await);
    }

    async fn sweep(&self) {
        let sweep = SweepRepairs {
            ports: self.ports.clone(),
        };
        sweep.sweep().await.unwrap();
    }
}

const fn ctx(world: &World, who: Who) -> &TenantCtx {
    match who {
        Who::Ann => &world.ann,
        Who::Ben => &world.ben,
        Who::Machine => &world.repair_key,
        Who::Reader => &world.read_key,
    }
}

/// Does a step in both, and holds one against the other.
async fn take(real: &Real, model: &mut Model, step: Step) {
    let (_, version) = real.now().await;
    let decisions = real.world.count("run.decision");
    match step {
        Step::Vote(ballot) => {
            let before = model.state;
            let answer = real.vote(ballot, version).await;
            let counted = model.vote(ballot);
            if counted {
                assert_eq!(answer.unwrap(), model.state);
            } else {
                let refused = answer.unwrap_err();
                if let ActionError::Denied(_) = refused {
                    let now = real.world.count("run.decision");
                    assert_eq!(now, decisions + 1, "a refusal is on the record");
                    assert_eq!(model.state, before);
                }
            }
        }
        Step::Rush(one, other) => rush(real, model, one, other, version).await,
        Step::Execute(who) => {
            drop(real.execute(who).await);
            model.execute(who);
        }
        Step::Race(one, other) => {
            let all = tokio::join!(
                real.execute(one),
                real.execute(other),
                real.execute(one),
                real.execute(other)
            );
            drop(all);
            model.execute(one);
            model.execute(other);
        }
        Step::Cancel(who) => {
            real.cancel(who).await;
            model.cancel(who);
        }
        Step::RowChanges => {
            if model.state != ActionState::Verified {
                real.world.set_row("u1", true);
                model.unfit = true;
            }
        }
        Step::PromiseEnds => {
            if model.state != ActionState::Verified {
                real.world.billing.cancel_all("cus_1");
                model.unfit = true;
            }
        }
        Step::TimePasses => real.world.clock.advance(SWEEP_AFTER),
        Step::TooMuchTimePasses => {
            real.world.clock.advance(TOO_LONG);
            model.too_late = true;
        }
        Step::Sweep => {
            real.sweep().await;
            model.sweep();
        }
    }
}

/// Everybody clicks twice, at once, on what was displayed to all of them. Which of two votes that both
/// could count does count is for the product to say; that it is one of them, for the model.
async fn rush(real: &Real, model: &mut Model, one: Ballot, other: Ballot, version: u64) {
    let all = tokio::join!(
        real.vote(one, version),
        real.vote(other, version),
        real.vote(one, version),
        real.vote(other, version)
    );
    let (first, second) = (
        all.0.is_ok() || all.2.is_ok(),
        all.1.is_ok() || all.3.is_ok(),
    );
    let counted = [&all.0, &all.1, &all.2, &all.3];
    let counted = counted.iter().filter(|answer| answer.is_ok()).count();
    assert!(counted <= 1, "votes on one version: {all:?}");
    let mut of_one = model.clone();
    let mut of_other = model.clone();
    let could = (of_one.vote(one), of_other.vote(other));
    match could {
        (false, false) => assert_eq!(counted, 0, "{all:?}"),
        (true, false) => assert!(first, "{all:?}"),
        (false, true) => assert!(second, "{all:?}"),
        (true, true) => assert_eq!(counted, 1, "{all:?}"),
    }
    match could {
        // None of them counts, but whoever comes first finds that time is over.
        (false, false) => {
            model.vote(one);
            model.vote(other);
        }
        (_, true) if second => *model = of_other,
        _ => *model = of_one,
    }
}

/// What the stream and the rows must say in the end.
async fn settled(real: &Real, model: &Model) {
    let world = &real.world;
    let (action, _) = real.now().await;
    assert_eq!(action.state, model.state);
    assert_eq!(action.votes.len(), model.votes, "votes that count");
    assert_eq!(world.app.updates(), model.updates, "UPDATEs");
    assert!(model.updates <= 1);
    let updates = usize::try_from(model.updates).unwrap();
    for kind in ["repair.started", "repair.executed", "repair.verified"] {
        assert_eq!(world.count(kind), updates, "{kind}");
    }
    assert_eq!(world.count("repair.failed"), 0);
    let ended = match model.state {
        ActionState::Expired | ActionState::Cancelled => 1,
        _ => 0,
    };
    let resolutions = world.count("run.resolution");
    assert!(
        (model.votes..=model.votes + ended).contains(&resolutions),
        "a record for each vote that counts: {resolutions}"
    );
    if action.state.is_terminal() {
        assert_eq!(world.count("run.open"), world.count("run.close"));
        let incident = world.incident().await.state;
        let expected = if updates == 1 {
            IncidentState::Resolved
        } else {
            IncidentState::Open
        };
        assert_eq!(incident, expected);
    }
    world.sealer().seal(world.stream()).await.unwrap();
}

async fn play(proposer: Who, at_once: bool, seed: u64, steps: &[Step]) {
    let real = Real::new(proposer, at_once, seed).await;
    let mut model = Model {
        state: real.action.state,
        proposer,
        needed: usize::from(real.action.approvals),
        at_once,
        approved: BTreeSet::new(),
        votes: 0,
        unfit: false,
        too_late: false,
        updates: 0,
    };
    for step in steps {
        take(&real, &mut model, *step).await;
        let (action, _) = real.now().await;
        assert_eq!(action.state, model.state, "after {step:?}");
    }
    settled(&real, &model).await;
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn an_action_is_executed_once_or_not_at_all_and_both_leave_their_records(
        proposer in prop_oneof![Just(Who::Ann), Just(Who::Machine)],
        at_once: bool,
        seed: u64,
        steps in prop::collection::vec(step(), 1..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(proposer, at_once, seed, &steps));
    }
}
