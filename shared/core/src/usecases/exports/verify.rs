//! Verified before it is offered, by the verifier that an auditor runs.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::package::tar::{self, Place};
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::verify::{
    Accepted, Members, Package, Trust, Unreadable, verify, verify_members,
};

use super::Exports;
use super::failure::{BuildError, corrupt};
use crate::ports::ScratchFile;

/// Bytes that are read ahead of a member.
const BUFFER: usize = 1 << 16;

impl Exports {
    /// What an auditor of this stream pins: those of the deployment's keys and of the rotated ones
    /// that the stream names. Until a stream is handed over, that is the retiring key.
    pub(super) async fn trust(
        &self,
        stream: Hash,
        rotated: &BTreeSet<String>,
    ) -> Result<Trust, BuildError> {
        let mut keys = vec![self.signer.key().await?];
        if let Some(retiring) = &self.retiring {
            keys.push(retiring.key().await?);
        }
        let sealers = self.descriptor(stream).await?.sealers;
        let mut named: BTreeSet<Hash> = sealers.into_iter().collect();
        for spki in rotated {
            let der = STANDARD.decode(spki).ok();
            let key = der.and_then(|der| SealKey::from_der(&der).ok());
            let key = key.ok_or_else(|| corrupt("reading a rotated key"))?;
            named.insert(key.hash());
            keys.push(key);
        }
        // Each once: taken out of `named` when it is pinned.
        keys.retain(|key| named.remove(&key.hash()));
        let mut trust = Trust::of(keys.into_iter().map(Into::into).collect(), stream);
        trust.prefix.clone_from(&self.origin_prefix);
        Ok(trust)
    }
}

/// Verifies a run package.
pub(super) fn check_document(document: &[u8], trust: &Trust) -> Result<Accepted, BuildError> {
    verify(Package::Document(document), trust)
        .result
        .map_err(BuildError::Unverifiable)
}

/// Verifies an archive of the folder form where it lies, without reading it into memory; it is left
/// rewound.
pub(super) fn check_archive(
    archive: &mut dyn ScratchFile,
    trust: &Trust,
) -> Result<Accepted, BuildError> {
    archive.rewind()?;
    let places =
        tar::index(BufReader::new(&mut *archive), trust.limits).map_err(|unread| match unread {
            Unreadable::Refused(fault) => BuildError::Unverifiable(fault),
            Unreadable::Io(error) => error.into(),
        })?;
    archive.rewind()?;
    let placed = Placed {
        archive: &*archive,
        places,
    };
    verify_members(&placed, trust, None)?
        .result
        .map_err(BuildError::Unverifiable)
}

/// Members of an archive in working space.
#[derive(Debug)]
struct Placed<'a> {
    archive: &'a dyn ScratchFile,
    places: Vec<Place>,
}

impl Members for Placed<'_> {
    fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.places.iter();
        Ok(files
            .map(|place| (place.name.clone(), place.size))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        let place = self.places.iter().find(|place| place.name == name);
        let place = place.ok_or(io::ErrorKind::NotFound)?;
        let window = Window {
            archive: self.archive,
            at: place.offset,
            left: place.size,
        };
        Ok(Box::new(BufReader::with_capacity(BUFFER, window)))
    }
}

/// Bytes of a member.
struct Window<'a> {
    archive: &'a dyn ScratchFile,
    at: u64,
    left: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let wanted = buffer.get_mut(..most).unwrap_or_default();
        let count = self.archive.read_at(wanted, self.at)?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(read);
        self.left = self.left.saturating_sub(read);
        Ok(count)
    }
}
