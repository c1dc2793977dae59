//! Working space that may be larger than memory and that nobody finds afterwards.

use std::fmt;
use std::io::{self, Read, Seek, Write};

use super::PortError;

/// A file without a name. It is gone when it is dropped, and when the process dies.
pub trait ScratchFile: Read + Write + Seek + Send {
    /// Reads from `offset` on, wherever the file's own position is, and leaves that where it is: so
    /// that several readers can go through one file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl fmt::Debug for dyn ScratchFile + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScratchFile")
    }
}

/// Makes such files. Their content is never shared with another worker, so a job that is begun
/// again begins with empty ones.
pub trait Scratch: Send + Sync {
    /// A new, empty file.
    fn file(&self) -> Result<Box<dyn ScratchFile>, PortError>;
}
