//! Values by which customers are matched, as hashes.

use std::borrow::Cow;

use counterfoil_evidence::hash::sha256;

use crate::mapping::MatchSource;

/// 96 bits of SHA-256: to hit one of a million customers by a made-up value takes 2^76 attempts.
pub(super) type KeyHash = [u8; 12];

/// A value and whose it is. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyEntry {
    pub(super) hash: KeyHash,
    pub(super) customer: u32,
}

/// The hash under which a value is looked up.
pub(super) fn key_hash(source: &MatchSource, value: &str) -> KeyHash {
    let digest = sha256(folded(source, value).as_bytes());
    let mut hash = [0; 12];
    for (target, byte) in hash.iter_mut().zip(digest.as_bytes()) {
        *target = *byte;
    }
    hash
}

/// E-mail addresses are compared without case, and so are UUIDs, which Postgres prints in lower
/// case.
fn folded<'a>(source: &MatchSource, value: &'a str) -> Cow<'a, str> {
    let lower = value
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if !lower && (*source == MatchSource::Email || is_uuid(value)) {
        return Cow::Owned(value.to_lowercase());
    }
    Cow::Borrowed(value)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
