//! `counterfoil run`: what was looked at and done, run by run, and the calls of a governed run for
//! agents that are shell scripts (docs/runs.md).

mod act;
mod file;
mod governed;
mod list;
mod show;
mod wait;

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::access::help;
use crate::client::{Client, Failure, block_on, exit};

/// Runs: what checks and scans looked at, and what agents do, judged before it is done
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nA script that acts: `start`, then `propose`, do it, `result` for each action, then `complete`.\n",
    "run list",
    "run show run_01KARX6M000000000000000003",
    "run start refunds --program refund.sh",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = help!(
        "run list --limit 20", "run list --purpose governed --status open", "run list --all --json",
    ))]
    List(list::List),
    #[command(after_help = help!("run show run_01KARX6M000000000000000003"))]
    Show(show::Show),
    #[command(after_help = help!(
        note "\nStandard output has the run's id alone: RUN=$(counterfoil run start refunds --program refund.sh)\n",
        "run start refunds --program refund.sh",
        "run start refunds --program refund.sh --input s3://inputs/batch-7.json=batch.json",
        "run start invoices --program build.sh --deterministic invoices.wasm",
    ))]
    Start(governed::Start),
    #[command(after_help = act::PROPOSE_HELP)]
    Propose(act::Propose),
    #[command(after_help = act::WAIT_HELP)]
    Wait(wait::Wait),
    #[command(after_help = act::BEGIN_HELP)]
    Begin(act::Begin),
    #[command(after_help = help!(
        "run result act_01KARX6M000000000000000005 executed --output receipt.json",
        "run result act_01KARX6M000000000000000005 failed --error card-declined",
    ))]
    Result(act::Outcome),
    #[command(after_help = help!("run withdraw act_01KARX6M000000000000000005"))]
    Withdraw(act::Withdraw),
    #[command(after_help = help!(
        "run complete run_01KARX6M000000000000000003 --output summary.json",
        "run complete run_01KARX6M000000000000000003 --artifact invoices.wasm",
    ))]
    Complete(governed::Complete),
}

/// For a request that may have been sent before.
#[derive(Debug, ClapArgs)]
struct Once {
    /// The same key again is the same request: nothing happens twice. Without it, a random one
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(&args.what)))
}

async fn run(what: &What) -> Result<(), Failure> {
    match what {
        What::List(args) => list::list(args).await,
        What::Show(args) => show::show(args).await,
        What::Start(args) => governed::start(args).await,
        What::Propose(args) => act::propose(args).await,
        What::Wait(args) => wait::wait(args).await,
        What::Begin(args) => act::begin(args).await,
        What::Result(args) => act::result(args).await,
        What::Withdraw(args) => act::withdraw(args).await,
        What::Complete(args) => governed::complete(args).await,
    }
}

/// What a request made: as it was answered, or its id where an earlier answer was lost.
enum Made {
    Answered(Value),
    Known(String),
}

async fn make(api: &Client, path: &str, body: &Value, once: &Once) -> Result<Made, Failure> {
    let sent = if let Some(key) = &once.idempotency_key {
        api.post(path, body, key).await
    } else {
        let answer = api.change(Method::POST, path, Some(body), None);
        answer.await.map(|answer| answer.body)
    };
    match sent {
        Ok(body) => Ok(Made::Answered(body)),
        Err(Failure::Refused(refused))
            if refused.code == "already-created" && !refused.made.is_empty() =>
        {
            Ok(Made::Known(refused.made))
        }
        Err(failure) => Err(failure),
    }
}
