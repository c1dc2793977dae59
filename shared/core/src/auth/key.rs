//! API keys: their form.
//!
//! ```text
//! cfk_{live|test}_{handle: 10 base62}_{secret: 32 base62}{crc32: 6 base62}
//! ```
//! The checksum (CRC-32, ISO-HDLC, over the 52 characters before it) is looked at before any read,
//! so typing errors and random guesses cost no request. The table holds the SHA-256 of the whole
//! key; at 190 bits of randomness that needs no slow hash.

use counterfoil_evidence::hash::sha256;
use subtle::ConstantTimeEq;

use crate::redacted::Redacted;

pub(super) const ALPHABET: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HANDLE: usize = 10;
const SECRET: usize = 32;
pub(super) const CHECKSUM: usize = 6;
/// Bytes of a whole key: `cfk_live_`, handle, `_`, secret, checksum.
pub(super) const LENGTH: usize = 10 + HANDLE + SECRET + CHECKSUM;

/// A new API key. Shown once; the table gets [`NewKey::hash`].
#[derive(Debug)]
pub struct NewKey {
    /// The whole key.
    pub secret: Redacted<String>,
    /// The public handle that finds its row.
    pub handle: String,
    /// SHA-256 of the whole key, hex.
    pub hash: String,
}

impl NewKey {
    /// Makes a key for `live` or test use from random bytes. Bytes that would bias the alphabet are
    /// skipped; 128 bytes are enough for any key but one in 2^90.
    pub fn from_random(live: bool, random: &[u8]) -> Option<Self> {
        let mut letters = random
            .iter()
            .filter(|byte| **byte < 248)
            .filter_map(|byte| ALPHABET.get(usize::from(*byte % 62)))
            .map(|letter| char::from(*letter));
        let handle: String = letters.by_ref().take(HANDLE).collect();
        let secret: String = letters.by_ref().take(SECRET).collect();
        if handle.len() != HANDLE || secret.len() != SECRET {
            return None;
        }
        let mode = if live { "live" } else { "test" };
        let body = format!("cfk_{mode}_{handle}_{secret}");
        let key = format!("{body}{}", checksum(&body));
        let hash = sha256(key.as_bytes()).to_string();
        Some(Self {
            secret: Redacted::new(key),
            handle,
            hash,
        })
    }
}

/// Whether `key` is the one whose hash is stored; takes the same time whatever differs.
pub(super) fn matches(key: &str, hash: &str) -> bool {
    let presented = sha256(key.as_bytes()).to_string();
    presented.as_bytes().ct_eq(hash.as_bytes()).into()
}

/// The public handle of a well-formed key.
pub(super) fn handle(key: &str) -> Option<&str> {
    let body = key.get(..key.len().checked_sub(CHECKSUM)?)?;
    let given = key.get(body.len()..)?;
    let rest = body
        .strip_prefix("cfk_live_")
        .or_else(|| body.strip_prefix("cfk_test_"))?;
    let (handle, secret) = rest.split_once('_')?;
    let letters = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
    let formed = handle.len() == HANDLE && secret.len() == SECRET;
    (formed && letters(handle) && letters(secret) && given == checksum(body)).then_some(handle)
}

pub(super) fn checksum(body: &str) -> String {
    let mut crc = crc32fast::hash(body.as_bytes());
    let mut out = [b'0'; CHECKSUM];
    for place in out.iter_mut().rev() {
        let digit = usize::try_from(crc % 62).unwrap_or_default();
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        crc /= 62;
    }
    out.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";

    #[test]
    fn the_published_vector_is_well_formed() {
        assert_eq!(handle(VECTOR), Some("0123456789"));
        assert_eq!(
            sha256(VECTOR.as_bytes()).to_string(),
            "f3f53ace2d1abc65806ec78b2981c881799f2b03bd66c8314e2f360f009aff67"
        );
    }

    #[test]
    fn a_mistyped_key_is_refused_before_any_read() {
        for place in 0..VECTOR.len() {
            let mut bytes = VECTOR.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(
                handle(std::str::from_utf8(&bytes).unwrap()),
                None,
                "place {place}"
            );
        }
        assert_eq!(handle(""), None);
        assert_eq!(handle("cfk_test_ä"), None);
    }

    #[test]
    fn a_new_key_reads_back_and_hides_itself() {
        let random: Vec<u8> = (0..=255).collect();
        let key = NewKey::from_random(true, &random).unwrap();
        assert_eq!(handle(key.secret.reveal()), Some(key.handle.as_str()));
        assert_eq!(key.secret.reveal().len(), 58);
        assert!(!format!("{key:?}").contains(key.secret.reveal().as_str()));
        assert!(NewKey::from_random(true, &[0; 41]).is_none());
    }
}
