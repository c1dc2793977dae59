//! Mappings of a project: stored by hash, one of them active.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

use super::path;
use crate::access::{Call, segment};
use crate::answer::{items, text};
use crate::client::{Client, Failure};
use crate::mapping_file::MappingFile;
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Stores a mapping, and with --activate makes it the one that counts
#[derive(Debug, ClapArgs)]
pub(super) struct Map {
    /// The mapping, as `counterfoil init` writes it (TOML), or the same as JSON
    file: PathBuf,
    /// Make it the active one
    #[arg(long)]
    activate: bool,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn map(args: &Map) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    // What this program knows to be wrong needs no deployment to say so.
    let file = MappingFile::read(&args.file).map_err(Failure::Unknown)?;
    let project = path(&api).await?;
    let body = json!({ "format": file.format.name(), "text": file.text });
    let place = format!("{project}/mappings");
    let stored = api.change(Method::POST, &place, Some(&body), None).await?;
    let hash = text(&stored.body, "/hash").to_owned();
    if !args.activate {
        if args.call.json {
            say_json(&stored.body);
        } else {
            say(format_args!("stored as {}", shown(&hash)));
            say("it does not count yet; next: the same command with --activate");
        }
        return Ok(());
    }
    let found = api.read(&project, &[]).await?;
    let place = format!("{place}/{}/activate", segment(&hash)?);
    let etag = Some(found.etag.as_str());
    let done = api.change(Method::POST, &place, None, etag).await?;
    if args.call.json {
        say_json(&done.body);
    } else if done.waits {
        say(format_args!(
            "{} lets repairs do more than the active mapping: it waits for a second person, who runs the same command",
            shown(&hash)
        ));
    } else {
        say(format_args!("{} is active", shown(&hash)));
        say("next: counterfoil doctor");
    }
    Ok(())
}

pub(super) async fn list(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let project = path(&api).await?;
    let list = api.get(&format!("{project}/mappings")).await?;
    if call.json {
        say_json(&list);
        return Ok(());
    }
    let project = api.get(&project).await?;
    let active = text(&project, "/mapping");
    let mut table = Table::new(["mapping", "added", "counts"]);
    for it in items(&list) {
        let hash = text(it, "/hash");
        let counts = if hash == active { "yes" } else { "no" };
        table.row([hash, text(it, "/added_at"), counts]);
    }
    table.print("There is no mapping. Next: counterfoil project map counterfoil.toml --activate");
    Ok(())
}
