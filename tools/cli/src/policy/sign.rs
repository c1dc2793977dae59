//! `counterfoil policy sign`: a manifest, and a signature with a key that stays on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::Args as ClapArgs;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::bundle::{
    Bundle, CedarRange, Envelope, FileEntry, MANIFEST_SCHEMA, Manifest, SigningKey,
};
use counterfoil_policy::{LayerName, schema_digest};

use super::Ended;
use super::check::{Looked, print_findings};
use super::folder::{Folder, MANIFEST, SIGNATURE};
use super::format::{format, write};
use crate::output::say;

/// Writes the manifest of a bundle and signs it
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle's folder
    folder: PathBuf,
    /// The private key: Ed25519, PKCS #8, PEM (`openssl genpkey -algorithm ed25519`)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The workspace whose rules these are
    #[arg(long, value_name = "WORKSPACE", env = "COUNTERFOIL_WORKSPACE")]
    workspace: WorkspaceId,
    /// Counts up with every bundle of the workspace
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: u64,
    /// The digest of the bundle that is active now
    #[arg(long, value_name = "sha256:…")]
    previous: Option<String>,
    /// Who made it, for the record
    #[arg(long, value_name = "NAME", default_value = "counterfoil policy sign")]
    by: String,
    /// What it changes, in a sentence
    #[arg(long, value_name = "TEXT", default_value = "")]
    summary: String,
}

/// How a folder is signed, where its workspace and the bundle in force are not known.
pub(super) fn how(folder: &Path) -> String {
    format!(
        "counterfoil policy sign {} --key FILE --workspace WORKSPACE --version NUMBER; `counterfoil policy \
         status` prints it with workspace, version and previous digest",
        folder.display()
    )
}

pub(super) fn run(args: &Args) -> Result<Ended> {
    let mut folder = Folder::read(&args.folder)?;
    let looked = Looked::at(&folder);
    print_findings(&args.folder, &looked.findings);
    if let Some(fault) = looked.fault() {
        eprintln!("it is not signed: {fault}");
        return Ok(Ended::Bad);
    }
    let pem = fs::read_to_string(&args.key).with_context(|| args.key.display().to_string())?;
    let key = SigningKey::from_pem(&pem).map_err(|_| {
        anyhow!(
            "{} is not an Ed25519 private key in PEM: make one with `openssl genpkey -algorithm ed25519 -out {}`",
            args.key.display(),
            args.key.display()
        )
    })?;
    // What is signed is what anybody else would have written.
    let canonical = format(&mut folder);
    let manifest = manifest(args, &folder).canonical();
    let bundle = Bundle::read(&manifest, folder.files.clone())?;
    let envelope = serde_json::to_vec(&Envelope::sign(&bundle.statement(), &key))?;
    write(&folder, &canonical)?;
    for path in canonical {
        say(format_args!("{path} is written anew by the formatter"));
    }
    for (name, bytes) in [(MANIFEST, &manifest), (SIGNATURE, &envelope)] {
        let path = folder.at.join(name);
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    say(format_args!(
        "{} is version {} of {}",
        bundle.digest(),
        args.version,
        args.workspace
    ));
    say(format_args!(
        "signed with the key {}",
        key.public().fingerprint()
    ));
    Ok(Ended::Good)
}

fn manifest(args: &Args, folder: &Folder) -> Manifest {
    let entry = |(path, text): (&String, &String)| FileEntry {
        path: path.clone(),
        size: u64::try_from(text.len()).unwrap_or(u64::MAX),
        sha256: digest_string(text.as_bytes()),
    };
    Manifest {
        schema: MANIFEST_SCHEMA.to_owned(),
        layer: LayerName::Workspace,
        workspace: Some(args.workspace.to_string()),
        version: args.version,
        previous: args.previous.clone(),
        cedar: CedarRange {
            lang: "4.5".to_owned(),
            engine: ">=4.14,<5".to_owned(),
        },
        schema_sha256: schema_digest().to_owned(),
        files: folder.files.iter().map(entry).collect(),
        created_at: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        created_by: args.by.clone(),
        summary: args.summary.clone(),
    }
}
