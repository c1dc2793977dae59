//! The clock of this machine, for two things only: entries are stamped where they are written, and
//! rows past their time are hidden until the table sweeps them.

use counterfoil_core::time::Timestamp;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that looks at the clock"
)]
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
