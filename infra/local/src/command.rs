//! Running other programs: their error output becomes progress, their last words an error.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use crate::Progress;

/// How many lines of a failed program's error output are worth telling.
const LAST_WORDS: usize = 12;

/// Runs `command` to its end and answers its standard output. `what` names it in errors.
pub(crate) fn run(what: &str, command: &mut Command, progress: Progress<'_>) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: cannot start {}", command.get_program().display()))?;
    let mut stdout = child
        .stdout
        .take()
        .with_context(|| format!("{what}: no output"))?;
    let stderr = child
        .stderr
        .take()
        .with_context(|| format!("{what}: no error output"))?;
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).map(|_| output)
    });
    let mut last_words = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        progress(&line);
        last_words.push_back(line);
        if last_words.len() > LAST_WORDS {
            last_words.pop_front();
        }
    }
    let output = reader
        .join()
        .map_err(|_| anyhow!("{what}: its output could not be read"))??;
    let output = String::from_utf8_lossy(&output).into_owned();
    let status = child.wait()?;
    if !status.success() {
        let words = Vec::from(last_words).join("\n");
        bail!("{what} ended with {status}\n{words}");
    }
    Ok(output)
}

/// Runs `command` without telling its error output unless it fails.
pub(crate) fn quietly(what: &str, command: &mut Command) -> Result<String> {
    run(what, command, &|_| {})
}
