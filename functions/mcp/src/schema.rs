//! JSON Schemas of arguments and results, from the types that the API's document is made of.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where the API's document keeps its schemas.
const COMPONENTS: &str = "#/components/schemas/";

/// What a tool returns.
pub(crate) fn output<T: ToSchema>() -> Arc<JsonObject> {
    Arc::new(whole::<T>())
}

/// What a tool takes: every tool may be told the project.
pub(crate) fn input<T: ToSchema>() -> Arc<JsonObject> {
    let mut schema = whole::<T>();
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        let project = json!({
            "type": "string",
            "description": "The project; left out where the credential is for one, or the header Counterfoil-Project names it.",
            "pattern": "^prj_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        });
        properties.insert("project_id".to_owned(), project);
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    Arc::new(schema)
}

/// What a tool takes whose arguments are those of a route, with the key that the route takes as a header.
pub(crate) fn once<T: ToSchema>() -> Arc<JsonObject> {
    const NAME: &str = "idempotency_key";
    let mut schema = Arc::unwrap_or_clone(input::<T>());
    let key = json!({
        "type": "string",
        "description": "A key of your own: the same key does it once.",
        "minLength": 1,
        "maxLength": 255,
    });
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert(NAME.to_owned(), key);
    }
    let required = schema.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        required.push(json!(NAME));
    }
    Arc::new(schema)
}

/// A schema that needs no other document.
fn whole<T: ToSchema>() -> JsonObject {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let mut schema = object(&T::schema());
    // The names of types say nothing to an agent; two with one name are one type.
    let defs: JsonObject = named
        .into_iter()
        .map(|(name, schema)| (name, Value::Object(object(&schema))))
        .collect();
    if !defs.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(defs));
    }
    schema
}

fn object(schema: &impl serde::Serialize) -> JsonObject {
    let mut value = serde_json::to_value(schema).unwrap_or_default();
    refer(&mut value);
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

/// References lead into the same document.
fn refer(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(to) if name == "$ref" => {
                        *to = to.replace(COMPONENTS, "#/$defs/");
                    }
                    value => refer(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}
