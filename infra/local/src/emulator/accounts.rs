//! Accounts of the emulator.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// An account of its own for a test: a 12-digit access key *is* the account, and accounts do not see
/// each other's tables, queues, keys and functions. Calls of the HTTP API carry no account and land
/// in the default one.
pub fn new_account() -> String {
    // Process and count: also processes that share an emulator get different ones.
    let count = NEXT.fetch_add(1, Ordering::Relaxed) % 100_000;
    format!("{:07}{count:05}", process::id() % 10_000_000)
}

#[cfg(test)]
mod tests {
    use super::new_account;

    #[test]
    fn accounts_are_twelve_digits_and_differ() {
        let (one, other) = (new_account(), new_account());
        assert_ne!(one, other);
        assert!(one.len() == 12 && one.bytes().all(|byte| byte.is_ascii_digit()));
    }
}
