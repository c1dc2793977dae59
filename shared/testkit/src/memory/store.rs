//! Evidence, state and seals: one lock stands for one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::part::PartName;
use counterfoil_core::evidence::stream::{DraftError, Entry, Head, RunHead, extend};
use counterfoil_core::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, Expect, Holds, HoldsWrite,
    PortError, PortErrorKind, Random, RefusalCause, SealCommit, SealProgress, SealStart, SealStore,
    SealedState, State, StateCheck, StateKey, StateWrite, Stored, StoredEntry, StoredPart,
};
use counterfoil_core::time::Timestamp;

use super::signals::{SeededRandom, SetClock};

/// Most items of one transaction.
const MAX_ITEMS: usize = 100;

#[derive(Debug, Default)]
struct Inner {
    heads: BTreeMap<Hash, Head>,
    runs: BTreeMap<(Hash, String), RunHead>,
    entries: BTreeMap<(Hash, u64), (StoredEntry, Option<String>)>,
    state: BTreeMap<StateKey, Row>,
    about: BTreeMap<(Hash, u64), String>,
    holds: BTreeMap<Hash, Holds>,
    seals: BTreeMap<Hash, Vec<SealedState>>,
    progress: BTreeMap<Hash, SealProgress>,
    refused: BTreeMap<Hash, RefusalCause>,
    refusals: BTreeMap<Hash, u64>,
    appends_left: Option<u32>,
    store_ahead: Duration,
}

/// A document and the time from which it is absent.
#[derive(Debug, Clone)]
struct Row {
    stored: Stored,
    expires_at: Option<Timestamp>,
}

