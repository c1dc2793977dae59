//! Runs, decisions and actions, replayed in stream order (evidence-format section 9).
//!
//! The verifier replays every run of a package. Writer and sealer replay the runs that begin in
//! what they hold: what is wrong with those is wrong for every later reader.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{Code, Fault};
use crate::hash::{Hash, parse_digest, sha256};
use crate::header::RunRef;
use crate::json::View;
use crate::kind::Kind;
use crate::recorded::Recorded;

mod decision;

use decision::{Decision, Effect, Standing};

/// Governance result of a closed run; always computed, never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governance {
    /// Every decision was resolved and every effect has its result.
    Clean,
    /// A break-glass approval is in the run.
    Overridden,
    /// A decision was not resolved, or an effect has no result, in the run.
    Unresolved,
    /// The run began before the range.
    Unknown,
}

impl Governance {
    /// The word that is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Overridden => "overridden",
            Self::Unresolved => "unresolved",
            Self::Unknown => "unknown",
        }
    }
}

/// What a replay found that is no failure.
pub(crate) struct Outcome {
    /// Result of each closed run.
    pub(crate) governance: BTreeMap<String, Governance>,
    /// Runs that are not closed.
    pub(crate) open: Vec<String>,
    /// What could not be checked.
    pub(crate) skipped: BTreeSet<String>,
}

/// An action of a range under a decision that this replay has not seen: allowed if the leaf it cites
/// is not in the package at all.
#[derive(Debug, Clone)]
pub(crate) struct Doubt {
    /// The leaf cited.
    pub(crate) cited: Hash,
    /// What it is if the leaf is in the package.
    pub(crate) fault: Fault,
}

/// What is known of one run.
#[derive(Debug, Clone, Default)]
struct Run {
    next: u64,
    prev: Option<Hash>,
    /// Followed only from its first entry in the range.
    partial: bool,
    /// Present once it is closed.
    result: Option<Governance>,
    overrides: u64,
    decisions: Vec<u32>,
    /// Actions that were begun and have no result in the run.
    begun: Vec<u32>,
}

/// How far the one effect of an action hash has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Started,
    Done,
}

/// What all runs say about one action.
#[derive(Debug, Clone, Default)]
struct Action {
    denied: bool,
    progress: Option<Progress>,
    /// Numbers of its REQUIRE decisions, in stream order.
    held: Vec<u32>,
}

/// Runs so far. Numbers stand for runs, decisions and actions, in the order of appearance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    /// Whether runs may have begun before what is replayed.
    range: bool,
    numbers: BTreeMap<String, u32>,
    /// The run asked for last: entries of one run mostly follow each other.
    last: Option<(String, u32)>,
    runs: Vec<Run>,
    decided: BTreeMap<Hash, u32>,
    decisions: Vec<Decision>,
    known: BTreeMap<Hash, u32>,
    actions: Vec<Action>,
    skipped: BTreeSet<String>,
    doubts: Vec<Doubt>,
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn at<T>(items: &[T], number: u32) -> Option<&T> {
    items.get(usize::try_from(number).ok()?)
}

fn at_mut<T>(items: &mut [T], number: u32) -> Option<&mut T> {
    items.get_mut(usize::try_from(number).ok()?)
}

impl Replay {
    /// A replay of runs that all begin in it.
    pub(crate) fn from_start() -> Self {
        Self::default()
    }

    /// A replay of a range, whose runs may have begun before it.
    pub(crate) fn of_range() -> Self {
        Self {
            range: true,
            ..Self::default()
        }
    }

    /// The number of a run; a new one if it was not seen before.
    pub(crate) fn number(&mut self, id: &str) -> u32 {
        if let Some((last, number)) = &self.last
            && last == id
        {
            return *number;
        }
        let found = if let Some(number) = self.numbers.get(id) {
            *number
        } else {
            let next = number(self.numbers.len());
            self.numbers.insert(id.to_owned(), next);
            next
        };
        self.last = Some((id.to_owned(), found));
        found
    }

    /// The number of a run that was seen.
    pub(crate) fn number_of(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// What a range leaves to be told by whoever knows all leaves.
    pub(crate) fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// Takes the next entry; entries outside runs are passed over.
    pub(crate) fn take(&mut self, item: &Recorded<'_>) -> Result<(), Fault> {
        let Some(place) = &item.header.run else {
            return Ok(());
        };
        let run = self.number(&place.id);
        self.link(item, place, run)?;
        match item.header.kind {
            Kind::RunDecision => {
                self.decide(item, run);
                Ok(())
            }
            Kind::RunResolution => self.resolve(item, run),
            Kind::RunClose => self.close(item, place, run),
            kind if kind.is_action() => self.act(item, place, run),
            _ => Ok(()),
        }
    }

    /// Takes an entry if its run begins in this replay.
    pub(crate) fn take_if_begun(&mut self, item: &Recorded<'_>) -> Result<(), Fault> {
        match &item.header.run {
            Some(place) if place.n == 0 || self.numbers.contains_key(&place.id) => self.take(item),
            _ => Ok(()),
        }
    }

    /// What there is to say at the end.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut governance = BTreeMap::new();
        let mut open = Vec::new();
        for (id, number) in &self.numbers {
            let id = id.clone();
            match at(&self.runs, *number).and_then(|run| run.result) {
                Some(result) => {
                    governance.insert(id, result);
                }
                None => open.push(id),
            }
        }
        Outcome {
            governance,
            open,
            skipped: self.skipped.clone(),
        }
    }

