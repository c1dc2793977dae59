//! SHA-256 and its domains (evidence-format section 3).
//!
//! Leaf, node, stream id and part commitment have prefixes of their own, so none of them can be
//! presented as another.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// A SHA-256 hash. Text form: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Ord for Hash {
    /// By bytes; in two words, because maps of hashes compare many of them.
    fn cmp(&self, other: &Self) -> Ordering {
        let words = |hash: &Self| {
            let (words, _) = hash.0.as_chunks::<16>();
            let word = |word: Option<&[u8; 16]>| word.map_or(0, |word| u128::from_be_bytes(*word));
            (word(words.first()), word(words.last()))
        };
        words(self).cmp(&words(other))
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a hash is written as 64 lower-case hexadecimal digits")]
pub struct HashError;

impl Hash {
    /// 32 zero bytes: what the first seal names as the seal before it.
    pub const ZERO: Self = Self([0; 32]);

    /// A hash from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A hash from exactly 32 bytes.
    ///
    /// # Errors
    /// When there are more or fewer bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError)
    }

    /// A hash from 64 lower-case hexadecimal digits.
    pub(crate) fn from_hex(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 64] = digits.try_into().ok()?;
        let (pairs, _) = digits.as_chunks::<2>();
        let mut bytes = [0; 32];
        // Digits are at most 15 and everything else is above: one comparison at the end will do.
        let mut wrong = 0;
        for ([high, low], byte) in pairs.iter().zip(&mut bytes) {
            let (high, low) = (value(*high), value(*low));
            wrong |= high | low;
            *byte = (high << 4) | (low & 15);
        }
        (wrong < 16).then_some(Self(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The value of every lower-case hexadecimal digit; 255 for anything else.
static VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0_u8;
    while digit < u8::MAX {
        #[expect(
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "a byte is an index of 256 items, and const code has no other way"
        )]
        {
            values[digit as usize] = nibble(digit);
        }
        digit = digit.wrapping_add(1);
    }
    values
};

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(u8::MAX)
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
        _ => u8::MAX,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::from_hex(text.as_bytes()).ok_or(HashError)
    }
}

/// SHA-256 of several byte strings, one after the other.
fn sha256_of(pieces: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    Hash(hasher.finalize().into())
}

/// SHA-256 of outside bytes: keys, files, seals.
pub fn sha256(bytes: &[u8]) -> Hash {
    sha256_of(&[bytes])
}

/// Digest string of something outside the stream: `sha256:` and 64 hexadecimal digits.
pub fn digest_string(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// Reads a digest string.
pub fn parse_digest(text: &str) -> Option<Hash> {
    text.strip_prefix("sha256:")?.parse().ok()
}

/// Leaf hash, also called entry hash, of the exact header bytes.
pub fn leaf(header: &[u8]) -> Hash {
    sha256_of(&[&[0], header])
}

/// Inner node of the tree.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256_of(&[&[1], &left.0, &right.0])
}

/// Stream id of a descriptor's canonical bytes.
pub fn stream_id(descriptor: &[u8]) -> Hash {
    sha256_of(&[b"counterfoil/v1/stream\n", descriptor])
}

/// Commitment to a part's canonical bytes under its salt.
pub fn commitment(salt: &[u8; 32], part: &[u8]) -> Hash {
    sha256_of(&[b"counterfoil/v1/part\n", salt, part])
}

/// Commitment to the owner of a stream, field `workspace` of the descriptor.
pub fn owner(owner_id: &str, nonce: &[u8; 32]) -> Hash {
    sha256_of(&[owner_id.as_bytes(), nonce])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_strict() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(sha256(b"")));
        assert!(text.to_uppercase().parse::<Hash>().is_err());
        assert!(text.split_at(1).1.parse::<Hash>().is_err());
        assert!(parse_digest(&digest_string(b"")).is_some());
        assert!(parse_digest(text).is_none());
    }

    #[test]
    fn hashes_are_ordered_by_their_bytes() {
        let hashes: Vec<Hash> = (0..64_u8).map(|n| sha256(&[n])).collect();
        for (a, b) in hashes.iter().zip(hashes.iter().skip(1)) {
            assert_eq!(a.cmp(b), a.as_bytes().cmp(b.as_bytes()));
            assert_eq!(a.cmp(a), Ordering::Equal);
        }
        let mut last = *hashes[0].as_bytes();
        last[31] ^= 1;
        assert_eq!(hashes[0].cmp(&Hash(last)), hashes[0].as_bytes().cmp(&last));
    }

    #[test]
    fn domains_differ() {
        let (a, b) = (sha256(b"a"), sha256(b"b"));
        let joined = [*a.as_bytes(), *b.as_bytes()].concat();
        assert_ne!(leaf(&joined), node(&a, &b));
        assert_ne!(sha256(&joined), node(&a, &b));
        assert_ne!(commitment(a.as_bytes(), b.as_bytes()), sha256(&joined));
    }
}
