//! `counterfoil init`: a first mapping, written from what the database and Stripe show.
//!
//! It reads only, and it decides nothing: each choice is a guess that stands in the file as one. What it
//! writes compiles and fits the table; whether it is right, a person says.

mod args;
mod document;
mod look;
mod plans;
mod table;

pub(crate) use args::Args;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use counterfoil_core::mapping::{Artifact, Intent, Mapping, compile};
use serde_json::json;

use crate::output::say;
use document::{Seen, Written};
use look::Looked;

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let written = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(error).context("the program could not start"),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    if args.output.exists() && !args.force {
        bail!(
            "{} is there already: name another file with --output, or overwrite it with --force",
            args.output.display()
        );
    }
    let looked = look::look(args).await?;
    let seen = looked.seen()?;
    let written = document::write(&seen);
    let artifact = checked(&seen, &written)?;
    save(&args.output, &written.text, args.force)
        .with_context(|| format!("{} could not be written", args.output.display()))?;
    report(args, &looked, &artifact, &written);
    Ok(())
}

/// What is written compiles and fits, or it is not written.
fn checked(seen: &Seen<'_>, written: &Written) -> Result<Artifact> {
    if written.plans.is_empty() {
        bail!(
            "Stripe sells nothing by subscription (no recurring price but add-ons), so there is no plan to \
             map: create the prices first, or check that the key is for the right account and mode"
        );
    }
    let artifact = Mapping::from_toml(&written.text).and_then(|mapping| compile(&mapping));
    let artifact =
        artifact.map_err(|errors| anyhow!("the guesses do not make a mapping: {errors}"))?;
    artifact
        .check_against(Some(&seen.table.columns), &[], Intent::Look)
        .map_err(|errors| anyhow!("the guesses do not fit the table: {errors}"))?;
    Ok(artifact)
}

fn save(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let mut file = if force {
        File::create(path)?
    } else {
        File::create_new(path)?
    };
    file.write_all(text.as_bytes())?;
    file.flush()
}

fn report(args: &Args, looked: &Looked, artifact: &Artifact, written: &Written) {
    let subject = artifact.compiled().subject;
    if args.json {
        return say(json!({
            "written": args.output.display().to_string(),
            "table": looked.table_name(),
            "subject": subject.name(),
            "plans": written.plans,
            "guesses": written.guesses,
            "artifact": artifact.hash(),
        }));
    }
    say(format_args!(
        "Wrote {}: {} (one row per {}), {} plans, {} guesses to look at.",
        args.output.display(),
        looked.table_name(),
        subject.name(),
        written.plans.len(),
        written.guesses.len()
    ));
    say(format_args!(
        "Read it, then: counterfoil check --config {} --database-url ... --stripe-key ...",
        args.output.display()
    ));
}
