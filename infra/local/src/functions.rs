//! Building the functions for this machine.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::lock::Lock;
use crate::{Progress, command, paths};

/// Packages of the functions; each has one binary of the same name.
pub const FUNCTIONS: [&str; 7] = [
    "stripe-webhook",
    "scheduled-reconcile",
    "repair-approve",
    "export",
    "archive",
    "api",
    "mcp",
];

/// Builds function binaries.
#[derive(Debug, Clone, Copy)]
pub struct Functions;

impl Functions {
    /// Builds every function in the development profile and answers its stripped `bootstrap`.
    ///
    /// # Errors
    /// What cargo said last, or what is missing.
    pub fn build(progress: Progress<'_>) -> Result<BTreeMap<String, PathBuf>> {
        let built = Self::with_symbols(progress)?;
        let _lock = Lock::take("functions", progress)?;
        FUNCTIONS
            .iter()
            .map(|name| Ok(((*name).to_owned(), bootstrap(name, &built)?)))
            .collect()
    }

    /// Builds every function in the development profile and answers what cargo made, with its symbols.
    ///
    /// # Errors
    /// What cargo said last.
    pub fn with_symbols(progress: Progress<'_>) -> Result<BTreeMap<String, PathBuf>> {
        progress("building the functions");
        cargo(progress)
    }
}

/// Runs cargo; answers binary name to executable.
fn cargo(progress: Progress<'_>) -> Result<BTreeMap<String, PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new(cargo);
    build
        .current_dir(paths::checkout())
        .args(["build", "--message-format=json-render-diagnostics"]);
    // By their binaries and not by their packages: dependencies have the features that the whole workspace
    // asks for then, and are built once for tests, functions and command line.
    build.args(FUNCTIONS.iter().flat_map(|name| ["--bin", *name]));
    let messages = command::run("cargo build", &mut build, progress)?;
    let mut built = BTreeMap::new();
    for message in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(message) else {
            continue;
        };
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let executable = message.get("executable").and_then(Value::as_str);
        if let (Some(name), Some(executable)) = (name, executable) {
            built.insert(name.to_owned(), PathBuf::from(executable));
        }
    }
    Ok(built)
}

/// The stripped copy: a development binary is 280 MB, without debug information 31 MB.
fn bootstrap(name: &str, built: &BTreeMap<String, PathBuf>) -> Result<PathBuf> {
    let Some(executable) = built.get(name) else {
        bail!("cargo built no binary {name}")
    };
    let copy = paths::local("functions")?.join(name).join("bootstrap");
    if !is_newer(executable, &copy)? {
        return Ok(copy);
    }
    let draft = paths::local(&format!("functions/{name}"))?.join("draft");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&draft).arg(executable);
    command::quietly("strip (Debian: package binutils)", &mut strip)?;
    fs::rename(&draft, &copy)?;
    Ok(copy)
}

fn is_newer(executable: &Path, copy: &Path) -> Result<bool> {
    let built = fs::metadata(executable)
        .and_then(|file| file.modified())
        .with_context(|| format!("cannot look at {}", executable.display()))?;
    Ok(fs::metadata(copy)
        .and_then(|file| file.modified())
        .is_ok_and(|copied| built > copied)
        || !copy.exists())
}
