//! What goes wrong between the product and Stripe.

use std::time::Duration;

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 429, with Stripe's word on repeating it or without.
    TooManyRequests {
        /// The header `Stripe-Should-Retry`.
        should_retry: Option<bool>,
    },
    /// An error of this status.
    Status(u16),
    /// The right answer, after this time.
    Slow(Duration),
    /// Half of the body, and then the connection ends.
    BrokenOff,
    /// Half of the body as if it were all.
    HalfBody,
    /// JSON of another shape.
    WrongShape,
    /// The first page again, with more promised.
    SameCursor,
    /// The object of the cursor is not there any more.
    NoSuchCursor,
}

/// A failure of certain requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: String,
    kind: FaultKind,
    skip: u32,
    times: u32,
}

impl Fault {
    /// A failure of the next request of exactly this path.
    pub fn on(path: &str, kind: FaultKind) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            skip: 0,
            times: 1,
        }
    }

    /// Lets `requests` pass before.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Fails `times` requests.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The failure of a request for `path`, from the first fault that is about it.
pub(super) fn take(faults: &mut Vec<Fault>, path: &str) -> Option<FaultKind> {
    let fault = faults.iter_mut().find(|fault| fault.path == path)?;
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    let kind = fault.kind;
    fault.times = fault.times.saturating_sub(1);
    faults.retain(|fault| fault.times > 0);
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lets_pass_fails_and_is_over() {
        let mut faults = vec![Fault::on("/a", FaultKind::HalfBody).after(1).times(2)];
        let seen: Vec<bool> = (0..4).map(|_| take(&mut faults, "/a").is_some()).collect();
        assert_eq!(seen, [false, true, true, false]);
        assert_eq!(take(&mut faults, "/b"), None);
    }
}
