//! `counterfoil policy push`: a signed bundle is stored in a deployment.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use counterfoil_policy::bundle::Bundle;
use counterfoil_policy::check::{Finding, read};
use reqwest::Method;
use serde_json::{Value, json};

use super::check::{Looked, lines};
use super::folder::{Folder, MANIFEST, SIGNATURE};
use super::sign::how;
use crate::access::Call;
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Uploads a signed bundle. Nothing counts until it is activated
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's folder
    folder: PathBuf,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let folder = Folder::read(&args.folder).map_err(Failure::Unknown)?;
    sound(args, &folder)?;
    let manifest = signed(args, &folder, MANIFEST)?;
    let signature = signed(args, &folder, SIGNATURE)?;
    // The deployment takes it for an attack and rings.
    if let Err(other) = Bundle::read(manifest.as_bytes(), folder.files.clone()) {
        let all = read(&manifest, &folder.files).err();
        tell_findings(args, &all.unwrap_or_default());
        return Err(Failure::refused(format!(
            "nothing was sent: this is not what was signed: {:#}. Sign it again: {}",
            anyhow::Error::new(other),
            how(&args.folder)
        )));
    }
    let body = json!({ "manifest": manifest, "signature": signature, "files": folder.files });
    let api = Client::of(&args.call)?;
    let path = format!("/v1/workspaces/{}/policy-bundles", api.workspace().await?);
    eprintln!(
        "pushing {} files: they are checked, and nothing is stored that has a mistake",
        folder.files.len()
    );
    let done = api.change(Method::POST, &path, Some(&body), None).await?;
    if args.call.json {
        say_json(&done.body);
        return Ok(());
    }
    let digest = shown(text(&done.body, "/digest"));
    let warnings = done.body.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten() {
        say(format_args!(
            "warning: {}: {}; {}",
            shown(text(warning, "/file")),
            shown(text(warning, "/detail")),
            shown(text(warning, "/help"))
        ));
    }
    say(format_args!("{digest} is stored"));
    say(format_args!(
        "next: counterfoil policy impact {digest}; counterfoil policy activate {digest}"
    ));
    Ok(())
}

/// What can be known here is said here, with its place.
fn sound(args: &Args, folder: &Folder) -> Result<(), Failure> {
    let looked = Looked::at(folder);
    let Some(fault) = looked.fault() else {
        return Ok(());
    };
    tell_findings(args, &looked.findings);
    Err(Failure::refused(format!("nothing was sent: {fault}")))
}

/// Beside a document they are told on standard error.
fn tell_findings(args: &Args, found: &[Finding]) {
    for line in lines(&args.folder, found) {
        if args.call.json {
            eprintln!("{line}");
        } else {
            say(line);
        }
    }
}

/// A file that `sign` writes.
fn signed(args: &Args, folder: &Folder, name: &str) -> Result<String, Failure> {
    let path = folder.at.join(name);
    if !path.exists() {
        return Err(Failure::refused(format!(
            "nothing was sent: there is no {}. Sign it first: {}",
            path.display(),
            how(&args.folder)
        )));
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string());
    text.map_err(Failure::Unknown)
}
