//! Steps 5 and 8: seals by themselves and as a chain.

use super::Trust;
use super::input::Body;
use super::input::folder::SealLines;
use super::members::Unreadable;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::seal::{self, Seal, SealBody};

/// A seal with a valid signature of a pinned key.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    /// What it states; the origin, which is the same in all, is not kept.
    pub(super) body: SealBody,
    pub(super) hash: Hash,
    /// Pinned keys whose lines verified.
    pub(super) keys: Vec<Hash>,
}

impl Sealed {
    pub(super) fn place(&self) -> String {
        format!("seal of size {}", self.body.size)
    }

    pub(super) fn fault(&self, code: Code, what: impl Into<String>) -> Fault {
        Fault::new(code, what).at(self.place())
    }
}

/// The seals of a package as far as they are sound by themselves.
#[derive(Default)]
pub(super) struct Read {
    pub(super) seals: Vec<Sealed>,
    /// What is wrong with the first one that is not.
    fault: Option<Fault>,
    /// The last note: cosignatures are on it.
    pub(super) last: String,
}

impl Read {
    fn take(&mut self, note: String, trust: &Trust, origin: &str) {
        if self.fault.is_none() {
            match read_one(&note, trust, origin) {
                Ok(sealed) => self.seals.push(sealed),
                Err(fault) => {
                    self.fault = Some(fault.at(format!("seal {}", self.seals.len())));
                }
            }
            self.last = note;
        }
    }

    /// Ends step 5: of the keys, only `usable` ones count.
    pub(super) fn finish(mut self, usable: &[Hash]) -> Result<(Vec<Sealed>, String), Fault> {
        for (index, sealed) in self.seals.iter_mut().enumerate() {
            usable_only(sealed, usable).map_err(|fault| fault.at(format!("seal {index}")))?;
        }
        match self.fault {
            Some(fault) => Err(fault),
            None if self.seals.is_empty() => {
                Err(Fault::new(Code::NoSeal, "the package has no seal"))
            }
            None => Ok((self.seals, self.last)),
        }
    }
}

/// Reads all seals; which keys are usable is known only after the entries.
pub(super) fn read(body: &Body<'_>, trust: &Trust, stream: Hash) -> Result<Read, Unreadable> {
    let mut read = Read::default();
    let origin = seal::origin(&trust.prefix, stream);
    each_note(body, |note| read.take(note, trust, &origin))?;
    Ok(read)
}

/// Calls `take` with every note, oldest first.
pub(super) fn each_note(body: &Body<'_>, mut take: impl FnMut(String)) -> Result<(), Unreadable> {
    match body {
        Body::Document { seals, .. } => seals.iter().cloned().for_each(take),
        Body::Folder { members, .. } => {
            let mut lines = SealLines::open(*members)?;
            while let Some(note) = lines.next()? {
                take(note);
            }
        }
    }
    Ok(())
}

/// Step 5 for one note, of the package or of an anchor; any pinned key counts.
fn read_one(note: &str, trust: &Trust, origin: &str) -> Result<Sealed, Fault> {
    let seal = Seal::parse(note)?;
    if seal.body.origin != origin {
        return Err(Fault::new(
            Code::Origin,
            "the seal is of another stream or deployment",
        ));
    }
    let keys = seal.verified_by(&trust.seal_keys())?;
    if keys.is_empty() {
        return Err(untrusted());
    }
    let hash = seal.seal_hash();
    let mut body = seal.body;
    body.origin = String::new();
    Ok(Sealed { body, hash, keys })
}

fn untrusted() -> Fault {
    Fault::new(Code::NoTrustedSig, "no line is signed by a pinned key")
}

fn usable_only(sealed: &mut Sealed, usable: &[Hash]) -> Result<(), Fault> {
    sealed.keys.retain(|key| usable.contains(key));
    if sealed.keys.is_empty() {
        return Err(untrusted());
    }
    Ok(())
}

/// Step 5 for a note that the auditor brought.
pub(super) fn read_anchor(
    note: &str,
    trust: &Trust,
    stream: Hash,
    usable: &[Hash],
) -> Result<Sealed, Fault> {
    let mut sealed = read_one(note, trust, &seal::origin(&trust.prefix, stream))?;
    usable_only(&mut sealed, usable)?;
    Ok(sealed)
}

/// A fault and, where two seals contradict each other, which ones.
pub(super) type Broken = (Fault, Option<(usize, usize)>);

pub(super) fn check_chain(seals: &[Sealed]) -> Result<(), Broken> {
    for (index, (before, after)) in seals.iter().zip(seals.iter().skip(1)).enumerate() {
        let (old, new) = (&before.body, &after.body);
        if new.size < old.size || new.at < old.at {
            let what = "smaller or older than the seal before";
            return Err((after.fault(Code::SealChain, what), None));
        }
        if new.prev != before.hash {
            let what = "prev does not name the seal before";
            return Err((after.fault(Code::SealChain, what), None));
        }
        if new.size == old.size && new.root != old.root {
            let fault = after.fault(Code::Equivocation, "another root than the seal before");
            return Err((fault, Some((index, index.saturating_add(1)))));
        }
    }
    Ok(())
}
