//! `counterfoil check --customer`: both sides of one customer, read now.

mod words;

use anyhow::{Context as _, Result};
use counterfoil_core::mapping::Artifact;
use counterfoil_core::reconcile::CustomerPresence;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{CustomerLook, Sides, look_at_customer};

use super::args::Args;
use super::sources::{Sources, Stripe};
use super::{Answer, write_findings};
use crate::output::say;
use words::Words;

/// Looks and tells.
pub(super) async fn run(
    args: &Args,
    artifact: &Artifact,
    customer: &str,
    as_of: Timestamp,
) -> Result<Answer> {
    let sources = Sources::open(args, artifact).await?;
    let Stripe::Account(billing) = &sources.stripe else {
        anyhow::bail!("--customer asks Stripe itself: use it with --stripe-key");
    };
    let sides = Sides {
        billing: billing.as_ref(),
        app: sources.app.as_ref(),
        artifact,
        catalog: &sources.catalog,
        livemode: sources.livemode,
    };
    let mut look = look_at_customer(sides, customer, as_of).await?;
    if args.csv.is_some() {
        look.outcome.without_database();
    }
    if let Some(path) = &args.findings {
        write_findings(path, &look.outcome.findings)
            .with_context(|| format!("the findings could not be written to {}", path.display()))?;
    }
    let answer = answer(&look);
    let words = Words {
        artifact,
        as_of,
        look: &look,
        livemode: sources.livemode,
        from_file: args.csv.is_some(),
    };
    if args.json {
        say(words.json(result(answer)));
    } else {
        say(words.text().trim_end_matches('\n'));
    }
    Ok(answer)
}

/// A difference that only a check of everything can tell is none that was found, and no proof that
/// there is none.
fn answer(look: &CustomerLook) -> Answer {
    let unread = look.outcome.incomplete_subscriptions > 0 || look.outcome.unread_customers > 0;
    if !look.outcome.findings.is_empty() {
        Answer::Drift
    } else if look.state.presence == CustomerPresence::Unknown || look.withheld > 0 || unread {
        Answer::CouldNotTell
    } else {
        Answer::NoDrift
    }
}

const fn result(answer: Answer) -> &'static str {
    match answer {
        Answer::NoDrift => "no_drift",
        Answer::Drift => "drift",
        Answer::CouldNotTell => "could_not_tell",
    }
}
