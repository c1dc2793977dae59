//! Why a command over the API did not do what it was asked to, and its exit status.

use std::fmt;
use std::process::ExitCode;

use anyhow::Context;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The deployment said no, or what was asked for failed.
    Refused(Refused),
    /// It could not be found out.
    Unknown(anyhow::Error),
    /// What came is not what was recorded.
    Different(String),
    /// It waits for people.
    Waits(String),
    /// It must not be done, which is on the record.
    Denied(String),
}

/// Why something was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// For people, with what to do.
    pub(crate) said: String,
    /// The problem's stable code (docs/problems.md); empty where no problem came.
    pub(crate) code: String,
    /// What an earlier request with the same `Idempotency-Key` made; empty without one.
    pub(crate) made: String,
}

impl Failure {
    /// A refusal of the command's own.
    pub(crate) fn refused(said: impl Into<String>) -> Self {
        Self::Refused(Refused {
            said: said.into(),
            code: String::new(),
            made: String::new(),
        })
    }

    /// The exit status.
    pub(crate) const fn status(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Unknown(_) => 2,
            Self::Different(_) => 3,
            Self::Waits(_) => 4,
            Self::Denied(_) => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write!(f, "refused: {}", refused.said),
            Self::Unknown(error) => write!(f, "not known: {error:#}"),
            Self::Different(what) => write!(f, "different: {what}"),
            Self::Waits(what) => write!(f, "not yet: {what}"),
            Self::Denied(what) => write!(f, "not to be done: {what}"),
        }
    }
}

/// Waits for a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting")
        .map_err(Failure::Unknown)?;
    runtime.block_on(future)
}

/// The exit status, after the reason.
pub(crate) fn exit(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure:#}");
            ExitCode::from(failure.status())
        }
    }
}
