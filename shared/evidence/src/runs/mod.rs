//! Runs, decisions and actions, replayed in stream order (evidence-format section 9).
//!
//! The verifier replays every run of a package. Writer and sealer replay the runs that begin in
//! what they hold: what is wrong with those is wrong for every later reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::RunRef;
use crate::json::Json;
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

/// What is known of one run.
#[derive(Clone, Default)]
struct Run {
    next: u64,
    prev: Option<Hash>,
    closed: bool,
    /// Followed only from its first entry in the range.
    partial: bool,
    decisions: Vec<Hash>,
    overrides: u64,
    unresolved: u64,
    /// Actions that were begun and have no result in the run.
    begun: BTreeSet<String>,
}

impl Run {
    fn governance(&self) -> Governance {
        if self.partial {
            Governance::Unknown
        } else if self.overrides > 0 {
            Governance::Overridden
        } else if self.unresolved > 0 || !self.begun.is_empty() {
            Governance::Unresolved
        } else {
            Governance::Clean
        }
    }
}

/// How far the one effect of an action hash has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Started,
    Done,
}

/// Runs so far.
#[derive(Clone, Default)]
pub(crate) struct Replay<'a> {
    /// For a range that does not begin at genesis: whether a leaf lies outside the package.
    outside: Option<&'a (dyn Fn(Hash) -> bool + Sync)>,
    runs: BTreeMap<String, Run>,
    decisions: BTreeMap<Hash, Decision>,
    /// Decisions about one action, in stream order.
    by_action: BTreeMap<String, Vec<Hash>>,
    effects: BTreeMap<String, Progress>,
    skipped: BTreeSet<String>,
}