    fn link(&mut self, item: &Recorded<'_>, place: &RunRef, number: u32) -> Result<(), Fault> {
        let begins_before = self.range && place.n > 0;
        if at(&self.runs, number).is_none() {
            self.runs.push(Run {
                next: if begins_before { place.n } else { 0 },
                prev: Some(if begins_before {
                    place.prev
                } else {
                    item.header.stream
                }),
                partial: begins_before,
                ..Run::default()
            });
        }
        let Some(run) = at_mut(&mut self.runs, number) else {
            return Err(item.fault(Code::Limit, "there are too many runs"));
        };
        if run.result.is_some() {
            return Err(item.fault(Code::RunAfterClose, "its run is closed"));
        }
        if place.n != run.next || Some(place.prev) != run.prev {
            return Err(item.fault(Code::RunLink, "it does not continue its run"));
        }
        if (item.header.kind == Kind::RunOpen) != (place.n == 0) {
            return Err(item.fault(Code::RunOpen, "run.open is exactly the entry with n 0"));
        }
        run.next = run.next.saturating_add(1);
        run.prev = Some(item.leaf);
        Ok(())
    }

    fn action(&mut self, item: &Recorded<'_>) -> u32 {
        let text = item.text("action_hash");
        let hash = parse_digest(&text).unwrap_or_else(|| sha256(text.as_bytes()));
        let next = number(self.actions.len());
        let known = *self.known.entry(hash).or_insert(next);
        if known == next {
            self.actions.push(Action::default());
        }
        known
    }

    fn decide(&mut self, item: &Recorded<'_>, run: u32) {
        let action = self.action(item);
        let decision = Decision::new(item, run, action);
        let index = number(self.decisions.len());
        if let Some(action) = at_mut(&mut self.actions, action) {
            match decision.effect {
                Effect::Deny => action.denied = true,
                Effect::Require => action.held.push(index),
                Effect::Allow => {}
            }
        }
        self.decided.insert(item.leaf, index);
        self.decisions.push(decision);
        if let Some(run) = at_mut(&mut self.runs, run) {
            run.decisions.push(index);
        }
    }

    fn resolve(&mut self, item: &Recorded<'_>, run: u32) -> Result<(), Fault> {
        let overrides = item.facts.get("override").and_then(View::as_bool);
        let overrides = overrides == Some(true);
        if overrides && let Some(run) = at_mut(&mut self.runs, run) {
            run.overrides = run.overrides.saturating_add(1);
        }
        let named = item.hash("decision").unwrap_or(Hash::ZERO);
        let index = self.decided.get(&named).copied().unwrap_or(u32::MAX);
        let Some(decision) = at_mut(&mut self.decisions, index) else {
            return Ok(());
        };
        if decision.effect != Effect::Require {
            return Err(item.fault(Code::Ref, "it resolves a decision that is not REQUIRE"));
        }
        let allows = item.text("effect") == "ALLOW";
        let own = decision.run == run;
        decision.resolve(&item.text("approver"), allows, overrides, own);
        Ok(())
    }

    fn act(&mut self, item: &Recorded<'_>, place: &RunRef, run: u32) -> Result<(), Fault> {
        let action = self.action(item);
        let cited = item.hash("decision").unwrap_or(Hash::ZERO);
        match self.decided.get(&cited).copied() {
            Some(decision) => self.check_authority(item, run, decision, action)?,
            // The decision of a run that began before the range may lie before the range.
            None if at(&self.runs, run).is_some_and(|run| run.partial) => {
                self.skipped.insert(format!(
                    "actions of run {} under decisions from before the range",
                    place.id
                ));
                self.doubts.push(Doubt {
                    cited,
                    fault: before_decision(item),
                });
                self.check_not_refused(item, action, None)?;
            }
            None => return Err(before_decision(item)),
        }
        self.advance(item, action)?;
        if let Some(run) = at_mut(&mut self.runs, run) {
            if item.header.kind == Kind::RepairStarted {
                run.begun.push(action);
            } else {
                run.begun.retain(|begun| *begun != action);
            }
        }
        Ok(())
    }

