//! `counterfoil policy push`: a signed bundle is stored in a deployment.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};

use super::check::{layer, print_findings};
use super::folder::{Folder, MANIFEST, SIGNATURE};
use super::tests::answers;
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
    let read = |name: &str| {
        let path = folder.at.join(name);
        let text = fs::read_to_string(&path).with_context(|| {
            let folder = args.folder.display();
            format!(
                "{}: sign it first, `counterfoil policy sign {folder} --key FILE`",
                path.display()
            )
        });
        text.map_err(Failure::Unknown)
    };
    let body = json!({
        "manifest": read(MANIFEST)?,
        "signature": read(SIGNATURE)?,
        "files": folder.files,
    });
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
            "warning: {}: {}",
            shown(text(warning, "/file")),
            shown(text(warning, "/detail"))
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
    let (layer, findings) = layer(folder);
    let Some(layer) = layer else {
        print_findings(&args.folder, &findings);
        let what = "nothing was sent: mend these, sign and push again";
        return Err(Failure::refused(what));
    };
    let answers = answers(&layer, folder).map_err(Failure::Unknown)?;
    match answers.iter().find(|answer| !answer.met) {
        Some(wrong) => Err(Failure::refused(format!(
            "nothing was sent: {}",
            wrong.sentence()
        ))),
        None if answers.is_empty() => Err(Failure::Unknown(anyhow!(
            "nothing was sent: there is no scenario in tests/, and a bundle without any cannot be activated"
        ))),
        None => Ok(()),
    }
}
