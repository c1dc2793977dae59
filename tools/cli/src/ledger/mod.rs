//! `counterfoil ledger`: what a customer was owed, given, and what was done about it, in sentences.
//!
//! The story is told from the run packages that a deployment exports for the customer; each is
//! verified first. Without `--seal-key` and `--stream` it is verified with the key that came along,
//! which shows damage and nothing more, and the story says so.

mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args as ClapArgs;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::seal::{SealKey, is_prefix};
use counterfoil_evidence::verify::{Package, Trust, verify};
use serde_json::json;

use crate::access::Access;
use crate::client::{Client, Failure, block_on, exit};
use crate::export::{Member, check_place, compare, fetch, members, obtain};
use crate::output::say;
use crate::plain::shown;
use story::{Sentence, sentences};

/// Tells a customer's story from the evidence about them
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil ledger cus_123 --api https://api.example.com
  counterfoil ledger cus_123 --api https://api.example.com --json
  counterfoil ledger cus_123 --api https://api.example.com --seal-key key.pem --stream ID --keep cus_123.tar

The key is read from COUNTERFOIL_API_KEY where --key is not given; without one, whoever signed in asks.

EXIT STATUS:
  0  told
  1  refused: no such customer, no right to export, or the export failed
  2  not known: usage, or the deployment could not be reached
  3  a package does not verify, or is not what the deployment recorded")]
pub(crate) struct Args {
    /// Stripe customer id
    customer: String,
    #[command(flatten)]
    access: Access,
    /// Public key of the seals, from elsewhere than the deployment
    #[arg(long, value_name = "PEM", requires = "stream")]
    seal_key: Option<PathBuf>,
    /// The stream that the packages must be of, from elsewhere
    #[arg(long, value_name = "ID", requires = "seal_key")]
    stream: Option<String>,
    /// What the origin of the seals starts with
    #[arg(long, value_name = "PREFIX")]
    origin: Option<String>,
    /// Keep the archive of the packages here
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Print the story as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Args) -> Result<(), Failure> {
    let api = Client::new(&args.access)?;
    let pinned = pinned(args).map_err(Failure::Unknown)?;
    let api = api.in_project().await?;
    if let Some(file) = &args.keep {
        check_place("--keep", file).map_err(Failure::Unknown)?;
    }
    let made = obtain(&api, &json!({ "customer": args.customer })).await?;
    let folder = tempfile::tempdir();
    let folder = folder
        .context("making a folder")
        .map_err(Failure::Unknown)?;
    let file = match &args.keep {
        Some(file) => file.clone(),
        None => folder.path().join("ledger.tar"),
    };
    fetch(&api, &made.id, "package", &file).await?;
    let wanted = |name: &str| name.starts_with("runs/") || name.starts_with("keys/");
    let members = members(&file, wanted).map_err(Failure::Unknown)?;
    compare(&members).map_err(|error| Failure::Different(format!("{error:#}")))?;
    let mut trust = match pinned {
        Some(trust) => trust,
        None => brought(&made.stream, &members).map_err(Failure::Unknown)?,
    };
    if let Some(origin) = &args.origin {
        trust.prefix.clone_from(origin);
    }
    let mut told = Vec::new();
    let mut runs = 0_usize;
    for member in members
        .iter()
        .filter(|member| member.name.starts_with("runs/"))
    {
        let content = member.content.as_deref().unwrap_or_default();
        let verdict = verify(Package::Document(content), &trust);
        if !verdict.is_accepted() {
            let what = format!("{}: {}", member.name, verdict.first_line());
            return Err(Failure::Different(what));
        }
        let package =
            Json::parse_document(content).map_err(|fault| Failure::Unknown(anyhow!(fault)))?;
        told.extend(sentences(&package));
        runs = runs.saturating_add(1);
    }
    told.sort_by_key(|sentence| sentence.seq);
    if args.json {
        print_json(args, &made.stream, &told);
    } else {
        print(args, runs, &told);
    }
    Ok(())
}

/// What the user pins.
fn pinned(args: &Args) -> Result<Option<Trust>> {
    let origin = args.origin.as_deref();
    ensure!(
        origin.is_none_or(is_prefix),
        "--origin must be 1 to 128 visible characters without + and end in /s/"
    );
    let (Some(file), Some(stream)) = (&args.seal_key, &args.stream) else {
        return Ok(None);
    };
    let pem = std::fs::read_to_string(file);
    let pem = pem.with_context(|| format!("reading --seal-key {}", file.display()))?;
    let key = SealKey::from_pem(&pem);
    let key = key.with_context(|| {
        format!(
            "--seal-key {} is no P-256 public key in PEM",
            file.display()
        )
    })?;
    let stream: Hash = stream
        .parse()
        .context("--stream must be 64 hexadecimal digits")?;
    Ok(Some(Trust::new(key, stream)))
}

/// What came along, which the user has not pinned.
fn brought(stream: &str, members: &[Member]) -> Result<Trust> {
    let keys = members
        .iter()
        .filter(|member| member.name.starts_with("keys/"));
    let keys = keys.filter_map(|member| String::from_utf8(member.content.clone()?).ok());
    let keys = keys.map(|pem| SealKey::from_pem(&pem).map(Into::into));
    let keys = keys
        .collect::<Result<Vec<_>, _>>()
        .context("reading the key of the seals")?;
    let stream: Hash = stream.parse().context("the answer names no stream")?;
    Ok(Trust::of(keys, stream))
}

fn print(args: &Args, runs: usize, told: &[Sentence]) {
    say(format_args!(
        "{}: {} records in {runs} runs",
        args.customer,
        told.len()
    ));
    for sentence in told {
        say(format_args!(
            "{}  {}  (entry {})",
            sentence.at,
            shown(&sentence.text),
            sentence.seq
        ));
    }
    if args.seal_key.is_some() {
        say(format_args!(
            "Every package verifies under the key and the stream that you gave."
        ));
    } else {
        say(format_args!(
            "Every package verifies under the key that came with it. That shows that nothing is damaged; to know that nobody \
             changed it, give --seal-key and --stream from elsewhere."
        ));
    }
}

fn print_json(args: &Args, stream: &str, told: &[Sentence]) {
    let entries: Vec<serde_json::Value> = told
        .iter()
        .map(|sentence| {
            json!({
                "at": sentence.at, "seq": sentence.seq, "entry": sentence.leaf, "run": sentence.run,
                "kind": sentence.kind, "text": sentence.text,
            })
        })
        .collect();
    let pinned = args.seal_key.is_some();
    let ledger = json!({
        "customer": args.customer, "stream": stream, "pinned": pinned, "entries": entries,
    });
    say(ledger);
}
