//! The sweep comes back for every action that was left half-way: what may have been sent is settled
//! by reading the row, what was approved and not begun is begun, what waited too long expires.
//!
//! It has little time, and one action can take all of it. So expiry comes first, an action is noted
//! before it is worked on, and the one whose last attempt is longest ago comes first.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ending::expire;
use super::execute::execute;
use super::{ActionError, RepairPorts, settle, unread};
use crate::ids::{ActionId, ProjectId};
use crate::records::{Directory, Project, Unfinished};
use crate::repair::{Action, ActionState};
use crate::tenancy::Principal;
use crate::time::Timestamp;
use crate::usecases::Waiting;

/// How long the sweep leaves alone what was approved or begun. Longer than the function that
/// executes it may live (template.yaml: 60 s), so that a slow worker and the sweep never work on one
/// action.
pub const SWEEP_AFTER: Duration = Duration::from_mins(3);

/// How long after the last approval the sweep begins what a person proposed in live: the rules ask for a
/// sign-in of the last 15 minutes, and a minute of these is for looking at both sides.
const WITHOUT_A_PERSON: Duration = Duration::from_mins(14);

/// Whose acts these are.
const DUTY: &str = "sweep";

/// How long it waits between two attempts at one action: each reads both sides.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// How long a sweep begins something new: half of what its function lives, so that what it has begun
/// last can end.
const BUDGET: Duration = Duration::from_secs(30);

/// How much of that goes at most into finding out what is due.
const LOOKING: Duration = Duration::from_secs(15);

/// Attempts that are remembered for the order, and for how long. The row stays far below what one
/// row may hold.
const REMEMBERED: usize = 500;
const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// What the sweep has begun. One row for all projects, written before an action is worked on, so
/// that it outlives a worker that dies of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// When each was tried last.
    tried: BTreeMap<ActionId, Timestamp>,
    /// The project to begin with: the first one that was not looked at.
    #[serde(default)]
    next: Option<ProjectId>,
}

impl Progress {
    fn trying(&mut self, action: ActionId, now: Timestamp) {
        self.tried.insert(action, now);
        self.tried
            .retain(|_, tried| now.since(*tried) < REMEMBERED_FOR);
        while self.tried.len() > REMEMBERED {
            let oldest = self.tried.iter().min_by_key(|(_, tried)| **tried);
            let Some(oldest) = oldest.map(|(id, _)| *id) else {
                return;
            };
            self.tried.remove(&oldest);
        }
    }

    fn is_resting(&self, action: ActionId, now: Timestamp) -> bool {
        let tried = self.tried.get(&action);
        tried.is_some_and(|tried| now.since(*tried) < AGAIN_AFTER)
    }
}

/// Finishes what was left half-way.
#[derive(Debug, Clone)]
pub struct SweepRepairs {
    /// Ports.
    pub ports: RepairPorts,
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Actions that it finished.
    pub finished: usize,
    /// Actions that are due and were not begun for want of time: the next sweep begins with them.
    pub left: usize,
    /// Projects that were not looked at for want of time: the next sweep begins with them.
    pub projects_left: usize,
    /// What went wrong. It stopped nothing else.
    pub failed: Vec<SweepFailure>,
}

/// One thing that went wrong in a sweep.
#[derive(Debug)]
pub struct SweepFailure {
    /// Whose.
    pub project: ProjectId,
    /// At which action; `None` where the project's actions could not be listed.
    pub action: Option<ActionId>,
    /// How.
    pub error: ActionError,
}

/// An action that has to be worked on.
struct Due<'a> {
    project: &'a Project,
    action: ActionId,
}

