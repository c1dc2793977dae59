//! Step 15: legal holds, replayed (evidence-format section 8).

use std::collections::BTreeMap;

use super::collect::{HoldAct, Redact, Target};
use super::input::Form;
use super::row::Row;
use super::verdict::LostUnderHold;
use super::{Evidence, Report};
use crate::code::{Code, Fault};

/// Losses under holds that a verdict lists, at most (evidence-format section 20).
const MOST_LOST: usize = 10_000;
/// Sentences about what was not checked, after which a redact entry is left out of them.
const MOST_SKIPPED: usize = 1_000;

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    if matches!(evidence.loaded.form, Form::Run(_)) {
        report.skip("legal holds: a run package does not replay them");
        return Ok(());
    }
    let starts_at = evidence.rows().first().map_or(0, |row| row.seq);
    let mut holds = Holds {
        known: BTreeMap::new(),
        from_start: starts_at == 0,
    };
    for act in &evidence.entries.holds {
        match act {
            HoldAct::Set(row, name, target) => holds.set(row, name, target)?,
            HoldAct::Release(row, name) => holds.release(row, name, report)?,
            HoldAct::Redact(index) => {
                if let Some(redact) = evidence.entries.redacts.get(*index) {
                    holds.redact(evidence, redact, report)?;
                }
            }
        }
    }
    if !holds.from_start {
        report.skip("legal holds that were set before the range");
    }
    report.holds = holds.active().map(|(name, _)| name.to_owned()).collect();
    Ok(())
}

struct Holds<'a> {
    /// By name: the target while it is active, none after its release.
    known: BTreeMap<&'a str, Option<&'a Target>>,
    from_start: bool,
}

impl<'a> Holds<'a> {
    fn active(&self) -> impl Iterator<Item = (&'a str, &'a Target)> {
        self.known
            .iter()
            .filter_map(|(name, target)| Some((*name, (*target)?)))
    }

    fn set(&mut self, row: &Row, name: &'a str, target: &'a Target) -> Result<(), Fault> {
        match self.known.insert(name, Some(target)) {
            Some(Some(_)) => {
                Err(row.fault(Code::HoldState, format!("hold {name} is active already")))
            }
            _ => Ok(()),
        }
    }

    fn release(&mut self, row: &Row, name: &'a str, report: &mut Report) -> Result<(), Fault> {
        match self.known.insert(name, None) {
            Some(Some(_)) => Ok(()),
            None if !self.from_start => {
                report.skip(format!(
                    "release of hold {name}: it was set before the range"
                ));
                Ok(())
            }
            _ => Err(row.fault(Code::HoldState, format!("hold {name} is not active"))),
        }
    }

    fn redact(
        &self,
        evidence: &Evidence<'_>,
        redact: &Redact,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let seq = redact.seq.unwrap_or(u64::MAX);
        let target = evidence.by_seq(seq);
        for (name, hold) in self.active() {
            let covered = match (hold, target) {
                (Target::All, _) => true,
                (Target::Range(from, to), _) => (*from..*to).contains(&seq),
                (Target::Run(id), Some(target)) => {
                    let number = evidence.entries.replay.number_of(id);
                    number.is_some() && target.run == number
                }
                (Target::Run(_), None) => {
                    let by = redact.row.seq;
                    if report.not_checked.len() < MOST_SKIPPED {
                        report.skip(format!("redact entry {by} against hold {name}"));
                    }
                    false
                }
            };
            if !covered {
                continue;
            }
            if !redact.lost {
                let what = format!("it erases under hold {name}");
                return Err(redact.row.fault(Code::Hold, what));
            }
            if report.lost_under_hold.len() >= MOST_LOST {
                let what = format!("more than {MOST_LOST} losses under holds");
                return Err(redact.row.fault(Code::Limit, what));
            }
            report.lost_under_hold.push(LostUnderHold {
                hold: name.to_owned(),
                redact: redact.row.seq,
                seq,
            });
        }
        Ok(())
    }
}
