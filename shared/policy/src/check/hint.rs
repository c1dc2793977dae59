//! What to write instead: a hint for everything that can be wrong with what a rule says about itself.

use std::collections::BTreeSet;
use std::path::Path;

use cedar_policy::Policy;

use crate::closest::closest;
use crate::rule::{ApproverRole, KNOWN, Kind, LONGEST_NAME, LONGEST_WHY, RuleFault, kind};

/// What a hint is about.
pub(super) struct Asked<'a> {
    /// The policy.
    pub(super) policy: &'a Policy,
    /// Its file.
    pub(super) file: &'a str,
    /// What ids of its layer start with.
    pub(super) prefix: &'static str,
    /// The ids that cannot be given any more.
    pub(super) taken: &'a BTreeSet<String>,
}

impl Asked<'_> {
    /// What to write instead of what a fault is about; and the id that this offers, which nothing else
    /// can have then.
    pub(super) fn instead_of(&self, fault: &RuleFault) -> (String, Option<String>) {
        if fault.annotation() != "id" {
            return (self.other(fault), None);
        }
        let id = self.id();
        let before = match fault {
            RuleFault::Missing(_) => " before it",
            _ => "",
        };
        (format!("write @id(\"{id}\"){before}"), Some(id))
    }

    fn other(&self, fault: &RuleFault) -> String {
        match fault {
            RuleFault::Missing(_) | RuleFault::Id { .. } | RuleFault::Kind { .. } => {
                let name = fault.annotation();
                format!("write @{name}(\"...\"): one sentence for whoever is refused or asked")
            }
            RuleFault::Unknown(name) => {
                let missing = |known: &&str| self.policy.annotation(known).is_none();
                match closest(name, KNOWN.into_iter().filter(missing)) {
                    Some(known) => format!("write @{known}, or take it away"),
                    None => "take it away: a comment, //, says what is only for authors".to_owned(),
                }
            }
            RuleFault::LongWhy => {
                let has = self.said("why").chars().count();
                let more = has.saturating_sub(LONGEST_WHY);
                format!("shorten it by {more} characters; a comment, //, may say more")
            }
            RuleFault::Role => {
                let roles = ApproverRole::ALL.into_iter().map(ApproverRole::name);
                let role = closest(self.said("role"), roles).unwrap_or("approver");
                format!("write @role(\"{role}\"), or leave it out: approvers count then")
            }
            RuleFault::Hold => {
                let hold = near_hold(self.said("hold"));
                format!("write @hold(\"{hold}\"), or leave it out: 72 hours count then")
            }
        }
    }

    fn said(&self, name: &str) -> &str {
        self.policy.annotation(name).unwrap_or_default()
    }

    /// An id that the policy can have, as near as possible to what it says.
    fn id(&self) -> String {
        let said = self.said("id");
        let mut parts = said.split('.').rev();
        let name = parts.next().map(slug).filter(|it| !it.is_empty());
        let stem = || Path::new(self.file).file_stem()?.to_str().map(slug);
        let name = name.or_else(stem).unwrap_or_else(|| "rule".to_owned());
        let what = match kind(self.policy) {
            Kind::Permit => "permit",
            Kind::Forbid if parts.any(|part| part.eq_ignore_ascii_case("require")) => "require",
            Kind::Forbid => "forbid",
        };
        let id = format!("{}.{what}.{name}", self.prefix);
        if self.taken.contains(&id) {
            free(&id, self.taken)
        } else {
            id
        }
    }
}

/// The next id like this one that no rule has.
pub(super) fn free(id: &str, taken: &BTreeSet<String>) -> String {
    let (before, name) = id.rsplit_once('.').unwrap_or(("", id));
    let numbered = (2_u64..).map(|number| {
        let end = format!("-{number}");
        let short: String = name
            .chars()
            .take(LONGEST_NAME.saturating_sub(end.len()))
            .collect();
        format!("{before}.{short}{end}")
    });
    let mut free = numbered.filter(|it| !taken.contains(it));
    free.next().unwrap_or_default()
}

/// In lower case, digits and `-`.
fn slug(text: &str) -> String {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-").chars().take(LONGEST_NAME).collect()
}

/// A duration that is taken, near to what somebody wrote.
fn near_hold(said: &str) -> String {
    let said = said.trim().to_ascii_lowercase();
    let end = said.find(|it: char| !it.is_ascii_digit());
    let (number, rest) = said
        .split_at_checked(end.unwrap_or(said.len()))
        .unwrap_or_default();
    let Ok(number) = number.parse::<u64>() else {
        return "24h".to_owned();
    };
    let behind = |it: char| it.is_ascii_digit() || it.is_whitespace() || ".,".contains(it);
    let unit = rest.trim_start_matches(behind);
    // A part of one more counts as one more.
    let part = rest.starts_with(['.', ',']);
    let number = number.saturating_add(u64::from(part));
    let (number, most, unit) = match unit.chars().next() {
        Some('m') if unit.starts_with("mo") => (number.saturating_mul(30), 30, 'd'),
        Some('m') => (number.div_ceil(60), 720, 'h'),
        Some('s') => (number.div_ceil(3_600), 720, 'h'),
        Some('w') => (number.saturating_mul(7), 30, 'd'),
        Some('d') => (number, 30, 'd'),
        _ => (number, 720, 'h'),
    };
    format!("{}{unit}", number.clamp(1, most))
}
