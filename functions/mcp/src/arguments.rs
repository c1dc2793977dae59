//! What a tool was called with.

use counterfoil_lambda::{Problem, input};
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Arguments of a call, read strictly.
#[derive(Debug, Default)]
pub(crate) struct Arguments(JsonObject);

impl Arguments {
    pub(crate) fn of(sent: Option<JsonObject>) -> Self {
        Self(sent.unwrap_or_default())
    }

    /// The project, which every tool may be told.
    pub(crate) fn project(&mut self) -> Result<Option<String>, Problem> {
        match self.0.remove("project_id") {
            None => Ok(None),
            Some(Value::String(project)) => Ok(Some(project)),
            Some(_) => Err(Problem::invalid("/project_id", "must be a string")),
        }
    }

    /// Takes an argument that must be a text.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Problem> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Problem::invalid(format!("/{name}"), "must be a string")),
            None => Err(Problem::invalid(format!("/{name}"), "is missing: send it")),
        }
    }

    /// Takes the caller's own key of this request.
    pub(crate) fn idempotency_key(&mut self) -> Result<String, Problem> {
        let key = self.text("idempotency_key")?;
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=255).contains(&key.len()) {
            return Ok(key);
        }
        let rule = "must be 1 to 255 visible ASCII characters of your own choice";
        Err(Problem::invalid("/idempotency_key", rule))
    }

    /// Takes an id. A text that is not one names nothing.
    pub(crate) fn id<T: std::str::FromStr>(&mut self, name: &str) -> Result<T, Problem> {
        self.text(name)?.parse().map_err(|_| Problem::not_found())
    }

    /// All that is left.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let bytes = serde_json::to_vec(&self.0).map_err(|_| Problem::internal())?;
        input::body(&bytes)
    }

    /// All that is left, for a route that reads it.
    pub(crate) fn rest(self) -> JsonObject {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(value: &Value) -> Arguments {
        Arguments::of(value.as_object().cloned())
    }

    #[test]
    fn a_defect_names_its_argument_and_repeats_no_value() {
        for (value, pointer) in [
            (json!({}), "/idempotency_key"),
            (json!({"idempotency_key": 7351}), "/idempotency_key"),
            (json!({"idempotency_key": ""}), "/idempotency_key"),
            (
                json!({"idempotency_key": "canary 7351"}),
                "/idempotency_key",
            ),
            (
                json!({"idempotency_key": "x".repeat(256)}),
                "/idempotency_key",
            ),
        ] {
            let problem = arguments(&value).idempotency_key().unwrap_err();
            let said = serde_json::to_string(&problem).unwrap();
            assert!(said.contains(pointer), "{said}");
            assert!(!said.contains("7351"), "{said}");
        }
    }

    #[test]
    fn a_text_that_is_no_id_is_absent() {
        let mut sent = arguments(&json!({"id": "../approvals"}));
        let found: Result<counterfoil_core::ids::ActionId, _> = sent.id("id");
        assert_eq!(found.unwrap_err(), Problem::not_found());
    }
}
