//! The real clock and the real random source.

use counterfoil_core::ports::{Clock, Random};
use counterfoil_core::time::Timestamp;

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0_u8; 32];
        if getrandom::fill(&mut bytes).is_err() {
            // Going on with predictable bytes would be worse than not going on.
            std::process::abort();
        }
        bytes
    }
}
