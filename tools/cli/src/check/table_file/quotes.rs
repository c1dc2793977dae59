//! Counts quotation marks on their way to the CSV reader.
//!
//! In a well-formed file each is closed or doubled. A lenient reader takes everything behind one that
//! is not for a single value, and the rows in it would seem to be missing.

use std::fs::File;
use std::io::{self, Read};

/// A file whose quotation marks are counted.
#[derive(Debug)]
pub(super) struct Quotes {
    file: File,
    odd: bool,
}

impl Quotes {
    pub(super) const fn new(file: File) -> Self {
        Self { file, odd: false }
    }

    /// Whether the number of quotation marks so far is odd.
    pub(super) const fn is_odd(&self) -> bool {
        self.odd
    }
}

impl Read for Quotes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let marks = buffer
            .iter()
            .take(count)
            .filter(|byte| **byte == b'"')
            .count();
        self.odd ^= marks % 2 == 1;
        Ok(count)
    }
}
