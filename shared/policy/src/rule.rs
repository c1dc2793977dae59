//! A rule as people read it: what its annotations say. They feed the record and change no outcome.

use std::time::Duration;

use cedar_policy::Policy;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Characters of a rule's sentence, at most.
pub(crate) const LONGEST_WHY: usize = 200;
/// How long an action may be held, at most.
const LONGEST_HOLD: Duration = Duration::from_hours(30 * 24);
/// The annotations that rules may carry.
const KNOWN: [&str; 4] = ["id", "why", "role", "hold"];

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

    fn named(name: &str) -> Option<Self> {
        [Self::Approver, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.name() == name)
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

impl Rule {
    /// Reads the annotations of a policy of the layer whose ids start with `prefix`.
    pub(crate) fn of(policy: &Policy, prefix: &'static str) -> Result<Self, RuleFault> {
        let mut annotations = policy.annotations();
        if let Some((unknown, _)) = annotations.find(|(name, _)| !KNOWN.contains(name)) {
            return Err(RuleFault::Unknown(unknown.to_owned()));
        }
        let said = |name: &'static str| {
            let value = policy
                .annotation(name)
                .filter(|value| !value.trim().is_empty());
            value.ok_or(RuleFault::Missing(name))
        };
        let (id, why) = (said("id")?, said("why")?);
        if why.chars().count() > LONGEST_WHY {
            return Err(RuleFault::LongWhy);
        }
        let kind = match policy.effect() {
            cedar_policy::Effect::Permit => Kind::Permit,
            cedar_policy::Effect::Forbid => Kind::Forbid,
        };
        check_id(id, kind, prefix)?;
        let role = match policy.annotation("role") {
            None => ApproverRole::Approver,
            Some(name) => ApproverRole::named(name).ok_or(RuleFault::Role)?,
        };
        let hold = policy.annotation("hold").map(duration);
        Ok(Self {
            id: id.to_owned(),
            kind,
            why: why.to_owned(),
            role,
            hold: hold.transpose()?,
        })
    }
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
    if name.is_empty() || name.len() > 64 || !name.bytes().all(letter) {
        return Err(malformed());
    }
    match (said, kind) {
        ("permit", Kind::Permit) | ("forbid" | "require", Kind::Forbid) => Ok(()),
        ("permit" | "forbid" | "require", _) => Err(RuleFault::Kind {
            said: said.to_owned(),
            is: if kind == Kind::Permit {
                "permit"
            } else {
                "forbid"
            },
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
