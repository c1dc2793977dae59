//! Working space on this machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use counterfoil_core::ports::{PortError, PortErrorKind, Scratch, ScratchFile};

/// Files in the system's temporary directory. They have no name from the beginning, so nothing is
/// left of them when the process ends, however it ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct TempScratch;

impl Scratch for TempScratch {
    fn file(&self) -> Result<Box<dyn ScratchFile>, PortError> {
        let doing = "making a temporary file";
        let file = tempfile::tempfile()
            .map_err(|source| PortError::caused(PortErrorKind::Unavailable, doing, source))?;
        Ok(Box::new(TempFile(file)))
    }
}

struct TempFile(File);

impl Read for TempFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for TempFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl ScratchFile for TempFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}