    fn check_authority(
        &self,
        item: &Recorded<'_>,
        run: u32,
        cited: u32,
        about: u32,
    ) -> Result<(), Fault> {
        let decision = at(&self.decisions, cited).filter(|d| d.run == run && d.action == about);
        let Some(decision) = decision else {
            return Err(before_decision(item));
        };
        let refused = |what: &str| Err(item.fault(Code::UnauthorizedAction, what));
        match (decision.effect, decision.standing()) {
            (Effect::Allow, _) | (Effect::Require, Standing::Approved) => {}
            (Effect::Deny, _) => return refused("it was denied"),
            (Effect::Require, _) => return refused("it was not approved"),
        }
        let allowed_by = (decision.effect == Effect::Allow).then_some(cited);
        self.check_not_refused(item, about, allowed_by)
    }

    /// What was refused stays refused, whatever is cited. `allowed_by` is the ALLOW decision that is
    /// cited, if it is one that this replay has seen.
    fn check_not_refused(
        &self,
        item: &Recorded<'_>,
        about: u32,
        allowed_by: Option<u32>,
    ) -> Result<(), Fault> {
        let Some(action) = at(&self.actions, about) else {
            return Ok(());
        };
        let refused = |what: &str| Err(item.fault(Code::UnauthorizedAction, what));
        if action.denied {
            return refused("the same action was denied before");
        }
        for other in &action.held {
            let before = allowed_by.is_some_and(|cited| *other < cited);
            let Some(other) = at(&self.decisions, *other) else {
                continue;
            };
            match other.standing() {
                Standing::Rejected => return refused("the same action was rejected before"),
                Standing::Unresolved if before && !other.overridden => {
                    return refused("the same action is held and not approved");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// One effect: begun once at most, then one result at most, and nothing after it.
    fn advance(&mut self, item: &Recorded<'_>, action: u32) -> Result<(), Fault> {
        let Some(action) = at_mut(&mut self.actions, action) else {
            return Ok(());
        };
        let next = match (item.header.kind, action.progress) {
            (Kind::RepairStarted, None) => Progress::Started,
            (Kind::RepairStarted, Some(_)) | (_, Some(Progress::Done)) => {
                return Err(item.fault(Code::UnauthorizedAction, "the action was done before"));
            }
            _ => Progress::Done,
        };
        action.progress = Some(next);
        Ok(())
    }

    fn close(&mut self, item: &Recorded<'_>, place: &RunRef, run: u32) -> Result<(), Fault> {
        let Some(run) = at_mut(&mut self.runs, run) else {
            return Ok(());
        };
        // What only counted for this run is let go with it.
        let (decided, begun) = (
            std::mem::take(&mut run.decisions),
            std::mem::take(&mut run.begun),
        );
        let mut counts = Counts::default();
        for decision in decided.iter().filter_map(|d| at(&self.decisions, *d)) {
            counts.take(decision);
        }
        run.result = Some(if run.partial {
            Governance::Unknown
        } else if run.overrides > 0 {
            Governance::Overridden
        } else if counts.unresolved > 0 || !begun.is_empty() {
            Governance::Unresolved
        } else {
            Governance::Clean
        });
        if run.partial {
            let skipped = format!("open, counts and result of run {}", place.id);
            self.skipped.insert(skipped);
            return Ok(());
        }
        counts.check(item, run.overrides)
    }
}

/// What a `run.close` states.
#[derive(Default)]
struct Counts {
    allow: u64,
    require: u64,
    deny: u64,
    unresolved: u64,
}

impl Counts {
    fn take(&mut self, decision: &Decision) {
        let count = match decision.effect {
            Effect::Allow => &mut self.allow,
            Effect::Require => &mut self.require,
            Effect::Deny => &mut self.deny,
        };
        *count = count.saturating_add(1);
        let open = decision.standing_in_run() == Standing::Unresolved;
        if decision.effect == Effect::Require && open {
            self.unresolved = self.unresolved.saturating_add(1);
        }
    }

    fn check(&self, item: &Recorded<'_>, overrides: u64) -> Result<(), Fault> {
        let decisions = self.allow.saturating_add(self.require);
        let counted = [
            ("decisions", decisions.saturating_add(self.deny)),
            ("allow", self.allow),
            ("require", self.require),
            ("deny", self.deny),
            ("unresolved", self.unresolved),
            ("overrides", overrides),
        ];
        for (name, counted) in counted {
            if item.uint(name) != Some(counted) {
                let what = format!("{name} is not {counted}, the number in the run");
                return Err(item.fault(Code::RunCount, what));
            }
        }
        Ok(())
    }
}

fn before_decision(item: &Recorded<'_>) -> Fault {
    let what = "it cites no earlier decision of its run about the same action";
    item.fault(Code::ActionBeforeDecision, what)
}
