//! Actions that were approved and whose effect has not begun: they are tried again, withdrawn or
//! expired, and whoever else is at them in the same moment, there is at most one UPDATE.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind,
};
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::{
    ActionError, ReadActions, RepairPorts, SWEEP_AFTER, SweepRepairs, VoteOnAction, Voted,
};

use super::world::World;

/// A world with a repair that waits for its approval.
async fn proposed(execute_on_approval: bool) -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(
        &world.repair_key,
        &incident,
        Some("support asked"),
        execute_on_approval,
    );
    let action = proposed.await.unwrap().action;
    (world, action)
}

async fn approve(world: &World, ports: RepairPorts, action: &Action) -> Result<(), ActionError> {
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let (votes, id) = (VoteOnAction { ports }, action.id.to_string());
    Box::pin(votes.vote(&world.ben, &id, &vote)).await.map(drop)
}

/// A world whose approved repair was not begun, because the app's database was away.
async fn stranded() -> (World, Action) {
    let (world, action) = proposed(true).await;
    world.app.unreadable(true);
    approve(&world, world.ports(), &action).await.unwrap();
    world.app.unreadable(false);
    assert_eq!(state(&world, &action).await, ActionState::Approved);
    (world, action)
}

async fn state(world: &World, action: &Action) -> ActionState {
    let ports = world.ports();
    let read = ReadActions { ports };
    let found = read.get(&world.ann, &action.id.to_string()).await.unwrap();
    found.value.state
}

/// What must be true however it went: one UPDATE where the row was changed, every run closed.
async fn in_order(world: &World, action: &Action, ended: ActionState) {
    assert_eq!(state(world, action).await, ended);
    let verified = ended == ActionState::Verified;
    assert_eq!(world.app.updates(), u64::from(verified));
    assert_eq!(world.granted("u1"), verified);
    assert_eq!(world.count("repair.started"), usize::from(verified));
    assert_eq!(world.count("run.open"), world.count("run.close"));
    let expected = if verified {
        IncidentState::Resolved
    } else {
        IncidentState::Open
    };
    assert_eq!(world.incident().await.state, expected);
}

/// Whoever runs the product is told why, and the voter that it is approved.
#[tokio::test]
async fn an_approval_that_could_not_be_begun_at_once_comes_with_the_cause() {
    let (world, action) = proposed(true).await;
    world.app.unreadable(true);
    let (votes, id) = (world.vote(), action.id.to_string());
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let answered = Box::pin(votes.vote(&world.ben, &id, &vote)).await.unwrap();
    assert_eq!(answered.action.value.state, ActionState::Approved);
    let cause = answered.not_begun;
    assert!(matches!(cause, Some(ActionError::Look(_))), "{cause:?}");
}

#[tokio::test]
async fn an_approved_repair_whose_sides_could_not_be_read_is_carried_out_by_the_sweep() {
    let (world, action) = Box::pin(stranded()).await;
    world.clock.advance(SWEEP_AFTER);
    sweep(world.ports()).await.unwrap();
    in_order(&world, &action, ActionState::Verified).await;
}

#[tokio::test]
async fn the_sweep_leaves_an_approval_to_its_voter_for_a_while_and_waits_between_its_attempts() {
    let (world, action) = Box::pin(stranded()).await;
    sweep(world.ports()).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Approved);
    world.clock.advance(SWEEP_AFTER);
    world.app.unreadable(true);
    sweep(world.ports()).await.unwrap_err();
    world.app.unreadable(false);
    world.clock.advance(Duration::from_mins(1));
    sweep(world.ports()).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Approved);
    world.clock.advance(Duration::from_mins(10));
    sweep(world.ports()).await.unwrap();
    in_order(&world, &action, ActionState::Verified).await;
}

#[tokio::test]
async fn what_a_person_wants_to_start_themselves_is_never_started_by_the_sweep() {
    let (world, action) = proposed(false).await;
    approve(&world, world.ports(), &action).await.unwrap();
    world.clock.advance(SWEEP_AFTER);
    sweep(world.ports()).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Approved);
    assert_eq!(world.app.updates(), 0);
    world.clock.advance(Duration::from_hours(73));
    sweep(world.ports()).await.unwrap();
    in_order(&world, &action, ActionState::Expired).await;
}

