//! Public keys that may seal.

use std::fmt;

use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use p256::pkcs8::EncodePublicKey as _;
use thiserror::Error;

use super::der;
use crate::hash::{Hash, sha256};

/// The bytes are no P-256 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a P-256 public key; give it as PEM (BEGIN PUBLIC KEY) or DER SubjectPublicKeyInfo")]
pub struct KeyError;

/// An ECDSA P-256 public key, named by the hash of its DER `SubjectPublicKeyInfo`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    key: VerifyingKey,
    spki: Vec<u8>,
    hash: Hash,
}

impl SealKey {
    /// Reads DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When it is no P-256 public key.
    pub fn from_der(spki: &[u8]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_der(spki).map_err(|_| KeyError)?;
        Ok(Self {
            key,
            spki: spki.to_vec(),
            hash: sha256(spki),
        })
    }

    /// Reads PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// When it is no P-256 public key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| KeyError)?;
        let spki = key.to_public_key_der().map_err(|_| KeyError)?;
        Self::from_der(spki.as_bytes())
    }

    /// Key hash: what descriptors and rotations name.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Key id: the first four bytes of the key hash, what a signature line begins with.
    pub const fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = *self.hash.as_bytes();
        [a, b, c, d]
    }

    /// DER `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature` is strict DER and verifies over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        der::signature(signature)
            .is_some_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealKey").field(&self.hash).finish()
    }
}
