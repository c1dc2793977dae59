//! SHA-256 and its domains (evidence-format section 3).
//!
//! Leaf, node, stream id and part commitment have prefixes of their own, so none of them can be
//! presented as another.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// A SHA-256 hash. Text form: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

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

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
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
        if !text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
        Ok(Self(bytes))
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
    fn domains_differ() {
        let (a, b) = (sha256(b"a"), sha256(b"b"));
        let joined = [*a.as_bytes(), *b.as_bytes()].concat();
        assert_ne!(leaf(&joined), node(&a, &b));
        assert_ne!(sha256(&joined), node(&a, &b));
        assert_ne!(commitment(a.as_bytes(), b.as_bytes()), sha256(&joined));
    }
}
