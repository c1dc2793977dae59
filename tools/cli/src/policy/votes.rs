//! Whose approvals count, and how long they are waited for: what `@role` and `@hold` of rules say.
//!
//! Both change who may let something pass and change no outcome, so no formula holds them and no solver sees
//! them. They are compared here, rule by rule; what is not plainly as strict as before counts as loosening.

use std::collections::BTreeMap;
use std::time::Duration;

use counterfoil_policy::ApproverRole;

/// How long an action waits where no rule says so.
const UNLESS_SAID: Duration = Duration::from_hours(72);

/// A rule, as far as it says who approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Votes {
    pub(super) role: ApproverRole,
    pub(super) hold: Option<Duration>,
    /// The policy without its annotations.
    pub(super) body: String,
}

impl Votes {
    fn waits(&self) -> Duration {
        self.hold.unwrap_or(UNLESS_SAID)
    }

    /// Whether it narrows who approves, or how long that may take.
    fn narrows(&self) -> bool {
        self.role > ApproverRole::Approver || self.waits() < UNLESS_SAID
    }
}

/// A rule that asks for less than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lowered {
    pub(super) rule: String,
    pub(super) how: String,
}

/// What asks for less than before, by rule, sorted.
pub(super) fn lowered(
    before: &BTreeMap<String, Votes>,
    after: &BTreeMap<String, Votes>,
) -> Vec<Lowered> {
    let mut found = Vec::new();
    for (rule, was) in before {
        let Some(how) = less(was, after.get(rule)) else {
            continue;
        };
        let rule = rule.clone();
        found.push(Lowered { rule, how });
    }
    let new = after.iter().filter(|(rule, _)| !before.contains_key(*rule));
    for (rule, now) in new.filter(|(_, now)| now.waits() > UNLESS_SAID) {
        let how = format!("lets things wait for {}", hours(now.waits()));
        let rule = rule.clone();
        found.push(Lowered { rule, how });
    }
    found.sort_by(|one, other| one.rule.cmp(&other.rule));
    found
}

fn less(was: &Votes, now: Option<&Votes>) -> Option<String> {
    let Some(now) = now else {
        return was.narrows().then(|| {
            let (role, hold) = (was.role.name(), hours(was.waits()));
            format!("is gone: it wanted the role `{role}`, within {hold}")
        });
    };
    if now.role < was.role {
        let (was, now) = (was.role.name(), now.role.name());
        return Some(format!("wanted the role `{was}`, and now `{now}`"));
    }
    if now.waits() > was.waits() {
        let (was, now) = (hours(was.waits()), hours(now.waits()));
        return Some(format!("waited for {was}, and now for {now}"));
    }
    let moved = was.narrows() && now.body != was.body;
    moved.then(|| {
        "applies elsewhere: whether its `@role` and `@hold` still count is not proved".to_owned()
    })
}

fn hours(of: Duration) -> String {
    format!("{} hours", of.as_secs() / 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id, role, hours, body.
    type Row = (&'static str, ApproverRole, Option<u64>, &'static str);

    fn rules(of: &[Row]) -> BTreeMap<String, Votes> {
        let one = |(id, role, hold, body): &Row| {
            let votes = Votes {
                role: *role,
                hold: hold.map(Duration::from_hours),
                body: (*body).to_owned(),
            };
            ((*id).to_owned(), votes)
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn a_lower_role_and_a_longer_hold_loosen_and_the_reverse_does_not() {
        use ApproverRole::{Admin, Approver, Owner};
        let plain = ("r", Approver, None, "x");
        let table: [(Row, Option<Row>, bool); 14] = [
            (plain, Some(plain), false),
            (plain, None, false),
            (plain, Some(("r", Approver, None, "y")), false),
            (plain, Some(("r", Owner, Some(24), "x")), false),
            (plain, Some(("r", Approver, Some(73), "x")), true),
            (("r", Owner, None, "x"), Some(plain), true),
            (("r", Owner, None, "x"), Some(("r", Admin, None, "x")), true),
            (
                ("r", Admin, None, "x"),
                Some(("r", Owner, None, "x")),
                false,
            ),
            (("r", Admin, None, "x"), Some(("r", Owner, None, "y")), true),
            (("r", Admin, None, "x"), None, true),
            (("r", Approver, Some(24), "x"), Some(plain), true),
            (
                ("r", Approver, Some(24), "x"),
                Some(("r", Approver, Some(25), "x")),
                true,
            ),
            (
                ("r", Approver, Some(24), "x"),
                Some(("r", Approver, Some(23), "x")),
                false,
            ),
            (("r", Approver, Some(96), "x"), None, false),
        ];
        for (was, now, loosens) in table {
            let after = now.map_or_else(BTreeMap::new, |now| rules(&[now]));
            let found = lowered(&rules(&[was]), &after);
            assert_eq!(!found.is_empty(), loosens, "{was:?} -> {now:?}: {found:?}");
        }
        let found = lowered(&rules(&[]), &rules(&[("r", Owner, Some(96), "x")]));
        assert_eq!(
            found.len(),
            1,
            "without it 72 hours were the end: {found:?}"
        );
    }
}