impl fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("runs", &self.runs.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Replay<'a> {
    /// A replay of runs that all begin in it.
    pub(crate) fn from_start() -> Self {
        Self::default()
    }

    /// A replay of a range, whose runs may have begun before it.
    pub(crate) fn of_range(outside: &'a (dyn Fn(Hash) -> bool + Sync)) -> Self {
        Self {
            outside: Some(outside),
            ..Self::default()
        }
    }

    /// Takes the next entry; entries outside runs are passed over.
    pub(crate) fn take(&mut self, item: &Recorded) -> Result<(), Fault> {
        let Some(place) = &item.header.run else {
            return Ok(());
        };
        self.link(item, place)?;
        match item.header.kind {
            Kind::RunDecision => {
                self.decide(item, place);
                Ok(())
            }
            Kind::RunResolution => self.resolve(item, place),
            Kind::RunClose => self.close(item, place),
            kind if kind.is_action() => self.act(item, place),
            _ => Ok(()),
        }
    }

    /// Takes an entry if its run begins in this replay.
    pub(crate) fn take_if_begun(&mut self, item: &Recorded) -> Result<(), Fault> {
        match &item.header.run {
            Some(place) if place.n == 0 || self.runs.contains_key(&place.id) => self.take(item),
            _ => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> Outcome {
        let mut governance = BTreeMap::new();
        let mut open = Vec::new();
        for (id, run) in self.runs {
            if run.closed {
                governance.insert(id, run.governance());
            } else {
                open.push(id);
            }
        }
        Outcome {
            governance,
            open,
            skipped: self.skipped,
        }
    }

    fn link(&mut self, item: &Recorded, place: &RunRef) -> Result<(), Fault> {
        let begins_before = self.outside.is_some() && place.n > 0;
        let run = self.runs.entry(place.id.clone()).or_insert_with(|| {
            if begins_before {
                Run {
                    next: place.n,
                    prev: Some(place.prev),
                    partial: true,
                    ..Run::default()
                }
            } else {
                Run {
                    prev: Some(item.header.stream),
                    ..Run::default()
                }
            }
        });
        if run.closed {
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

    fn decide(&mut self, item: &Recorded, place: &RunRef) {
        let decision = Decision::new(item, &place.id);
        self.by_action
            .entry(decision.action.clone())
            .or_default()
            .push(item.leaf);
        self.decisions.insert(item.leaf, decision);
        if let Some(run) = self.runs.get_mut(&place.id) {
            run.decisions.push(item.leaf);
        }
    }

    fn resolve(&mut self, item: &Recorded, place: &RunRef) -> Result<(), Fault> {
        let overrides = item.facts.get("override").and_then(Json::as_bool);
        let overrides = overrides == Some(true);
        if overrides && let Some(run) = self.runs.get_mut(&place.id) {
            run.overrides = run.overrides.saturating_add(1);
        }
        let named = item.hash("decision").unwrap_or(Hash::ZERO);
        let Some(decision) = self.decisions.get_mut(&named) else {
            return Ok(());
        };
        if decision.effect != Effect::Require {
            return Err(item.fault(Code::Ref, "it resolves a decision that is not REQUIRE"));
        }
        let allows = item.text("effect") == "ALLOW";
        decision.resolve(
            item.text("approver"),
            allows,
            overrides,
            decision.run == place.id,
        );
        Ok(())
    }

    fn act(&mut self, item: &Recorded, place: &RunRef) -> Result<(), Fault> {
        let action = item.text("action_hash").to_owned();
        let cited = item.hash("decision").unwrap_or(Hash::ZERO);
        match self.decisions.get(&cited) {
            Some(decision) => self.check_authority(item, place, cited, decision)?,
            None if self.is_before_range(place, cited) => {
                self.skipped.insert(format!(
                    "actions of run {} under decisions from before the range",
                    place.id
                ));
            }
            None => return Err(before_decision(item)),
        }
        self.advance(item, &action)?;
        if let Some(run) = self.runs.get_mut(&place.id) {
            if item.header.kind == Kind::RepairStarted {
                run.begun.insert(action);
            } else {
                run.begun.remove(&action);
            }
        }
        Ok(())
    }

    /// The decision of a run that began before the range may lie before the range.
    fn is_before_range(&self, place: &RunRef, cited: Hash) -> bool {
        let partial = self.runs.get(&place.id).is_some_and(|run| run.partial);
        partial && self.outside.is_some_and(|outside| outside(cited))
    }

    fn check_authority(
        &self,
        item: &Recorded,
        place: &RunRef,
        cited: Hash,
        decision: &Decision,
    ) -> Result<(), Fault> {
        if decision.run != place.id || decision.action != item.text("action_hash") {
            return Err(before_decision(item));
        }
        let refused = |what: &str| Err(item.fault(Code::UnauthorizedAction, what));
        match (decision.effect, decision.standing()) {
            (Effect::Allow, _) | (Effect::Require, Standing::Approved) => {}
            (Effect::Deny, _) => return refused("it was denied"),
            (Effect::Require, _) => return refused("it was not approved"),
        }
        let mut later = false;
        for leaf in self.by_action.get(&decision.action).into_iter().flatten() {
            let Some(other) = self.decisions.get(leaf) else {
                continue;
            };
            later |= *leaf == cited;
            let held = !later && decision.effect == Effect::Allow;
            match (other.effect, other.standing()) {
                (Effect::Deny, _) => return refused("the same action was denied before"),
                (Effect::Require, Standing::Rejected) => {
                    return refused("the same action was rejected before");
                }
                (Effect::Require, Standing::Unresolved) if held && !other.overridden => {
                    return refused("the same action is held and not approved");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// One effect: begun once at most, then one result at most, and nothing after it.
    fn advance(&mut self, item: &Recorded, action: &str) -> Result<(), Fault> {
        let progress = self.effects.get(action).copied();
        let next = match (item.header.kind, progress) {
            (Kind::RepairStarted, None) => Progress::Started,
            (Kind::RepairStarted, Some(_)) | (_, Some(Progress::Done)) => {
                return Err(item.fault(Code::UnauthorizedAction, "the action was done before"));
            }
            _ => Progress::Done,
        };
        self.effects.insert(action.to_owned(), next);
        Ok(())
    }

    fn close(&mut self, item: &Recorded, place: &RunRef) -> Result<(), Fault> {
        let Some(run) = self.runs.get_mut(&place.id) else {
            return Ok(());
        };
        run.closed = true;
        let decisions = || {
            run.decisions
                .iter()
                .filter_map(|leaf| self.decisions.get(leaf))
        };
        let count = |effect: Effect| decisions().filter(|d| d.effect == effect).count();
        let unresolved = decisions()
            .filter(|d| d.effect == Effect::Require)
            .filter(|d| d.standing_in_run() == Standing::Unresolved)
            .count();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let counted = [
            ("decisions", number(run.decisions.len())),
            ("allow", number(count(Effect::Allow))),
            ("require", number(count(Effect::Require))),
            ("deny", number(count(Effect::Deny))),
            ("unresolved", number(unresolved)),
            ("overrides", run.overrides),
        ];
        run.unresolved = number(unresolved);
        if run.partial {
            self.skipped
                .insert(format!("open, counts and result of run {}", place.id));
            return Ok(());
        }
        for (name, counted) in counted {
            if item.uint(name) != Some(counted) {
                let what = format!("{name} is not {counted}, the number in the run");
                return Err(item.fault(Code::RunCount, what));
            }
        }
        Ok(())
    }
}

fn before_decision(item: &Recorded) -> Fault {
    let what = "it cites no earlier decision of its run about the same action";
    item.fault(Code::ActionBeforeDecision, what)
}
