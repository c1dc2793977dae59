//! Heads of streams and runs: what is stored, and what this process knows about it.
//!
//! A known head saves the read before an append. It is only ever a guess: the transaction's
//! conditions name it, so a stale one costs an attempt and never an entry, and no error is
//! concluded from it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::stream::{Head, RunHead};
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::PortError;

use super::DynamoEvidence;
use super::items::{Item, bytes, item, number, s, text};
use crate::error;

/// Most streams whose heads are kept, and most runs of each.
const KEPT: usize = 256;

/// A head and runs as they were after an append of this process.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) head: Head,
    pub(super) runs: BTreeMap<String, RunHead>,
}

/// What this process knows about heads.
#[derive(Debug, Default)]
pub(super) struct KnownHeads(Mutex<BTreeMap<Hash, Known>>);

impl KnownHeads {
    pub(super) fn of(&self, stream: Hash) -> Option<Known> {
        self.lock().get(&stream).cloned()
    }

    /// Takes in an append of this process that went from `before` to `after`.
    pub(super) fn learn(&self, before: &Head, after: &Head, runs: &BTreeMap<String, RunHead>) {
        let mut streams = self.lock();
        if streams.len() >= KEPT && !streams.contains_key(&after.stream) {
            streams.clear();
        }
        let known = streams.entry(after.stream).or_insert_with(|| Known {
            head: before.clone(),
            runs: BTreeMap::new(),
        });
        if known.head.size > before.size {
            // An append of a later moment was taken in first.
            return;
        }
        if known.head != *before || known.runs.len() >= KEPT {
            // Others have written in between, perhaps to the same runs.
            known.runs.clear();
        }
        known.head = after.clone();
        known.runs.extend(runs.clone());
    }

    /// Drops what proved stale, unless something newer was learned meanwhile.
    pub(super) fn forget(&self, stream: Hash, used: &Head) {
        let mut streams = self.lock();
        if streams
            .get(&stream)
            .is_some_and(|known| known.head.size <= used.size)
        {
            streams.remove(&stream);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DynamoEvidence {
    /// The head of a stream, strongly consistent.
    pub(super) async fn read_head(&self, stream: Hash) -> Result<Option<Head>, PortError> {
        let Some(row) = self.head_item(stream, "head").await? else {
            return Ok(None);
        };
        head_from(stream, &row).map(Some)
    }

    /// The state of a run, strongly consistent.
    pub(super) async fn read_run(
        &self,
        stream: Hash,
        run: &str,
    ) -> Result<Option<RunHead>, PortError> {
        let Some(row) = self.head_item(stream, &format!("run/{run}")).await? else {
            return Ok(None);
        };
        let corrupt = || error::corrupt("reading a run's counter");
        let closed = row
            .get("closed")
            .and_then(|value| value.as_bool().ok())
            .copied();
        Ok(Some(RunHead {
            id: run.to_owned(),
            next: number(&row, "n").ok_or_else(corrupt)?,
            prev: text(&row, "prev")
                .and_then(|hash| hash.parse().ok())
                .ok_or_else(corrupt)?,
            closed: closed.ok_or_else(corrupt)?,
        }))
    }

    pub(super) async fn head_item(
        &self,
        stream: Hash,
        name: &str,
    ) -> Result<Option<Item>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.head)
            .set_key(Some(item([
                ("stream", s(stream.to_string())),
                ("item", s(name)),
            ])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading a stream's head", e))?;
        Ok(found.item)
    }
}

pub(super) fn head_from(stream: Hash, row: &Item) -> Result<Head, PortError> {
    let corrupt = || error::corrupt("reading a stream's head");
    let size = number(row, "size").ok_or_else(corrupt)?;
    let frontier = bytes(row, "frontier").ok_or_else(corrupt)?;
    Ok(Head {
        stream,
        size,
        prev: text(row, "prev")
            .and_then(|hash| hash.parse().ok())
            .ok_or_else(corrupt)?,
        at: number(row, "at").ok_or_else(corrupt)?,
        floor: number(row, "floor").ok_or_else(corrupt)?,
        frontier: Frontier::from_bytes(size, frontier).map_err(|_| corrupt())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, floor: u64) -> Head {
        let mut head = Head::new(Hash::new([1; 32]));
        for seq in 0..size {
            let leaf = Hash::new([u8::try_from(seq + 2).unwrap(); 32]);
            head.frontier.push(leaf);
            head.prev = leaf;
        }
        Head {
            size,
            floor,
            ..head
        }
    }

    fn run(next: u64) -> BTreeMap<String, RunHead> {
        let stream = Hash::new([1; 32]);
        let run = RunHead {
            next,
            ..RunHead::new("run_1", stream)
        };
        BTreeMap::from([(run.id.clone(), run)])
    }

    #[test]
    fn own_appends_in_a_row_keep_what_is_known_of_runs() {
        let known = KnownHeads::default();
        known.learn(&head(1, 0), &head(2, 0), &run(1));
        known.learn(&head(2, 0), &head(3, 0), &BTreeMap::new());
        let known = known.of(head(0, 0).stream).unwrap();
        assert_eq!(known.head, head(3, 0));
        assert_eq!(known.runs, run(1));
    }

    #[test]
    fn an_append_on_another_head_drops_what_was_known_of_runs() {
        for before in [head(3, 0), head(2, 7)] {
            let known = KnownHeads::default();
            known.learn(&head(1, 0), &head(2, 0), &run(1));
            known.learn(&before, &head(4, before.floor), &BTreeMap::new());
            assert_eq!(known.of(before.stream).unwrap().runs, BTreeMap::new());
        }
    }

    #[test]
    fn an_older_append_and_an_older_doubt_change_nothing() {
        let known = KnownHeads::default();
        known.learn(&head(4, 0), &head(5, 0), &run(1));
        known.learn(&head(2, 0), &head(3, 0), &BTreeMap::new());
        known.forget(head(0, 0).stream, &head(4, 0));
        assert_eq!(known.of(head(0, 0).stream).unwrap().head, head(5, 0));
        known.forget(head(0, 0).stream, &head(5, 0));
        assert!(known.of(head(0, 0).stream).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let known = KnownHeads::default();
        for stream in 0..=u16::try_from(KEPT).unwrap() {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&stream.to_be_bytes());
            let head = Head::new(Hash::new(id));
            known.learn(
                &head,
                &Head {
                    size: 1,
                    ..head.clone()
                },
                &BTreeMap::new(),
            );
        }
        assert_eq!(known.lock().len(), 1);
    }
}
