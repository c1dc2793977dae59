//! A rule as people read it: what its annotations say. They feed the record and change no outcome.

use std::time::Duration;

use cedar_policy::Policy;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Characters of a rule's sentence, at most.
pub(crate) const LONGEST_WHY: usize = 200;
/// How long an action may be held, at most.
const LONGEST_HOLD: Duration = Duration::from_hours(30 * 24);
/// Characters of the last part of an id, at most.
pub(crate) const LONGEST_NAME: usize = 64;
/// The annotations that rules may carry.
pub(crate) const KNOWN: [&str; 4] = ["id", "why", "role", "hold"];

/// Whether a policy permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Part of what is possible at all.
    Permit,
    /// Stops what it matches.
    Forbid,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

/// The least role whose approvals count for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApproverRole {
    /// Approvers, admins, owners.
    Approver,
    /// Admins and owners.
    Admin,
    /// Owners.
    Owner,
}

impl ApproverRole {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Every role, the least first.
    pub(crate) const ALL: [Self; 3] = [Self::Approver, Self::Admin, Self::Owner];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Stable id, for example `base.forbid.multi-row`.
    pub id: String,
    /// Permit or forbid.
    pub kind: Kind,
    /// One sentence for people.
    pub why: String,
    /// Whose approvals count where it asks for some.
    pub role: ApproverRole,
    /// How long an action that it holds may wait; `None` leaves that to the product.
    pub hold: Option<Duration>,
}

/// Why a policy is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleFault {
    /// `@id` or `@why` is missing or empty.
    #[error("`@{0}` is missing: every policy has an `@id` and a `@why`")]
    Missing(&'static str),
    /// The id has another form.
    #[error(
        "`@id` must be {prefix}.permit.NAME, {prefix}.forbid.NAME or {prefix}.require.NAME in lower case, digits and `-`"
    )]
    Id {
        /// What ids of this layer start with.
        prefix: &'static str,
    },
    /// `permit` in the id of a forbid, or the other way round.
    #[error("the id says {said} and the policy is a {is}")]
    Kind {
        /// What the id says.
        said: String,
        /// What the policy is.
        is: &'static str,
    },
    /// An annotation that nobody reads.
    #[error("`@{0}` is not an annotation of policies: only @id, @why, @role and @hold are")]
    Unknown(String),
    /// `@why` is too long.
    #[error("`@why` has more than {LONGEST_WHY} characters")]
    LongWhy,
    /// `@role` names no role of approvers.
    #[error("`@role` must be approver, admin or owner")]
    Role,
    /// `@hold` is no duration, or too long.
    #[error("`@hold` must be hours or days, for example \"24h\" or \"3d\", and at most 30 days")]
    Hold,
}

impl RuleFault {
    /// The annotation that it is about.
    pub(crate) fn annotation(&self) -> &str {
        match self {
            Self::Missing(name) => name,
            Self::Id { .. } | Self::Kind { .. } => "id",
            Self::Unknown(name) => name,
            Self::LongWhy => "why",
            Self::Role => "role",
            Self::Hold => "hold",
        }
    }
}

impl Rule {
    /// Reads the annotations of a policy of the layer whose ids start with `prefix`.
    ///
    /// # Errors
    /// Everything that is wrong with them; never nothing.
    pub(crate) fn of(policy: &Policy, prefix: &'static str) -> Result<Self, Vec<RuleFault>> {
        let unknown = policy.annotations().map(|(name, _)| name);
        let unknown = unknown.filter(|name| !KNOWN.contains(name));
        let mut faults: Vec<_> = unknown
            .map(|name| RuleFault::Unknown(name.to_owned()))
            .collect();
        let kind = kind(policy);
        let id = said(policy, "id").and_then(|id| check_id(id, kind, prefix).map(|()| id));
        let why = said(policy, "why").and_then(|why| match why.chars().count() {
            0..=LONGEST_WHY => Ok(why),
            _ => Err(RuleFault::LongWhy),
        });
        let role = match policy.annotation("role") {
            None => Ok(ApproverRole::Approver),
            Some(name) => ApproverRole::named(name).ok_or(RuleFault::Role),
        };
        let hold = policy.annotation("hold").map(duration).transpose();
        match (id, why, role, hold) {
            (Ok(id), Ok(why), Ok(role), Ok(hold)) if faults.is_empty() => Ok(Self {
                id: id.to_owned(),
                kind,
                why: why.to_owned(),
                role,
                hold,
            }),
            (id, why, role, hold) => {
                faults.extend(
                    [id.err(), why.err(), role.err(), hold.err()]
                        .into_iter()
                        .flatten(),
                );
                Err(faults)
            }
        }
    }
}

/// Permit or forbid.
pub(crate) fn kind(policy: &Policy) -> Kind {
    match policy.effect() {
        cedar_policy::Effect::Permit => Kind::Permit,
        cedar_policy::Effect::Forbid => Kind::Forbid,
    }
}

fn said<'a>(policy: &'a Policy, name: &'static str) -> Result<&'a str, RuleFault> {
    let value = policy.annotation(name);
    let value = value.filter(|value| !value.trim().is_empty());
    value.ok_or(RuleFault::Missing(name))
}

fn check_id(id: &str, kind: Kind, prefix: &'static str) -> Result<(), RuleFault> {
    let malformed = || RuleFault::Id { prefix };
    let rest = id
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'));
    let (said, name) = rest
        .and_then(|rest| rest.split_once('.'))
        .ok_or_else(malformed)?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(letter) {
        return Err(malformed());
    }
    match (said, kind) {
        ("permit", Kind::Permit) | ("forbid" | "require", Kind::Forbid) => Ok(()),
        ("permit" | "forbid" | "require", _) => Err(RuleFault::Kind {
            said: said.to_owned(),
            is: kind.name(),
        }),
        _ => Err(malformed()),
    }
}

fn duration(text: &str) -> Result<Duration, RuleFault> {
    let hours = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(hours), _) => hours.parse::<u64>().ok(),
        (_, Some(days)) => days
            .parse::<u64>()
            .ok()
            .and_then(|days| days.checked_mul(24)),
        _ => None,
    };
    let seconds = hours.and_then(|hours| hours.checked_mul(3_600));
    let hold = seconds.map(Duration::from_secs).ok_or(RuleFault::Hold)?;
    if hold.is_zero() || hold > LONGEST_HOLD {
        return Err(RuleFault::Hold);
    }
    Ok(hold)
}