impl SweepRepairs {
    /// Ends what waited past its time; then settles every action that has been executing for longer
    /// than [`SWEEP_AFTER`], and begins what was approved as long ago and was to begin at once. What
    /// goes wrong with one of them stops no other.
    ///
    /// # Errors
    /// When nothing could be looked at.
    pub async fn sweep(&self) -> Result<Swept, ActionError> {
        let started = self.ports.clock.now();
        let directory = Directory::of(self.ports.state.as_ref());
        let key = Directory::sweep_key();
        let found = directory.find::<Progress>("sweep", &key).await?;
        let mut version = found.as_ref().map(|row| row.version);
        let mut progress = found.map(|row| row.value).unwrap_or_default();
        let projects = in_turn(directory.projects().await?, progress.next);

        let mut swept = Swept::default();
        let mut due = Vec::new();
        let mut next = None;
        for (place, project) in projects.iter().enumerate() {
            if self.ports.clock.now().since(started) >= LOOKING {
                swept.projects_left = projects.len().saturating_sub(place);
                next = Some(project.id);
                break;
            }
            let until = started.plus(LOOKING);
            self.look(project, until, &mut due, &mut swept).await;
        }
        if progress.next != next {
            progress.next = next;
            self.note(&progress, &mut version).await?;
        }

        let now = self.ports.clock.now();
        due.retain(|due| !progress.is_resting(due.action, now));
        due.sort_by_key(|due| (progress.tried.get(&due.action).copied(), due.action));
        let mut due = due.into_iter();
        while let Some(next) = due.next() {
            let now = self.ports.clock.now();
            progress.trying(next.action, now);
            let begun = if now.since(started) < BUDGET {
                // Where the row has another version, another sweep is at work.
                self.note(&progress, &mut version).await
            } else {
                Ok(false)
            };
            if !matches!(begun, Ok(true)) {
                swept.left = swept.left.saturating_add(due.len()).saturating_add(1);
            }
            match begun {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    swept.fail(next.project, Some(next.action), error);
                    break;
                }
            }
            match self.work(&next).await {
                Ok(worked) => swept.finished = swept.finished.saturating_add(usize::from(worked)),
                Err(error) => swept.fail(next.project, Some(next.action), error),
            }
        }
        Ok(swept)
    }

    /// Ends what waited past its time and finds what else has to be done.
    async fn look<'a>(
        &self,
        project: &'a Project,
        until: Timestamp,
        due: &mut Vec<Due<'a>>,
        swept: &mut Swept,
    ) {
        match self.found(project).await {
            Ok(found) => {
                let due_now = found.due.into_iter();
                due.extend(due_now.map(|action| Due { project, action }));
                let mut over = found.over.into_iter();
                while let Some(action) = over.next() {
                    if self.ports.clock.now() >= until {
                        swept.left = swept.left.saturating_add(over.len()).saturating_add(1);
                        break;
                    }
                    match self.expire(project, action).await {
                        Ok(ended) => {
                            swept.finished = swept.finished.saturating_add(usize::from(ended));
                        }
                        Err(error) => swept.fail(project, Some(action), error),
                    }
                }
            }
            Err(error) => swept.fail(project, None, error),
        }
    }

    async fn found(&self, project: &Project) -> Result<Found, ActionError> {
        let now = self.ports.clock.now();
        let ctx = Directory::system(project, DUTY);
        let records = self.ports.records(&ctx);
        let mut found = Found::default();
        for unfinished in records.list::<Unfinished>().await? {
            if now.since(unfinished.value.since) >= SWEEP_AFTER {
                found.due.push(unfinished.value.id);
            }
        }
        for waiting in records.list::<Waiting>().await? {
            let waiting = waiting.value;
            if !waiting.repair {
                continue;
            }
            if waiting.expires_at <= now {
                found.over.push(waiting.id);
            } else if now.since(waiting.id.made_at()) >= SWEEP_AFTER {
                let action = records.get::<Action>(&waiting.id.to_string()).await?;
                let begin =
                    action.is_some_and(|action| is_to_begin(&action.value, project.livemode, now));
                found.due.extend(begin.then_some(waiting.id));
            }
        }
        Ok(found)
    }

    /// Whether it ended.
    async fn expire(&self, project: &Project, action: ActionId) -> Result<bool, ActionError> {
        let ctx = Directory::system(project, DUTY);
        let action = self.ports.action(&ctx, &action.to_string()).await?;
        if !action.value.state.is_waiting() {
            return Ok(false);
        }
        let ended = Box::pin(expire(&self.ports, &ctx, project, action)).await;
        Ok(unless_overtaken(ended)?.is_some())
    }

    /// Whether it changed something.
    async fn work(&self, due: &Due<'_>) -> Result<bool, ActionError> {
        // Much may have changed since the sweep began.
        let (ports, ctx) = (&self.ports, &Directory::system(due.project, DUTY));
        let project = &ports.project(ctx).await?;
        let action = ports.action(ctx, &due.action.to_string()).await?;
        let worked = match action.value.state {
            ActionState::Executing => Box::pin(unread::settle(ports, ctx, project, action)).await,
            // Only a repair is looked at again: another one is over, somebody was faster.
            ActionState::Executed if !action.value.is_over() => {
                Box::pin(settle::verify(ports, ctx, project, action)).await
            }
            ActionState::Approved | ActionState::Allowed => {
                Box::pin(execute(ports, ctx, project, action, None)).await
            }
            _ => return Ok(false),
        };
        Ok(unless_overtaken(worked)?.is_some())
    }

    /// Stores what was begun, unless another sweep has stored something meanwhile.
    async fn note(
        &self,
        progress: &Progress,
        version: &mut Option<u64>,
    ) -> Result<bool, ActionError> {
        let write = Directory::write(Directory::sweep_key(), *version, progress)?;
        let written = self.ports.state.write(vec![write]).await?;
        if written {
            *version = Some(version.unwrap_or(0).saturating_add(1));
        }
        Ok(written)
    }
}

