//! The laptop's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use counterfoil_core::time::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this command reads the clock"
)]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
