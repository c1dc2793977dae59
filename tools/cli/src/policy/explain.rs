//! `counterfoil policy explain`: why a scenario gets its answer, layer by layer.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use counterfoil_policy::check::answers;
use counterfoil_policy::check::scenario::said;
use counterfoil_policy::{Effect, LayerName, LayerVerdict};

use super::Ended;
use super::check::{layer, print_findings};
use super::folder::Folder;
use crate::output::say;
use crate::plain::shown;

/// Says why a scenario gets its answer
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's folder
    folder: PathBuf,
    /// The scenario's name, or a part of it
    scenario: String,
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let folder = Folder::read(&args.folder)?;
    let (layer, findings) = layer(&folder);
    let Some(layer) = layer else {
        print_findings(&args.folder, &findings);
        return Ok(Ended::Bad);
    };
    let (answers, wrong) = answers(&layer, folder.tests());
    let named: Vec<_> = answers
        .iter()
        .filter(|answer| answer.scenario.name.contains(&args.scenario))
        .collect();
    let answer = match named.as_slice() {
        [answer] => answer,
        // One that cannot be asked may be the one that is meant.
        [] if wrong.len() > answers.iter().filter(|answer| !answer.met).count() => {
            print_findings(&args.folder, &wrong);
            say(format_args!(
                "no scenario that can be asked has `{}` in its name",
                shown(&args.scenario)
            ));
            return Ok(Ended::Bad);
        }
        [] => bail!(
            "no scenario has `{}` in its name: `counterfoil policy test {}` lists them",
            args.scenario,
            args.folder.display()
        ),
        many => bail!(
            "{} scenarios have `{}` in their names: name one",
            many.len(),
            args.scenario
        ),
    };
    let scenario = &answer.scenario;
    say(format_args!("{}", shown(&scenario.name)));
    say(format_args!(
        "  {} asks for {} on {}",
        shown(&scenario.principal),
        shown(&scenario.action),
        shown(&scenario.resource)
    ));
    for verdict in &answer.verdict.layers {
        explain(verdict);
    }
    say(format_args!(
        "  together: {}, by {}",
        said(&answer.verdict),
        answer.verdict.rule
    ));
    say(format_args!("  in words: {}", answer.verdict.reason));
    if let Some(hold) = answer.verdict.hold {
        say(format_args!(
            "  waits at most {} hours for approvals",
            hold.as_secs() / 3_600
        ));
    }
    Ok(Ended::Good)
}

fn explain(verdict: &LayerVerdict) {
    let name = match verdict.layer {
        LayerName::Baseline => "baseline",
        LayerName::Workspace => "workspace",
    };
    let effect = match verdict.effect {
        Effect::Require => format!("REQUIRE({})", verdict.approvals),
        effect => effect.name().to_owned(),
    };
    say(format_args!("  {name}: {effect}"));
    for policy in &verdict.policies {
        say(format_args!("    {}: {}", policy.id, shown(&policy.why)));
    }
    for id in &verdict.errors {
        say(format_args!("    {id} could not be evaluated"));
    }
}