impl Swept {
    fn fail(&mut self, project: &Project, action: Option<ActionId>, error: ActionError) {
        self.failed.push(SweepFailure {
            project: project.id,
            action,
            error,
        });
    }
}

/// What one project has for the sweep.
#[derive(Default)]
struct Found {
    over: Vec<ActionId>,
    due: Vec<ActionId>,
}

/// The projects from `next` on, and then the others.
fn in_turn(mut projects: Vec<Project>, next: Option<ProjectId>) -> Vec<Project> {
    projects.sort_by_key(|project| (next.is_some_and(|next| project.id < next), project.id));
    projects
}

/// An approval that was to execute at once, and whose voter's request is over; what an owner broke the
/// glass for, which executes at once in any case; and what a scan proposed and the rules allowed, which
/// nobody else begins. What a person proposed in live waits for a fresh sign-in after a while: to judge
/// it without one would end it.
fn is_to_begin(action: &Action, live: bool, now: Timestamp) -> bool {
    let broken = action.overridden.as_ref().map(|by| by.at);
    let at_once = action.execute_on_approval || broken.is_some();
    let voted = action.votes.iter().map(|vote| vote.at).chain(broken).max();
    let since = match action.state {
        ActionState::Approved => voted,
        ActionState::Allowed if matches!(action.proposer, Principal::Scheduler { .. }) => {
            Some(action.proposed_at())
        }
        _ => None,
    };
    // Ignoring asks for no fresh sign-in.
    let needs_a_person = live && action.repair().is_some() && action.proposer.person().is_some();
    at_once
        && since.is_some_and(|since| {
            let age = now.since(since);
            age >= SWEEP_AFTER && (age < WITHOUT_A_PERSON || !needs_a_person)
        })
}

/// That somebody else was faster is no failure: their act is recorded.
fn unless_overtaken<T>(result: Result<T, ActionError>) -> Result<Option<T>, ActionError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(ActionError::Changed | ActionError::Expired) => Ok(None),
        Err(error) => Err(error),
    }
}
