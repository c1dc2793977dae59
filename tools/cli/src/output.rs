//! Standard output: the answer. What could not be written was not answered.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Why a line was lost, from the first one on.
static LOST: OnceLock<io::ErrorKind> = OnceLock::new();

/// Prints a line. Whoever closes the pipe has read enough; any other failure counts in [`end`].
pub(crate) fn say(line: impl Display) {
    note(writeln!(io::stdout(), "{line}"), &LOST);
}

/// Writes bytes as they are.
pub(crate) fn write(bytes: &[u8]) {
    note(io::stdout().write_all(bytes), &LOST);
}

/// The exit status of the program: that of the command, or 2 where its answer was not written.
pub(crate) fn end(status: ExitCode) -> ExitCode {
    note(io::stdout().flush(), &LOST);
    match LOST.get() {
        None => status,
        Some(why) => {
            // Standard error may be lost as well; the exit status is not.
            let _ = writeln!(
                io::stderr(),
                "not decided: the answer could not be written to standard output: {why}"
            );
            ExitCode::from(2)
        }
    }
}

fn note(written: io::Result<()>, lost: &OnceLock<io::ErrorKind>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        lost.get_or_init(|| error.kind());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_loss_and_a_full_disk_is() {
        let lost = OnceLock::new();
        note(Ok(()), &lost);
        note(Err(io::ErrorKind::BrokenPipe.into()), &lost);
        assert_eq!(lost.get(), None);
        note(Err(io::ErrorKind::StorageFull.into()), &lost);
        note(Err(io::ErrorKind::Other.into()), &lost);
        assert_eq!(lost.get(), Some(&io::ErrorKind::StorageFull));
    }
}
