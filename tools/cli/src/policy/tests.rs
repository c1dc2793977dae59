//! `counterfoil policy test`: the scenarios of a bundle, answered by the baseline and its rules.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use counterfoil_policy::check::scenario::{self, Scenario, said};
use counterfoil_policy::{Layer, Layers, Verdict, baseline};
use serde_json::{Value, json};

use super::Ended;
use super::check::{layer, print_findings};
use super::folder::Folder;
use crate::output::say;
use crate::plain::{say_json, shown};
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

/// A scenario and what it got.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) scenario: Scenario,
    pub(super) verdict: Verdict,
    pub(super) met: bool,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.scenario.name,
            "wanted": self.scenario.want,
            "got": said(&self.verdict),
            "rule": self.verdict.rule,
            "reason": self.verdict.reason,
            "met": self.met,
        })
    }

    /// What differs.
    pub(super) fn sentence(&self) -> String {
        let Scenario {
            name, want, why, ..
        } = &self.scenario;
        let by = if why.is_empty() {
            String::new()
        } else {
            format!(" by {}", shown(why))
        };
        format!(
            "wrong: {}: wanted {}{by}, got {} by {}",
            shown(name),
            shown(want),
            said(&self.verdict),
            self.verdict.rule
        )
    }
}

/// What every scenario of a folder gets from a layer on top of the baseline.
pub(super) fn answers(layer: &Layer, folder: &Folder) -> Result<Vec<Answer>> {
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    };
    let mut answers = Vec::new();
    for (path, text) in folder.tests() {
        for scenario in scenario::read(text).with_context(|| path.to_owned())? {
            let asked = scenario.ask(layers);
            let verdict = asked.with_context(|| format!("{path}: `{}`", shown(&scenario.name)))?;
            answers.push(Answer {
                met: scenario.is_met(&verdict),
                scenario,
                verdict,
            });
        }
    }
    Ok(answers)
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let folder = Folder::read(&args.folder)?;
    let (layer, findings) = layer(&folder);
    let Some(layer) = layer else {
        print_findings(&args.folder, &findings);
        return Ok(Ended::Bad);
    };
    let answers = answers(&layer, &folder)?;
    let met = answers.iter().filter(|answer| answer.met).count();
    if args.json {
        say_json(&Value::Array(answers.iter().map(Answer::json).collect()));
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
        for answer in answers.iter().filter(|answer| !answer.met) {
            say(answer.sentence());
        }
        say(format_args!(
            "{met} of {} scenarios get the answer that they want",
            answers.len()
        ));
    }
    let good = met == answers.len();
    Ok(if good { Ended::Good } else { Ended::Bad })
}
