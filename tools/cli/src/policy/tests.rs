//! `counterfoil policy test`: the scenarios of a bundle, answered by the baseline and its rules.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use counterfoil_policy::check::scenario::said;
use counterfoil_policy::check::{Answer, Finding, answers};
use serde_json::{Value, json};

use super::Ended;
use super::check::{layer, print_findings};
use super::folder::Folder;
use crate::output::say;
use crate::plain::say_json;
use crate::table::Table;

/// Runs the scenarios of a bundle
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What a scenario got, for programs.
pub(super) fn told(answer: &Answer) -> Value {
    json!({
        "name": answer.scenario.name,
        "wanted": answer.scenario.want,
        "got": said(&answer.verdict),
        "rule": answer.verdict.rule,
        "reason": answer.verdict.reason,
        "met": answer.met,
    })
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let folder = Folder::read(&args.folder)?;
    let (layer, findings) = layer(&folder);
    let Some(layer) = layer else {
        if args.json {
            say_json(&document(false, &findings, &[]));
        } else {
            print_findings(&args.folder, &findings);
        }
        return Ok(Ended::Bad);
    };
    let (answers, wrong) = answers(&layer, folder.tests());
    let met = answers.iter().filter(|answer| answer.met).count();
    let good = wrong.is_empty();
    if args.json {
        say_json(&document(good, &wrong, &answers));
    } else {
        let mut table = Table::new(["scenario", "wanted", "got", "decided by"]);
        for Answer {
            scenario, verdict, ..
        } in &answers
        {
            table.row([
                &scenario.name,
                &scenario.want,
                &said(verdict),
                &verdict.rule,
            ]);
        }
        table.print("There is no scenario: write some into tests/.");
        print_findings(&args.folder, &wrong);
        say(format_args!(
            "{met} of {} scenarios get the answer that they want",
            answers.len()
        ));
    }
    Ok(if good { Ended::Good } else { Ended::Bad })
}

/// For programs: as `check` tells it.
fn document(good: bool, findings: &[Finding], answers: &[Answer]) -> Value {
    json!({
        "good": good,
        "findings": findings,
        "scenarios": answers.iter().map(told).collect::<Vec<_>>(),
    })
}
