//! Progress on standard error, for checks that take longer than a moment.

use std::time::{Duration, Instant};

/// Silent until then.
const QUIET: Duration = Duration::from_secs(2);
/// At most one line in this time.
const BETWEEN: Duration = Duration::from_secs(2);
/// Reading the clock for every object would cost more than the object.
const STRIDE: u64 = 256;

/// Counts and tells.
#[derive(Debug)]
pub(super) struct Progress {
    next: Instant,
    what: &'static str,
    count: u64,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self {
            next: Instant::now() + QUIET,
            what: "",
            count: 0,
        }
    }

    /// One more object of this sort.
    pub(super) fn step(&mut self, what: &'static str) {
        if self.what != what {
            self.what = what;
            self.count = 0;
        }
        self.count += 1;
        if self.count.is_multiple_of(STRIDE) {
            self.tell();
        }
    }

    /// One more of a sort that costs requests each.
    pub(super) fn slow_step(&mut self, what: &'static str) {
        self.step(what);
        self.tell();
    }

    fn tell(&mut self) {
        let what = self.what;
        if Instant::now() >= self.next {
            eprintln!("{} {what}", super::report::grouped(self.count));
            self.next = Instant::now() + BETWEEN;
        }
    }
}
