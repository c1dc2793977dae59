//! The signature: DSSE (secure-systems-lab/dsse, protocol v1.0.2) with Ed25519 (RFC 8032).
//!
//! `keyid` is a hint and decides nothing; which keys count comes from outside the envelope.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::hash::sha256;
use counterfoil_evidence::json::Json;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::statement::Statement;

/// The type of what is signed.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.counterfoil.policy-bundle+json";
/// Signatures that are looked at.
const MOST_SIGNATURES: usize = 8;

/// Why an envelope proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// It is not an envelope of a bundle's statement.
    #[error("it is not a DSSE envelope of a policy bundle's statement")]
    Form,
    /// It has no signature.
    #[error("it has no signature")]
    Unsigned,
    /// No key that counts has signed it.
    #[error("no key of this workspace has signed it")]
    WrongKey,
}

/// A DSSE envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Always `application/vnd.counterfoil.policy-bundle+json`.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The statement, base64.
    pub payload: String,
    /// Signatures over the pre-authentication encoding.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// A hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
    /// The signature, base64.
    pub sig: String,
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

/// An Ed25519 private key, which stays with whoever signs.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl PublicKey {
    /// A key of its 32 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes);
        let key = key.map_err(|_| SignatureError::Form)?;
        if key.is_weak() {
            return Err(SignatureError::Form);
        }
        Ok(Self(key))
    }

    /// A key as it is written: base64 of its 32 bytes.
    ///
    /// # Errors
    /// As [`PublicKey::from_bytes`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let bytes = STANDARD.decode(text).map_err(|_| SignatureError::Form)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| SignatureError::Form)?;
        Self::from_bytes(&bytes)
    }

    /// A key as `openssl pkey -pubout` writes it: SPKI, PEM.
    ///
    /// # Errors
    /// As [`PublicKey::from_bytes`].
    pub fn from_pem(pem: &str) -> Result<Self, SignatureError> {
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem);
        let key = key.map_err(|_| SignatureError::Form)?;
        Self::from_bytes(key.as_bytes())
    }

    /// As [`PublicKey::from_pem`] reads it.
    ///
    /// # Errors
    /// Never in practice: a key always has this form.
    pub fn pem(&self) -> Result<String, SignatureError> {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.map_err(|_| SignatureError::Form)
    }

    /// As [`PublicKey::parse`] reads it.
    pub fn text(&self) -> String {
        STANDARD.encode(self.0.as_bytes())
    }

    /// `sha256:` over its 32 bytes: how records name it.
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", sha256(self.0.as_bytes()))
    }
}

impl SigningKey {
    /// A key of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// A key as `openssl genpkey -algorithm ed25519` writes it: PKCS #8, PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(pem: &str) -> Result<Self, SignatureError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem);
        Ok(Self(key.map_err(|_| SignatureError::Form)?))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl Envelope {
    /// Signs a statement.
    pub fn sign(statement: &Statement, key: &SigningKey) -> Self {
        let payload = statement.canonical();
        let signature = key.0.sign(&encoded(&payload));
        Self::with(&payload, key.public().fingerprint(), &signature.to_bytes())
    }

    /// An envelope of a signature that was made elsewhere, over [`Envelope::to_sign`].
    pub fn with(payload: &[u8], keyid: String, signature: &[u8; 64]) -> Self {
        Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature {
                keyid: Some(keyid),
                sig: STANDARD.encode(signature),
            }],
        }
    }

    /// What a key signs: the pre-authentication encoding of the statement.
    pub fn to_sign(statement: &Statement) -> Vec<u8> {
        encoded(&statement.canonical())
    }

    /// The statement, if one of `keys` has signed it.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify(&self, keys: &[PublicKey]) -> Result<Statement, SignatureError> {
        if self.payload_type != PAYLOAD_TYPE || self.signatures.len() > MOST_SIGNATURES {
            return Err(SignatureError::Form);
        }
        if self.signatures.is_empty() {
            return Err(SignatureError::Unsigned);
        }
        let payload = STANDARD
            .decode(&self.payload)
            .map_err(|_| SignatureError::Form)?;
        let message = encoded(&payload);
        let signed = self.signatures.iter().filter_map(Signature::bytes);
        let signed = signed.map(|bytes| ed25519_dalek::Signature::from_bytes(&bytes));
        let by_one = |signature: ed25519_dalek::Signature| {
            let mut keys = keys.iter();
            keys.any(|key| key.0.verify_strict(&message, &signature).is_ok())
        };
        if !signed.into_iter().any(by_one) {
            return Err(SignatureError::WrongKey);
        }
        let canonical = Json::parse_canonical(&payload).map_err(|_| SignatureError::Form)?;
        serde_json::from_slice(&canonical.canonical()).map_err(|_| SignatureError::Form)
    }
}

impl Signature {
    fn bytes(&self) -> Option<[u8; 64]> {
        STANDARD.decode(&self.sig).ok()?.try_into().ok()
    }
}

/// `DSSEv1 LEN(type) type LEN(body) body`.
fn encoded(payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    );
    let mut out = head.into_bytes();
    out.extend_from_slice(payload);
    out
}
