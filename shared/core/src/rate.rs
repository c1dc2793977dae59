//! How many requests one credential may make: a token bucket.
//!
//! Pure. The bucket lies in the state table, one row per credential; a process takes several tokens
//! at once ([`Bucket::take`]) and spends them itself ([`Share`]), so most requests cost no write.
//! Whatever the number of processes, a credential makes at most `burst + rate * time` requests,
//! because every token leaves the bucket before it is spent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Parts of a token, so that a millisecond refills a whole number of them.
const PARTS: u64 = 60_000;
/// How long a process may spend tokens that it took.
pub const SHARE_LASTS: Duration = Duration::from_secs(5);

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: u64,
}

impl Rate {
    /// So many requests a minute, and as many at once. At least 1, at most 1,000,000.
    pub fn per_minute(requests: u64) -> Self {
        Self {
            per_minute: requests.clamp(1, 1_000_000),
        }
    }

    /// Requests a minute, which is also the most at once.
    pub const fn quota(self) -> u64 {
        self.per_minute
    }

    /// What a process takes at once: a thirtieth of the quota, two seconds of its refill.
    pub const fn share(self) -> u64 {
        if self.per_minute < 30 {
            1
        } else {
            self.per_minute / 30
        }
    }

    const fn full(self) -> u64 {
        self.per_minute.saturating_mul(PARTS)
    }
}

/// What a credential has left, and when it was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    parts: u64,
    refilled_at: Timestamp,
    /// When it was last used, as exactly as processes say: they come once per share.
    pub last_used_at: Timestamp,
}

impl Bucket {
    /// The bucket of a credential that was never used.
    pub const fn full(rate: Rate, now: Timestamp) -> Self {
        Self {
            parts: rate.full(),
            refilled_at: now,
            last_used_at: now,
        }
    }

    /// The bucket at `now`. A clock that runs behind refills nothing and takes nothing away.
    #[must_use]
    fn refilled(self, rate: Rate, now: Timestamp) -> Self {
        let millis = now.as_millis().saturating_sub(self.refilled_at.as_millis());
        let more = millis.saturating_mul(rate.per_minute);
        Self {
            parts: self.parts.saturating_add(more).min(rate.full()),
            refilled_at: self.refilled_at.max(now),
            last_used_at: self.last_used_at.max(now),
        }
    }

    /// Takes up to `wanted` tokens: the bucket after it, and how many it gave.
    pub fn take(self, rate: Rate, wanted: u64, now: Timestamp) -> (Self, u64) {
        let bucket = self.refilled(rate, now);
        let given = bucket.left().min(wanted);
        let after = Self {
            parts: bucket.parts.saturating_sub(given.saturating_mul(PARTS)),
            ..bucket
        };
        (after, given)
    }

    /// Whole tokens left.
    pub const fn left(self) -> u64 {
        self.parts / PARTS
    }

    /// How long until there is a token, in whole seconds, rounded up; 0 when there is one.
    pub const fn wait_s(self, rate: Rate) -> u64 {
        let missing = PARTS.saturating_sub(self.parts);
        missing.div_ceil(rate.per_minute).div_ceil(1_000)
    }
}

/// Tokens that a process has taken and not spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    tokens: u64,
    /// Tokens that the bucket had left then.
    rest: u64,
    until: Timestamp,
}

impl Share {
    /// What a process took at `now`, and what it left in the bucket.
    pub fn new(tokens: u64, rest: u64, now: Timestamp) -> Self {
        Self {
            tokens,
            rest,
            until: now.plus(SHARE_LASTS),
        }
    }

    /// Spends one token; `None` when the share is spent or over.
    pub fn spend(self, now: Timestamp) -> Option<Self> {
        let tokens = self.tokens.checked_sub(1)?;
        (now < self.until).then_some(Self { tokens, ..self })
    }

    /// Whether it can be forgotten.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.tokens == 0 || now >= self.until
    }

    /// Requests that are left, as far as this process knows.
    pub const fn left(self) -> u64 {
        self.tokens.saturating_add(self.rest)
    }
}

#[cfg(test)]
mod tests;
