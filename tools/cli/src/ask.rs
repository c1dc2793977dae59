//! Asks whoever sits at the terminal, who has just read what will happen.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, anyhow};

use crate::client::Failure;

/// The longest answer that is read.
const LONGEST: u64 = 4_096;

/// What is said where nobody agrees before anything is sent.
const SENT_NOTHING: &str = "nothing was sent";

/// Lets the command go on after a yes at a terminal, or with `--yes`.
///
/// # Errors
/// When nobody can be asked, or the answer is another word.
pub(crate) fn confirmed(what: &str, yes: bool) -> Result<(), Failure> {
    confirmed_or(what, yes, SENT_NOTHING)
}

/// The same where something was sent already, and `otherwise` is what does not happen without a yes.
pub(crate) fn confirmed_or(what: &str, yes: bool, otherwise: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !at_a_terminal() {
        let what = format!(
            "{otherwise}: nobody is at a terminal to confirm it; look at what it changes, and give --yes"
        );
        return Err(Failure::Unknown(anyhow!(what)));
    }
    eprint!("{what} Type yes: ");
    agreed(&line(&mut io::stdin().lock())?, otherwise)
}

/// A reason: the one that was given, or typed at a terminal.
///
/// # Errors
/// When there is none, or it is too short to say why.
pub(crate) fn reason(given: Option<&str>) -> Result<String, Failure> {
    reason_of(given, 10)
}

/// The same where it takes more characters to say why.
pub(crate) fn reason_of(given: Option<&str>, least: usize) -> Result<String, Failure> {
    let reason = match given {
        Some(given) => given.to_owned(),
        None if at_a_terminal() => {
            eprint!("Why ({least} to 1,000 characters; others read it, and it is kept): ");
            line(&mut io::stdin().lock())?
        }
        None => String::new(),
    };
    let reason = reason.trim();
    if !(least..=1_000).contains(&reason.chars().count()) {
        let what = format!(
            "nothing was sent: give --reason TEXT that says in {least} to 1,000 characters why"
        );
        return Err(Failure::Unknown(anyhow!(what)));
    }
    Ok(reason.to_owned())
}

/// Whether somebody sits at a terminal.
pub(crate) fn at_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    read.context("reading the answer")
        .map_err(Failure::Unknown)?;
    Ok(line)
}

fn agreed(answer: &str, otherwise: &str) -> Result<(), Failure> {
    if answer.trim().eq_ignore_ascii_case("yes") {
        return Ok(());
    }
    let what = format!("{otherwise}: the answer was not yes");
    Err(Failure::refused(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (typed, agrees) in [
            ("yes\n", true),
            (" YES \r\n", true),
            ("y\n", false),
            ("\n", false),
            ("", false),
            ("yes please\n", false),
        ] {
            let answer = line(&mut typed.as_bytes()).unwrap();
            let said = agreed(&answer, SENT_NOTHING).map_err(|no| no.status());
            let wanted = if agrees { Ok(()) } else { Err(1) };
            assert_eq!(said, wanted, "{typed:?}");
        }
    }

    #[test]
    fn a_reason_says_something() {
        assert_eq!(
            reason(Some("  Paid by card today ")).unwrap(),
            "Paid by card today"
        );
        for short in ["", "ok", "         .         ", &"x".repeat(1_001)] {
            assert_eq!(reason(Some(short)).unwrap_err().status(), 2, "{short}");
        }
    }
}
