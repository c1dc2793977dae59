//! What a change of a secret makes of its row, and the entry that explains it. Pure.

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use crate::records::{Secret, SecretVersion};
use crate::sealed::Sealed;
use crate::tenancy::Principal;
use crate::time::Timestamp;
use crate::usecases::facts::{change, target};

/// What happened to a version of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStep {
    /// The first version was stored.
    Created,
    /// A newer version was stored; the one before is readable until then.
    Replaced {
        /// When the version before is retired.
        retires_at: Timestamp,
    },
    /// An older version's time is over: its data key goes.
    Retired,
    /// A version must not be used any more: its data key goes.
    Revoked,
}

impl SecretStep {
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced { .. } => "replaced",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

/// Which versions are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// One.
    Version(u64),
    /// All that are left: the secret cannot be used until it is replaced.
    All,
}

/// The entry: `secret.changed` with `purpose`, `version`, `change`, and `retires_at` (ms) of the
/// version before, where it was replaced.
pub(in crate::usecases) fn secret_draft(
    by: &Principal,
    secret: &Secret,
    version: u64,
    step: SecretStep,
) -> Draft {
    let mut more = vec![
        ("change", Json::from(step.name())),
        ("purpose", secret.purpose.name().into()),
        ("version", Json::uint(version)),
    ];
    if let SecretStep::Replaced { retires_at } = step {
        more.push(("retires_at", Json::uint(retires_at.as_millis())));
    }
    let facts = change(by, target("secret", secret.id), more);
    Draft::new(Kind::SecretChanged, facts)
}

/// The secret with a newer version; older ones end after `overlap` at the latest.
pub(super) fn replaced(
    secret: &Secret,
    (version, sealed): (u64, Sealed),
    hint: &str,
    now: Timestamp,
    overlap: Duration,
) -> (Secret, SecretStep) {
    let retires_at = now.plus(overlap);
    let mut after = secret.clone();
    for older in &mut after.versions {
        let sooner = older.retire_at.is_none_or(|at| retires_at < at);
        if sooner {
            older.retire_at = Some(retires_at);
        }
    }
    after.versions.push(SecretVersion {
        version,
        sealed,
        sealed_at: now,
        retire_at: None,
    });
    after.version = version;
    hint.clone_into(&mut after.hint);
    (after, SecretStep::Replaced { retires_at })
}

/// The secret without the versions that `goes` names, and their numbers.
pub(super) fn without(
    secret: &Secret,
    goes: impl Fn(&SecretVersion) -> bool,
) -> (Secret, Vec<u64>) {
    let mut after = secret.clone();
    after.versions.retain(|version| !goes(version));
    let gone = secret.versions.iter().filter(|version| goes(version));
    (after, gone.map(|version| version.version).collect())
}

/// Whether a version's time is over.
pub(super) fn is_over(version: &SecretVersion, now: Timestamp) -> bool {
    version.retire_at.is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SecretId;
    use crate::records::VersionError;
    use crate::sealed::Purpose;

    fn sealed(mark: &str) -> Sealed {
        Sealed {
            v: 1,
            alg: "AES-256-GCM".to_owned(),
            nonce: String::new(),
            ciphertext: mark.to_owned(),
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn first() -> Secret {
        let id = SecretId::from_bits(1);
        Secret::first(id, Purpose::Read, "rk_live_…", 1, sealed("one"), at(0))
    }

    fn second() -> Secret {
        let overlap = Duration::from_millis(10);
        replaced(&first(), (2, sealed("two")), "rk_test_…", at(100), overlap).0
    }

    #[test]
    fn an_older_version_is_readable_until_its_last_millisecond() {
        let secret = second();
        assert_eq!(secret.current().unwrap().sealed, sealed("two"));
        assert_eq!(secret.hint, "rk_test_…");
        assert_eq!(secret.at(1, at(109)).unwrap().sealed, sealed("one"));
        assert_eq!(secret.at(1, at(110)), Err(VersionError::Retired(1)));
        assert_eq!(secret.at(2, at(u64::MAX)).unwrap().sealed, sealed("two"));
        for unknown in [0, 3, u64::MAX] {
            assert_eq!(
                secret.at(unknown, at(0)),
                Err(VersionError::Unknown(unknown))
            );
        }
    }

    #[test]
    fn a_longer_overlap_later_does_not_prolong_a_retiring_version() {
        let overlap = Duration::from_mins(1);
        let (third, _) = replaced(&second(), (3, sealed("three")), "", at(105), overlap);
        assert_eq!(third.at(1, at(110)), Err(VersionError::Retired(1)));
        third.at(2, at(110)).unwrap();
    }

    #[test]
    fn a_secret_whose_newest_version_is_revoked_does_not_fall_back_to_an_older_one() {
        let (after, gone) = without(&second(), |version| version.version == 2);
        assert_eq!(gone, [2]);
        assert_eq!(after.current(), Err(VersionError::Revoked));
        assert!(after.is_spent(2));
        assert!(!after.is_spent(1), "still readable");
        assert!(!after.is_spent(3), "an attempt may be under way");
    }

    #[test]
    fn numbers_are_not_used_again() {
        let (none, _) = without(&second(), |_| true);
        let overlap = Duration::ZERO;
        let (after, _) = replaced(&none, (3, sealed("three")), "", at(1), overlap);
        assert_eq!((after.version, after.versions.len()), (3, 1));
    }
}
