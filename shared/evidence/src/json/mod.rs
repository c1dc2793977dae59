//! The restricted JSON of the evidence format (evidence-format section 2).
//!
//! Integers only, lower-case keys, unique and sorted; every value has exactly one canonical form,
//! and that form is what gets hashed. No serde: a general JSON library accepts duplicate keys and
//! rounds large numbers.

mod parse;
mod tape;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

pub(crate) use tape::{Tape, View};

use crate::code::{Code, Fault};

/// Largest absolute value of a number, 2^53 - 1.
pub const MAX_INT: i64 = 9_007_199_254_740_991;
/// Largest number that `u64` fields may hold, 2^53 - 1.
pub const MAX_UINT: u64 = MAX_INT.unsigned_abs();
/// How deep a hashed value may be nested; the outermost value has depth 0.
pub const MAX_DEPTH: usize = 16;
/// How deep the document that carries a package may be nested.
pub const MAX_DOCUMENT_DEPTH: usize = 24;

/// A JSON value of the restricted subset.
///
/// Values built in code can break a rule of the subset (a key with a capital letter, a number
/// beyond 2^53 - 1); [`Json::check`] finds that. Values that were parsed cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string.
    Str(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; the map keeps the canonical order.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// A number that cannot be negative. What does not fit stays out of range, so that
    /// [`Json::check`] refuses it.
    pub fn uint(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Reads one value of the subset, with any JSON white space and escapes, nested up to
    /// [`MAX_DEPTH`].
    ///
    /// # Errors
    /// A fault with the code of the rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        parse::parse(bytes, MAX_DEPTH, parse::Form::Any)
    }

    /// Reads the document that carries a package: as [`Json::parse`], nested up to
    /// [`MAX_DOCUMENT_DEPTH`].
    ///
    /// # Errors
    /// A fault with the code of the rule that is broken.
    pub fn parse_document(bytes: &[u8]) -> Result<Self, Fault> {
        parse::parse(bytes, MAX_DOCUMENT_DEPTH, parse::Form::Any)
    }

    /// Reads a value whose bytes must be canonical already.
    ///
    /// # Errors
    /// As [`Json::parse`]; `E_CANON` where only the form differs.
    pub fn parse_canonical(bytes: &[u8]) -> Result<Self, Fault> {
        parse::parse(bytes, MAX_DEPTH, parse::Form::Canonical)
    }

    /// As [`Json::parse_canonical`], nested up to `max_depth`: for lines that wrap hashed values.
    pub(crate) fn parse_canonical_to(bytes: &[u8], max_depth: usize) -> Result<Self, Fault> {
        parse::parse(bytes, max_depth, parse::Form::Canonical)
    }

    /// The canonical bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write::value(&mut out, self);
        out
    }

    /// The canonical form as text.
    pub fn canonical_text(&self) -> String {
        String::from_utf8_lossy(&self.canonical()).into_owned()
    }

    /// Checks a value that was built in code: keys, numbers, strings, and depth up to `max_depth`.
    ///
    /// # Errors
    /// A fault with the code of the rule that is broken.
    pub fn check(&self, max_depth: usize) -> Result<(), Fault> {
        match self {
            Self::Int(int) if int.unsigned_abs() > MAX_UINT => Err(Fault::new(
                Code::IntRange,
                "a number is beyond 2^53 - 1; write it as a string",
            )),
            Self::Null | Self::Bool(_) | Self::Int(_) => Ok(()),
            Self::Str(text) => check_string(text),
            Self::Array(items) => items
                .iter()
                .try_for_each(|item| item.check(below(max_depth)?)),
            Self::Object(fields) => fields.iter().try_for_each(|(key, value)| {
                if !is_key(key) {
                    return Err(Fault::new(
                        Code::Key,
                        "an object key is not lower-case ASCII; write such data as values",
                    ));
                }
                value.check(below(max_depth)?)
            }),
        }
    }

    /// Whether no value in it lies deeper than `max_depth`.
    pub(crate) fn fits_depth(&self, max_depth: usize) -> bool {
        let fits = |item: &Self| max_depth > 0 && item.fits_depth(max_depth.saturating_sub(1));
        match self {
            Self::Array(items) => items.iter().all(fits),
            Self::Object(fields) => fields.values().all(fits),
            _ => true,
        }
    }

    /// Member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The members of an object.
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A number.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub fn as_uint(&self) -> Option<u64> {
        u64::try_from(self.as_int()?).ok()
    }

    /// A truth value.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

/// An object from its members.
pub fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Json)>) -> Json {
    Json::Object(
        fields
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Json {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
}

impl From<crate::hash::Hash> for Json {
    fn from(hash: crate::hash::Hash) -> Self {
        Self::Str(hash.to_string())
    }
}

fn below(max_depth: usize) -> Result<usize, Fault> {
    max_depth
        .checked_sub(1)
        .ok_or_else(|| Fault::new(Code::Depth, "values are nested too deeply"))
}

/// `^[a-z][a-z0-9_]{0,63}$`
pub(crate) fn is_key(key: &str) -> bool {
    is_key_bytes(key.as_bytes())
}

pub(crate) fn is_key_bytes(key: &[u8]) -> bool {
    key.len() <= 64
        && key.first().is_some_and(u8::is_ascii_lowercase)
        && key
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

pub(crate) fn check_string(text: &str) -> Result<(), Fault> {
    if text.bytes().any(|byte| matches!(byte, 0 | 0x7f)) {
        return Err(Fault::new(
            Code::String,
            "a string contains U+0000 or U+007F",
        ));
    }
    Ok(())
}
