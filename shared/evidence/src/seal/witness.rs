//! Witnesses: others who cosign seals (evidence-format section 11, C2SP tlog-cosignature).

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use thiserror::Error;

use super::note::Seal;
use crate::base64;
use crate::hash::sha256;

/// Type of a witness key and its signatures, `cosignature/v1`.
const TYPE: u8 = 0x04;

/// The text is no witness key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a witness is written name+id+key: a name, eight hexadecimal digits, base64 of 0x04 and an Ed25519 key"
)]
pub struct WitnessError;

/// A pinned witness.
#[derive(Clone, PartialEq, Eq)]
pub struct Witness {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Witness {
    /// Reads a verifier key, `name+id+base64`.
    ///
    /// # Errors
    /// When it is ill-formed, its id is not that of its name and key, or its type is not
    /// `cosignature/v1`.
    pub fn parse(vkey: &str) -> Result<Self, WitnessError> {
        let mut pieces = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(WitnessError);
        };
        let typed = base64::decode(key).map_err(|_| WitnessError)?;
        let stated = u32::from_str_radix(id, 16).map_err(|_| WitnessError)?;
        let hash = sha256(&[name.as_bytes(), b"\n", &typed].concat());
        let [a, b, c, d, ..] = *hash.as_bytes();
        let own = [a, b, c, d];
        let blank = |c: char| c.is_whitespace() || c.is_control();
        let named = !name.is_empty() && !name.contains(blank);
        if !named || id.len() != 8 || stated.to_be_bytes() != own {
            return Err(WitnessError);
        }
        let bytes = match typed.split_first() {
            Some((&TYPE, key)) => <&[u8; 32]>::try_from(key).map_err(|_| WitnessError)?,
            _ => return Err(WitnessError),
        };
        Ok(Self {
            name: name.to_owned(),
            id: own,
            key: VerifyingKey::from_bytes(bytes).map_err(|_| WitnessError)?,
        })
    }

    /// Whether both are one witness, whatever their names.
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Whether one of the lines of a seal is a valid cosignature of this witness. A line that is not
    /// valid is no harm: anybody can add one.
    pub fn signed(&self, seal: &Seal) -> bool {
        let lines = seal.lines.iter();
        let mut own = lines.filter(|line| line.name == self.name && line.key_id == self.id);
        own.any(|line| self.verifies(seal, &line.signature))
    }

    fn verifies(&self, seal: &Seal, payload: &[u8]) -> bool {
        let Some((seconds, signature)) = payload.split_first_chunk::<8>() else {
            return false;
        };
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        let seconds = u64::from_be_bytes(*seconds);
        let head = format!("cosignature/v1\ntime {seconds}\n");
        let message = [head.as_bytes(), &seal.body.bytes()].concat();
        self.key.verify_strict(&message, &signature).is_ok()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
