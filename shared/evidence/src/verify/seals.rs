//! Steps 5 and 8, and the tokens of step 18: seals by themselves and as a chain.

use super::input::Loaded;
use super::{Evidence, Report, Trust};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::seal::{self, Seal};

/// A seal with a valid signature of a usable key.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) seal: Seal,
    pub(super) hash: Hash,
    /// Pinned keys whose lines verified.
    pub(super) keys: Vec<Hash>,
}

impl Sealed {
    pub(super) fn place(&self) -> String {
        format!("seal of size {}", self.seal.body.size)
    }

    pub(super) fn fault(&self, code: Code, what: impl Into<String>) -> Fault {
        Fault::new(code, what).at(self.place())
    }
}

pub(super) fn read(
    loaded: &Loaded,
    trust: &Trust,
    stream: Hash,
    usable: &[Hash],
) -> Result<Vec<Sealed>, Fault> {
    if loaded.seals.is_empty() {
        return Err(Fault::new(Code::NoSeal, "the package has no seal"));
    }
    let numbered = loaded.seals.iter().enumerate();
    numbered
        .map(|(index, note)| {
            read_one(note, trust, stream, usable).map_err(|f| f.at(format!("seal {index}")))
        })
        .collect()
}

/// Step 5 for one note, of the package or of an anchor.
pub(super) fn read_one(
    note: &str,
    trust: &Trust,
    stream: Hash,
    usable: &[Hash],
) -> Result<Sealed, Fault> {
    let seal = Seal::parse(note)?;
    if seal.body.origin != seal::origin(&trust.prefix, stream) {
        return Err(Fault::new(
            Code::Origin,
            "the seal is of another stream or deployment",
        ));
    }
    let mut keys = seal.verified_by(&trust.seal_keys())?;
    keys.retain(|key| usable.contains(key));
    if keys.is_empty() {
        return Err(Fault::new(
            Code::NoTrustedSig,
            "no line is signed by a pinned key",
        ));
    }
    Ok(Sealed {
        hash: seal.seal_hash(),
        seal,
        keys,
    })
}

pub(super) fn check_chain(seals: &[Sealed]) -> Result<(), Fault> {
    for (before, after) in seals.iter().zip(seals.iter().skip(1)) {
        let (old, new) = (&before.seal.body, &after.seal.body);
        if new.size < old.size || new.at < old.at {
            return Err(after.fault(Code::SealChain, "smaller or older than the seal before"));
        }
        if new.prev != before.hash {
            return Err(after.fault(Code::SealChain, "prev does not name the seal before"));
        }
        if new.size == old.size && new.root != old.root {
            return Err(after.fault(Code::Equivocation, "another root than the seal before"));
        }
    }
    Ok(())
}

/// A token must name a seal of the package and be about it: the token's imprint is the seal hash,
/// SHA-256 over the reduced note. The authority's signature is not checked here.
pub(super) fn check_timestamps(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    for (named, token) in &evidence.loaded.timestamps {
        let about = token.windows(32).any(|window| window == named.as_bytes());
        if !evidence.seals.iter().any(|sealed| sealed.hash == *named) || !about {
            let what = format!("the time-stamp for {named} is not about a seal of the package");
            return Err(Fault::new(Code::Timestamp, what));
        }
    }
    if !evidence.loaded.timestamps.is_empty() {
        report.skip("signatures of the time-stamp authority (check with openssl ts -verify)");
    }
    Ok(())
}
