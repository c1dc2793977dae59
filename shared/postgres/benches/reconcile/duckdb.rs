//! The peer: the same comparison as one SQL query in `DuckDB` with its Postgres scanner.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cost::{self, Cost};

/// A Python that has `DuckDB`.
pub(crate) struct DuckDb {
    python: PathBuf,
    script: PathBuf,
}

/// Finds or makes the virtual environment; says why there is none.
pub(crate) fn prepare(target: &Path) -> Result<DuckDb, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reconcile");
    let venv = target.join("duckdb-venv");
    let python = venv.join("bin/python");
    let script = here.join("duckdb_peer.py");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let requirements = here.join("duckdb-requirements.txt");
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    run(pip.arg(&requirements))?;
    Ok(DuckDb { python, script })
}

fn run(command: &mut Command) -> Result<(), String> {
    let said = command.output().map_err(|error| error.to_string())?;
    if said.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said.stderr);
    Err(text
        .lines()
        .last()
        .unwrap_or("it could not be installed")
        .to_owned())
}

impl DuckDb {
    /// Compares once.
    pub(crate) fn run(&self, folder: &Path, url: &str, out: &Path) -> Cost {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(folder).arg(url).arg(out);
        cost::of(&mut command)
    }
}
