//! The row of a secret: its sealed versions.
//!
//! The newest version is what everybody uses. An older one stays readable until it is retired, for
//! whoever read the row before it was replaced. A version that is gone is an error, never another
//! version's value.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::SecretId;
use crate::sealed::{Purpose, Sealed};
use crate::time::Timestamp;

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Id.
    pub id: SecretId,
    /// Purpose.
    pub purpose: Purpose,
    /// The highest version that was ever stored, from 1. Numbers are never used again, and may have
    /// gaps.
    pub version: u64,
    /// What may be shown: `rk_live_…`, or host and database.
    pub hint: String,
    /// The versions that are kept, ascending.
    pub versions: Vec<SecretVersion>,
}

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretVersion {
    /// Its number.
    pub version: u64,
    /// The sealed value.
    pub sealed: Sealed,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// From when on it is not readable any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire_at: Option<Timestamp>,
}

/// Why a version of a secret is not readable.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum VersionError {
    /// It was never stored, or it was retired or revoked.
    #[error("the secret has no version {0}")]
    Unknown(u64),
    /// Its time is over.
    #[error("version {0} of the secret is retired")]
    Retired(u64),
    /// The newest version was revoked.
    #[error("the secret is revoked: enter the credential again")]
    Revoked,
}

impl Secret {
    /// A secret with its first version.
    pub fn first(
        id: SecretId,
        purpose: Purpose,
        hint: &str,
        version: u64,
        sealed: Sealed,
        sealed_at: Timestamp,
    ) -> Self {
        let first = SecretVersion {
            version,
            sealed,
            sealed_at,
            retire_at: None,
        };
        Self {
            id,
            purpose,
            version,
            hint: hint.to_owned(),
            versions: vec![first],
        }
    }

    /// The version in use.
    ///
    /// # Errors
    /// [`VersionError::Revoked`] when there is none.
    pub fn current(&self) -> Result<&SecretVersion, VersionError> {
        let newest = self.versions.last();
        newest
            .filter(|newest| newest.version == self.version)
            .ok_or(VersionError::Revoked)
    }

    /// The version with this number, as long as it is readable.
    ///
    /// # Errors
    /// When it is not.
    pub fn at(&self, version: u64, now: Timestamp) -> Result<&SecretVersion, VersionError> {
        let found = self.versions.iter().find(|kept| kept.version == version);
        let found = found.ok_or(VersionError::Unknown(version))?;
        match found.retire_at {
            Some(at) if at <= now => Err(VersionError::Retired(version)),
            _ => Ok(found),
        }
    }

    /// Whether the data key of this version seals nothing that anybody may still read or store: a
    /// number below the highest one was either stored, and then it is in the row, or it never will be.
    pub fn is_spent(&self, version: u64) -> bool {
        version <= self.version && self.versions.iter().all(|kept| kept.version != version)
    }
}
