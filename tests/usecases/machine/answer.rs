//! What somebody is told, and what the record says: both of the product and of the model.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::repair::ActionState;
use counterfoil_core::usecases::ActionError;

use super::super::world::World;

/// What somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done, and this is what the action is now.
    Is(ActionState),
    /// Their key or sign-in leads nowhere.
    TurnedAway,
    /// They may do nothing of the kind.
    Incapable,
    /// What was displayed to them is not what is there.
    Changed,
    /// The time of the action is over, and that is on the record.
    Expired,
    /// The action is not in a state for this.
    WrongState,
    /// The rules refuse, and that is on the record.
    Denied,
}

impl Answer {
    pub(super) fn of(came: Result<ActionState, &ActionError>) -> Self {
        match came {
            Ok(state) => Self::Is(state),
            Err(ActionError::MissingCapability) => Self::Incapable,
            Err(ActionError::Changed) => Self::Changed,
            Err(ActionError::Expired) => Self::Expired,
            Err(ActionError::WrongState { .. }) => Self::WrongState,
            Err(ActionError::Denied(_)) => Self::Denied,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Whether something is another thing because of it.
    pub(super) const fn changes(self) -> bool {
        matches!(self, Self::Is(_) | Self::Expired)
    }
}

/// How many entries of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) opened: usize,
    pub(super) closed: usize,
    /// Decisions: of proposals, refusals, executions.
    pub(super) decided: usize,
    /// Those of them about what an agent proposed, or that refuse an agent something.
    pub(super) of_agents: usize,
    /// Votes, overrides, withdrawals, expiries.
    pub(super) resolved: usize,
    /// That something has changed since it was approved.
    pub(super) given_up: usize,
    pub(super) started: usize,
    pub(super) executed: usize,
    pub(super) failed: usize,
    pub(super) verified: usize,
}

impl Entries {
    /// A run that closes at once.
    pub(super) const fn run(&mut self) {
        self.opened += 1;
        self.closed += 1;
    }

    /// A decision about what somebody proposed, or one that refuses them.
    pub(super) fn decision(&mut self, of_agent: bool) {
        self.decided += 1;
        self.of_agents += usize::from(of_agent);
    }

    /// What a stream holds.
    pub(super) fn of(world: &World) -> Self {
        let kinds = world.kinds();
        let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
        let of_agent = |decision: &&Json| {
            let actor = decision.get("actor").and_then(|actor| actor.get("type"));
            actor.and_then(Json::as_str) == Some("agent")
        };
        let of_agents = world.facts("run.decision").iter().filter(of_agent).count();
        Self {
            opened: count("run.open"),
            closed: count("run.close"),
            decided: count("run.decision"),
            of_agents,
            resolved: count("run.resolution"),
            given_up: count("observation.recorded"),
            started: count("repair.started"),
            executed: count("repair.executed"),
            failed: count("repair.failed"),
            verified: count("repair.verified"),
        }
    }

    /// What came after those.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            opened: self.opened - before.opened,
            closed: self.closed - before.closed,
            decided: self.decided - before.decided,
            of_agents: self.of_agents - before.of_agents,
            resolved: self.resolved - before.resolved,
            given_up: self.given_up - before.given_up,
            started: self.started - before.started,
            executed: self.executed - before.executed,
            failed: self.failed - before.failed,
            verified: self.verified - before.verified,
        }
    }
}
