//! Every file of `events/` against the function that it is for: as it is, where nothing that it
//! names exists, and with the ids, keys and signatures of a real tenant in their places.

mod bus;
mod nothing;
mod people;
mod real;
mod records;
mod scans;
mod work;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_local::FUNCTIONS;
use serde_json::Value;

use super::stage::Stack;

const PROJECT: &str = "prj_01KARX6M000000000000000002";
const AGENT: &str = "cfk_test_Example001_ExampleExampleExampleExampleEx0119p0BU";
const APPROVER: &str = "cfk_test_Example002_ExampleExampleExampleExampleEx023jP2My";
const RUN: &str = "run_01KARX6M000000000000000003";
const INCIDENT: &str = "inc_01KARX6M000000000000000004";
const ACTION: &str = "act_01KARX6M000000000000000005";
const EXPORT: &str = "exp_01KARX6M000000000000000006";
const SOURCE: &str = "aws.partner/stripe.com/ed_test_Example000001";
const ISSUER: &str = "https://issuer.example.com";
const STREAM: &str = "a9b1b25b277fa8146284e58adbd81b8f38181e9ba124daa00022da8445f7d879";

/// What a function says to an event.
#[derive(Debug, PartialEq)]
enum Says {
    /// An answer for the HTTP API.
    Status(u64),
    /// An answer for whoever invoked it.
    Answer(Value),
    /// That it failed; whoever invoked it may try again.
    Failed,
}

fn folder(function: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    root.join(function)
}

fn text(function: &str, name: &str) -> String {
    fs::read_to_string(folder(function).join(format!("{name}.json"))).unwrap()
}

fn files() -> BTreeSet<(String, String)> {
    let mut files = BTreeSet::new();
    for function in FUNCTIONS {
        for file in fs::read_dir(folder(function)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".json").unwrap().to_owned();
            files.insert((function.to_owned(), name));
        }
    }
    files
}

/// The output of the template that names a function.
fn output(function: &str) -> &'static str {
    match function {
        "stripe-webhook" => "StripeWebhookFunction",
        "scheduled-reconcile" => "ReconcileFunction",
        "repair-approve" => "RepairFunction",
        "export" => "ExportFunction",
        "api" => "ApiFunctionName",
        "mcp" => "McpFunction",
        _ => "ArchiveFunction",
    }
}

async fn says(stack: &Stack, function: &str, event: &Value) -> Says {
    let Some(answer) = stack.invoke(output(function), event).await else {
        return Says::Failed;
    };
    match answer.get("statusCode").and_then(Value::as_u64) {
        Some(status) => Says::Status(status),
        None => Says::Answer(answer),
    }
}
