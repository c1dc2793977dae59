//! The demo's voice: progress on standard error, the story on standard output.

use std::time::Instant;

use crate::output::say;

/// Tells what happens, with the seconds it took.
#[derive(Debug)]
pub(super) struct Story {
    begun: Instant,
    chapter: u32,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            chapter: 0,
        }
    }

    /// A heading.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter = self.chapter.saturating_add(1);
        say(format_args!("\n{}. {title}", self.chapter));
    }

    /// A sentence.
    #[expect(clippy::unused_self, reason = "a sentence belongs to a story")]
    pub(super) fn say(&self, sentence: impl AsRef<str>) {
        say(format_args!("   {}", sentence.as_ref()));
    }

    /// A line of progress for whoever waits.
    pub(super) fn progress(&self, step: &str) {
        eprintln!("[{:>3} s] {step}", self.begun.elapsed().as_secs());
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }
}
