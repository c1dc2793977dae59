//! Secrets that somebody hands to a command: from its environment, from standard input, or typed
//! without an echo. Never as an argument, which every process of the machine can read.

use std::io::{IsTerminal, Read};

use anyhow::{Context, anyhow};
use counterfoil_core::redacted::Redacted;

use crate::client::Failure;

/// The longest secret that is read.
const LONGEST: u64 = 32 * 1024;

/// Reads a secret: the variable where it is set, otherwise standard input, otherwise a prompt.
///
/// # Errors
/// When there is none, or more than one line.
pub(crate) fn read(what: &str, variable: &str) -> Result<Redacted<String>, Failure> {
    let given = std::env::var_os(variable).and_then(|it| it.into_string().ok());
    let text = match given.filter(|text| !text.is_empty()) {
        Some(text) => text,
        None if std::io::stdin().is_terminal() => rpassword::prompt_password(format!("{what}: "))
            .context("reading from the terminal")
            .map_err(Failure::Unknown)?,
        None => {
            let mut text = String::new();
            // The error must not quote what was read.
            std::io::stdin()
                .take(LONGEST)
                .read_to_string(&mut text)
                .map_err(|error| {
                    Failure::Unknown(anyhow!("reading standard input: {}", error.kind()))
                })?;
            text
        }
    };
    let secret = Redacted::new(text.trim().to_owned());
    if secret.reveal().is_empty() {
        return Err(Failure::Unknown(anyhow!(
            "there is no {what}: pipe it into the command, set {variable}, or run the command at a terminal"
        )));
    }
    if secret.reveal().chars().any(char::is_control) {
        return Err(Failure::Unknown(anyhow!(
            "the {what} has more than one line, or letters that nobody sees: give it alone"
        )));
    }
    Ok(secret)
}
