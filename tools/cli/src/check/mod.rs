//! `counterfoil check`: promise against grant on a laptop, read-only, without AWS.

mod again;
mod args;
mod clock;
mod customer;
mod directory;
mod evidence;
mod progress;
mod repairs;
mod report;
mod sources;
mod table_file;

pub(crate) use args::Args;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use counterfoil_core::listing;
use counterfoil_core::mapping::Artifact;
use counterfoil_core::ports::{Completeness, CreatedRange};
use counterfoil_core::reconcile::{Finding, Outcome, Scan};

use crate::mapping_file::MappingFile;
use crate::output::say;
use again::{Again, look_again};
use clock::now;
use evidence::Recording;
use progress::Progress;
use report::Report;
use sources::{Sources, Stripe};

/// The answer, as the exit status says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    NoDrift,
    Drift,
    CouldNotTell,
}

impl Answer {
    fn status(self) -> ExitCode {
        ExitCode::from(match self {
            Self::NoDrift => 0,
            Self::Drift => 1,
            Self::CouldNotTell => 2,
        })
    }
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(error).context("the program could not start"),
    };
    let answer = answer.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Answer::CouldNotTell
    });
    answer.status()
}

async fn run(args: &Args) -> Result<Answer> {
    let artifact = MappingFile::read(&args.config)?.artifact;
    let as_of = args.as_of.unwrap_or_else(now);
    if let Some(customer) = &args.customer {
        return customer::run(args, &artifact, customer, as_of).await;
    }
    // Before anything is read: if evidence cannot be written, nothing else happens.
    let mut recording = match &args.evidence {
        Some(folder) => Some(Recording::begin(folder, &artifact, as_of)?),
        None => None,
    };
    let looked = look(args, &artifact, as_of).await;
    let (outcome, again) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            if let Some(recording) = recording.take() {
                recording.fail()?;
            }
            return Err(error);
        }
    };
    if let Some(path) = &args.findings {
        write_findings(path, &outcome.findings)
            .with_context(|| format!("the findings could not be written to {}", path.display()))?;
    }
    let recorded = match recording {
        Some(recording) => Some(recording.finish(&outcome)?),
        None => None,
    };
    let report = Report {
        artifact: &artifact,
        as_of,
        outcome: &outcome,
        again,
        recorded: recorded.as_ref(),
        from_file: args.csv.is_some(),
        listed: args.findings.is_some(),
    };
    if args.json {
        say(report.json());
    } else {
        say(report.text().trim_end_matches('\n'));
    }
    Ok(answer(&outcome, again))
}

fn answer(outcome: &Outcome, again: Again) -> Answer {
    if !outcome.findings.is_empty() {
        Answer::Drift
    } else if outcome.is_whole() && !again.is_open() {
        Answer::NoDrift
    } else {
        Answer::CouldNotTell
    }
}

async fn look(
    args: &Args,
    artifact: &Artifact,
    as_of: counterfoil_core::time::Timestamp,
) -> Result<(Outcome, Again)> {
    let sources = Sources::open(args, artifact).await?;
    let mut progress = Progress::begin();
    let began = as_of.max(now());
    let mut scan = Scan::new(artifact, &sources.catalog, as_of, sources.livemode);
    match &sources.stripe {
        Stripe::Account(billing) => {
            // The rows are those of now, whatever time promises are judged at: whoever came since
            // must not look like access without payment.
            let (billing, range) = (billing.as_ref(), CreatedRange::up_to(began));
            listing::customers(billing, range, &mut |customer| {
                progress.step("customers read from Stripe");
                scan.customer(&customer);
            })
            .await?;
            listing::subscriptions(billing, range, &mut |subscription| {
                progress.step("subscriptions read from Stripe");
                scan.subscription(&subscription);
            })
            .await?;
            listing::open_invoices(billing, range, &mut |it| scan.invoice(&it)).await?;
        }
        Stripe::Directory(directory) => directory.read(&mut scan, &mut progress)?,
    }
    let mut join = scan.seal();
    let read = sources
        .app
        .rows(&artifact.table(), &mut |rows| {
            for _ in rows {
                progress.step("rows read from the app");
            }
            join.rows(rows);
        })
        .await?;
    anyhow::ensure!(
        read == Completeness::Complete,
        "the table has more rows than one check may read, so nothing can be said about {} that seem to \
         be missing",
        artifact.compiled().subject.plural()
    );
    let mut outcome = join.finish();
    let from_file = args.csv.is_some();
    if from_file {
        outcome.without_database();
    }
    let times = (as_of, began);
    let again = look_again(&sources, artifact, &mut outcome, times, from_file).await?;
    Ok((outcome, again))
}

fn write_findings(path: &Path, findings: &[Finding]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for finding in findings {
        serde_json::to_writer(&mut file, finding)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}
