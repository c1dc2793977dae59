//! How long the words of people may be.

use counterfoil_lambda::Problem;

/// Characters of them, at most. They are kept with the action and in the record.
const LONGEST: usize = 1_000;

/// That words are no longer than they may be. How much they must say is for the rules.
///
/// # Errors
/// The problem that names the field.
pub(crate) fn short_enough(reason: &str) -> Result<(), Problem> {
    if reason.trim().chars().count() > LONGEST {
        let rule = "must say in at most 1,000 characters why";
        return Err(Problem::invalid("/reason", rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use counterfoil_lambda::http::Sent;
    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::glass::{OverrideBody, ReviewBody};
    use crate::routes::Ballot;

    fn sent(mut body: Value, chars: usize) -> Sent {
        body["reason"] = json!("\u{1d11e}".repeat(chars));
        let body = body.as_object().unwrap();
        Sent::of(&Method::POST, ("/v1/x", "/v1/x"), "key", body).unwrap()
    }

    /// Which problem a body of so many characters leads to, on each route that takes words of a person.
    fn answers(chars: usize) -> [Option<Problem>; 3] {
        let digest = format!("sha256:{}", "0".repeat(64));
        let vote = json!({ "vote": "approve", "action_digest": digest });
        let glass = json!({ "ticket": "OPS-1", "action_digest": digest });
        [
            Ballot::read(&sent(vote, chars)).err(),
            OverrideBody::read(&sent(glass, chars)).err(),
            ReviewBody::read(&sent(json!({}), chars)).err(),
        ]
    }

    #[test]
    fn words_of_more_than_1000_characters_are_refused_by_their_field() {
        let rule = "must say in at most 1,000 characters why";
        let refused = Some(Problem::invalid("/reason", rule));
        assert_eq!(answers(1_001), [(); 3].map(|()| refused.clone()));
        // What is missing then is the version of what was displayed; a review needs none.
        let codes = answers(1_000).map(|problem| problem.map(|it| it.code()));
        let version = Some("precondition-required");
        assert_eq!(codes, [version, version, None]);
    }
}
