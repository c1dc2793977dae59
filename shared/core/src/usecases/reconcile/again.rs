//! Looking again: only what both looks have seen alike is a difference that has lasted.

use std::collections::BTreeSet;

use super::alone;
use super::look::{CustomerLook, of_one, read};
use super::newcomers::{Newcomers, Times};
use super::sources::{LookError, Sides, Sources};
use crate::ids::{IncidentId, ProjectId};
use crate::incident::Incident;
use crate::reconcile::{Doubt, Finding, Join, Undecided};
use crate::run::RunScope;
use crate::snapshot::Told;
use crate::time::Timestamp;

/// What came of a second look.
#[derive(Debug)]
pub(crate) struct SecondLook {
    /// What is still there, and who was left out.
    pub(crate) told: Told,
    /// Of a check, both sides as they are, where it read them.
    pub(super) look: Option<CustomerLook>,
}

/// The second look, at the second of these times: what the first one found and is still there, or
/// was known before.
///
/// A scan leaves out a subject that leads to more customers than one look follows; of a check, whose
/// only subject that is, it is an error.
///
/// # Errors
/// See [`LookError`].
pub(crate) async fn second_look(
    sources: &Sources,
    project: ProjectId,
    scope: &RunScope,
    first: Vec<Finding>,
    known: &BTreeSet<IncidentId>,
    times: Times,
) -> Result<SecondLook, LookError> {
    let mut told = Told::default();
    let new = |finding: &&Finding| !known.contains(&Incident::identity(project, finding));
    let newcomers = match scope {
        RunScope::Scan => Newcomers::of(sources.sides(), first.iter().filter(new), times).await?,
        RunScope::Check { .. } => Newcomers::default(),
    };
    let mut look = None;
    for finding in first {
        let identity = Incident::identity(project, &finding);
        if known.contains(&identity) {
            told.found.push(finding);
            continue;
        }
        let read = read_again(sources.sides(), &finding, &newcomers, times.again).await;
        let same = |seen: &Finding| Incident::identity(project, seen) == identity;
        match (scope, read) {
            (RunScope::Scan, Err(LookError::TooManyCustomers)) => {
                told.undecided
                    .push(left_out(&finding, Doubt::TooManyCustomers));
            }
            (_, Err(error)) => return Err(error),
            (RunScope::Scan, Ok(join)) => {
                let outcome = join.finish();
                let again = outcome.findings.into_iter().find(same);
                confirm(&finding, again, &mut told);
                told.undecided.extend(outcome.undecided);
            }
            (RunScope::Check { customer }, Ok(join)) => {
                let (outcome, state) = join.finish_one(customer);
                let again = outcome.findings.iter().find(|it| same(it)).cloned();
                let sure = again.and_then(|it| alone::sure(it, &sources.artifact));
                confirm(&finding, sure, &mut told);
                told.undecided.extend(outcome.undecided.iter().cloned());
                look = Some(of_one(outcome, state, &sources.artifact));
            }
        }
    }
    Ok(SecondLook { told, look })
}

/// Looks again at each of these differences of a look at everything, at once: what is the same on
/// both sides is left. `since` is when the first look was over, `now` is now; promises are judged at
/// `as_of`. A subject with more customers than one look follows, or one that has changed in between,
/// is undecided.
///
/// # Errors
/// See [`LookError`].
pub async fn confirm_each(
    sides: Sides<'_>,
    first: Vec<Finding>,
    (since, now): (Timestamp, Timestamp),
    as_of: Timestamp,
    each: &mut (dyn FnMut() + Send),
) -> Result<Told, LookError> {
    let times = Times {
        first: since,
        again: now,
    };
    let newcomers = Newcomers::of(sides, first.iter(), times).await?;
    let mut told = Told::default();
    for finding in first {
        each();
        let same = |seen: &Finding| {
            (seen.kind, &seen.subject, seen.field)
                == (finding.kind, &finding.subject, finding.field)
        };
        match read_again(sides, &finding, &newcomers, as_of).await {
            Err(LookError::TooManyCustomers) => {
                told.undecided
                    .push(left_out(&finding, Doubt::TooManyCustomers));
            }
            Err(error) => return Err(error),
            Ok(join) => {
                let outcome = join.finish();
                let again = outcome.findings.into_iter().find(same);
                match (&again, outcome.undecided.first()) {
                    (None, Some(it)) => told.undecided.push(left_out(&finding, it.because)),
                    _ => confirm(&finding, again, &mut told),
                }
            }
        }
    }
    Ok(told)
}

/// Takes over what both looks have seen. What has changed since the first one was not there for the
/// whole grace: an app may be about to take the webhook of the change.
fn confirm(first: &Finding, again: Option<Finding>, told: &mut Told) {
    match again {
        Some(again) if first.is_unchanged(&again) => told.found.push(again),
        Some(_) => told.undecided.push(left_out(first, Doubt::StillChanging)),
        None => {}
    }
}

fn left_out(finding: &Finding, because: Doubt) -> Undecided {
    Undecided {
        subject: finding.subject.clone(),
        customers: Vec::new(),
        because,
        difference: Some((finding.kind, finding.field)),
    }
}

/// Looks at the subject of a finding again, on both sides, before or after its repair; with whoever
/// has come since, where a time is given and the repair may take something from them.
///
/// # Errors
/// See [`LookError`].
pub(crate) async fn look_again(
    sources: &Sources,
    finding: &Finding,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<Finding>, LookError> {
    let sides = sources.sides();
    let newcomers = match since {
        Some(first) => {
            let times = Times { first, again: now };
            Newcomers::of_repair(sides, finding, times).await?
        }
        None => Newcomers::default(),
    };
    let join = read_again(sides, finding, &newcomers, now).await?;
    Ok(join.finish().findings)
}

async fn read_again(
    sides: Sides<'_>,
    finding: &Finding,
    newcomers: &Newcomers,
    as_of: Timestamp,
) -> Result<Join, LookError> {
    let customers = finding.customers.iter().cloned().collect();
    // Boxed: it is the innermost of what a vote does.
    let row = finding.row.as_ref();
    let reading = read(sides, customers, row, newcomers, as_of);
    Box::pin(reading).await
}
