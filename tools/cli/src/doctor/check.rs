//! One thing that was looked at.

use serde_json::{Value, json};

use crate::client::Failure;
use crate::plain::shown;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
    /// Nobody could look.
    Unknown,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// What was found, and the command that comes next.
#[derive(Debug)]
pub(super) struct Check {
    name: &'static str,
    pub(super) state: State,
    said: String,
    next: Option<String>,
}

impl Check {
    pub(super) fn new(name: &'static str, state: State, said: impl Into<String>) -> Self {
        Self {
            name,
            state,
            said: said.into(),
            next: None,
        }
    }

    pub(super) fn ok(name: &'static str, said: impl Into<String>) -> Self {
        Self::new(name, State::Ok, said)
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A question that was not answered as it should be.
    pub(super) fn of(name: &'static str, failure: &Failure) -> Self {
        let state = match failure {
            Failure::Refused(_) | Failure::Different(_) | Failure::Denied(_) => State::Fail,
            Failure::Unknown(_) | Failure::Waits(_) => State::Unknown,
        };
        Self::new(name, state, failure.to_string())
    }

    /// `ok    clock        3 ms apart`.
    pub(super) fn line(&self) -> String {
        let next = self.next.as_ref();
        let next = next.map(|next| format!("\n      next: {}", shown(next)));
        let said = self.said.split('\n').map(shown).collect::<Vec<_>>();
        format!(
            "{:<7} {:<11} {}{}",
            self.state.name(),
            self.name,
            said.join("\n                    "),
            next.unwrap_or_default()
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({ "check": self.name, "state": self.state.name(), "said": self.said, "next": self.next })
    }
}

/// 1 where something does not work, otherwise 2 where somebody could not look, otherwise 0.
pub(super) fn status(checks: &[Check]) -> u8 {
    let any = |state| checks.iter().any(|check| check.state == state);
    match (any(State::Fail), any(State::Unknown)) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_goes_before_what_nobody_could_look_at_and_warnings_are_no_failure() {
        let with = |states: &[State]| {
            let checks = states.iter().map(|state| Check::new("x", *state, ""));
            status(&checks.collect::<Vec<_>>())
        };
        assert_eq!(with(&[State::Ok, State::Warn]), 0);
        assert_eq!(with(&[State::Unknown, State::Fail]), 1);
        assert_eq!(with(&[State::Ok, State::Unknown]), 2);
    }

    #[test]
    fn a_line_keeps_to_itself() {
        let check = Check::new("project", State::Fail, "no \u{1b}[1mname").next("counterfoil x");
        assert_eq!(
            check.line(),
            "fail    project     no \\u{1b}[1mname\n      next: counterfoil x"
        );
    }
}
