//! A refusal of the API as a sentence with what to do about it.

use reqwest::StatusCode;
use serde_json::Value;

use crate::plain::shown;

/// A problem (RFC 9457) as it came.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    pub(crate) status: StatusCode,
    pub(crate) body: &'a Value,
    /// What was asked for.
    pub(crate) asked: &'a str,
    pub(crate) with_key: bool,
    /// `Retry-After`.
    pub(crate) retry_after: Option<&'a str>,
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<&'a str>,
}

impl Refusal<'_> {
    /// What the API said, its fields, and what to do.
    pub(crate) fn sentence(&self) -> String {
        let title = text(self.body, "/title");
        let title = if title.is_empty() {
            "no reason was given".to_owned()
        } else {
            title
        };
        let errors = self.body.pointer("/errors").and_then(Value::as_array);
        let errors = errors.into_iter().flatten();
        let fields = errors.map(|error| {
            let (pointer, detail) = (text(error, "/pointer"), text(error, "/detail"));
            let number = |name| error.get(name).and_then(Value::as_u64);
            let place = match (number("line"), number("column")) {
                (Some(line), Some(column)) => format!(":{line}:{column}"),
                _ => String::new(),
            };
            let excerpt = text(error, "/excerpt");
            let file = match text(error, "/path") {
                file if !excerpt.is_empty() => file,
                _ => pointer,
            };
            let mut said = format!("{file}{place} {detail}").trim().to_owned();
            if !excerpt.is_empty() {
                said = format!("{said}\n    | {excerpt}");
            }
            let fix = text(error, "/fix");
            if self.code() == "policy-invalid" && !fix.is_empty() {
                said = format!("{said}\n    = help: {fix}");
            }
            said
        });
        let fields: Vec<String> = fields.collect();
        let fields = match fields.as_slice() {
            [] => String::new(),
            [one] => format!("; {one}"),
            several => format!("\n  {}", several.join("\n  ")),
        };
        format!("{}: {title}{fields}{}", self.status, self.advice())
    }

    fn advice(&self) -> String {
        match (self.status, self.code()) {
            (_, "insufficient_user_authentication") => self.sign_in_anew(),
            (_, "already-created") => self.look_at_what_was_made(),
            (_, "outcome-unknown") => format!(
                "; look before you ask again, which would be another request{}",
                self.request()
            ),
            (_, "idempotency-in-flight") => "; it is being done: look again in a minute".to_owned(),
            (_, "precondition-failed" | "incident-changed") => {
                "; somebody changed it in the meantime: look at it, and run the command again"
                    .to_owned()
            }
            (StatusCode::UNAUTHORIZED, _) if self.with_key => {
                "; give --key (or COUNTERFOIL_API_KEY) a key of this deployment that is not revoked"
                    .to_owned()
            }
            (StatusCode::UNAUTHORIZED, _) => "; sign in again: counterfoil login".to_owned(),
            (StatusCode::FORBIDDEN, "capability-missing") if self.with_key => {
                "; use a key that may do this, or sign in with `counterfoil login` and leave --key out"
                    .to_owned()
            }
            (StatusCode::FORBIDDEN, _) if self.with_key => {
                "; who may do this signs in and asks, or gives you a key: `counterfoil workspace members` \
                 lists them"
                    .to_owned()
            }
            (StatusCode::FORBIDDEN, _) => {
                "; ask somebody who may do this: `counterfoil workspace members` lists them".to_owned()
            }
            (StatusCode::NOT_FOUND, _) => format!(
                "; asked for: {}; `counterfoil workspace list` and `counterfoil project list` show what you reach",
                self.asked
            ),
            (StatusCode::TOO_MANY_REQUESTS, _) => match self.retry_after {
                Some(seconds) => format!("; try again in {} seconds", shown(seconds)),
                None => "; try again later".to_owned(),
            },
            (status, _) if status.is_server_error() => {
                format!("; try again{}", self.request())
            }
            _ => String::new(),
        }
    }

    fn request(&self) -> String {
        let request = text(self.body, "/request_id");
        format!("; what helps whoever runs the deployment: request {request}")
    }

    /// A secret is shown once; everything else is on the record.
    fn look_at_what_was_made(&self) -> String {
        let id = text(self.body, "/resource_id");
        let secret = ["key_", "inv_"].iter().any(|kind| id.starts_with(kind));
        match id.as_str() {
            "" => {
                "; it was done, and its answer is lost: look at what there is before you ask again"
                    .to_owned()
            }
            id if secret => format!(
                "; it was made as {id}, and what it said once is lost: take that away and make another"
            ),
            id => format!("; it was done, and its answer is lost: read {id}"),
        }
    }

    fn sign_in_anew(&self) -> String {
        let age = self.challenge.and_then(max_age);
        let sign_in = age.map_or_else(
            || "a newer sign-in".to_owned(),
            |seconds| format!("a sign-in of the last {} minutes", seconds.div_ceil(60)),
        );
        format!("; this needs {sign_in}: `counterfoil login`, then the same again")
    }

    fn code(&self) -> &str {
        let code = self.body.pointer("/code").and_then(Value::as_str);
        code.unwrap_or_default()
    }
}

/// How old a sign-in may be, in seconds (RFC 9470, section 3).
fn max_age(challenge: &str) -> Option<u64> {
    let (_, from) = challenge.split_once("max_age=\"")?;
    from.split('"').next()?.parse().ok()
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    shown(text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(status: u16, body: &Value, with_key: bool) -> String {
        Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            body,
            asked: "run_id run_1",
            with_key,
            retry_after: Some("7"),
            challenge: Some(r#"Bearer error="insufficient_user_authentication", max_age="900""#),
        }
        .sentence()
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let body = json!({ "title": "No rule permits it (default-deny)", "code": "action-denied" });
        assert!(said(403, &body, true).contains("default-deny); who may do this signs in"));
        assert!(said(403, &body, false).contains("counterfoil workspace members"));
        assert!(said(404, &body, true).contains("asked for: run_id run_1"));
        assert!(said(401, &body, true).contains("--key"));
        assert!(said(401, &body, false).ends_with("counterfoil login"));
        assert!(said(409, &body, true).ends_with("(default-deny)"));
        assert!(said(429, &body, true).ends_with("in 7 seconds"));
        let stale = json!({ "title": "Too old", "code": "insufficient_user_authentication" });
        assert!(said(401, &stale, false).contains("the last 15 minutes: `counterfoil login`"));
        let doubt = json!({ "title": "It is not known yet", "code": "outcome-unknown", "request_id": "req_1" });
        let told = said(503, &doubt, false);
        assert!(told.contains("look before you ask again"), "{told}");
        assert!(!told.contains("try again"), "{told}");
        assert!(said(503, &json!({}), false).contains("; try again; "));
        let made = json!({ "title": "Done", "code": "already-created", "resource_id": "key_1" });
        assert!(said(409, &made, false).contains("made as key_1"));
        for (id, told) in [("act_1", "read act_1"), ("", "look at what there is")] {
            let done = json!({ "title": "Done", "code": "already-created", "resource_id": id });
            let said = said(409, &done, false);
            assert!(
                said.contains(told) && !said.contains("make another"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_refusal_names_fields_and_moves_no_cursor() {
        let errors = json!([{ "pointer": "/role", "detail": "must be \u{1b}[2Jowner" }]);
        let body = json!({ "title": "The request breaks a rule", "errors": errors });
        let said = said(400, &body, false);
        assert!(
            said.ends_with("breaks a rule; /role must be \\u{1b}[2Jowner"),
            "{said}"
        );
    }
}
