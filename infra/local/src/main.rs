//! `counterfoil-local [--functions]`: the local cloud by hand.
//!
//! Starts the emulator with the stack of `template.yaml` and a Postgres, prints their addresses as
//! one JSON object, and keeps them until standard input ends or the process is interrupted.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};

use anyhow::{Result, bail};
use counterfoil_local::{LocalCloud, Options, Postgres};
use serde_json::json;

fn main() -> Result<()> {
    let mut options = Options::default();
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--functions" => options.functions = true,
            other => bail!("unknown argument {other}; the only one is --functions"),
        }
    }
    let progress = |step: &str| {
        // Progress that cannot be shown is no reason to stop.
        let _ = writeln!(io::stderr(), "{step}");
    };
    let postgres = Postgres::start(&progress)?;
    let cloud = LocalCloud::start(&options, &progress)?;
    let addresses = json!({
        "postgres": postgres.admin_url(),
        "environment": cloud.sdk_env().into_iter().collect::<BTreeMap<_, _>>(),
        "outputs": cloud.outputs,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{addresses}")?;
    out.flush()?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}
