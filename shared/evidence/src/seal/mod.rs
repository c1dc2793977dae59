//! Seals: signed statements about a stream at one size (evidence-format section 11).
//!
//! A seal is a C2SP checkpoint in signed-note form, signed with ECDSA P-256. This module assembles,
//! reads and verifies notes; it holds no private key.

mod der;
mod key;
mod note;
mod segment;
#[cfg(test)]
mod tests;
mod witness;

pub use key::{KeyError, SealKey};
pub use note::{MAX_NOTE, Seal, SigLine};
pub use segment::{SegmentCheck, SegmentEntry, SegmentPart};
pub use witness::{Witness, WitnessError};

use crate::base64;
use crate::code::{Code, Fault};
use crate::hash::Hash;

/// What the origin of a seal starts with, unless a deployment sets another prefix.
pub const DEFAULT_PREFIX: &str = "evidence.counterfoil.example/s/";

/// What a seal states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealBody {
    /// Prefix of the deployment and stream id.
    pub origin: String,
    /// Number of entries covered.
    pub size: u64,
    /// Root over their leaves.
    pub root: Hash,
    /// Time of sealing, ms.
    pub at: u64,
    /// Leaf of entry `size - 1`.
    pub head: Hash,
    /// Seal hash of the seal before; [`Hash::ZERO`] in the first.
    pub prev: Hash,
}

impl SealBody {
    /// The bytes that are signed: six lines.
    pub fn bytes(&self) -> Vec<u8> {
        self.text().into_bytes()
    }

    fn text(&self) -> String {
        let root = base64::encode(self.root.as_bytes());
        let Self {
            origin,
            size,
            at,
            head,
            prev,
            ..
        } = self;
        format!("{origin}\n{size}\n{root}\nat {at}\nhead {head}\nprev {prev}\n")
    }
}

/// The origin line of a stream's seals.
pub fn origin(prefix: &str, stream: Hash) -> String {
    format!("{prefix}{stream}")
}

/// Whether a text can be an origin prefix: 1 to 128 visible ASCII characters, no `+`, ends in
/// `/s/`.
pub fn is_prefix(prefix: &str) -> bool {
    (1..=128).contains(&prefix.len())
        && prefix.ends_with("/s/")
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'+')
}

/// Assembles a note from a body and signatures over its bytes (DER), in order.
pub fn note(body: &SealBody, signatures: &[(SealKey, Vec<u8>)]) -> String {
    let mut note = body.text();
    note.push('\n');
    for (key, signature) in signatures {
        let payload = [key.id().as_slice(), signature].concat();
        let line = format!("\u{2014} {} {}\n", body.origin, base64::encode(&payload));
        note.push_str(&line);
    }
    note
}

/// Reads a note and verifies it: grammar, origin, and the signature lines of `keys`, of which at
/// least one must be there.
///
/// # Errors
/// The codes of evidence-format section 14, step 5.
pub fn verify_note(note: &str, origin: &str, keys: &[SealKey]) -> Result<Seal, Fault> {
    let seal = Seal::parse(note)?;
    if seal.body.origin != origin {
        return Err(Fault::new(
            Code::Origin,
            "the seal is of another stream or deployment",
        ));
    }
    if seal.verified_by(keys)?.is_empty() {
        return Err(Fault::new(
            Code::NoTrustedSig,
            "no line is signed by a pinned key",
        ));
    }
    Ok(seal)
}
