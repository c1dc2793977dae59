//! The shape of the document: which fields there are and what they hold.
//!
//! Serde stops at the first thing that does not fit. When it did, this walk names every such thing
//! with its path. It decides nothing: what serde accepts never comes here.

use serde_json::{Map, Value};

use super::error::MappingError;
use super::names::closest;

/// What a place of the document holds.
enum Shape {
    Text,
    Flag,
    Whole,
    Number,
    Texts,
    TextMap,
    Word(&'static [&'static str]),
    Table(&'static [Field]),
    List(&'static Shape),
    /// A word, or a table.
    WordOr(&'static [&'static str], &'static Shape),
    /// Any text, or a list of texts.
    TextOrTexts,
}

struct Field {
    name: &'static str,
    shape: Shape,
    needed: bool,
}

const fn needed(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        needed: true,
    }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        needed: false,
    }
}

const VERDICT: &[&str] = &["grant", "revoke"];

const PAUSE: Shape = Shape::Table(&[
    optional("void", Shape::Word(VERDICT)),
    optional("keep_as_draft", Shape::Word(VERDICT)),
    optional("mark_uncollectible", Shape::Word(VERDICT)),
]);

const KEY: Shape = Shape::Table(&[
    needed("stripe", Shape::Text),
    needed("column", Shape::Text),
    optional("report_only", Shape::Flag),
]);

const SWITCH: Shape = Shape::Table(&[
    needed("column", Shape::Text),
    optional("repairable", Shape::Flag),
]);

const ACCESS: Shape = Shape::Table(&[
    optional(
        "plan",
        Shape::Table(&[
            needed("column", Shape::Text),
            optional("repairable", Shape::Flag),
            optional("none", Shape::Text),
        ]),
    ),
    optional("premium", SWITCH),
    optional(
        "trial",
        Shape::Table(&[
            needed("column", Shape::Text),
            optional("repairable", Shape::Flag),
            optional("tolerance", Shape::Text),
        ]),
    ),
    optional(
        "seats",
        Shape::Table(&[
            needed("column", Shape::Text),
            optional("repairable", Shape::Flag),
            optional("none", Shape::Whole),
        ]),
    ),
    optional("features", SWITCH),
    optional("comp", Shape::Table(&[needed("column", Shape::Text)])),
]);

const SELECTOR: Shape = Shape::Table(&[
    optional("price", Shape::Texts),
    optional("lookup_key", Shape::Texts),
    optional("product", Shape::Texts),
    optional("product_metadata", Shape::TextMap),
]);

const PLAN: Shape = Shape::Table(&[
    needed("name", Shape::Text),
    needed("rank", Shape::Whole),
    optional("premium", Shape::Flag),
    needed("match", SELECTOR),
    optional("features", Shape::TextOrTexts),
]);

const ADDON: Shape = Shape::Table(&[
    needed("name", Shape::Text),
    needed("match", SELECTOR),
    optional("features", Shape::TextOrTexts),
]);

const MAPPING: Shape = Shape::Table(&[
    needed(
        "match",
        Shape::Table(&[
            optional("subject", Shape::Word(&["user", "organization"])),
            needed("table", Shape::Text),
            needed("primary_key", Shape::Text),
            needed("keys", Shape::List(&KEY)),
        ]),
    ),
    needed("access", ACCESS),
    optional("plans", Shape::List(&PLAN)),
    optional("addons", Shape::List(&ADDON)),
    optional(
        "rules",
        Shape::Table(&[
            optional("past_due_grace", Shape::Text),
            optional("features_from", Shape::Word(&["all", "highest"])),
            optional("pause_collection", Shape::WordOr(VERDICT, &PAUSE)),
            optional("paused", Shape::Word(VERDICT)),
            optional("unpaid", Shape::Word(VERDICT)),
            optional("race_grace", Shape::Text),
        ]),
    ),
    optional(
        "limits",
        Shape::Table(&[
            optional("max_repairs_per_run", Shape::Whole),
            optional("max_drift_percent", Shape::Number),
            optional(
                "max_amount_at_risk",
                Shape::Table(&[
                    needed("minor", Shape::Whole),
                    needed("currency", Shape::Text),
                ]),
            ),
        ]),
    ),
]);

