//! Evidence, state and seals: one lock stands for one transaction.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::part::PartName;
use counterfoil_core::evidence::stream::{Head, RunHead, extend};
use counterfoil_core::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, Expect, PortError,
    PortErrorKind, Random, SealCommit, SealStore, SealedState, State, StateKey, StateWrite, Stored,
    StoredEntry, StoredPart,
};

use super::signals::{SeededRandom, SetClock};

#[derive(Debug, Default)]
struct Inner {
    heads: BTreeMap<Hash, Head>,
    runs: BTreeMap<(Hash, String), RunHead>,
    entries: BTreeMap<(Hash, u64), (StoredEntry, Option<String>)>,
    state: BTreeMap<StateKey, Stored>,
    seals: BTreeMap<Hash, Vec<SealedState>>,
    appends_left: Option<u32>,
}

/// Evidence, state and seals in memory.
#[derive(Debug)]
pub struct MemStore {
    inner: Mutex<Inner>,
    clock: SetClock,
    random: SeededRandom,
}

impl MemStore {
    /// An empty store.
    pub fn new(clock: SetClock) -> Self {
        Self {
            inner: Mutex::default(),
            clock,
            random: SeededRandom::new(7),
        }
    }

    /// Lets `count` more appends through and refuses all others, as if the table were gone then;
    /// `None` lets every append through.
    pub fn appends_left(&self, count: Option<u32>) {
        self.lock().appends_left = count;
    }

    /// Every stored entry of a stream.
    pub fn stream(&self, stream: Hash) -> Vec<StoredEntry> {
        let inner = self.lock();
        inner
            .entries
            .range((stream, 0)..=(stream, u64::MAX))
            .map(|(_, (entry, _))| entry.clone())
            .collect()
    }