#[tokio::test]
async fn an_approval_that_could_not_be_carried_out_in_time_expires() {
    let (world, action) = Box::pin(stranded()).await;
    world.clock.advance(Duration::from_hours(73));
    sweep(world.ports()).await.unwrap();
    in_order(&world, &action, ActionState::Expired).await;
}

#[tokio::test]
async fn an_approved_repair_may_be_withdrawn_and_is_in_the_inbox_until_then() {
    let (world, action) = Box::pin(stranded()).await;
    let waiting = world.inbox(&world.ben).await;
    let ids: Vec<_> = waiting.iter().map(|action| action.value.id).collect();
    assert_eq!(ids, [action.id]);
    let id = action.id.to_string();
    world.vote().cancel(&world.ben, &id).await.unwrap();
    in_order(&world, &action, ActionState::Cancelled).await;
    assert!(world.inbox(&world.ben).await.is_empty());
    let refused = world
        .vote()
        .execute(&world.ann, &id, Some(&action.digest))
        .await
        .unwrap_err();
    assert!(matches!(refused, ActionError::WrongState { .. }));
}

/// What was begun is settled by reading the row, however late it is.
#[tokio::test]
async fn what_may_have_been_sent_is_neither_withdrawn_nor_expired() {
    let (world, action) = Box::pin(stranded()).await;
    let ports = faulty(&world, Kind::RepairExecuted, Fault::Refused);
    let votes = VoteOnAction { ports };
    let id = action.id.to_string();
    votes
        .execute(&world.ann, &id, Some(&action.digest))
        .await
        .unwrap_err();
    assert_eq!(state(&world, &action).await, ActionState::Executing);
    let refused = world.vote().cancel(&world.ann, &id).await.unwrap_err();
    assert!(matches!(refused, ActionError::WrongState { .. }));
    world.clock.advance(Duration::from_hours(73));
    sweep(world.ports()).await.unwrap();
    in_order(&world, &action, ActionState::Verified).await;
}

/// Who comes in between, right before the other one's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    Execute,
    Cancel,
    Sweep,
    LateSweep,
}

async fn sweep(ports: RepairPorts) -> Result<(), ActionError> {
    let mut swept = Box::pin(SweepRepairs { ports }.sweep()).await?;
    swept
        .failed
        .pop()
        .map_or(Ok(()), |failure| Err(failure.error))
}

impl Rival {
    async fn act(self, world: &World, ports: RepairPorts, id: &str) -> Result<(), ActionError> {
        let votes = VoteOnAction {
            ports: ports.clone(),
        };
        let read = ReadActions {
            ports: world.ports(),
        };
        let digest = read.get(&world.ann, id).await?.value.digest;
        match self {
            Self::Execute => Box::pin(votes.execute(&world.ann, id, Some(&digest)))
                .await
                .map(drop),
            Self::Cancel => Box::pin(votes.cancel(&world.ben, id)).await.map(drop),
            Self::Sweep => sweep(ports).await,
            Self::LateSweep => {
                world.clock.advance(Duration::from_hours(73));
                sweep(ports).await
            }
        }
    }

    /// The entry in whose transaction it decides the action's fate.
    const fn decides(self) -> Kind {
        match self {
            Self::Execute | Self::Sweep => Kind::RepairStarted,
            Self::Cancel | Self::LateSweep => Kind::RunResolution,
        }
    }

    const fn wins_as(self) -> ActionState {
        match self {
            Self::Execute | Self::Sweep => ActionState::Verified,
            Self::Cancel => ActionState::Cancelled,
            Self::LateSweep => ActionState::Expired,
        }
    }
}

