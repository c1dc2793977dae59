//! Archives in working space: regular files, no times, no owners (ustar).

use std::io::{self, Read, Seek, SeekFrom, Write};

use counterfoil_evidence::package::tar::{BLOCK, fits, header};
use sha2::{Digest, Sha256};

use crate::ports::ScratchFile;

/// What was written: for manifests and records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// `sha256:…`.
    pub(super) digest: String,
}

/// An archive that grows.
pub(super) struct Archive {
    file: Box<dyn ScratchFile>,
    members: Vec<Member>,
}

impl Archive {
    pub(super) fn new(file: Box<dyn ScratchFile>) -> Self {
        Self {
            file,
            members: Vec::new(),
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Adds what a file holds.
    pub(super) fn file(&mut self, name: &str, content: &mut dyn ScratchFile) -> io::Result<()> {
        let bytes = content.seek(SeekFrom::End(0))?;
        content.rewind()?;
        self.add(name, content, bytes)
    }

    /// Adds bytes.
    pub(super) fn bytes(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.add(name, &mut io::Cursor::new(content), bytes)
    }

    fn add(&mut self, name: &str, content: &mut dyn Read, bytes: u64) -> io::Result<()> {
        if !fits(name) {
            let what = format!("an archive has no room for the name {name}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        self.file.write_all(&header(name, bytes))?;
        let mut hashing = Hashing::new(content);
        io::copy(&mut hashing, &mut self.file)?;
        let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        let padding = bytes.next_multiple_of(block).saturating_sub(bytes);
        self.file
            .write_all(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
        self.members.push(Member {
            name: name.to_owned(),
            bytes,
            digest: hashing.digest(),
        });
        Ok(())
    }

    /// Ends the archive and gives it back, rewound.
    pub(super) fn end(mut self) -> io::Result<Box<dyn ScratchFile>> {
        self.file.write_all(&[0; BLOCK])?;
        self.file.write_all(&[0; BLOCK])?;
        self.file.rewind()?;
        Ok(self.file)
    }
}

/// Size and digest of a file, which is left rewound.
pub(super) fn measure(file: &mut dyn ScratchFile) -> io::Result<(u64, String)> {
    file.rewind()?;
    let mut hashing = Hashing::new(&mut *file);
    let bytes = io::copy(&mut hashing, &mut io::sink())?;
    let digest = hashing.digest();
    file.rewind()?;
    Ok((bytes, digest))
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    fn digest(self) -> String {
        format!("sha256:{}", hex::encode(self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
