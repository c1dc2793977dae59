//! The record of a scan at work: its shards, and the files that are kept.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::walk::Position;
use super::{FileKind, Refresh, ScanFile, ScanList, Walk};
use crate::ids::RunId;
use crate::ports::{CreatedRange, ListCursor};
use crate::run::{Basis, Instead};
use crate::time::Timestamp;

/// Shards of one list that are read at the same time. Five to eight cursors reach the rate that one
/// endpoint allows.
pub const SHARDS_AT_ONCE: usize = 8;

/// Shards of one list altogether, so that the record stays small whatever the account looks like.
pub const MOST_SHARDS: usize = 64;

/// A part of a list: what was created in a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number in the scan, from 0.
    pub number: u32,
    /// The list.
    pub list: ScanList,
    /// What it is made of.
    pub range: CreatedRange,
    /// Where the next page begins; `None` at the beginning, and when it is done.
    pub cursor: Option<ListCursor>,
    /// The shard it was cut from.
    pub parent: Option<u32>,
    /// A worker has saved something of it, so its message has arrived.
    pub begun: bool,
    /// All of it is read and kept.
    pub done: bool,
    /// Failures since something was saved last.
    pub failures: u32,
    /// What is kept of it.
    pub files: Vec<ScanFile>,
}

impl Shard {
    fn new(number: u32, list: ScanList, range: CreatedRange, parent: Option<u32>) -> Self {
        Self {
            number,
            list,
            range,
            cursor: None,
            parent,
            begun: false,
            done: false,
            failures: 0,
            files: Vec::new(),
        }
    }

    fn position(&self) -> Position {
        Position {
            range: self.range,
            cursor: self.cursor.clone(),
            files: self.files.len(),
        }
    }
}

/// One shard per list.
fn lists(as_of: Timestamp) -> Vec<Shard> {
    let range = CreatedRange::up_to(as_of);
    let lists = (0_u32..).zip(ScanList::ALL);
    lists
        .map(|(number, list)| Shard::new(number, list, range, None))
        .collect()
}

/// Somebody else has saved this shard since the walk began: what was read counts for nothing.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("another worker has gone on with this shard")]
pub struct Superseded;

/// A scan at work. Its record is written under its version and is gone when the run is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanWork {
    /// The run.
    pub id: RunId,
    /// Hash of the mapping's artifact that the run was opened with.
    pub mapping: String,
    /// When promises are evaluated; nothing that was created later is read.
    pub as_of: Timestamp,
    /// When something was saved last.
    pub touched_at: Timestamp,
    /// How often a schedule has found it silent and sent its messages again.
    pub revived: u32,
    /// Every shard, by number; none where only what has changed is read.
    pub shards: Vec<Shard>,
    /// The app's database was opened, and the mapping fits it: Stripe may be read.
    #[serde(default)]
    pub app_fits: bool,
    /// What has changed since an earlier scan, where only that is read.
    #[serde(default)]
    pub refresh: Option<Refresh>,
    /// Why everything is read although only that was wanted.
    #[serde(default)]
    pub instead: Option<Instead>,
    /// What the join and the second look have kept, in order.
    pub files: Vec<ScanFile>,
    /// Findings of the first look that were looked at again, or are known.
    pub handled: u64,
    /// Failures of the join or of the second look since something was saved last.
    pub failures: u32,
}

impl ScanWork {
    /// The work of a scan: one shard per list, or what has changed since the basis' earlier scan.
    pub fn open(id: RunId, mapping: String, as_of: Timestamp, basis: &Basis) -> Self {
        let refresh = basis.since.map(Refresh::since);
        let shards = refresh
            .as_ref()
            .map_or_else(|| lists(as_of), |_| Vec::new());
        Self {
            id,
            mapping,
            as_of,
            touched_at: as_of,
            revived: 0,
            shards,
            app_fits: false,
            refresh,
            instead: basis.instead,
            files: Vec::new(),
            handled: 0,
            failures: 0,
        }
    }

    /// Reads everything after all. What was kept of the changes counts for nothing.
    ///
    /// # Errors
    /// When everything is being read already, or the changes are.
    pub fn read_in_full(&mut self, instead: Instead) -> Result<(), Superseded> {
        let refresh = self.refresh.take_if(|refresh| !refresh.done);
        refresh.ok_or(Superseded)?;
        self.instead = Some(instead);
        self.shards = lists(self.as_of);
        Ok(())
    }

    /// What is known of the changes.
    ///
    /// # Errors
    /// When everything is being read instead.
    pub fn refresh_mut(&mut self) -> Result<&mut Refresh, Superseded> {
        self.refresh.as_mut().ok_or(Superseded)
    }

    /// A shard.
    pub fn shard(&self, number: u32) -> Option<&Shard> {
        self.shards.get(usize::try_from(number).ok()?)
    }