#[tokio::test]
async fn of_two_who_are_at_one_action_the_first_wins_and_the_other_changes_nothing() {
    use Rival::{Cancel, Execute, LateSweep, Sweep};
    for slow in [Execute, Cancel, Sweep, LateSweep] {
        for fast in [Execute, Cancel, Sweep, LateSweep] {
            // Whoever comes late finds an action whose time is over.
            let fast_ends_as = if slow == LateSweep && fast != Cancel {
                ActionState::Expired
            } else {
                fast.wins_as()
            };
            let (world, action) = Box::pin(stranded()).await;
            let world = Arc::new(world);
            world.clock.advance(SWEEP_AFTER);
            let id = action.id.to_string();
            let ports = RepairPorts {
                evidence: Arc::new(Overtaken {
                    world: world.clone(),
                    at: slow.decides(),
                    by: Mutex::new(Some((fast, id.clone()))),
                }),
                ..world.ports()
            };
            let lost = slow.act(&world, ports, &id).await;
            if matches!(slow, Execute | Cancel) {
                assert!(
                    matches!(lost, Err(ActionError::Changed)),
                    "{slow:?} {fast:?}: {lost:?}"
                );
            } else {
                // That somebody was faster is no error of the sweep.
                lost.unwrap_or_else(|error| panic!("{slow:?} {fast:?}: {error:?}"));
            }
            assert_eq!(
                state(&world, &action).await,
                fast_ends_as,
                "{slow:?} {fast:?}"
            );
            in_order(&world, &action, fast_ends_as).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_at_any_step_of_any_of_them_leads_to_at_most_one_update() {
    use Rival::{Cancel, Execute, LateSweep, Sweep};
    for who in [Execute, Cancel, Sweep, LateSweep] {
        for fault in [Fault::Refused, Fault::Lost, Fault::LostButDone] {
            let (world, action) = Box::pin(stranded()).await;
            world.clock.advance(SWEEP_AFTER);
            let ports = faulty(&world, who.decides(), fault);
            let id = action.id.to_string();
            who.act(&world, ports, &id).await.unwrap_err();
            assert_eq!(world.app.updates(), 0, "{who:?} {fault:?}");
            for _ in 0..2 {
                world.clock.advance(Duration::from_mins(10));
                sweep(world.ports()).await.unwrap();
            }
            let ended = match (who, fault) {
                // It is known to have begun and the row says that nothing was sent.
                (Execute | Sweep, Fault::LostButDone) => ActionState::Failed,
                (Cancel, Fault::Refused | Fault::Lost) => ActionState::Verified,
                _ => who.wins_as(),
            };
            assert_eq!(state(&world, &action).await, ended, "{who:?} {fault:?}");
            if ended == ActionState::Failed {
                assert_eq!(world.app.updates(), 0);
                assert_eq!(world.incident().await.state, IncidentState::Open);
                assert_eq!(world.count("run.open"), world.count("run.close"));
            } else {
                in_order(&world, &action, ended).await;
            }
        }
    }
}

/// Lets somebody else act right before one transaction.
struct Overtaken {
    world: Arc<World>,
    at: Kind,
    by: Mutex<Option<(Rival, String)>>,
}

#[async_trait]
impl EvidenceAppend for Overtaken {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if batch.drafts.iter().any(|draft| draft.kind == self.at) {
            let rival = self.by.lock().unwrap().take();
            if let Some((rival, id)) = rival {
                let ports = self.world.ports();
                let acted = rival.act(&self.world, ports, &id).await;
                assert!(
                    matches!(acted, Ok(()) | Err(ActionError::Expired)),
                    "{acted:?}"
                );
            }
        }
        self.world.store.append(stream, batch).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Evidence cannot be written.
    Refused,
    /// The answer is lost and nothing was written.
    Lost,
    /// The answer is lost and everything was written.
    LostButDone,
}

fn faulty(world: &World, at: Kind, fault: Fault) -> RepairPorts {
    RepairPorts {
        evidence: Arc::new(Faulty {
            inner: world.store.clone(),
            at,
            fault,
        }),
        ..world.ports()
    }
}

/// Lets every transaction with one kind of entry go wrong.
struct Faulty {
    inner: Arc<dyn EvidenceAppend>,
    at: Kind,
    fault: Fault,
}

#[async_trait]
impl EvidenceAppend for Faulty {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if !batch.drafts.iter().any(|draft| draft.kind == self.at) {
            return self.inner.append(stream, batch).await;
        }
        let error = |kind| PortError::new(kind, "a planned failure");
        match self.fault {
            Fault::Refused => Err(AppendError::Unavailable(error(PortErrorKind::Unavailable))),
            Fault::Lost => Err(AppendError::OutcomeUnknown(error(
                PortErrorKind::OutcomeUnknown,
            ))),
            Fault::LostButDone => {
                self.inner.append(stream, batch).await?;
                Err(AppendError::OutcomeUnknown(error(
                    PortErrorKind::OutcomeUnknown,
                )))
            }
        }
    }
}
