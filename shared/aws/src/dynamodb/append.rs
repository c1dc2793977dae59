//! Appending (evidence-format section 18): one transaction of head, entries, parts, run counters
//! and state.
//!
//! An error of a call never proves that nothing was written. After an unknown answer the head and
//! the entry's place are read: our bytes mean committed, other bytes mean lost, nothing there and a
//! head that moved mean dead, and nothing there under the old head means: send the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::part::PartName;
use counterfoil_core::evidence::stream::{DraftError, Entry, Extension, Head, RunHead, extend};
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind,
};
use tokio::time::Instant;

use super::DynamoEvidence;
use super::items::{Item, b, bytes, item, n, number, s, text};
use super::state::{describe, transact};
use super::transaction::{Answer, Backoff, CONDITION, Transaction};
use crate::error;

/// How long an append contends before it gives up: below the 30 s of an HTTP API.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most items of one transaction.
const MAX_ITEMS: usize = 100;

/// What an unknown attempt turned out to be.
enum Settled {
    Committed,
    /// It was not written and cannot be any more.
    Gone,
    /// It may still be written: the same request must be sent again.
    Open,
}

/// One attempt: what it would write, and the positions of its items in the transaction.
struct Attempt {
    before: Head,
    extension: Extension,
    refs: Vec<EntryRef>,
    transaction: Transaction,
    runs: Vec<String>,
    opened: BTreeSet<String>,
}

#[async_trait]
impl EvidenceAppend for DynamoEvidence {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let deadline = Instant::now() + DEADLINE;
        let mut backoff = Backoff::default();
        while Instant::now() < deadline {
            let attempt = self.prepare(stream, &batch).await?;
            if self.send(&attempt, &batch, deadline).await? {
                return Ok(attempt.refs);
            }
            backoff.wait().await;
        }
        Err(AppendError::Busy)
    }
}

impl DynamoEvidence {
    /// Sends one attempt until it is known what became of it; `Ok(false)` means that another writer
    /// was faster and everything must be judged and built again.
    async fn send(
        &self,
        attempt: &Attempt,
        batch: &Batch,
        deadline: Instant,
    ) -> Result<bool, AppendError> {
        let mut backoff = Backoff::default();
        // Whether an earlier sending of this very request may have been written.
        let mut doubt = false;
        loop {
            match attempt.transaction.send(&self.client).await {
                Answer::Done => return Ok(true),
                Answer::Cancelled(codes) if !doubt => return attempt.cancelled(&codes, batch),
                Answer::Throttled if !doubt => {
                    if Instant::now() >= deadline {
                        return Err(AppendError::Busy);
                    }
                }
                Answer::Refused(e) if !doubt => {
                    return Err(AppendError::Unavailable(error::write("appending", *e)));
                }
                Answer::Mismatch => {
                    return Err(AppendError::Unavailable(error::corrupt("appending")));
                }
                Answer::Unknown | Answer::Cancelled(_) | Answer::Throttled | Answer::Refused(_) => {
                    doubt = true;
                    match self.settle(attempt, deadline).await? {
                        Settled::Committed => return Ok(true),
                        Settled::Gone => return Ok(false),
                        Settled::Open => {}
                    }
                }
            }
            if doubt && Instant::now() >= deadline {
                let kind = PortErrorKind::OutcomeUnknown;
                return Err(AppendError::OutcomeUnknown(PortError::new(
                    kind,
                    "appending",
                )));
            }
            backoff.wait().await;
        }
    }

    /// Head first, then the place of our first entry: both strongly consistent, in this order.
    async fn settle(&self, attempt: &Attempt, deadline: Instant) -> Result<Settled, AppendError> {
        let Some(first) = attempt.extension.entries.first() else {
            return Ok(Settled::Gone);
        };
        let mut backoff = Backoff::default();
        loop {
            let read = async {
                let head = self.read_head(attempt.before.stream).await?;
                let found = self.header_at(attempt.before.stream, first.seq()).await?;
                Ok::<_, PortError>((head, found))
            };
            match read.await {
                Ok((_, Some(found))) if found == first.bytes => return Ok(Settled::Committed),
                Ok((_, Some(_))) => return Ok(Settled::Gone),
                Ok((head, None)) => {
                    let size = head.as_ref().map_or(0, |head| head.size);
                    let floor = head.as_ref().map_or(0, |head| head.floor);
                    let moved = size != attempt.before.size || floor != attempt.before.floor;
                    return Ok(if moved { Settled::Gone } else { Settled::Open });
                }
                Err(e) if Instant::now() >= deadline => {
                    return Err(AppendError::OutcomeUnknown(e));
                }
                Err(_) => backoff.wait().await,
            }
        }
    }

