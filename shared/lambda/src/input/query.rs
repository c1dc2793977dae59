//! Query strings.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{explain, push};
use crate::Problem;

/// The query parameters of a request. A parameter that `T` does not know, that comes twice or that
/// has another form is refused with a pointer that names it (`/limit`).
///
/// As an argument of a handler it must come after the caller: who asks comes before what they ask.
#[derive(Debug, Clone)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let asked = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(asked).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            if let serde_path_to_error::Segment::Map { key } = segment {
                push(&mut pointer, key);
            }
        }
        let said = error.inner().to_string();
        let twice = said
            .strip_prefix("duplicate field `")
            .and_then(|rest| rest.split_once('`'));
        if let Some((name, _)) = twice {
            return Problem::invalid(format!("/{name}"), "is there twice: send it once");
        }
        if said.contains("invalid digit") || said.contains("number too large") {
            return Problem::invalid(pointer, "must be a whole number, 0 or more");
        }
        explain(pointer, &said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum State {
        #[default]
        Open,
        Resolved,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        state: Option<State>,
        limit: Option<usize>,
    }

    fn pointer(query: &str) -> String {
        let refused = read::<Filter>(query).unwrap_err();
        let text = serde_json::to_value(&refused).unwrap();
        assert_eq!(text["code"], "invalid-request", "{query}");
        text["errors"][0]["pointer"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_parameter_that_breaks_a_rule_is_named() {
        assert_eq!(pointer("stat=open"), "/stat");
        assert_eq!(pointer("limit=many"), "/limit");
        assert_eq!(pointer("limit=-1"), "/limit");
        assert_eq!(pointer("limit=99999999999999999999999"), "/limit");
        assert_eq!(pointer("state=gone"), "/state");
        assert_eq!(pointer("limit=1&limit=2"), "/limit");
    }

    #[test]
    fn known_parameters_are_read() {
        let read: Filter = read("state=resolved&limit=5").unwrap();
        let state = Some(State::Resolved);
        assert_eq!(
            read,
            Filter {
                state,
                limit: Some(5)
            }
        );
    }
}
