//! A scan of what has changed: what is known of it so far.

use serde::{Deserialize, Serialize};

use super::{ScanFile, Superseded};
use crate::run::Baseline;

/// How far a scan of changes is. Of two workers who began at the same place only one saves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// The scan that it goes on from.
    pub baseline: Baseline,
    /// Who has changed since; `None` until that is known.
    pub changed: Option<ScanFile>,
    /// How many of them were read again.
    pub read: u64,
    /// How many files of the baseline were carried over.
    pub carried: u64,
    /// All of them are.
    pub done: bool,
    /// Failures since something was saved last.
    pub failures: u32,
    /// What is kept: what was read again, and what was carried over.
    pub files: Vec<ScanFile>,
}

/// Where a worker goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshStep {
    /// Ask who has changed.
    Ask,
    /// Read those again who stand behind so many in the list.
    Read(u64),
    /// Carry over the files behind so many of the baseline's.
    Carry(u64),
    /// Nothing is left.
    Done,
}

impl Refresh {
    /// Nothing is known yet.
    pub const fn since(baseline: Baseline) -> Self {
        Self {
            baseline,
            changed: None,
            read: 0,
            carried: 0,
            done: false,
            failures: 0,
            files: Vec::new(),
        }
    }

    /// What is to be done next.
    pub fn step(&self) -> RefreshStep {
        match &self.changed {
            _ if self.done => RefreshStep::Done,
            None => RefreshStep::Ask,
            Some(file) if self.read < file.count => RefreshStep::Read(self.read),
            Some(_) => RefreshStep::Carry(self.carried),
        }
    }

    /// Takes the list of who has changed.
    ///
    /// # Errors
    /// When another worker has gone on.
    pub fn asked(&mut self, changed: ScanFile) -> Result<(), Superseded> {
        self.at(RefreshStep::Ask)?;
        self.baseline.changed = changed.count;
        self.failures = 0;
        self.changed = Some(changed);
        Ok(())
    }

    /// Takes what was read again of `count` customers behind the first `from`.
    ///
    /// # Errors
    /// When another worker has gone on.
    pub fn read_again(
        &mut self,
        from: u64,
        count: u64,
        files: impl IntoIterator<Item = ScanFile>,
    ) -> Result<(), Superseded> {
        self.at(RefreshStep::Read(from))?;
        self.read = from.saturating_add(count);
        self.keep(files);
        Ok(())
    }

    /// Takes what is left of the baseline's files from `from` up to `next`; `last` says that there
    /// are no more.
    ///
    /// # Errors
    /// When another worker has gone on.
    pub fn carried(
        &mut self,
        from: u64,
        next: u64,
        files: impl IntoIterator<Item = ScanFile>,
        last: bool,
    ) -> Result<(), Superseded> {
        self.at(RefreshStep::Carry(from))?;
        self.carried = next;
        self.done = last;
        self.keep(files);
        Ok(())
    }

    fn keep(&mut self, files: impl IntoIterator<Item = ScanFile>) {
        self.files.extend(files);
        self.failures = 0;
    }

    fn at(&self, step: RefreshStep) -> Result<(), Superseded> {
        if self.step() == step {
            Ok(())
        } else {
            Err(Superseded)
        }
    }
}