    async fn header_at(&self, stream: Hash, seq: u64) -> Result<Option<Vec<u8>>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.tables.evidence)
            .set_key(Some(item([
                ("stream", s(stream.to_string())),
                ("seq", n(seq)),
            ])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading back an entry", e))?;
        let Some(row) = found.item else {
            return Ok(None);
        };
        let header = bytes(&row, "h").ok_or_else(|| error::corrupt("reading back an entry"))?;
        Ok(Some(header.to_vec()))
    }

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

    async fn head_item(&self, stream: Hash, name: &str) -> Result<Option<Item>, PortError> {
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

    /// Reads head and runs, builds the entries, and packs everything into one transaction.
    async fn prepare(&self, stream: Hash, batch: &Batch) -> Result<Attempt, AppendError> {
        let found = self
            .read_head(stream)
            .await
            .map_err(AppendError::Unavailable)?;
        let creates = batch
            .drafts
            .first()
            .is_some_and(|draft| draft.kind == Kind::Genesis);
        let before = match found {
            Some(head) => head,
            None if creates => Head::new(stream),
            None => return Err(AppendError::NoStream),
        };
        let opened: BTreeSet<String> = batch
            .drafts
            .iter()
            .filter(|draft| draft.kind == Kind::RunOpen)
            .filter_map(|draft| draft.run.clone())
            .collect();
        let mut runs = BTreeMap::new();
        for run in batch.drafts.iter().filter_map(|draft| draft.run.as_ref()) {
            if runs.contains_key(run) {
                continue;
            }
            let known = if opened.contains(run) {
                None
            } else {
                self.read_run(stream, run)
                    .await
                    .map_err(AppendError::Unavailable)?
            };
            if known.as_ref().is_some_and(|known| known.closed) {
                return Err(AppendError::RunConflict { run: run.clone() });
            }
            let known = known.unwrap_or_else(|| RunHead::new(run.clone(), stream));
            runs.insert(run.clone(), known);
        }
        let extension =
            extend(&before, &runs, &batch.drafts, now_ms(), &mut salt).map_err(draft_error)?;
        self.attempt(before, &runs, opened, extension, batch)
    }

    fn attempt(
        &self,
        before: Head,
        runs: &BTreeMap<String, RunHead>,
        opened: BTreeSet<String>,
        extension: Extension,
        batch: &Batch,
    ) -> Result<Attempt, AppendError> {
        let refs: Vec<EntryRef> = extension
            .entries
            .iter()
            .map(|entry| EntryRef {
                stream: before.stream.to_string(),
                seq: entry.seq(),
                leaf: entry.leaf.to_string(),
            })
            .collect();
        let mut content = Vec::new();
        let mut items = vec![self.put_head(&before, &extension.head)?];
        content.extend_from_slice(&extension.head.frontier.to_bytes());
        for (entry, draft) in extension.entries.iter().zip(&batch.drafts) {
            items.push(self.put_entry(entry, before.stream, draft.run.as_deref())?);
            content.extend_from_slice(&entry.bytes);
        }
        for entry in &extension.entries {
            items.push(self.put_parts(entry, before.stream)?);
            for part in &entry.parts {
                content.extend_from_slice(&part.salt);
            }
        }
        let mut names = Vec::new();
        for (id, after) in &extension.runs {
            if let Some(known) = runs.get(id) {
                items.push(self.put_run(before.stream, known, after)?);
                names.push(id.clone());
            }
        }
        for write in &batch.state {
            let explained = write.entry.and_then(|entry| refs.get(entry));
            let built = transact(&self.tables.state, write, explained);
            items.push(built.map_err(AppendError::Unavailable)?);
            content.extend_from_slice(describe(write).as_bytes());
        }
        if items.len() > MAX_ITEMS {
            let doing = "appending more than one transaction can hold";
            return Err(AppendError::Unavailable(PortError::new(
                PortErrorKind::Refused,
                doing,
            )));
        }
        let transaction = Transaction::new(items, &content);
        Ok(Attempt {
            before,
            extension,
            refs,
            transaction,
            runs: names,
            opened,
        })
    }

    fn put_head(&self, before: &Head, after: &Head) -> Result<TransactWriteItem, AppendError> {
        let key = item([
            ("stream", s(before.stream.to_string())),
            ("item", s("head")),
        ]);
        if before.size == 0 {
            let mut row = key;
            row.extend(item([
                ("size", n(after.size)),
                ("prev", s(after.prev.to_string())),
                ("at", n(after.at)),
                ("floor", n(0)),
                ("frontier", b(after.frontier.to_bytes())),
            ]));
            let put = Put::builder()
                .table_name(&self.tables.head)
                .set_item(Some(row));
            let put = put.condition_expression("attribute_not_exists(#s)");
            let put = put.expression_attribute_names("#s", "stream").build();
            return Ok(TransactWriteItem::builder()
                .put(put.map_err(unbuilt)?)
                .build());
        }
        let update = Update::builder()
            .table_name(&self.tables.head)
            .set_key(Some(key))
            .update_expression("SET #size = :size, prev = :prev, #at = :at, frontier = :frontier")
            .condition_expression("#size = :n AND prev = :p AND floor = :f")
            .expression_attribute_names("#size", "size")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":size", n(after.size))
            .expression_attribute_values(":prev", s(after.prev.to_string()))
            .expression_attribute_values(":at", n(after.at))
            .expression_attribute_values(":frontier", b(after.frontier.to_bytes()))
            .expression_attribute_values(":n", n(before.size))
            .expression_attribute_values(":p", s(before.prev.to_string()))
            .expression_attribute_values(":f", n(before.floor));
        let update = update.build().map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn put_entry(
        &self,
        entry: &Entry,
        stream: Hash,
        run: Option<&str>,
    ) -> Result<TransactWriteItem, AppendError> {
        let nodes: Vec<u8> = entry
            .nodes
            .iter()
            .flat_map(|node| *node.as_bytes())
            .collect();
        let mut row = item([
            ("stream", s(stream.to_string())),
            ("seq", n(entry.seq())),
            ("h", b(entry.bytes.clone())),
            ("nodes", b(nodes)),
        ]);
        if let Some(run) = run {
            row.insert("run".to_owned(), s(format!("{stream}/{run}")));
        }
        put_new(&self.tables.evidence, row)
    }

    fn put_parts(&self, entry: &Entry, stream: Hash) -> Result<TransactWriteItem, AppendError> {
        let mut row = item([("stream", s(stream.to_string())), ("seq", n(entry.seq()))]);
        for part in &entry.parts {
            let stored = item([("d", b(part.bytes.clone())), ("s", b(part.salt))]);
            let name = match part.name {
                PartName::Facts => "facts",
                PartName::Subject => "subject",
            };
            row.insert(
                name.to_owned(),
                aws_sdk_dynamodb::types::AttributeValue::M(stored),
            );
        }
        put_new(&self.tables.parts, row)
    }

    fn put_run(
        &self,
        stream: Hash,
        before: &RunHead,
        after: &RunHead,
    ) -> Result<TransactWriteItem, AppendError> {
        let name = format!("run/{}", before.id);
        let mut row = item([("stream", s(stream.to_string())), ("item", s(name))]);
        let closed = |closed| aws_sdk_dynamodb::types::AttributeValue::Bool(closed);
        row.extend(item([
            ("n", n(after.next)),
            ("prev", s(after.prev.to_string())),
            ("closed", closed(after.closed)),
        ]));
        let put = Put::builder()
            .table_name(&self.tables.head)
            .set_item(Some(row));
        let put = if before.next == 0 {
            put.condition_expression("attribute_not_exists(#s)")
                .expression_attribute_names("#s", "stream")
        } else {
            put.condition_expression("n = :n AND prev = :p AND closed = :open")
                .expression_attribute_values(":n", n(before.next))
                .expression_attribute_values(":p", s(before.prev.to_string()))
                .expression_attribute_values(":open", closed(false))
        };
        let put = put.build().map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

impl Attempt {
    /// Reads the reasons by position: head, entries, parts, runs, state. A stale head fails several
    /// items at once; a run or a state row that fails alone is an answer of its own.
    fn cancelled(&self, codes: &[String], batch: &Batch) -> Result<bool, AppendError> {
        let entries = self.extension.entries.len();
        let runs_at = entries.saturating_mul(2).saturating_add(1);
        let state_at = runs_at.saturating_add(self.runs.len());
        let failed = |at: usize| codes.get(at).is_some_and(|code| code == CONDITION);
        if (0..runs_at).any(failed) || codes.iter().any(|code| code == "TransactionConflict") {
            return Ok(false);
        }
        for (place, run) in self.runs.iter().enumerate() {
            if failed(runs_at.saturating_add(place)) && self.opened.contains(run) {
                return Err(AppendError::RunConflict { run: run.clone() });
            }
        }
        for index in 0..batch.state.len() {
            if failed(state_at.saturating_add(index)) {
                return Err(AppendError::StateChanged { index });
            }
        }
        // A run's counter was stale, or the service names a reason of its own (throttling of one
        // item): read everything again.
        Ok(false)
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

fn put_new(table: &str, row: Item) -> Result<TransactWriteItem, AppendError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .condition_expression("attribute_not_exists(seq)")
        .build()
        .map_err(unbuilt)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn unbuilt(source: aws_sdk_dynamodb::error::BuildError) -> AppendError {
    AppendError::Unavailable(PortError::caused(
        PortErrorKind::Refused,
        "building a write",
        source,
    ))
}

fn draft_error(error: DraftError) -> AppendError {
    match error {
        DraftError::Clock { .. } => AppendError::Clock,
        other => AppendError::Draft(other),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "entries are stamped where they are written"
)]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn salt() -> [u8; 32] {
    let mut salt = [0_u8; 32];
    if getrandom::fill(&mut salt).is_err() {
        // A predictable salt would let erased values be guessed; no entry is better.
        std::process::abort();
    }
    salt
}
