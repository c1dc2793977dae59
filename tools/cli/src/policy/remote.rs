//! The rules of a workspace in a deployment: `policy status`, `key`, `shadow`, `activate`, `revoke`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args as ClapArgs;
use counterfoil_policy::bundle::{PublicKey, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use super::remote_view::{sign, tell, waits};
use crate::access::{Call, segment};
use crate::answer::{items, text};
use crate::ask::confirmed;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::say_json;
use crate::signing_key;

/// What an Ed25519 public key in PEM starts with (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Shows which rules are in force, who may sign, and what waits
#[derive(Debug, ClapArgs)]
pub(super) struct Status {
    #[command(flatten)]
    call: Call,
}

/// Registers the public half of a key that signs bundles; another owner does the same to confirm
#[derive(Debug, ClapArgs)]
pub(super) struct Key {
    /// The key in PEM: the public one, or the private one, of which only the public half is sent
    file: PathBuf,
    /// The fingerprint of a key that stops to sign
    #[arg(long, value_name = "sha256:…")]
    replaces: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// Which bundle.
#[derive(Debug, ClapArgs)]
pub(super) struct OfBundle {
    /// The bundle's digest
    #[arg(value_name = "sha256:…")]
    pub(super) digest: String,
    #[command(flatten)]
    pub(super) call: Call,
}

/// Brings a stored bundle into force; another owner does the same to confirm
#[derive(Debug, ClapArgs)]
pub(super) struct Activate {
    #[command(flatten)]
    of: OfBundle,
}

/// Revokes a bundle: it never counts again. Where it is in force, everything but mending that is denied
#[derive(Debug, ClapArgs)]
pub(super) struct Revoke {
    #[command(flatten)]
    of: OfBundle,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Has a stored bundle judged beside the one in force: it stands in every decision and changes nothing
#[derive(Debug, ClapArgs)]
pub(super) struct Shadow {
    #[command(flatten)]
    of: OfBundle,
    /// End that
    #[arg(long)]
    off: bool,
}

async fn place(api: &Client) -> Result<String, Failure> {
    Ok(format!("/v1/workspaces/{}", api.workspace().await?))
}

pub(super) async fn of_bundle(api: &Client, digest: &str, act: &str) -> Result<String, Failure> {
    let digest = segment(digest)?;
    Ok(format!(
        "{}/policy-bundles/{digest}/{act}",
        place(api).await?
    ))
}

pub(super) async fn status(args: &Status) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let place = place(&api).await?;
    let policy = api.get(&format!("{place}/policy")).await?;
    let bundles = api.get(&format!("{place}/policy-bundles")).await?;
    if args.call.json {
        say_json(&json!({ "policy": policy, "bundles": items(&bundles) }));
        return Ok(());
    }
    tell(&policy, items(&bundles), &api.workspace().await?);
    Ok(())
}

pub(super) async fn key(args: &Key) -> Result<(), Failure> {
    let key = public(&args.file).map_err(Failure::Unknown)?;
    let api = Client::of(&args.call)?;
    let path = format!("{}/policy/keys", place(&api).await?);
    let body = json!({ "public_key": key.text(), "replaces": args.replaces });
    let replaces = args.replaces.as_deref().unwrap_or_default();
    // Before it is sent: an owner who confirms compares it with what is proposed.
    eprintln!("key {}", signing_key::named(&key.text(), replaces));
    let done = api.change(Method::POST, &path, Some(&body), None).await?;
    if args.call.json {
        say_json(&done.body);
        return Ok(());
    }
    if done.waits {
        waits(&done.body, "register_key");
        say(format_args!(
            "next: another owner compares the fingerprint and runs `{}` with the same key; whoever is alone \
             does so a day later",
            signing_key::command(replaces)
        ));
    } else {
        say(format_args!(
            "{} is registered: bundles that it signs can be pushed",
            key.fingerprint()
        ));
        say("next: counterfoil policy status   prints the command that signs the next bundle");
    }
    Ok(())
}

/// The public key of a file.
fn public(file: &PathBuf) -> anyhow::Result<PublicKey> {
    let pem = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    if let Ok(private) = SigningKey::from_pem(&pem) {
        return Ok(private.public());
    }
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der = STANDARD.decode(lines.collect::<String>()).ok();
    let bytes = der.as_deref().and_then(|der| der.strip_prefix(&SPKI));
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| {
        anyhow!(
            "{} is no Ed25519 key in PEM: `openssl pkey -in policy-key.pem -pubout -out policy-key.pub` \
             writes one",
            file.display()
        )
    })
}

pub(super) async fn activate(args: &Activate) -> Result<(), Failure> {
    let api = Client::of(&args.of.call)?;
    let path = of_bundle(&api, &args.of.digest, "activate").await?;
    let done = api.change(Method::POST, &path, None, None).await?;
    if args.of.call.json {
        say_json(&done.body);
        return Ok(());
    }
    if done.waits {
        waits(&done.body, "activate");
        say(format_args!(
            "next: another owner, who did not upload it, runs `counterfoil policy activate {}`; whoever is \
             alone does so a day later",
            args.of.digest
        ));
    } else {
        say(format_args!("{} is in force", args.of.digest));
        say("next: counterfoil policy status");
    }
    Ok(())
}

pub(super) async fn revoke(args: &Revoke) -> Result<(), Failure> {
    let api = Client::of(&args.of.call)?;
    let path = of_bundle(&api, &args.of.digest, "revoke").await?;
    let policy = api.get(&format!("{}/policy", place(&api).await?)).await?;
    let active = text(&policy, "/active/digest") == args.of.digest;
    if active {
        eprintln!(
            "{} is in force. Until another one is activated by two people, everything is denied but \
             activating, revoking, legal holds and exports. Have a signed bundle ready: no key can be \
             registered meanwhile.",
            args.of.digest
        );
    }
    if active {
        confirmed("Revoke it?", args.yes)?;
    }
    let done = api.change(Method::POST, &path, None, None).await?;
    if args.of.call.json {
        say_json(&done.body);
        return Ok(());
    }
    say(format_args!("{} is revoked", args.of.digest));
    if active {
        let version = policy.pointer("/active/version").and_then(Value::as_u64);
        let next = version.unwrap_or(0).saturating_add(1);
        say(format_args!(
            "next: {}, then push and activate it",
            sign(&api.workspace().await?, next, &args.of.digest)
        ));
    }
    Ok(())
}

pub(super) async fn shadow(args: &Shadow) -> Result<(), Failure> {
    let api = Client::of(&args.of.call)?;
    let path = of_bundle(&api, &args.of.digest, "shadow").await?;
    let body = json!({ "on": !args.off });
    let done = api.change(Method::POST, &path, Some(&body), None).await?;
    if args.of.call.json {
        say_json(&done.body);
        return Ok(());
    }
    if args.off {
        say(format_args!("{} is not in shadow", args.of.digest));
    } else {
        say(format_args!(
            "{} is in shadow: decisions say what it would have said, and it changes nothing",
            args.of.digest
        ));
        say(format_args!(
            "next: counterfoil policy impact {}",
            args.of.digest
        ));
    }
    Ok(())
}
