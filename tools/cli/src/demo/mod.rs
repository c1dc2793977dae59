//! `counterfoil demo`: the whole loop on this machine, told as a story.

mod api;
mod exports;
mod leave;
mod play;
mod scene;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args as ClapArgs;
use counterfoil_evidence::package::tar;
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::verify::{Package, Trust, verify};

use crate::output::say;
use crate::replay;

use play::{Played, play};
use scene::Scene;
use story::Story;

/// Plays the whole loop on this machine: emulated AWS, a real Postgres, a fake Stripe
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil demo                    plays, then keeps running until Ctrl-C
  counterfoil demo --once --out out   plays once and leaves out/run.json, out/report.pdf, out/export.tar, out/delivery/,
                                      out/key.pem, out/stream.txt, out/summary.json, and says how to verify them

EXIT STATUS:
  0  everything held
  1  something did not; the last line says what")]
pub(crate) struct Args {
    /// Play once and end
    #[arg(long)]
    once: bool,
    /// Where to leave packages, key and summary
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let played = runtime
        .context("starting")
        .and_then(|runtime| runtime.block_on(run(args)));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo did not hold: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    if let Some(folder) = &args.out {
        leave::check(folder)?;
    }
    let mut story = Story::begin();
    let scene = scene::set(&story).await?;
    let played = play(&scene, &mut story).await?;
    check(&scene, &played, &mut story).await?;
    if let Some(folder) = &args.out {
        leave::leave(folder, &scene, &played)?;
        for sentence in leave::sentences(folder, &scene.project.stream) {
            story.say(sentence);
        }
    }
    say(format_args!("\nEverything held, in {} s.", story.seconds()));
    if args.once {
        return Ok(());
    }
    by_hand(&scene);
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}

/// What an auditor does with the package, and what must hold beside it.
async fn check(scene: &Scene, played: &Played, story: &mut Story) -> Result<()> {
    story.chapter("Verified offline, by the same code as `counterfoil verify`");
    let key = SealKey::from_pem(&scene.seal_key_pem).context("reading the seal key")?;
    let trust = Trust::new(key, scene.project.stream.parse()?);
    let verdict = verify(Package::Document(&played.package), &trust);
    story.say(verdict.first_line());
    ensure!(verdict.is_accepted(), "the package was refused");
    let evidence = played.evidence()?;
    let everything = verify(Package::Tar(evidence), &trust);
    story.say(format!("Everything: {}", everything.first_line()));
    ensure!(everything.is_accepted(), "the archive was refused");
    let inputs = |name: &str| played.delivery.get(&replay::member(name)).cloned();
    let files = tar::read(evidence, trust.limits)?;
    let replayed = replay::members(&files, &inputs, &trust).await?;
    let same = replayed.as_ref().map_err(|what| anyhow!("{what}"))?;
    ensure!(same.findings > 0, "no run could be derived again");
    for line in replay::lines(&replayed) {
        story.say(line);
    }
    let mut altered = played.package.clone();
    let middle = altered.len() / 2;
    if let Some(byte) = altered.get_mut(middle) {
        *byte ^= 1;
    }
    let verdict = verify(Package::Document(&altered), &trust);
    story.say(format!("One bit changed: {}", verdict.first_line()));
    ensure!(!verdict.is_accepted(), "an altered package was accepted");
    let writes = scene.stripe.non_get_calls();
    let reads = scene.stripe.requests().len();
    story.say(format!(
        "Stripe saw {reads} requests, {writes} of them not GET."
    ));
    if writes > 0 {
        bail!("the product made {writes} calls to Stripe that could write");
    }
    Ok(())
}

fn by_hand(scene: &Scene) {
    let api = &scene.cloud.api_url;
    say("\nTry it by hand (Ctrl-C ends everything):");
    say(format_args!("   API       {api}"));
    say(format_args!("   Postgres  {}", scene.postgres.admin_url()));
    say(format_args!("   Stripe    {}", scene.stripe.base_url()));
    for key in &scene.keys {
        let (whose, key) = (&key.whose, key.key.reveal());
        say(format_args!("   key of {whose:<24} {key}"));
    }
    if let Some(key) = scene.keys.first() {
        let key = key.key.reveal();
        say(format_args!(
            "   curl -H 'Authorization: Bearer {key}' {api}/v1/approvals"
        ));
    }
}
