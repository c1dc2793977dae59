//! `counterfoil demo`: the whole loop on this machine, told as a story.

mod api;
mod exports;
mod play;
mod scene;
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args as ClapArgs;
use counterfoil_evidence::package::tar;
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::verify::{Package, Trust, verify};
use serde_json::json;

use crate::replay;

use play::{Played, play};
use scene::Scene;
use story::Story;

/// Plays the whole loop on this machine: emulated AWS, a real Postgres, a fake Stripe
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil demo                    plays, then keeps running until Ctrl-C
  counterfoil demo --once --out out   plays once and leaves out/run.json, out/report.pdf, out/export.tar, out/inputs,
                                      out/key.pem, out/stream.txt, out/summary.json

EXIT STATUS:
  0  everything held
  1  something did not; the last line says what")]
pub(crate) struct Args {
    /// Play once and end
    #[arg(long)]
    once: bool,
    /// Where to leave package, key and summary
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
    let mut story = Story::begin();
    let scene = scene::set(&story).await?;
    let played = play(&scene, &mut story).await?;
    check(&scene, &played, &mut story).await?;
    if let Some(folder) = &args.out {
        leave(folder, &scene, &played).with_context(|| format!("writing {}", folder.display()))?;
        let (folder, stream) = (folder.display(), &scene.project.stream);
        story.say(format!(
            "Left in {folder}: run.json with report.pdf (one repair), export.tar (everything) with inputs/ (what runs have read), \
             key.pem, stream.txt, summary.json."
        ));
        story.say("Verify them, offline:");
        for package in ["run.json", "export.tar"] {
            let again = if package == "export.tar" {
                format!(" --replay {folder}")
            } else {
                String::new()
            };
            story.say(format!(
                "  counterfoil verify {folder}/{package} --key {folder}/key.pem --stream {stream}{again}"
            ));
        }
    }
    println!("\nEverything held, in {} s.", story.seconds());
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
    let everything = verify(Package::Tar(&played.everything), &trust);
    story.say(format!("Everything: {}", everything.first_line()));
    ensure!(everything.is_accepted(), "the archive was refused");
    let inputs = |name: &str| played.inputs.get(&format!("inputs/{name}")).cloned();
    let files = tar::read(&played.everything, trust.limits)?;
    let replayed = replay::members(&files, &inputs).await?;
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

fn leave(folder: &Path, scene: &Scene, played: &Played) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("run.json"), &played.package)?;
    fs::write(folder.join("report.pdf"), &played.report)?;
    fs::write(folder.join("export.tar"), &played.everything)?;
    for (name, content) in &played.inputs {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, content)?;
    }
    fs::write(folder.join("key.pem"), &scene.seal_key_pem)?;
    fs::write(
        folder.join("stream.txt"),
        format!("{}\n", scene.project.stream),
    )?;
    let summary = json!({
        "stream": scene.project.stream,
        "workspace": scene.workspace.id,
        "project": scene.project.id,
        "run": played.exported_run,
        "export": played.export,
        "counts": {
            "expected_findings": scene.expected,
            "incidents_opened": played.opened,
            "incidents_resolved": played.resolved,
            "repairs": played.repaired.len(),
            "rejected": 1,
            "refused_votes": played.refused_votes,
            "stripe_requests": scene.stripe.requests().len(),
            "stripe_non_get_calls": scene.stripe.non_get_calls(),
        },
        "repaired": played.repaired,
        "rejected": played.rejected,
    });
    let text = serde_json::to_string_pretty(&summary)?;
    fs::write(folder.join("summary.json"), format!("{text}\n"))?;
    Ok(())
}

fn by_hand(scene: &Scene) {
    println!("\nTry it by hand (Ctrl-C ends everything):");
    println!("   API       {}", scene.cloud.api_url);
    println!("   Postgres  {}", scene.postgres.admin_url());
    println!("   Stripe    {}", scene.stripe.base_url());
    for key in &scene.keys {
        println!("   key of {:<24} {}", key.whose, key.key.reveal());
    }
    println!(
        "   curl -H \"Authorization: Bearer $KEY\" {}/v1/approvals",
        scene.cloud.api_url
    );
}
