//! Logs: one JSON line per event on standard output.
//!
//! Spans and fields hold ids and counts. Never in a log: credentials, row values, bodies, e-mail
//! addresses. Every failure is logged once, where it is handled, with its chain of causes.

use std::error::Error;
use std::fmt::Write;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging. Calling it twice changes nothing.
pub fn init() {
    // Fails when a subscriber is set already, and then there is nothing to do.
    let _ = tracing::subscriber::set_global_default(lines(std::io::stdout));
    std::panic::set_hook(Box::new(panicked));
}

fn lines<W>(writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::new("info,aws_config=warn,aws_smithy_runtime=warn,hyper=warn");
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

/// In place of the hook that prints: the message of a panic may hold a value; where it happened does
/// not.
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    tracing::error!(alarm = "panic", place, "a panic");
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
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// What was logged while `act` ran on this thread.
    pub(crate) fn logged(act: impl FnOnce()) -> Vec<Value> {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(lines(move || writer.clone()), act);
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let line = |line| serde_json::from_str(line).unwrap();
        text.lines().map(line).collect()
    }

    #[test]
    fn a_value_makes_no_second_line_and_no_second_field() {
        for forged in [
            "x\n{\"level\":\"ERROR\",\"alarm\":\"panic\"}",
            "x\r\nERROR all is lost",
            "x\",\"alarm\":\"panic",
            "\u{2028}\u{85}\u{1b}[2K\0",
        ] {
            let lines = logged(|| tracing::info!(route = forged, shown = %forged, "{forged}"));
            assert_eq!(lines.len(), 1, "{lines:?}");
            for field in ["route", "shown", "message"] {
                assert_eq!(lines[0][field], forged, "{field}");
            }
            assert!(lines[0]["alarm"].is_null(), "{lines:?}");
            assert_eq!(lines[0]["level"], "INFO");
        }
    }

    #[test]
    fn a_panic_says_where_it_happened_and_not_what_it_said() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(panicked));
        let lines = logged(|| {
            let done = std::panic::catch_unwind(|| panic!("secret-of-a-panic"));
            assert!(done.is_err());
        });
        std::panic::set_hook(before);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["alarm"], "panic");
        assert!(lines[0]["place"].as_str().unwrap().contains("telemetry.rs"));
        assert!(!format!("{lines:?}").contains("secret-of-a-panic"));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("reading the project failed")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_chain_names_every_cause_once() {
        let error = Outer(io::Error::other("no route"));
        assert_eq!(chain(&error), "reading the project failed: no route");
    }
}
