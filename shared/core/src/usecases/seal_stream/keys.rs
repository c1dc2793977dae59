//! Which key seals a stream now (evidence-format section 17).
//!
//! A sealer has one key and, while streams are handed over, the key that is being retired. A stream
//! goes from the second to the first and never back, so its newest seal tells which one is in force.

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::seal::{Seal, SealBody, SealKey, note, verify_note};

use super::{SealError, SealStream};
use crate::ports::{SealedState, StoredPart};

/// The key in force for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InForce {
    /// The sealer's key.
    Current,
    /// The key that is being retired.
    Retiring,
}

/// The public keys of a sealer.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) current: SealKey,
    pub(super) retiring: Option<SealKey>,
}

impl Keys {
    fn all(&self) -> Vec<SealKey> {
        let mut all = vec![self.current.clone()];
        all.extend(self.retiring.clone());
        all
    }

    fn in_force(&self, named: &[Hash]) -> Option<InForce> {
        let retiring = self.retiring.as_ref().map(SealKey::hash);
        if named.contains(&self.current.hash()) {
            Some(InForce::Current)
        } else if retiring.is_some_and(|key| named.contains(&key)) {
            Some(InForce::Retiring)
        } else {
            None
        }
    }

    /// What a `key.rotate` of a stream must retire and add.
    pub(super) fn rotation(&self, in_force: InForce) -> Option<(Hash, Hash)> {
        let retiring = self.retiring.as_ref()?;
        (in_force == InForce::Retiring).then(|| (retiring.hash(), self.current.hash()))
    }
}

impl SealStream {
    pub(super) async fn keys(&self) -> Result<Keys, SealError> {
        let retiring = match &self.retiring {
            Some(signer) => Some(signer.key().await?),
            None => None,
        };
        Ok(Keys {
            current: self.signer.key().await?,
            retiring,
        })
    }

    /// The key in force: that of the last seal, which must verify and be what is stored beside it;
    /// before the first seal the one that the descriptor names.
    pub(super) async fn in_force(
        &self,
        stream: Hash,
        keys: &Keys,
        last: Option<&SealedState>,
    ) -> Result<InForce, SealError> {
        let named = match last {
            None => self.descriptor_keys(stream).await?,
            Some(last) => {
                let seal = self.read_note(&last.note, stream, keys)?;
                if !says(&seal, last) {
                    let what = "what is stored of the last seal is not what its note says";
                    return Err(SealError::mismatch(what));
                }
                seal.verified_by(&keys.all()).map_err(SealError::Mismatch)?
            }
        };
        keys.in_force(&named).ok_or(SealError::NoKey)
    }

    fn read_note(&self, note: &str, stream: Hash, keys: &Keys) -> Result<Seal, SealError> {
        use counterfoil_evidence::code::Code;
        verify_note(note, &self.origin(stream), &keys.all()).map_err(|fault| {
            if fault.code == Code::NoTrustedSig {
                SealError::NoKey
            } else {
                SealError::Mismatch(fault)
            }
        })
    }

    /// Key hashes of the descriptor. The recomputation checks afterwards that it is the stream's.
    async fn descriptor_keys(&self, stream: Hash) -> Result<Vec<Hash>, SealError> {
        let first = self.evidence.entries(stream, 0, 1).await?;
        let facts = first.first().and_then(|entry| entry.facts.as_ref());
        let Some(StoredPart::Present { bytes, .. }) = facts else {
            return Err(SealError::mismatch("entry 0: facts are absent"));
        };
        let facts = Json::parse_canonical(bytes).map_err(SealError::Mismatch)?;
        let descriptor = facts
            .get("descriptor")
            .ok_or_else(|| SealError::mismatch("entry 0 has no descriptor"))?;
        let descriptor = Descriptor::from_json(descriptor).map_err(SealError::Mismatch)?;
        Ok(descriptor.sealers)
    }

    /// Signs a body: with the key in force, or in the handover seal with both, the new line first.
    pub(super) async fn sign(
        &self,
        body: &SealBody,
        keys: &Keys,
        in_force: InForce,
        handover: bool,
    ) -> Result<Seal, SealError> {
        let bytes = body.bytes();
        let mut lines = Vec::new();
        if in_force == InForce::Current || handover {
            lines.push((keys.current.clone(), self.signer.sign(&bytes).await?));
        }
        if in_force == InForce::Retiring {
            let (Some(signer), Some(key)) = (&self.retiring, &keys.retiring) else {
                return Err(SealError::NoKey);
            };
            lines.push((key.clone(), signer.sign(&bytes).await?));
        }
        verify_note(&note(body, &lines), &body.origin, &keys.all()).map_err(SealError::Mismatch)
    }
}

fn says(seal: &Seal, stored: &SealedState) -> bool {
    let body = &seal.body;
    body.size == stored.size
        && body.at == stored.at
        && body.head == stored.leaf
        && body.root == stored.frontier.root()
        && seal.seal_hash() == stored.seal_hash
}
