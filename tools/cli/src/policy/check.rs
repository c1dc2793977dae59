//! `counterfoil policy check`: everything that can be known about rules before they are activated.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ClapArgs;
use counterfoil_policy::check::{Finding, Severity, check};
use counterfoil_policy::{Layer, LayerName};
use serde_json::json;

use super::Ended;
use super::folder::Folder;
#[cfg(feature = "solver")]
use super::solve::solve;
use super::solved::Solved;
use super::tests::{Answer, answers};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Looks for mistakes in rules and runs their scenarios
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Another bundle's folder: does this one allow anything that it does not?
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The layer of a folder's rules, and what was found about them.
pub(super) fn layer(folder: &Folder) -> (Option<Layer>, Vec<Finding>) {
    match check(LayerName::Workspace, "", 1, &folder.policies()) {
        Ok((layer, warnings)) => (Some(layer), warnings),
        Err(errors) => (None, errors),
    }
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let folder = Folder::read(&args.folder)?;
    let (layer, findings) = layer(&folder);
    let answers = layer
        .as_ref()
        .map(|layer| answers(layer, &folder))
        .transpose()?;
    let answers = answers.unwrap_or_default();
    let wrong = answers.iter().filter(|answer| !answer.met).count();
    let other = args.against.as_deref().map(Folder::read).transpose()?;
    let compared = other.is_some();
    let solved = match &layer {
        Some(_) => Some(solve(&folder, other.as_ref())?),
        None => None,
    };
    let proved = solved.as_ref().is_none_or(Solved::is_good);
    let good = layer.is_some() && wrong == 0 && proved;
    if args.json {
        say_json(&json!({
            "good": good,
            "rules": layer.as_ref().map_or(0, |layer| layer.rules().len()),
            "findings": findings,
            "scenarios": answers.iter().map(Answer::json).collect::<Vec<_>>(),
            "proofs": solved.map(|it| it.json(compared)),
        }));
    } else {
        print_findings(&args.folder, &findings);
        report(layer.as_ref(), &findings, &answers);
        for line in solved.iter().flat_map(|it| it.sentences(compared)) {
            say(shown(&line));
        }
    }
    Ok(if good { Ended::Good } else { Ended::Bad })
}

#[cfg(not(feature = "solver"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "what the build with the solver answers"
)]
fn solve(_: &Folder, _: Option<&Folder>) -> Result<Solved> {
    Ok(Solved::NotBuilt)
}

fn report(layer: Option<&Layer>, findings: &[Finding], answers: &[Answer]) {
    let Some(layer) = layer else {
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        say(format_args!(
            "{} mistakes: nothing was tested",
            errors.count()
        ));
        return;
    };
    say(format_args!(
        "{} rules are well-formed and fit the schema",
        layer.rules().len()
    ));
    for answer in answers.iter().filter(|answer| !answer.met) {
        say(answer.sentence());
    }
    let met = answers.iter().filter(|answer| answer.met).count();
    say(format_args!(
        "{met} of {} scenarios get the answer that they want",
        answers.len()
    ));
    if answers.is_empty() {
        say(
            "there is no scenario: write some into tests/, a bundle without any cannot be activated",
        );
    }
}

/// Findings as compilers print them.
pub(super) fn print_findings(folder: &Path, findings: &[Finding]) {
    for finding in findings {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        say(format_args!("{word}: {}", shown(&finding.detail)));
        if !finding.file.is_empty() {
            let place = folder.join(&finding.file);
            say(format_args!(
                "  --> {}:{}:{}",
                place.display(),
                finding.line,
                finding.column
            ));
        }
        if !finding.excerpt.is_empty() {
            let before = finding.column.saturating_sub(1);
            let left = finding.excerpt.chars().count().saturating_sub(before);
            let marked = finding.length.clamp(1, left.max(1));
            say(format_args!(
                "{:>5} | {}",
                finding.line,
                shown(&finding.excerpt)
            ));
            say(format_args!(
                "      | {}{}",
                " ".repeat(before),
                "^".repeat(marked)
            ));
        }
        if let Some(help) = &finding.help {
            say(format_args!("      = help: {}", shown(help)));
        }
    }
}
