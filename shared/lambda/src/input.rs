//! Bodies and query strings, read strictly.
//!
//! Every refusal names the field (a JSON pointer), the rule and the fix, and repeats no value that
//! was sent: it may be a secret in the wrong field.

mod query;
mod shape;
mod whole;

use serde::de::DeserializeOwned;

use crate::Problem;

pub use query::Asked;
pub use shape::{MAX_DEPTH, MAX_STRING};

/// Reads a JSON body; an empty body is `{}`. Texts may have [`MAX_STRING`] bytes.
///
/// # Errors
/// A 400 that says where and why.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    body_with(bytes, MAX_STRING)
}

/// As [`body`], for a route that takes longer texts.
///
/// # Errors
/// As [`body`].
pub fn body_with<T: DeserializeOwned>(bytes: &[u8], longest: usize) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    shape::check(bytes, longest)?;
    let bytes = whole::plain(bytes);
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        explain(pointer, &error.inner().to_string())
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut to, segment| {
        match segment {
            Segment::Seq { index } => push(&mut to, &index.to_string()),
            Segment::Map { key } => push(&mut to, key),
            // A variant is no step of the document; an unknown segment cannot be named.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
        to
    })
}

/// Adds one step to a JSON pointer (RFC 6901).
fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}

/// What serde says, as field, rule and fix.
fn explain(mut pointer: String, said: &str) -> Problem {
    let said = said.split(" at line ").next().unwrap_or(said);
    let named = |prefix: &str| {
        let rest = said.strip_prefix(prefix)?;
        rest.split_once('`')
    };
    if let Some((field, _)) = named("missing field `") {
        push(&mut pointer, field);
        return Problem::invalid(pointer, "is missing: send it");
    }
    if let Some((field, rest)) = named("unknown field `") {
        let mut step = String::new();
        push(&mut step, field);
        if !pointer.ends_with(&step) {
            pointer.push_str(&step);
        }
        let known = rest.split_once("expected ").map(|(_, known)| known);
        let known = known.map_or("no fields", |known| known.trim_start_matches("one of "));
        let detail = format!("is not a field of this request, which takes {known}: leave it out");
        return Problem::invalid(pointer, detail);
    }
    match said.rsplit_once(", expected ") {
        Some((_, wanted)) => {
            let wanted = wanted
                .trim_start_matches("one of ")
                .replace("a borrowed string", "a string");
            Problem::invalid(pointer, format!("must be {}", plain(&wanted)))
        }
        None => Problem::invalid(pointer, said),
    }
}

/// Words of JSON in the place of words of Rust.
fn plain(wanted: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests;
