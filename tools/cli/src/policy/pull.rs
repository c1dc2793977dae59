//! `counterfoil policy pull`: a bundle of a deployment as a folder again, for whoever has not written it.
//!
//! What came is written only if it is what its digest names: a comparison with other files would prove
//! nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;
use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_policy::bundle::{Bundle, BundleError};
use counterfoil_policy::{TEMPLATES, Template};
use serde_json::{Value, json};

use super::folder::{MANIFEST, SIGNATURE};
use super::format::canonical;
use crate::access::{Call, segment};
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// The word for the bundle in force.
const ACTIVE: &str = "active";

/// Writes a stored bundle into a new folder: the one in force, or any other
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's digest, or `active` for the one in force
    #[arg(value_name = "sha256:…|active")]
    bundle: String,
    /// The folder to make
    folder: PathBuf,
    #[command(flatten)]
    call: Call,
}

/// A bundle as it came.
struct Pulled {
    digest: String,
    /// By path, with manifest and signature.
    files: BTreeMap<String, String>,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let folder = shown(&args.folder.display().to_string());
    if args.folder.exists() {
        let what = format!("{folder} is there already: name another folder");
        return Err(Failure::refused(what));
    }
    let api = Client::of(&args.call)?;
    let place = format!("/v1/workspaces/{}", api.workspace().await?);
    let digest = if args.bundle == ACTIVE {
        in_force(&api, &place, &folder).await?
    } else {
        Some(segment(&args.bundle)?.to_owned())
    };
    let pulled = match digest {
        Some(digest) => {
            let path = format!("{place}/policy-bundles/{digest}");
            verified(&digest, &api.get(&path).await?)?
        }
        None => standard()?,
    };
    for (path, text) in &pulled.files {
        write(&args.folder.join(path), text).map_err(Failure::Unknown)?;
    }
    if args.call.json {
        let files: Vec<&String> = pulled.files.keys().collect();
        say_json(&json!({ "digest": pulled.digest, "folder": folder, "files": files }));
        return Ok(());
    }
    say(format_args!("{} is in {folder}", pulled.digest));
    say(format_args!(
        "next: counterfoil policy check FOLDER --against {folder}"
    ));
    Ok(())
}

/// The digest in force; `None` while that is the one that every workspace starts with.
async fn in_force(api: &Client, place: &str, folder: &str) -> Result<Option<String>, Failure> {
    let policy = api.get(&format!("{place}/policy")).await?;
    let digest = text(&policy, "/active/digest").to_owned();
    match text(&policy, "/state") {
        "default" => Ok(None),
        "active" => Ok(Some(segment(&digest)?.to_owned())),
        _ => Err(Failure::refused(format!(
            "nothing is in force: {digest} was revoked. `counterfoil policy pull {digest} {folder}` has its \
             files",
            digest = shown(&digest)
        ))),
    }
}

/// What came, if it is what the digest names.
fn verified(digest: &str, answer: &Value) -> Result<Pulled, Failure> {
    let differs = |what: String| {
        let what = format!("the deployment sent something else than {digest}: {what}");
        Failure::Different(what)
    };
    let manifest = text(answer, "/manifest");
    let read = Json::parse_document(manifest.as_bytes());
    let read = read.map_err(|_| differs("its manifest is none".to_owned()))?;
    if digest_string(&read.canonical()) != digest {
        return Err(differs("its manifest has another digest".to_owned()));
    }
    let files = answer.get("files").cloned().unwrap_or_default();
    let mut files: BTreeMap<String, String> =
        serde_json::from_value(files).map_err(|error| differs(error.to_string()))?;
    match Bundle::read(manifest.as_bytes(), files.clone()) {
        // Files are compared first: those of an older schema can be had, and signed again.
        Ok(_) | Err(BundleError::Schema) => {}
        Err(error) => return Err(differs(error.to_string())),
    }
    files.insert(MANIFEST.to_owned(), manifest.to_owned());
    let signature = answer.get("signature").cloned().unwrap_or_default();
    files.insert(SIGNATURE.to_owned(), signature.to_string());
    Ok(Pulled {
        digest: digest.to_owned(),
        files,
    })
}

/// The bundle that every workspace starts with, which nobody uploads and nobody signs.
fn standard() -> Result<Pulled, Failure> {
    let found = TEMPLATES.into_iter().find(|it| it.name == "default");
    let Template {
        policies,
        scenarios,
        ..
    } = found.ok_or_else(|| Failure::Unknown(anyhow!("this program has no default bundle")))?;
    Ok(Pulled {
        digest: "the default bundle, which permits what the baseline permits,".to_owned(),
        files: BTreeMap::from([
            // As the formatter writes it, like every bundle: what differs is what differs in meaning.
            (
                "policies/default.cedar".to_owned(),
                canonical(policies).unwrap_or_else(|| policies.to_owned()),
            ),
            ("tests/default.json".to_owned(), scenarios.to_owned()),
        ]),
    })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let done = path.parent().map_or(Ok(()), fs::create_dir_all);
    done.and_then(|()| fs::write(path, text))
        .with_context(|| path.display().to_string())
}
