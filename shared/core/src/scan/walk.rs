//! One worker's way through one shard.

use super::ScanList;
use crate::ports::{CreatedRange, ListCursor};

/// How far a shard is saved. Two workers who began at the same position cannot both save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What the shard is made of.
    pub range: CreatedRange,
    /// Where the next page begins.
    pub cursor: Option<ListCursor>,
    /// Files that are kept.
    pub files: usize,
}

/// What a worker has read since the position that is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The shard's number.
    pub shard: u32,
    /// Its list.
    pub list: ScanList,
    pub(super) saved: Position,
    cursor: Option<ListCursor>,
    objects: u64,
    done: bool,
}

impl Walk {
    pub(super) fn from(shard: u32, list: ScanList, saved: Position) -> Self {
        let cursor = saved.cursor.clone();
        Self {
            shard,
            list,
            saved,
            cursor,
            objects: 0,
            done: false,
        }
    }

    /// What to ask for: the range, and where in it the next page begins.
    pub const fn next_page(&self) -> (CreatedRange, Option<&ListCursor>) {
        (self.saved.range, self.cursor.as_ref())
    }

    /// Takes note of a page of `objects` objects; `next` is where the next one begins.
    pub fn took(&mut self, objects: usize, next: Option<ListCursor>) {
        let objects = u64::try_from(objects).unwrap_or(u64::MAX);
        self.objects = self.objects.saturating_add(objects);
        self.done = next.is_none();
        if next.is_some() {
            self.cursor = next;
        }
    }

    /// Objects that were read and are not saved yet.
    pub const fn unsaved(&self) -> u64 {
        self.objects
    }

    /// Whether the last page of the shard was read.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Files of this shard that are kept.
    pub const fn files(&self) -> usize {
        self.saved.files
    }

    /// Where what is left can be cut: everything that was created before may be read by somebody
    /// else. `None` when there is nothing left, or all of it may be of one second.
    pub(super) fn cut(&self) -> Option<i64> {
        let oldest = self.cursor.as_ref().filter(|_| !self.done)?.created;
        let from = self.saved.range.from;
        // Nothing is older than Stripe, so the middle of what is left lies behind that.
        let from = if oldest > STRIPE_BEGAN {
            from.max(STRIPE_BEGAN)
        } else {
            from
        };
        let half = oldest.checked_sub(from)?.checked_add(1)?.checked_div(2)?;
        let cut = from.checked_add(half)?;
        (self.saved.range.from < cut && cut <= oldest).then_some(cut)
    }

    pub(super) fn keep_from(&mut self, cut: i64) {
        self.saved.range.from = cut;
    }

    /// Where the walk is, as the position to save.
    pub(super) fn here(&self, files: usize) -> Position {
        Position {
            range: self.saved.range,
            cursor: self.cursor.clone(),
            files,
        }
    }

    pub(super) fn saved_at(&mut self, position: Position) {
        self.saved = position;
        self.objects = 0;
    }
}

/// 2010-01-01: no account is older.
const STRIPE_BEGAN: i64 = 1_262_304_000;
