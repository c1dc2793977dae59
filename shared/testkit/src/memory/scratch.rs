//! Working space in memory.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use counterfoil_core::ports::{PortError, Scratch, ScratchFile};

/// Working space in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemScratch;

impl Scratch for MemScratch {
    fn file(&self) -> Result<Box<dyn ScratchFile>, PortError> {
        Ok(Box::new(MemFile(Cursor::default())))
    }
}

struct MemFile(Cursor<Vec<u8>>);

impl Read for MemFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for MemFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl ScratchFile for MemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut rest = self.0.get_ref().get(at..).unwrap_or_default();
        rest.read(buffer)
    }
}
