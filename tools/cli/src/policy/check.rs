//! `counterfoil policy check`: everything that can be known about rules before they are activated.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ClapArgs;
use counterfoil_policy::check::{Answer, Finding, Severity, answers, check, locks_out, untested};
use counterfoil_policy::{Layer, LayerName};
use serde_json::json;

use super::Ended;
use super::folder::Folder;
use super::format::{format, warnings, write};
use super::solve::solve;
use super::solved::Solved;
use super::tests::told;
use crate::output::say;
use crate::plain::{say_json, shown};

/// Characters of a line that are shown, around what is wrong.
const WIDEST: usize = 120;

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
        let mut asked = Vec::new();
        if let Some(layer) = &layer {
            findings.extend(locks_out(layer, &folder.policies()));
            findings.extend(warnings(folder));
            let (answers, wrong) = answers(layer, folder.tests());
            if answers.is_empty() && wrong.is_empty() {
                findings.push(untested());
            }
            findings.extend(wrong);
            asked = answers;
        }
        Self {
            layer,
            findings,
            answers: asked,
        }
    }

    fn mistakes(&self) -> usize {
        let errors = self.findings.iter();
        errors.filter(|it| it.severity == Severity::Error).count()
    }

    /// Why a deployment would not take it.
    pub(super) fn fault(&self) -> Option<String> {
        match self.mistakes() {
            0 => None,
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
    let unprovable = solved.as_ref().map(|it| it.findings(&folder.policies()));
    let unprovable = unprovable.unwrap_or_default();
    let against = other.as_ref().map(Folder::signed);
    if args.json {
        say_json(&json!({
            "good": good,
            "rules": looked.layer.as_ref().map_or(0, |layer| layer.rules().len()),
            "findings": looked.findings.iter().chain(&unprovable).collect::<Vec<_>>(),
            "scenarios": looked.answers.iter().map(told).collect::<Vec<_>>(),
            "against": against.flatten(),
            "proofs": solved.map(|it| it.json(compared)),
        }));
        return Ok(if good { Ended::Good } else { Ended::Bad });
    }
    print_findings(&args.folder, &looked.findings);
    print_findings(&args.folder, &unprovable);
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
    for line in lines(folder, findings) {
        say(line);
    }
}

/// The same, line by line.
pub(super) fn lines(folder: &Path, findings: &[Finding]) -> Vec<String> {
    findings.iter().flat_map(|it| printed(folder, it)).collect()
}

fn printed(folder: &Path, finding: &Finding) -> Vec<String> {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut lines = vec![format!("{word}: {}", shown(&finding.detail))];
    if !finding.file.is_empty() {
        let place = folder.join(&finding.file).display().to_string();
        let (line, column) = (finding.line, finding.column);
        lines.push(format!("  --> {}:{line}:{column}", shown(&place)));
    }
    if !finding.excerpt.is_empty() {
        let (line, before) = finding.window(WIDEST);
        let covered = finding.length.max(1);
        let marked = line.char_indices().skip(before).map(|(at, _)| at);
        let start = marked.clone().next().unwrap_or(line.len());
        let end = start.saturating_add(covered);
        let marked = marked.take_while(|at| *at < end).count().max(1);
        lines.push(format!("{:>5} | {}", finding.line, plain(&line)));
        lines.push(format!(
            "      | {}{}",
            " ".repeat(before),
            "^".repeat(marked)
        ));
    }
    lines.push(format!("      = help: {}", shown(&finding.help)));
    lines
}

/// One character for each, so that what is marked stands below it.
fn plain(line: &str) -> String {
    let one = |it: char| match it {
        '\t' => ' ',
        it if shown(it.encode_utf8(&mut [0; 4])).chars().eq([it]) => it,
        _ => char::REPLACEMENT_CHARACTER,
    };
    line.chars().map(one).collect()
}
