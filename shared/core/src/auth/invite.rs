//! Tokens of invitations: their form.
//!
//! ```text
//! cfi_{secret: 43 base62}{crc32: 6 base62}
//! ```
//! 256 bits of randomness. As with keys the checksum is looked at before any read, and the table holds
//! the SHA-256 of the whole token.

use counterfoil_evidence::hash::sha256;

use super::key::{ALPHABET, CHECKSUM, checksum};
use crate::redacted::Redacted;

const PREFIX: &str = "cfi_";
const SECRET: usize = 43;

/// A new token. Shown once; the table gets [`NewInvite::hash`].
#[derive(Debug)]
pub struct NewInvite {
    /// The whole token.
    pub secret: Redacted<String>,
    /// SHA-256 of it, hex.
    pub hash: String,
}

impl NewInvite {
    /// Makes a token from random bytes. Bytes that would bias the alphabet are skipped; 128 bytes are
    /// enough for any token but one in 2^90.
    pub fn from_random(random: &[u8]) -> Option<Self> {
        let letters = random
            .iter()
            .filter(|byte| **byte < 248)
            .filter_map(|byte| ALPHABET.get(usize::from(*byte % 62)))
            .map(|letter| char::from(*letter));
        let secret: String = letters.take(SECRET).collect();
        if secret.len() != SECRET {
            return None;
        }
        let body = format!("{PREFIX}{secret}");
        let token = format!("{body}{}", checksum(&body));
        let hash = sha256(token.as_bytes()).to_string();
        let secret = Redacted::new(token);
        Some(Self { secret, hash })
    }
}

/// What finds the invitation of a well-formed token.
pub fn invite_hash(token: &str) -> Option<String> {
    let body = token.get(..token.len().checked_sub(CHECKSUM)?)?;
    let given = token.get(body.len()..)?;
    let secret = body.strip_prefix(PREFIX)?;
    let letters = secret.bytes().all(|byte| ALPHABET.contains(&byte));
    let formed = secret.len() == SECRET && letters && given == checksum(body);
    formed.then(|| sha256(token.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_and_only_as_it_was_made() {
        let random: Vec<u8> = (0..=127).collect();
        let new = NewInvite::from_random(&random).unwrap();
        let token = new.secret.reveal();
        assert_eq!(invite_hash(token), Some(new.hash.clone()));
        assert_eq!(token.len(), 53);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(invite_hash(&changed), None, "place {place}");
        }
        assert_eq!(invite_hash(""), None);
        assert_eq!(invite_hash("cfi_\u{e4}"), None);
        assert!(!format!("{new:?}").contains(token.as_str()));
        assert!(NewInvite::from_random(&[0; 42]).is_none());
    }
}
