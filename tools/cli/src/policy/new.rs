//! `counterfoil policy new`: a bundle to start from.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use counterfoil_policy::{TEMPLATES, Template};

use super::Ended;
use super::format::canonical;
use crate::output::say;
use crate::table::Table;

/// Writes a bundle to start from: rules, and the scenarios that show what they do
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The folder to make
    #[arg(required_unless_present = "list")]
    folder: Option<PathBuf>,
    /// What to start from; --list names them
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = template)]
    template: Template,
    /// List what there is to start from
    #[arg(long)]
    list: bool,
}

fn template(name: &str) -> Result<Template, String> {
    let found = TEMPLATES.into_iter().find(|template| template.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        format!("there is no such template: one of {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let Some(folder) = args.folder.as_ref().filter(|_| !args.list) else {
        let mut table = Table::new(["template", "what it does"]);
        for template in TEMPLATES {
            table.row([template.name, template.summary]);
        }
        table.print("");
        return Ok(Ended::Good);
    };
    if folder.exists() {
        bail!("{} is there already: name another folder", folder.display());
    }
    let rules = args.template.policies;
    let rules = canonical(rules).unwrap_or_else(|| rules.to_owned());
    for (inside, name, text) in [
        ("policies", "rules.cedar", rules.as_str()),
        ("tests", "scenarios.json", args.template.scenarios),
    ] {
        let inside = folder.join(inside);
        let write = || {
            fs::create_dir_all(&inside)?;
            fs::write(inside.join(name), text)
        };
        write().with_context(|| inside.display().to_string())?;
    }
    say(format_args!(
        "{} has the rules of `{}` and the scenarios that show them",
        folder.display(),
        args.template.name
    ));
    say(format_args!(
        "next: counterfoil policy check {}",
        folder.display()
    ));
    Ok(Ended::Good)
}
