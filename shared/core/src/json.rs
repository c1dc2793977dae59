//! From serde to the canonical JSON of the evidence format.

use counterfoil_evidence::json::Json;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// A value that has no canonical form: a fraction, a number beyond 2^53 - 1, or something that is
/// not JSON at all.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("no canonical form: {reason}")]
pub struct JsonError {
    reason: String,
}

/// The canonical JSON value of anything serializable.
///
/// # Errors
/// See [`JsonError`].
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Json, JsonError> {
    let value = serde_json::to_value(value).map_err(|e| JsonError {
        reason: e.to_string(),
    })?;
    from_value(value)
}

/// The canonical bytes of anything serializable.
///
/// # Errors
/// See [`JsonError`].
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    Ok(to_json(value)?.canonical())
}

/// Reads canonical (or any subset) JSON into a serde type.
///
/// # Errors
/// When the JSON does not have the type's shape.
pub fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    serde_json::from_slice(bytes).map_err(|e| JsonError {
        reason: e.to_string(),
    })
}

const MAX_INT: i64 = (1 << 53) - 1;

fn from_value(value: Value) -> Result<Json, JsonError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Number(number) => match number.as_i64() {
            Some(int) if (-MAX_INT..=MAX_INT).contains(&int) => Json::Int(int),
            _ => {
                return Err(JsonError {
                    reason: format!("number {number}"),
                });
            }
        },
        Value::String(text) => Json::Str(text),
        Value::Array(items) => Json::Array(
            items
                .into_iter()
                .map(from_value)
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Json::Object(
            fields
                .into_iter()
                .map(|(key, value)| Ok((key, from_value(value)?)))
                .collect::<Result<_, JsonError>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_numbers_must_be_whole() {
        let value = serde_json::json!({"b": 1, "a": [true, null, "x"]});
        assert_eq!(
            canonical(&value).unwrap(),
            br#"{"a":[true,null,"x"],"b":1}"#
        );
        assert!(canonical(&serde_json::json!({"a": 1.5})).is_err());
        assert!(canonical(&serde_json::json!(9_007_199_254_740_992_u64)).is_err());
    }
}
