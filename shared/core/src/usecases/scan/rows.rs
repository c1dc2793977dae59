//! The app's rows on their way into files, while they stream through the engine.

use std::io::Write as _;

use crate::cell::AppRow;
use crate::ports::{PortError, PortErrorKind, Scratch, ScratchFile};
use crate::snapshot::{Line, Look, SnapshotError, Writer};

/// A finished file in the working space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    offset: u64,
    bytes: usize,
    /// Rows in it.
    pub(super) rows: u64,
}

/// Collects rows; holds one file in memory at most.
pub(super) struct RowFiles {
    space: Box<dyn ScratchFile>,
    look: Look,
    writer: Writer,
    rows: u64,
    limit: usize,
    end: u64,
    written: Vec<Written>,
    failed: Option<SnapshotError>,
}

impl RowFiles {
    pub(super) fn new(scratch: &dyn Scratch, look: Look, limit: usize) -> Result<Self, PortError> {
        Ok(Self {
            space: scratch.file()?,
            writer: Writer::new(&look),
            look,
            rows: 0,
            limit,
            end: 0,
            written: Vec::new(),
            failed: None,
        })
    }

    /// Takes a row. A failure is kept for [`RowFiles::finish`]: the stream has no way to stop.
    pub(super) fn push(&mut self, row: AppRow) {
        if self.failed.is_some() {
            return;
        }
        self.writer.line(&Line::Row(row));
        self.rows = self.rows.saturating_add(1);
        if self.writer.size() >= self.limit {
            self.failed = self.rotate().err();
        }
    }

    fn rotate(&mut self) -> Result<(), SnapshotError> {
        let writer = std::mem::replace(&mut self.writer, Writer::new(&self.look));
        let bytes = writer.finish()?;
        self.space.write_all(&bytes)?;
        self.written.push(Written {
            offset: self.end,
            bytes: bytes.len(),
            rows: self.rows,
        });
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.end = self.end.saturating_add(length);
        self.rows = 0;
        Ok(())
    }

    /// Ends the last file; returns all of them.
    pub(super) fn finish(&mut self) -> Result<Vec<Written>, SnapshotError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.rows > 0 {
            self.rotate()?;
        }
        Ok(self.written.clone())
    }

    /// Reads a finished file back.
    pub(super) fn file(&self, written: Written) -> Result<Vec<u8>, PortError> {
        let mut bytes = vec![0; written.bytes];
        let mut done = 0_usize;
        let failed =
            |error| PortError::caused(PortErrorKind::Unavailable, "reading working space", error);
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = written
                .offset
                .saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match self.space.read_at(rest, at).map_err(failed)? {
                0 => {
                    let doing = "reading working space to its end";
                    return Err(PortError::new(PortErrorKind::Corrupt, doing));
                }
                read => done = done.saturating_add(read),
            }
        }
        Ok(bytes)
    }
}
