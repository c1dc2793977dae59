//! Step 11: runs, decisions and actions, in stream order (evidence-format section 9).

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Item;
use super::input::Form;
use super::verdict::Governance;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::RunRef;
use crate::json::Json;
use crate::kind::Kind;

mod decision;

use decision::{Decision, Effect, Standing};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let partial = matches!(&evidence.loaded.form, Form::Range(range) if range.from > 0);
    let mut replay = Replay::new(evidence, partial);
    for item in &evidence.entries {
        if let Some(place) = &item.header.run {
            replay.take(item, place)?;
        }
    }
    for (id, run) in replay.runs {
        if run.closed {
            report.governance.insert(id, run.governance());
        } else {
            report.open.push(id);
        }
    }
    for what in replay.skipped {
        report.skip(what);
    }
    Ok(())
}

/// What is known of one run.
#[derive(Default)]
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

struct Replay<'a> {
    evidence: &'a Evidence<'a>,
    partial: bool,
    runs: BTreeMap<String, Run>,
    decisions: BTreeMap<Hash, Decision>,
    /// Decisions about one action, in stream order.
    by_action: BTreeMap<String, Vec<Hash>>,
    effects: BTreeMap<String, Progress>,
    skipped: BTreeSet<String>,
}

impl<'a> Replay<'a> {
    const fn new(evidence: &'a Evidence<'a>, partial: bool) -> Self {
        Self {
            evidence,
            partial,
            runs: BTreeMap::new(),
            decisions: BTreeMap::new(),
            by_action: BTreeMap::new(),
            effects: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }
    }

    fn take(&mut self, item: &Item, place: &RunRef) -> Result<(), Fault> {
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

    fn link(&mut self, item: &Item, place: &RunRef) -> Result<(), Fault> {
        let begins_before = self.partial && place.n > 0;
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

    fn decide(&mut self, item: &Item, place: &RunRef) {
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

    fn resolve(&mut self, item: &Item, place: &RunRef) -> Result<(), Fault> {
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

    fn act(&mut self, item: &Item, place: &RunRef) -> Result<(), Fault> {
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
        partial && self.evidence.by_leaf(cited).is_none()
    }

    fn check_authority(
        &self,
        item: &Item,
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
    fn advance(&mut self, item: &Item, action: &str) -> Result<(), Fault> {
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

    fn close(&mut self, item: &Item, place: &RunRef) -> Result<(), Fault> {
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

fn before_decision(item: &Item) -> Fault {
    let what = "it cites no earlier decision of its run about the same action";
    item.fault(Code::ActionBeforeDecision, what)
}
