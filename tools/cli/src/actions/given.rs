//! Who has approved an action, and who of them counts no more.

use serde_json::Value;

use crate::answer::{text, texts, words};
use crate::plain::shown;

/// Everybody who has approved it, with a word about those who count no more.
pub(crate) fn approvers(action: &Value) -> Vec<String> {
    let told = |person: &str| {
        let lapsed = lapsed(action).find(|it| text(it, "/by") == person);
        let person = shown(person);
        match lapsed.map(|it| text(it, "/why")) {
            None => person,
            Some(why) => format!("{person} (no longer counts: {})", because(why)),
        }
    };
    let people = texts(action, "/approved_by").into_iter();
    people.map(told).collect()
}

/// What people said with their votes, with a use of break-glass and with its review, each as their words.
pub(super) fn said(action: &Value) -> Vec<String> {
    let line = |said: &Value, by: &str, how: &str| {
        let (by, words) = (shown(text(said, by)), shown(text(said, "/reason")));
        (!words.is_empty()).then(|| format!("{by}, {how}: \"{words}\""))
    };
    let votes = action.pointer("/votes").and_then(Value::as_array);
    let votes = votes.into_iter().flatten().map(|vote| {
        let how = match text(vote, "/vote") {
            "approve" => "approving".to_owned(),
            "reject" => "rejecting".to_owned(),
            other => words(&shown(other)),
        };
        line(vote, "/by", &how)
    });
    let broken = action.pointer("/override");
    let review = action.pointer("/override/review");
    let of_glass = [(broken, "breaking the glass"), (review, "reviewing that")];
    let of_glass = of_glass.map(|(said, how)| said.and_then(|said| line(said, "/by", how)));
    votes.chain(of_glass).flatten().collect()
}

/// How many of them count.
pub(super) fn given(action: &Value) -> u64 {
    let people = texts(action, "/approved_by").len();
    let given = people.saturating_sub(lapsed(action).count());
    u64::try_from(given).unwrap_or(u64::MAX)
}

fn lapsed(action: &Value) -> impl Iterator<Item = &Value> {
    let lapsed = action
        .pointer("/no_longer_counts")
        .and_then(Value::as_array);
    lapsed.into_iter().flatten()
}

fn because(why: &str) -> String {
    match why {
        "key_revoked" => "the approver key was revoked".to_owned(),
        "left" => "no longer in the workspace".to_owned(),
        "role_lower" => "no longer in the role that it needs".to_owned(),
        "role_newer" => "in their role only since after the proposal".to_owned(),
        other => words(&shown(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::show::tests::held;
    use super::super::show::{next, story};

    #[test]
    fn whoever_has_approved_and_counts_no_more_is_told_and_not_counted() {
        let mut action = held();
        action["approved_by"] = json!(["usr_1", "usr_2", "usr_3"]);
        for (why, said) in [
            ("key_revoked", "the approver key was revoked"),
            ("left", "no longer in the workspace"),
            ("role_lower", "no longer in the role that it needs"),
            ("role_newer", "in their role only since after the proposal"),
            ("some\u{1b}thing_new", "some\\u{1b}thing new"),
        ] {
            action["no_longer_counts"] =
                json!([{"by": "usr_2", "why": why}, {"by": "usr_3", "why": "left"}]);
            let story = story(&action, None);
            let line = format!(
                "  approved   by usr_1, usr_2 (no longer counts: {said}), usr_3 (no longer counts: no longer \
                 in the workspace)"
            );
            assert!(story.contains(&line), "{story:?}");
        }
        assert!(next(&action).starts_with("act_1 waits for one more approval."));
        action["approved_by"] = json!(["usr_2", "usr_3"]);
        assert!(next(&action).starts_with("act_1 waits for 2 more approvals."));
    }

    #[test]
    fn the_words_of_people_are_told_as_theirs() {
        let mut action = held();
        assert!(!story(&action, None).join("\n").contains("  said "));
        action["votes"] = json!([
            {"by": "usr_1", "vote": "approve", "at": "2026-11-26T00:00:00.000Z", "reason": "paid\u{1b}[2J\nit"},
            {"by": "usr_2", "vote": "reject", "at": "2026-11-26T00:01:00.000Z", "reason": "not this customer"},
            {"by": "usr_3", "vote": "approve", "at": "2026-11-26T00:02:00.000Z", "reason": null},
        ]);
        action["overridden_by"] = json!("usr_4");
        action["override"] = json!({ "by": "usr_4", "at": "2026-11-26T01:00:00.000Z", "ticket": "OPS-1",
            "reason": "nobody else answers", "review": { "until": "2026-12-03T01:00:00.000Z", "by": "usr_5",
            "at": "2026-11-27T01:00:00.000Z", "reason": "it was right" } });
        let story = story(&action, None);
        let said: Vec<_> = story
            .iter()
            .filter(|line| line.starts_with("  said "))
            .collect();
        assert_eq!(
            said,
            [
                "  said       usr_1, approving: \"paid\\u{1b}[2J\\nit\"",
                "  said       usr_2, rejecting: \"not this customer\"",
                "  said       usr_4, breaking the glass: \"nobody else answers\"",
                "  said       usr_5, reviewing that: \"it was right\"",
            ]
        );
    }
}
