//! `counterfoil policy check`: everything that can be known about rules before they are activated.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ClapArgs;
use counterfoil_policy::check::{Finding, Severity, check, locks_out};
use counterfoil_policy::{Layer, LayerName};
use serde_json::json;

use super::Ended;
use super::folder::Folder;
use super::format::{format, warnings, write};
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
    /// Another bundle's folder, as `counterfoil policy pull` writes it: does this one allow anything that
    /// it does not?
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Write policies anew as the formatter does; their meaning stays
    #[arg(long)]
    fix: bool,
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

/// What an author is told before rules are signed or sent: the checks of a deployment.
pub(super) struct Looked {
    pub(super) layer: Option<Layer>,
    pub(super) findings: Vec<Finding>,
    pub(super) answers: Vec<Answer>,
}

impl Looked {
    pub(super) fn at(folder: &Folder) -> Self {
        let (layer, mut findings) = layer(folder);
        let mut told = Vec::new();
        if let Some(layer) = &layer {
            findings.extend(locks_out(layer));
            findings.extend(warnings(folder));
            match answers(layer, folder) {
                Ok(answers) => told = answers,
                Err(error) => findings.push(Finding::whole("", format!("{error:#}"))),
            }
        }
        Self {
            layer,
            findings,
            answers: told,
        }
    }

    fn mistakes(&self) -> usize {
        let errors = self.findings.iter();
        errors.filter(|it| it.severity == Severity::Error).count()
    }

    /// Why a deployment would not take it; the first of several reasons.
    pub(super) fn fault(&self) -> Option<String> {
        let wrong = self.answers.iter().find(|answer| !answer.met);
        match self.mistakes() {
            0 if self.answers.is_empty() => Some(
                "there is no scenario in tests/, and a bundle without any is not taken".to_owned(),
            ),
            0 => wrong.map(Answer::sentence),
            1 => Some("there is a mistake: mend it first".to_owned()),
            mistakes => Some(format!("there are {mistakes} mistakes: mend these first")),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let mut folder = Folder::read(&args.folder)?;
    if args.fix {
        let signed = folder.signed().is_some();
        let mended = format(&mut folder);
        write(&folder, &mended)?;
        for path in &mended {
            eprintln!("{path} is written anew by the formatter");
        }
        if signed && !mended.is_empty() {
            eprintln!(
                "the signature is over the old text: `counterfoil policy sign` makes another one"
            );
        }
    }
    let looked = Looked::at(&folder);
    let other = args
        .against
        .as_deref()
        .map(Folder::read_other)
        .transpose()?;
    let compared = other.is_some();
    let solved = match &looked.layer {
        Some(_) => Some(solve(&folder, other.as_ref())?),
        None => None,
    };
    let proved = solved.as_ref().is_none_or(Solved::is_good);
    let good = looked.fault().is_none() && proved;
    let against = other.as_ref().map(Folder::signed);
    if args.json {
        say_json(&json!({
            "good": good,
            "rules": looked.layer.as_ref().map_or(0, |layer| layer.rules().len()),
            "findings": looked.findings,
            "scenarios": looked.answers.iter().map(Answer::json).collect::<Vec<_>>(),
            "against": against.flatten(),
            "proofs": solved.map(|it| it.json(compared)),
        }));
        return Ok(if good { Ended::Good } else { Ended::Bad });
    }
    print_findings(&args.folder, &looked.findings);
    report(&looked);
    if let Some(against) = against {
        say(match against {
            Some(digest) => format!("compared with {digest}"),
            None => "compared with files that no manifest names: whether these are in force is not known; \
                     `counterfoil policy pull active FOLDER` writes what is"
                .to_owned(),
        });
    }
    for line in solved.iter().flat_map(|it| it.sentences(compared)) {
        say(shown(&line));
    }
    Ok(if good { Ended::Good } else { Ended::Bad })
}

fn report(looked: &Looked) {
    let Some(layer) = &looked.layer else {
        let found = match looked.mistakes() {
            1 => "1 mistake".to_owned(),
            more => format!("{more} mistakes"),
        };
        say(format_args!("{found}: nothing was tested"));
        return;
    };
    say(match layer.rules().len() {
        1 => "1 rule is well-formed and fits the schema".to_owned(),
        rules => format!("{rules} rules are well-formed and fit the schema"),
    });
    for answer in looked.answers.iter().filter(|answer| !answer.met) {
        say(answer.sentence());
    }
    let met = looked.answers.iter().filter(|answer| answer.met).count();
    say(format_args!(
        "{met} of {} scenarios get the answer that they want",
        looked.answers.len()
    ));
    if let Some(fault) = looked.fault() {
        say(format_args!("a deployment would not take it: {fault}"));
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