    /// Changes a stored header byte, as somebody with write access to the table could.
    pub fn tamper(&self, stream: Hash, seq: u64) {
        if let Some((entry, _)) = self.lock().entries.get_mut(&(stream, seq))
            && let Some(byte) = entry.header.last_mut()
        {
            *byte ^= 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn holds(state: &BTreeMap<StateKey, Stored>, write: &StateWrite) -> bool {
    match write.expect {
        Expect::Anything => true,
        Expect::Absent => !state.contains_key(&write.key),
        Expect::Version(version) => state
            .get(&write.key)
            .is_some_and(|stored| stored.version == version),
    }
}

fn apply(state: &mut BTreeMap<StateKey, Stored>, write: &StateWrite, evidence: Option<EntryRef>) {
    let version = state.get(&write.key).map_or(1, |stored| stored.version + 1);
    match &write.doc {
        None => {
            state.remove(&write.key);
        }
        Some(doc) => {
            let stored = Stored {
                key: write.key.clone(),
                version,
                doc: doc.clone(),
                evidence,
            };
            state.insert(write.key.clone(), stored);
        }
    }
}

#[async_trait]
impl EvidenceAppend for MemStore {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let mut inner = self.lock();
        match &mut inner.appends_left {
            Some(0) => {
                let gone = PortError::new(PortErrorKind::Unavailable, "appending");
                return Err(AppendError::Unavailable(gone));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let head = inner
            .heads
            .get(&stream)
            .cloned()
            .unwrap_or_else(|| Head::new(stream));
        let mut runs = BTreeMap::new();
        for run in batch.drafts.iter().filter_map(|draft| draft.run.clone()) {
            let known = inner.runs.get(&(stream, run.clone())).cloned();
            let opens = batch
                .drafts
                .iter()
                .any(|draft| draft.run.as_ref() == Some(&run) && draft.kind.name() == "run.open");
            if known.as_ref().is_some_and(|known| known.closed || opens) {
                return Err(AppendError::RunConflict { run });
            }
            let known = known.unwrap_or_else(|| RunHead::new(run.clone(), stream));
            runs.insert(run, known);
        }
        let now = self.clock.now().as_millis();
        let extension = extend(&head, &runs, &batch.drafts, now, &mut || {
            self.random.bytes32()
        })
        .map_err(AppendError::Draft)?;
        if let Some(index) = batch
            .state
            .iter()
            .position(|write| !holds(&inner.state, write))
        {
            return Err(AppendError::StateChanged { index });
        }
        let mut refs = Vec::new();
        for (entry, draft) in extension.entries.iter().zip(&batch.drafts) {
            let part = |name: PartName| {
                entry
                    .parts
                    .iter()
                    .find(|part| part.name == name)
                    .map(|part| StoredPart::Present {
                        bytes: part.bytes.clone(),
                        salt: part.salt,
                    })
            };
            let stored = StoredEntry {
                seq: entry.seq(),
                header: entry.bytes.clone(),
                nodes: entry.nodes.clone(),
                facts: part(PartName::Facts),
                subject: part(PartName::Subject),
            };
            inner
                .entries
                .insert((stream, entry.seq()), (stored, draft.run.clone()));
            refs.push(EntryRef {
                stream: stream.to_string(),
                seq: entry.seq(),
                leaf: entry.leaf.to_string(),
            });
        }
        for write in &batch.state {
            let evidence = write.entry.and_then(|entry| refs.get(entry).cloned());
            apply(
                &mut inner.state,
                write,
                evidence.or_else(|| write.cites.clone()),
            );
        }
        for (id, run) in extension.runs {
            inner.runs.insert((stream, id), run);
        }
        inner.heads.insert(stream, extension.head);
        Ok(refs)
    }
}

#[async_trait]
impl EvidenceRead for MemStore {
    async fn head(&self, stream: Hash) -> Result<Option<Head>, PortError> {
        Ok(self.lock().heads.get(&stream).cloned())
    }

    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError> {
        let all = self.stream(stream);
        Ok(all
            .into_iter()
            .filter(|entry| (from..to).contains(&entry.seq))
            .collect())
    }

    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError> {
        let inner = self.lock();
        let of_run = inner
            .entries
            .iter()
            .filter(|((of, _), (_, id))| *of == stream && id.as_deref() == Some(run))
            .map(|(_, (entry, _))| entry.clone());
        Ok(of_run.collect())
    }

    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError> {
        let all = self.stream(stream);
        Ok(all
            .into_iter()
            .filter(|entry| seqs.contains(&entry.seq))
            .collect())
    }
}

#[async_trait]
impl State for MemStore {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        Ok(self.lock().state.get(key).cloned())
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        let inner = self.lock();
        let rows = inner.state.values();
        Ok(rows
            .filter(|row| row.key.pk == pk && row.key.sk.starts_with(prefix))
            .cloned()
            .collect())
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        let mut inner = self.lock();
        if !writes.iter().all(|write| holds(&inner.state, write)) {
            return Ok(false);
        }
        for write in &writes {
            apply(&mut inner.state, write, write.cites.clone());
        }
        Ok(true)
    }
}

#[async_trait]
impl SealStore for MemStore {
    async fn last(&self, stream: Hash) -> Result<Option<SealedState>, PortError> {
        Ok(self
            .lock()
            .seals
            .get(&stream)
            .and_then(|seals| seals.last().cloned()))
    }

    async fn raise_floor(&self, stream: Hash, at: u64) -> Result<Option<Head>, PortError> {
        let mut inner = self.lock();
        let Some(head) = inner.heads.get_mut(&stream) else {
            return Ok(None);
        };
        if head.floor >= at || head.at > at {
            return Ok(None);
        }
        head.floor = at;
        Ok(Some(head.clone()))
    }

    async fn commit(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<SealCommit, PortError> {
        let mut inner = self.lock();
        let seals = inner.seals.entry(stream).or_default();
        if seals.last().map(|seal| seal.seal_hash) != previous {
            return Ok(SealCommit::Lost);
        }
        seals.push(sealed.clone());
        Ok(SealCommit::Committed)
    }

    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError> {
        Ok(self.lock().seals.get(&stream).cloned().unwrap_or_default())
    }
}
