//! The beginning and the end of a governed run.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::file::{digest, reference};
use super::show::ended;
use super::{Made, Once, make};
use crate::access::{Call, segment};
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Starts a governed run of a flow
#[derive(Debug, ClapArgs)]
pub(super) struct Start {
    /// The flow, under whose name the kinds of its actions are registered
    flow: String,
    /// What runs: the digest of this file is the flow's version
    #[arg(long, value_name = "FILE", required_unless_present = "version_sha256")]
    program: Option<PathBuf>,
    /// The flow's version, where it is no file here
    #[arg(long, value_name = "sha256:…", conflicts_with = "program")]
    version_sha256: Option<String>,
    /// A run that must end with the same artifact: this file
    #[arg(long, value_name = "FILE")]
    deterministic: Option<PathBuf>,
    /// What it works on, told by name and digest; several times for several
    #[arg(long = "input", value_name = "[REF=]FILE")]
    inputs: Vec<String>,
    /// Your own trace id (W3C)
    #[arg(long, value_name = "HEX")]
    trace_id: Option<String>,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    call: Call,
}

/// Ends a governed run, when every action of it has ended
#[derive(Debug, ClapArgs)]
pub(super) struct Complete {
    /// The run's id
    id: String,
    /// What it produced, told by name and digest
    #[arg(long, value_name = "[REF=]FILE")]
    output: Option<String>,
    /// What was executed, of a deterministic run
    #[arg(long, value_name = "FILE")]
    artifact: Option<PathBuf>,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn start(args: &Start) -> Result<(), Failure> {
    let version = match (&args.program, &args.version_sha256) {
        (Some(file), _) => digest(file)?,
        (None, given) => given.clone().unwrap_or_default(),
    };
    let kind = match args.deterministic {
        Some(_) => "deterministic",
        None => "governed",
    };
    let inputs: Result<Vec<Value>, Failure> = args.inputs.iter().map(|it| reference(it)).collect();
    let mut body = json!({
        "flow": { "id": args.flow, "version_sha256": version, "kind": kind }, "inputs": inputs?,
    });
    if let Some(file) = &args.deterministic {
        set(&mut body, "artifact_sha256", digest(file)?.into());
    }
    if let Some(trace) = &args.trace_id {
        set(&mut body, "trace_id", trace.as_str().into());
    }
    let api = Client::of(&args.call)?.in_project().await?;
    let run = match make(&api, "/v1/runs", &body, &args.once).await? {
        Made::Answered(run) => run,
        Made::Known(id) => governed(&api, &id).await?,
    };
    if args.call.json {
        say_json(&run);
        return Ok(());
    }
    let id = shown(text(&run, "/id"));
    eprintln!(
        "{id} of {} is open; next: counterfoil run propose {id} KIND --target REF --wait",
        shown(text(&run, "/flow/id"))
    );
    say(id);
    Ok(())
}

pub(super) async fn complete(args: &Complete) -> Result<(), Failure> {
    let id = segment(&args.id)?;
    let mut body = json!({});
    if let Some(output) = &args.output {
        set(&mut body, "output", reference(output)?);
    }
    if let Some(file) = &args.artifact {
        set(&mut body, "artifact_sha256", digest(file)?.into());
    }
    let api = Client::of(&args.call)?.in_project().await?;
    let path = format!("/v1/runs/{id}/complete");
    let run = match make(&api, &path, &body, &args.once).await {
        Ok(Made::Answered(run)) => run,
        Ok(Made::Known(_)) => governed(&api, id).await?,
        Err(Failure::Refused(mut refused)) if refused.code == "run-has-open-actions" => {
            let more =
                format!("; tell what became of each, or withdraw it: counterfoil run show {id}");
            refused.said.push_str(&more);
            return Err(Failure::Refused(refused));
        }
        Err(failure) => return Err(failure),
    };
    if args.call.json {
        say_json(&run);
    }
    ended(&run, args.call.json)
}

/// A governed run as it is now.
async fn governed(api: &Client, id: &str) -> Result<Value, Failure> {
    let mut run = api.get(&format!("/v1/runs/{}", segment(id)?)).await?;
    Ok(run.get_mut("governed").map(Value::take).unwrap_or_default())
}

/// Sets a field of an object.
pub(super) fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
