//! `counterfoil export`: asks a deployment for evidence, waits, fetches it and checks what came.
//!
//! It does not verify evidence: that is `counterfoil verify`, with a key and a stream id from
//! elsewhere.

pub(crate) mod archive;
mod fetch;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{ArgGroup, Args as ClapArgs};
use serde_json::{Value, json};

use crate::access::Access;
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;

pub(crate) use archive::{Member, compare, members};
pub(crate) use fetch::{fetch, obtain};
pub(crate) use place::{check as check_place, temporary};

/// Asks for evidence of a project, waits until it is made, and fetches it
#[derive(Debug, ClapArgs)]
#[command(
    group(ArgGroup::new("what").required(true).args(["run", "from", "all", "workspace", "customer"])),
    after_help = "EXAMPLES:
  counterfoil export --api https://api.example.com --run run_01KARX6M000000000000000003 --out run.json
  counterfoil export --api https://api.example.com --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z --out october.tar
  counterfoil export --api https://api.example.com --all --out everything.tar --report everything.pdf
  counterfoil export --api https://api.example.com --customer cus_123 --out ledger.tar

The key is read from COUNTERFOIL_API_KEY where --key is not given; without one, whoever signed in asks. A run is one JSON document; everything else is a
tar archive whose README.txt says how it is verified:
  counterfoil verify october.tar --key key.pem --stream ID
Auditors, admins and owners may export.

EXIT STATUS:
  0  fetched, and the bytes are those that the deployment recorded
  1  refused, or the export failed; the last line says why
  2  not known: usage, or the deployment could not be reached. The export may still be made
  3  what came is not what the deployment recorded: keep the file and tell somebody"
)]
pub(crate) struct Args {
    #[command(flatten)]
    access: Access,
    /// One closed run, with its report
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Everything from this moment on, UTC, RFC 3339
    #[arg(long, value_name = "TIME", requires = "to")]
    from: Option<String>,
    /// Up to, not including, this moment
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Everything of the project
    #[arg(long)]
    all: bool,
    /// Everything about the workspace itself: people, keys, projects
    #[arg(long)]
    workspace: bool,
    /// The runs that concern a customer
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// With what runs have read, for `verify --replay`; personal data of every customer they read
    #[arg(long, conflicts_with_all = ["run", "customer", "workspace"])]
    inputs: bool,
    /// Where the package goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the report for people goes, as PDF
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Args {
    fn body(&self) -> Value {
        if let Some(run) = &self.run {
            return json!({ "run_id": run });
        }
        if let Some(customer) = &self.customer {
            return json!({ "customer": customer });
        }
        let mut body = match (&self.from, &self.to) {
            (Some(from), Some(to)) => json!({ "from": from, "to": to }),
            _ if self.all => json!({ "all": true }),
            _ => json!({ "workspace": true }),
        };
        if let (true, Some(fields)) = (self.inputs, body.as_object_mut()) {
            fields.insert("inputs".to_owned(), json!(true));
        }
        body
    }
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Args) -> Result<(), Failure> {
    let api = Client::new(&args.access)?;
    check_places(args).map_err(Failure::Unknown)?;
    let api = api.in_project().await?;
    let made = obtain(&api, &args.body()).await?;
    let package = fetch(&api, &made.id, "package", &args.out).await?;
    if package.is_archive {
        archive::check(&args.out)?;
    }
    if let Some(report) = &args.report {
        fetch(&api, &made.id, "report", report).await?;
    }
    say(format_args!(
        "{}: {} bytes, {}",
        args.out.display(),
        package.bytes,
        package.digest
    ));
    say(format_args!(
        "entries: {}; stream: {}; sealed at {}",
        made.entries, made.stream, made.sealed_at
    ));
    if made.empty {
        say(format_args!(
            "no entry lies in this period: {}",
            proof_of_nothing(made.entries)
        ));
    }
    say(next(args, &made.stream));
    Ok(())
}

fn check_places(args: &Args) -> Result<()> {
    place::check("--out", &args.out)?;
    let Some(report) = &args.report else {
        return Ok(());
    };
    place::check("--report", report)?;
    ensure!(
        *report != args.out,
        "--out and --report name one file; give two"
    );
    Ok(())
}

/// What a package holds whose period has no entry.
const fn proof_of_nothing(entries: u64) -> &'static str {
    match entries {
        1 => "the package holds the one entry beside it and a seal, which prove that",
        _ => "the package holds its two neighbours, which prove that",
    }
}

/// The command that comes next.
fn next(args: &Args, stream: &str) -> String {
    let pins = format!("--key key.pem --stream {stream}");
    let out = args.out.display();
    if args.customer.is_some() {
        return format!(
            "next, in an empty folder: tar -xf {out} && for run in runs/*.json; do counterfoil verify $run {pins}; done\n\
             with key.pem and the stream id from elsewhere than this deployment"
        );
    }
    format!(
        "next: counterfoil verify {out} {pins}\n\
         with key.pem and the stream id from elsewhere than this deployment"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        let access = [
            "export",
            "--api",
            "https://api.example.com",
            "--key",
            "cfk_1",
        ];
        let words = access.into_iter().chain(words.iter().copied());
        Command::try_parse_from(words).unwrap().args
    }

    #[test]
    fn the_next_command_verifies_what_was_fetched() {
        let all = next(&args(&["--all", "--out", "all.tar"]), "ab");
        assert!(all.starts_with("next: counterfoil verify all.tar --key key.pem --stream ab\n"));
        let ledger = next(&args(&["--customer", "cus_1", "--out", "l.tar"]), "ab");
        assert!(
            ledger.contains("counterfoil verify $run --key key.pem"),
            "{ledger}"
        );
    }

    #[test]
    fn an_empty_period_at_an_end_of_the_stream_has_one_neighbour() {
        assert!(proof_of_nothing(1).contains("the one entry beside it"));
        assert!(proof_of_nothing(2).contains("two neighbours"));
    }

    #[test]
    fn files_that_cannot_be_written_are_named_before_anything_is_asked_for() {
        let says = |words: &[&str], text: &str| {
            let error = format!("{:#}", check_places(&args(words)).unwrap_err());
            assert!(error.contains(text), "{error}");
        };
        says(
            &["--all", "--out", "/nonexist/x.tar"],
            "--out /nonexist/x.tar",
        );
        says(&["--all", "--out", "x", "--report", "x"], "name one file");
        says(
            &["--all", "--out", "x", "--report", "/nonexist/x"],
            "--report",
        );
    }
}
