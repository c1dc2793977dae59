//! The state of a subscription.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `subscription.status`. Stripe adds states: an unknown one is kept, never guessed at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Paid, or free of charge.
    Active,
    /// In its trial.
    Trialing,
    /// The newest invoice is not paid and Stripe still tries.
    PastDue,
    /// Stripe has given up trying and left the subscription open.
    Unpaid,
    /// Ended.
    Canceled,
    /// The first payment is outstanding, for at most 23 hours.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// Without service until resumed.
    Paused,
    /// A state that this version does not know.
    Other(String),
}

impl Status {
    /// Stripe's name of the state.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Paused => "paused",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Status {
    fn from(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "trialing" => Self::Trialing,
            "past_due" => Self::PastDue,
            "unpaid" => Self::Unpaid,
            "canceled" => Self::Canceled,
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "paused" => Self::Paused,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Status;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a subscription status")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Status, E> {
                Ok(name.into())
            }
        }
        deserializer.deserialize_str(Name)
    }
}