/// Everything in `document` that does not have the mapping's shape, in the order of the shape.
pub(super) fn errors(document: &Value) -> Vec<MappingError> {
    let mut errors = Vec::new();
    walk("", document, &MAPPING, &mut errors);
    errors
}

fn walk(path: &str, value: &Value, shape: &Shape, errors: &mut Vec<MappingError>) {
    let mut wrong = |holds: &str, fix: &str| {
        let place = if path.is_empty() { "document" } else { path };
        let rule = format!("holds {holds}, not {}", kind(value));
        errors.push(MappingError::new(place, rule, fix));
    };
    match shape {
        Shape::Text if !value.is_string() => wrong("a text", "put it into quotes"),
        Shape::Flag if !value.is_boolean() => wrong("true or false", "write it without quotes"),
        Shape::Whole if !(value.is_i64() || value.is_u64()) => {
            wrong("a whole number", "write it without quotes and decimals");
        }
        Shape::Number if !value.is_number() => wrong("a number", "write it without quotes"),
        Shape::Word(words) => word(path, value, words, errors),
        Shape::Texts => texts(path, value, errors),
        Shape::TextOrTexts if !value.is_string() => texts(path, value, errors),
        Shape::TextMap => match value {
            Value::Object(map) => {
                for (name, value) in map {
                    walk(&join(path, name), value, &Shape::Text, errors);
                }
            }
            _ => wrong("a table of texts", "write { key = \"value\" }"),
        },
        Shape::Table(fields) => match value {
            Value::Object(map) => table(path, map, fields, errors),
            _ => wrong("a table", "write { ... }, or a [section] of its own"),
        },
        Shape::List(item) => match value {
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    walk(&format!("{path}[{index}]"), value, item, errors);
                }
            }
            _ => wrong("a list", "write [ ... ], or a [[section]] for each"),
        },
        Shape::WordOr(words, other) => match value {
            Value::Object(_) => walk(path, value, other, errors),
            _ => word(path, value, words, errors),
        },
        Shape::Text | Shape::Flag | Shape::Whole | Shape::Number | Shape::TextOrTexts => {}
    }
}

fn table(path: &str, map: &Map<String, Value>, fields: &[Field], errors: &mut Vec<MappingError>) {
    for field in fields {
        let place = join(path, field.name);
        match map.get(field.name) {
            // In the API's JSON an absent value may be written as null.
            Some(Value::Null) if !field.needed => {}
            Some(value) => walk(&place, value, &field.shape, errors),
            None if field.needed => errors.push(MappingError::new(
                place,
                "is needed",
                format!("add `{}`", field.name),
            )),
            None => {}
        }
    }
    let names = || fields.iter().map(|field| field.name);
    for name in map.keys().filter(|name| names().all(|it| it != *name)) {
        let fix = closest(name, names()).map_or_else(
            || format!("use one of {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        errors.push(MappingError::new(
            join(path, name),
            "there is no such field",
            fix,
        ));
    }
}

fn word(path: &str, value: &Value, words: &[&str], errors: &mut Vec<MappingError>) {
    let known = value.as_str().is_some_and(|text| words.contains(&text));
    if known {
        return;
    }
    let near = value
        .as_str()
        .and_then(|text| closest(text, words.iter().copied()));
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let fix = near.map_or_else(
        || "write one of them".to_owned(),
        |near| format!("did you mean \"{near}\"?"),
    );
    errors.push(MappingError::new(
        path,
        format!("is one of {}", quoted.join(", ")),
        fix,
    ));
}

fn texts(path: &str, value: &Value, errors: &mut Vec<MappingError>) {
    match value {
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(&format!("{path}[{index}]"), value, &Shape::Text, errors);
            }
        }
        _ => errors.push(MappingError::new(
            path,
            format!("holds a list of texts, not {}", kind(value)),
            "write [\"...\"]",
        )),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