type Rows = BTreeMap<StateKey, Row>;

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

    /// Lets the store's own clock be ahead of everybody else's.
    pub fn store_ahead(&self, by: Duration) {
        self.lock().store_ahead = by;
    }

    /// The streams that have an entry.
    pub fn streams(&self) -> BTreeSet<Hash> {
        self.lock()
            .entries
            .keys()
            .map(|(stream, _)| *stream)
            .collect()
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

    /// Loses a `subject`, as an accident in the table of parts would.
    pub fn lose(&self, stream: Hash, seq: u64) {
        if let Some((entry, _)) = self.lock().entries.get_mut(&(stream, seq)) {
            entry.subject = None;
        }
    }

    /// Every record as text, for a search.
    pub fn dump(&self) -> String {
        format!("{:?}", self.lock().state)
    }

    /// Partition keys of the state table.
    pub fn partitions(&self) -> BTreeSet<String> {
        let inner = self.lock();
        inner.state.keys().map(|key| key.pk.clone()).collect()
    }

    /// Deletes a stored entry, as somebody with that right could.
    pub fn remove(&self, stream: Hash, seq: u64) {
        self.lock().entries.remove(&(stream, seq));
    }

    /// Puts another head in the place of a stream's, as a restored table has it.
    pub fn set_head(&self, head: Head) {
        self.lock().heads.insert(head.stream, head);
    }

    /// Changes what is stored of the last seal, as somebody with write access to the table could.
    pub fn tamper_seal(&self, stream: Hash, change: impl FnOnce(&mut SealedState)) {
        if let Some(last) = self
            .lock()
            .seals
            .get_mut(&stream)
            .and_then(|seals| seals.last_mut())
        {
            change(last);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn live(row: &Row, now: Timestamp) -> bool {
    row.expires_at.is_none_or(|at| now < at)
}

fn holds(state: &Rows, write: &StateWrite, now: Timestamp) -> bool {
    fits(state, &write.key, write.expect, now)
}

fn fits(state: &Rows, key: &StateKey, expect: Expect, now: Timestamp) -> bool {
    let row = state.get(key);
    match expect {
        Expect::Anything => true,
        Expect::Absent => !row.is_some_and(|row| live(row, now)),
        Expect::Version(version) => row.is_some_and(|row| row.stored.version == version),
    }
}

fn apply(state: &mut Rows, write: &StateWrite, evidence: Option<EntryRef>) {
    let Some(doc) = &write.doc else {
        state.remove(&write.key);
        return;
    };
    let version = match write.expect {
        Expect::Version(version) => version.saturating_add(1),
        Expect::Absent | Expect::Anything => 1,
    };
    let stored = Stored {
        key: write.key.clone(),
        version,
        doc: doc.clone(),
        evidence,
        line: write.line,
    };
    let row = Row {
        stored,
        expires_at: write.expires_at,
    };
    state.insert(write.key.clone(), row);
}

/// The runs that a batch belongs to, as they are before it.
fn runs_before(
    inner: &Inner,
    stream: Hash,
    batch: &Batch,
) -> Result<BTreeMap<String, RunHead>, AppendError> {
    let mut runs = BTreeMap::new();
    for run in batch.drafts.iter().filter_map(|draft| draft.run.clone()) {
        let known = inner.runs.get(&(stream, run.clone())).cloned();
        let mut of_run = batch
            .drafts
            .iter()
            .filter(|draft| draft.run.as_ref() == Some(&run));
        let opens = of_run.any(|draft| draft.kind == Kind::RunOpen);
        if known.as_ref().is_some_and(|known| known.closed || opens) {
            return Err(AppendError::RunConflict { run });
        }
        let known = known.unwrap_or_else(|| RunHead::new(run.clone(), stream));
        runs.insert(run, known);
    }
    Ok(runs)
}

/// As many items as a transaction of the real store: head, entry and parts of each draft, runs,
/// state, redactions, register of holds.
fn check_size(batch: &Batch, runs: usize) -> Result<(), AppendError> {
    let state = batch.state.len() + batch.checks.len();
    let rest = state + batch.redactions.len() + usize::from(batch.holds.is_some());
    if 1 + 2 * batch.drafts.len() + runs + rest <= MAX_ITEMS {
        return Ok(());
    }
    let refused = PortError::new(PortErrorKind::Refused, "appending that much at once");
    Err(AppendError::Unavailable(refused))
}

/// The conditions of redactions and of the register of holds.
fn redactions_hold(inner: &Inner, stream: Hash, batch: &Batch) -> Result<(), AppendError> {
    for (index, redaction) in batch.redactions.iter().enumerate() {
        let entry = inner.entries.get(&(stream, redaction.seq));
        let fits = entry.is_some_and(|(entry, _)| match &entry.subject {
            Some(StoredPart::Present { .. }) => !redaction.lost,
            Some(StoredPart::Erased(_)) => false,
            None => redaction.lost,
        });
        if !fits || redaction.draft >= batch.drafts.len() {
            return Err(AppendError::PartChanged { index });
        }
    }
    let version = inner.holds.get(&stream).map_or(0, |holds| holds.version);
    let fits = match &batch.holds {
        None => true,
        Some(HoldsWrite::Unchanged(expected)) => *expected == version,
        Some(HoldsWrite::Replace(holds)) => holds.version == version + 1,
    };
    if fits {
        Ok(())
    } else {
        Err(AppendError::HoldsChanged)
    }
}

fn stored_entry(entry: &Entry) -> StoredEntry {
    let part = |name: PartName| {
        let part = entry.parts.iter().find(|part| part.name == name)?;
        Some(StoredPart::Present {
            bytes: part.bytes.clone(),
            salt: part.salt,
        })
    };
    StoredEntry {
        seq: entry.seq(),
        header: entry.bytes.clone(),
        nodes: entry.nodes.clone(),
        facts: part(PartName::Facts),
        subject: part(PartName::Subject),
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
        let creates = batch.drafts.first().map(|draft| draft.kind) == Some(Kind::Genesis);
        let head = match inner.heads.get(&stream) {
            Some(head) => head.clone(),
            None if creates => Head::new(stream),
            None => return Err(AppendError::NoStream),
        };
        let runs = runs_before(&inner, stream, &batch)?;
        let now = self.clock.now();
        let mut salt = || self.random.bytes32();
        let extension = extend(&head, &runs, &batch.drafts, now.as_millis(), &mut salt);
        let extension = extension.map_err(|error| match error {
            DraftError::Clock { .. } => AppendError::Clock,
            other => AppendError::Draft(other),
        })?;
        check_size(&batch, runs.len())?;
        let fails = |write: &StateWrite| !holds(&inner.state, write, now);
        if let Some(index) = batch.state.iter().position(fails) {
            return Err(AppendError::StateChanged { index });
        }
        let fails = |check: &StateCheck| !fits(&inner.state, &check.key, check.expect, now);
        if let Some(index) = batch.checks.iter().position(fails) {
            let index = batch.state.len() + index;
            return Err(AppendError::StateChanged { index });
        }
        redactions_hold(&inner, stream, &batch)?;
        let mut refs = Vec::new();
        for (entry, draft) in extension.entries.iter().zip(&batch.drafts) {
            let stored = (stored_entry(entry), draft.run.clone());
            inner.entries.insert((stream, entry.seq()), stored);
            if let (Some(about), Some(_)) = (&draft.about, &draft.subject) {
                inner.about.insert((stream, entry.seq()), about.clone());
            }
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
        for redaction in &batch.redactions {
            let by = refs.get(redaction.draft).map(|of| of.seq);
            let target = inner.entries.get_mut(&(stream, redaction.seq));
            if let (Some(by), Some((entry, _))) = (by, target) {
                entry.subject = Some(StoredPart::Erased(by));
            }
            inner.about.remove(&(stream, redaction.seq));
        }
        if let Some(HoldsWrite::Replace(holds)) = &batch.holds {
            inner.holds.insert(stream, holds.clone());
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
        let inner = self.lock();
        let wanted = inner.entries.range((stream, from)..(stream, to.max(from)));
        Ok(wanted.map(|(_, (entry, _))| entry.clone()).collect())
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
        let inner = self.lock();
        let seqs: BTreeSet<u64> = seqs.iter().copied().collect();
        let found = seqs
            .iter()
            .filter_map(|seq| inner.entries.get(&(stream, *seq)));
        Ok(found.map(|(entry, _)| entry.clone()).collect())
    }

    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError> {
        let inner = self.lock();
        let of_stream = inner.about.range((stream, 0)..=(stream, u64::MAX));
        Ok(of_stream
            .filter(|(_, about)| *about == pseudonym)
            .map(|((_, seq), _)| *seq)
            .collect())
    }

    async fn holds(&self, stream: Hash) -> Result<Holds, PortError> {
        Ok(self.lock().holds.get(&stream).cloned().unwrap_or_default())
    }
}

#[async_trait]
impl State for MemStore {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let now = self.clock.now();
        let inner = self.lock();
        let row = inner.state.get(key).filter(|row| live(row, now));
        Ok(row.map(|row| row.stored.clone()))
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        let now = self.clock.now();
        let inner = self.lock();
        let rows = inner.state.values().filter(|row| live(row, now));
        let of_prefix = rows.filter(|row| {
            let key = &row.stored.key;
            key.pk == pk && key.sk.starts_with(prefix)
        });
        Ok(of_prefix.map(|row| row.stored.clone()).collect())
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        if writes.len() > MAX_ITEMS {
            return Err(PortError::new(PortErrorKind::Refused, "writing records"));
        }
        let now = self.clock.now();
        let mut inner = self.lock();
        if !writes.iter().all(|write| holds(&inner.state, write, now)) {
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

    async fn start(&self, stream: Hash) -> Result<SealStart, PortError> {
        let now = self.clock.now();
        let inner = self.lock();
        Ok(SealStart {
            last: inner
                .seals
                .get(&stream)
                .and_then(|seals| seals.last().cloned()),
            progress: inner.progress.get(&stream).cloned(),
            refused: inner.refused.get(&stream).copied(),
            refusals: inner.refusals.get(&stream).copied().unwrap_or_default(),
            store_time: Some(now.plus(inner.store_ahead)),
        })
    }

    async fn keep_progress(&self, stream: Hash, progress: &SealProgress) -> Result<(), PortError> {
        self.lock().progress.insert(stream, progress.clone());
        Ok(())
    }

    async fn refuse(
        &self,
        stream: Hash,
        cause: RefusalCause,
        _: Timestamp,
    ) -> Result<(), PortError> {
        let mut inner = self.lock();
        inner.refused.entry(stream).or_insert(cause);
        let refusals = inner.refusals.entry(stream).or_default();
        *refusals = refusals.saturating_add(1);
        Ok(())
    }

    async fn lift(&self, stream: Hash, refusals: u64, _: Timestamp) -> Result<bool, PortError> {
        let mut inner = self.lock();
        if inner.refusals.get(&stream).copied().unwrap_or_default() != refusals {
            return Ok(false);
        }
        inner.refused.remove(&stream);
        Ok(true)
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

    async fn after(&self, stream: Hash, size: u64, at: u64) -> Result<Vec<SealedState>, PortError> {
        let inner = self.lock();
        let seals = inner.seals.get(&stream).into_iter().flatten();
        let later = seals.filter(|seal| (seal.size, seal.at) > (size, at));
        Ok(later.take(100).cloned().collect())
    }

    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError> {
        Ok(self.lock().seals.get(&stream).cloned().unwrap_or_default())
    }
}