    fn shard_mut(&mut self, number: u32) -> Option<&mut Shard> {
        self.shards.get_mut(usize::try_from(number).ok()?)
    }

    /// What a worker of this shard reads from here on; `None` when nothing is left of it.
    pub fn walk(&self, number: u32) -> Option<Walk> {
        let shard = self.shard(number).filter(|shard| !shard.done)?;
        Some(Walk::from(number, shard.list, shard.position()))
    }

    /// Whether the older half of what is left of the walk should go to another worker.
    pub fn may_split(&self, walk: &Walk) -> bool {
        let of_list = self.shards.iter().filter(|shard| shard.list == walk.list);
        let (mut all, mut open) = (0_usize, 0_usize);
        for shard in of_list {
            all = all.saturating_add(1);
            open = open.saturating_add(usize::from(!shard.done));
        }
        all < MOST_SHARDS && open < SHARDS_AT_ONCE && walk.cut().is_some()
    }

    /// Gives the older half of what is left of the walk to a new shard and returns its number;
    /// `None` when it should not be split (any more).
    ///
    /// # Errors
    /// When somebody else has saved the shard since the walk began.
    pub fn split(&mut self, walk: &mut Walk) -> Result<Option<u32>, Superseded> {
        self.held(walk)?;
        let cut = walk.cut().filter(|_| self.may_split(walk));
        let Some((cut, number)) = cut.zip(u32::try_from(self.shards.len()).ok()) else {
            return Ok(None);
        };
        let shard = self.shard_mut(walk.shard).ok_or(Superseded)?;
        let older = CreatedRange {
            from: shard.range.from,
            to: cut,
        };
        shard.range.from = cut;
        shard.begun = true;
        walk.keep_from(cut);
        self.shards
            .push(Shard::new(number, walk.list, older, Some(walk.shard)));
        Ok(Some(number))
    }

    /// Saves the walk: `file` holds everything that it has read since the last time (`None` when
    /// that is nothing), and the next worker goes on behind it.
    ///
    /// # Errors
    /// When somebody else has saved the shard since the walk began.
    pub fn save(&mut self, walk: &mut Walk, file: Option<ScanFile>) -> Result<(), Superseded> {
        self.held(walk)?;
        let shard = self.shard_mut(walk.shard).ok_or(Superseded)?;
        shard.files.extend(file);
        let here = walk.here(shard.files.len());
        shard.begun = true;
        shard.failures = 0;
        shard.done = walk.is_done();
        // Nobody goes on with a shard that is done, and a cursor is the id of a customer's object.
        shard.cursor = here.cursor.clone().filter(|_| !walk.is_done());
        walk.saved_at(here);
        Ok(())
    }

    /// Notes that a page could not be read; returns how often in a row.
    pub fn failed(&mut self, number: u32) -> u32 {
        let Some(shard) = self.shard_mut(number).filter(|shard| !shard.done) else {
            return 0;
        };
        shard.failures = shard.failures.saturating_add(1);
        shard.failures
    }

    /// Shards that were cut from this one and of which nobody has saved anything: their message may
    /// never have been sent.
    pub fn unheard_of(&self, parent: u32) -> impl Iterator<Item = u32> {
        let shards = self.shards.iter();
        let shards = shards.filter(move |it| it.parent == Some(parent) && !it.begun && !it.done);
        shards.map(|shard| shard.number)
    }

    /// Shards of which something is left to read.
    pub fn open_shards(&self) -> impl Iterator<Item = u32> {
        let open = self.shards.iter().filter(|shard| !shard.done);
        open.map(|shard| shard.number)
    }

    /// Whether every list is read and kept whole.
    pub fn is_read(&self) -> bool {
        let refreshed = self.refresh.as_ref().is_none_or(|refresh| refresh.done);
        refreshed && self.shards.iter().all(|shard| shard.done)
    }

    /// Everything that is kept, in the order in which it is read again.
    pub fn all_files(&self) -> impl Iterator<Item = &ScanFile> {
        let lists = ScanList::ALL.into_iter();
        let read = lists.flat_map(move |list| {
            let shards = self.shards.iter().filter(move |shard| shard.list == list);
            let again = self.refresh.iter().flat_map(|refresh| &refresh.files);
            let again = again.filter(move |file| file.kind == FileKind::List(list));
            shards.flat_map(|shard| &shard.files).chain(again)
        });
        let changed = self.refresh.iter().flat_map(|it| &it.changed);
        changed.chain(read).chain(&self.files)
    }

    fn held(&self, walk: &Walk) -> Result<(), Superseded> {
        let shard = self.shard(walk.shard).filter(|shard| !shard.done);
        match shard {
            Some(shard) if shard.position() == walk.saved => Ok(()),
            _ => Err(Superseded),
        }
    }
}
