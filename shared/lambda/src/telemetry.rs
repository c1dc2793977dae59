//! Logs: one JSON line per event on standard output.
//!
//! Spans and fields hold ids and counts. Never in a log: credentials, row values, bodies, e-mail
//! addresses. Every failure is logged once, where it is handled, with its chain of causes.

use std::error::Error;
use std::fmt::Write;

use tracing_subscriber::EnvFilter;

/// Starts logging. Calling it twice changes nothing.
pub fn init() {
    let filter = EnvFilter::new("info,aws_config=warn,aws_smithy_runtime=warn,hyper=warn");
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .finish();
    // Fails when a subscriber is set already, and then there is nothing to do.
    let _ = tracing::subscriber::set_global_default(subscriber);
    // The message of a panic may hold a value; where it happened does not.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(alarm = "panic", place, "a panic");
    }));
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the project failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_names_every_cause_once() {
        let error = Outer(std::io::Error::other("no route"));
        assert_eq!(chain(&error), "reading the project failed: no route");
    }
}
