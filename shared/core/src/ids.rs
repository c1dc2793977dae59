//! Typed identifiers: a prefix that names the kind, then a ULID.
//!
//! Ids are made from a time and random bits that the caller supplies; nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use ulid::Ulid;

use crate::time::Timestamp;

/// A text that is not an id of the expected kind.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("expected an id that starts with `{prefix}` followed by 26 characters")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// An id that is nothing but these 128 bits, for things that are named by a digest.
            pub fn from_bits(bits: u128) -> Self {
                Self(Ulid(bits))
            }

            /// Makes an id from a time and 80 random bits (the upper 48 bits of `random` are ignored).
            pub fn new(at: Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(at.as_millis(), random))
            }

            /// The time that it was made with. Meaningless for ids that are named by a digest.
            pub fn made_at(&self) -> Timestamp {
                Timestamp::from_millis(self.0.timestamp_ms())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: Self::PREFIX };
                let digits = text.strip_prefix(Self::PREFIX).ok_or(error.clone())?;
                let ulid = Ulid::from_string(digits).map_err(|_| error.clone())?;
                // One spelling per id: lower case or an alias of a digit would be a second name.
                if ulid.to_string() == digits { Ok(Self(ulid)) } else { Err(error) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A tenant.
    WorkspaceId, "ws_"
);
typed_id!(
    /// One Stripe account and one database inside a workspace.
    ProjectId, "prj_"
);
typed_id!(
    /// One execution with its record.
    RunId, "run_"
);
typed_id!(
    /// Something proposed.
    ActionId, "act_"
);
typed_id!(
    /// The judgement of an action.
    DecisionId, "dec_"
);
typed_id!(
    /// A difference between promise and grant, with a life.
    IncidentId, "inc_"
);
typed_id!(
    /// An evidence package that was asked for.
    ExportId, "exp_"
);
typed_id!(
    /// An API key.
    KeyId, "key_"
);
typed_id!(
    /// A person.
    UserId, "usr_"
);
typed_id!(
    /// A sealed secret.
    SecretId, "sec_"
);
typed_id!(
    /// A legal hold.
    HoldId, "hld_"
);
typed_id!(
    /// An invitation into a workspace.
    InvitationId, "inv_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = RunId::new(Timestamp::from_millis(1_795_392_000_000), 7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("run_"));
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        let id = RunId::new(Timestamp::from_millis(1), 0x00ab_cdef).to_string();
        assert!(id.replace("run_", "act_").parse::<RunId>().is_err());
        assert!(id.to_lowercase().parse::<RunId>().is_err());
        assert!("run_".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let early = ActionId::new(Timestamp::from_millis(10), u128::MAX);
        let late = ActionId::new(Timestamp::from_millis(11), 0);
        assert!(early < late);
    }
}
