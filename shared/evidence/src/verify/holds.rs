//! Step 15: legal holds, replayed (evidence-format section 8).

use std::collections::BTreeMap;

use super::entry::Item;
use super::input::Form;
use super::verdict::LostUnderHold;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::json::Json;
use crate::kind::Kind;

/// What a hold covers.
enum Target {
    All,
    Run(String),
    Range(u64, u64),
}

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    if matches!(evidence.loaded.form, Form::Run(_)) {
        report.skip("legal holds: a run package does not replay them");
        return Ok(());
    }
    let starts_at = evidence.entries.first().map_or(0, |item| item.header.seq);
    let mut holds = Holds {
        known: BTreeMap::new(),
        from_start: starts_at == 0,
    };
    for item in &evidence.entries {
        match item.header.kind {
            Kind::HoldSet => holds.set(item)?,
            Kind::HoldRelease => holds.release(item, report)?,
            Kind::Redact => holds.redact(evidence, item, report)?,
            _ => {}
        }
    }
    if !holds.from_start {
        report.skip("legal holds that were set before the range");
    }
    report.holds = holds.active().map(|(name, _)| name.clone()).collect();
    Ok(())
}

struct Holds {
    /// By name: the target while it is active, none after its release.
    known: BTreeMap<String, Option<Target>>,
    from_start: bool,
}

impl Holds {
    fn active(&self) -> impl Iterator<Item = (&String, &Target)> {
        self.known
            .iter()
            .filter_map(|(name, target)| Some((name, target.as_ref()?)))
    }

    fn set(&mut self, item: &Item) -> Result<(), Fault> {
        let name = item.text("hold").to_owned();
        if matches!(self.known.get(&name), Some(Some(_))) {
            return Err(item.fault(Code::HoldState, format!("hold {name} is active already")));
        }
        self.known.insert(name, Some(target(item)));
        Ok(())
    }

    fn release(&mut self, item: &Item, report: &mut Report) -> Result<(), Fault> {
        let name = item.text("hold").to_owned();
        match self.known.insert(name.clone(), None) {
            Some(Some(_)) => Ok(()),
            None if !self.from_start => {
                report.skip(format!(
                    "release of hold {name}: it was set before the range"
                ));
                Ok(())
            }
            _ => Err(item.fault(Code::HoldState, format!("hold {name} is not active"))),
        }
    }

    fn redact(
        &self,
        evidence: &Evidence<'_>,
        item: &Item,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let seq = item.uint("seq").unwrap_or(u64::MAX);
        let target = evidence.by_seq(seq);
        for (name, hold) in self.active() {
            let covered = match (hold, target) {
                (Target::All, _) => true,
                (Target::Range(from, to), _) => (*from..*to).contains(&seq),
                (Target::Run(id), Some(target)) => {
                    target.header.run.as_ref().is_some_and(|run| run.id == *id)
                }
                (Target::Run(_), None) => {
                    let redact = item.header.seq;
                    report.skip(format!("redact entry {redact} against hold {name}"));
                    false
                }
            };
            if !covered {
                continue;
            }
            if item.text("reason") != "lost" {
                return Err(item.fault(Code::Hold, format!("it erases under hold {name}")));
            }
            let lost = LostUnderHold {
                hold: name.clone(),
                redact: item.header.seq,
                seq,
            };
            report.lost_under_hold.push(lost);
        }
        Ok(())
    }
}

fn target(item: &Item) -> Target {
    let field = |name: &str| item.facts.get("target").and_then(|target| target.get(name));
    let number = |name: &str| field(name).and_then(Json::as_uint);
    match (
        field("run").and_then(Json::as_str),
        number("from").zip(number("to")),
    ) {
        (Some(id), _) => Target::Run(id.to_owned()),
        (None, Some((from, to))) => Target::Range(from, to),
        (None, None) => Target::All,
    }
}
