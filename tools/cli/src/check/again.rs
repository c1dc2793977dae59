//! The second look of a check of everybody: each difference is looked at again, on both sides, before
//! it is reported. Reading a whole account takes a while, and who changed meanwhile would look wrong.
//!
//! It follows at once and waits for no grace: whoever sits before the screen wants to know now.

use std::fmt;

use anyhow::Result;
use counterfoil_core::mapping::Artifact;
use counterfoil_core::reconcile::{Doubt, Outcome, Undecided};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{Sides, confirm_each};
use serde_json::{Value, json};

use super::clock::now;
use super::progress::Progress;
use super::report::grouped;
use super::sources::{Sources, Stripe};

/// More differences than this are not looked at again: each costs a few requests, so this many take
/// some minutes.
const MOST: usize = 500;

/// Whether the differences were looked at again, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// There is none.
    Nothing,
    /// They come from one look, because the sides are files that do not change.
    Files,
    /// They come from one look, because there are more than a second one follows.
    TooMany,
    /// Each was looked at again.
    Looked {
        /// Differences of the first look.
        first: u64,
        /// Not there any more.
        gone: u64,
        /// Others by now: not reported.
        changing: u64,
        /// Could not be judged again, because too many customers belong to the row or something was
        /// not read to its end: not reported.
        left_out: u64,
    },
}

impl Again {
    /// Whether something that was seen once is neither reported nor known to be gone.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Looked { changing, left_out, .. } if changing + left_out > 0)
    }

    /// For programs.
    pub(super) fn json(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Files => json!({ "one_look": "files" }),
            Self::TooMany => json!({ "one_look": "too_many" }),
            Self::Looked {
                first,
                gone,
                changing,
                left_out,
            } => json!({
                "first": first, "gone": gone, "changing": changing, "left_out": left_out,
            }),
        }
    }
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Files => write!(f, "One look: a file was read, and does not change."),
            Self::TooMany => write!(
                f,
                "One look: more than {} differences are not looked at again, so some may be of \
                 customers who changed meanwhile.",
                grouped(u64::try_from(MOST).unwrap_or(u64::MAX))
            ),
            Self::Looked {
                first,
                gone,
                changing,
                left_out,
            } => {
                let first = grouped(*first);
                write!(f, "Each of {first} differences was looked at again")?;
                let rest = [
                    (*gone, "gone by then"),
                    (*changing, "another one by then, which is not reported"),
                    (*left_out, "could not be judged again, and not reported"),
                ];
                for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
                    write!(f, "; {}: {what}", grouped(count))?;
                }
                write!(f, ".")
            }
        }
    }
}

/// Looks again at what was found, and leaves in `outcome` what is still there.
pub(super) async fn look_again(
    sources: &Sources,
    artifact: &Artifact,
    outcome: &mut Outcome,
    (as_of, since): (Timestamp, Timestamp),
    rows_from_file: bool,
) -> Result<Again> {
    if outcome.findings.is_empty() {
        return Ok(Again::Nothing);
    }
    let (Stripe::Account(billing), false) = (&sources.stripe, rows_from_file) else {
        return Ok(Again::Files);
    };
    if outcome.findings.len() > MOST {
        return Ok(Again::TooMany);
    }
    let sides = Sides {
        billing: billing.as_ref(),
        app: sources.app.as_ref(),
        artifact,
        catalog: &sources.catalog,
        livemode: sources.livemode,
    };
    let first = std::mem::take(&mut outcome.findings);
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let seen = first.len();
    let mut progress = Progress::begin();
    let mut each = || progress.slow_step("differences looked at again");
    let told = confirm_each(sides, first, (since, now()), as_of, &mut each).await?;
    let changes = |it: &&Undecided| it.because == Doubt::StillChanging;
    let changing = told.undecided.iter().filter(changes).count();
    let left_out = told.undecided.len().saturating_sub(changing);
    let kept = told.found.len() + changing + left_out;
    outcome.findings = told.found;
    Ok(Again::Looked {
        first: count(seen),
        gone: count(seen.saturating_sub(kept)),
        changing: count(changing),
        left_out: count(left_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn looked(gone: u64, changing: u64) -> Again {
        Again::Looked {
            first: 1_200,
            gone,
            changing,
            left_out: 0,
        }
    }

    #[test]
    fn it_says_what_came_of_the_second_look() {
        assert_eq!(
            looked(0, 0).to_string(),
            "Each of 1,200 differences was looked at again."
        );
        assert_eq!(
            looked(3, 1).to_string(),
            "Each of 1,200 differences was looked at again; 3: gone by then; 1: another one by \
             then, which is not reported."
        );
    }

    #[test]
    fn what_is_neither_reported_nor_gone_leaves_the_answer_open() {
        assert!(!looked(3, 0).is_open());
        assert!(looked(0, 1).is_open());
        assert!(!Again::Files.is_open());
    }
}
