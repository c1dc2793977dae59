//! What the Stripe side of a scan stems from: everything that it has read itself, or an earlier scan
//! and what has changed since.

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, SecretId};
use crate::time::Timestamp;

/// What the Stripe side of a scan stems from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The Stripe key by which it was read. Another key may open another account.
    pub key: SecretId,
    /// What read it ([`crate::snapshot::reader`]). Another one may read fields that this one did not keep.
    #[serde(default)]
    pub reader: String,
    /// When the full scan began that the oldest of it stems from.
    pub read_since: Timestamp,
    /// The earlier scan; `None` where everything was read.
    #[serde(default)]
    pub since: Option<Baseline>,
    /// Why everything was read although only what has changed was wanted.
    #[serde(default)]
    pub instead: Option<Instead>,
}

/// An earlier scan that another one goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its run.
    pub run: RunId,
    /// Its `as_of`: what has changed since is read again.
    pub as_of: Timestamp,
    /// Customers that were read again.
    #[serde(default)]
    pub changed: u64,
}

/// Why everything has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instead {
    /// No scan has read everything yet.
    NoBaseline,
    /// The latest one is older than the events that Stripe still lists.
    BaselineOld,
    /// The latest one was read by another key.
    OtherKey,
    /// The latest one was read by another version of the product.
    OtherReader,
    /// Its files were given up, or are not what was stored.
    BaselineGone,
    /// Reading everything costs less than reading every customer that has changed.
    TooManyChanges,
    /// The key may not list events, and everything was read a day ago or longer.
    EventsRefused,
}

impl Instead {
    /// A stable code for evidence.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoBaseline => "no-baseline",
            Self::BaselineOld => "baseline-old",
            Self::OtherKey => "other-key",
            Self::OtherReader => "other-reader",
            Self::BaselineGone => "baseline-gone",
            Self::TooManyChanges => "too-many-changes",
            Self::EventsRefused => "events-refused",
        }
    }
}

impl Basis {
    /// The basis of a scan that reads everything by `key`.
    pub const fn full(
        key: SecretId,
        reader: String,
        as_of: Timestamp,
        instead: Option<Instead>,
    ) -> Self {
        Self {
            key,
            reader,
            read_since: as_of,
            since: None,
            instead,
        }
    }
}
