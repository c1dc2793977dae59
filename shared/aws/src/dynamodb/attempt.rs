//! One attempt to append: what it would write, as one transaction.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::{DraftError, Entry, Extension, Head, RunHead, extend};
use counterfoil_core::ports::{AppendError, Batch, EntryRef, PortError, PortErrorKind};

use super::clock::now;
use super::heads::Known;
use super::items::{Item, b, item, n, s};
use super::redact::{redact, register};
use super::state::{checked, describe, transact};
use super::transaction::{CONDITION, CONFLICT, INVALID, Transaction, unbuilt};
use super::{DynamoEvidence, Tables};

/// Most items of one transaction.
const MAX_ITEMS: usize = 100;

/// What an attempt would write, and the positions of its items in the transaction.
pub(super) struct Attempt {
    pub(super) before: Head,
    pub(super) extension: Extension,
    pub(super) refs: Vec<EntryRef>,
    pub(super) transaction: Transaction,
    runs: Vec<String>,
    opened: BTreeSet<String>,
}

impl DynamoEvidence {
    /// Builds the entries on what is known, or else on what is read, and packs everything into one
    /// transaction.
    pub(super) async fn prepare(
        &self,
        stream: Hash,
        batch: &Batch,
        known: Option<&Known>,
    ) -> Result<Attempt, AppendError> {
        let found = match known {
            Some(known) => Some(known.head.clone()),
            None => self
                .read_head(stream)
                .await
                .map_err(AppendError::Unavailable)?,
        };
        let of_kind = |kind| batch.drafts.iter().filter(move |draft| draft.kind == kind);
        let creates = batch
            .drafts
            .first()
            .is_some_and(|draft| draft.kind == Kind::Genesis);
        let before = match found {
            Some(head) => head,
            None if creates => Head::new(stream),
            None => return Err(AppendError::NoStream),
        };
        let opened: BTreeSet<String> = of_kind(Kind::RunOpen)
            .filter_map(|draft| draft.run.clone())
            .collect();
        let mut runs = BTreeMap::new();
        for id in batch.drafts.iter().filter_map(|draft| draft.run.as_ref()) {
            if !runs.contains_key(id) {
                let run = self.run_before(stream, id, &opened, known).await?;
                runs.insert(id.clone(), run);
            }
        }
        let clock = now().as_millis();
        let extension =
            extend(&before, &runs, &batch.drafts, clock, &mut salt).map_err(draft_error)?;
        Attempt::build(&self.tables, before, &runs, opened, extension, batch)
    }

    /// A run as it is before the batch. One that the batch opens is taken to be new: the
    /// transaction's condition says whether that is true.
    async fn run_before(
        &self,
        stream: Hash,
        id: &str,
        opened: &BTreeSet<String>,
        known: Option<&Known>,
    ) -> Result<RunHead, AppendError> {
        let remembered = known.and_then(|known| known.runs.get(id)).cloned();
        let run = match remembered {
            _ if opened.contains(id) => None,
            Some(run) => Some(run),
            None => self
                .read_run(stream, id)
                .await
                .map_err(AppendError::Unavailable)?,
        };
        match run {
            Some(run) if run.closed => Err(AppendError::RunConflict { run: run.id }),
            Some(run) => Ok(run),
            None => Ok(RunHead::new(id, stream)),
        }
    }
}

impl Attempt {
    fn build(
        tables: &Tables,
        before: Head,
        runs: &BTreeMap<String, RunHead>,
        opened: BTreeSet<String>,
        extension: Extension,
        batch: &Batch,
    ) -> Result<Self, AppendError> {
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
        let mut items = vec![put_head(&tables.head, &before, &extension.head)?];
        content.extend_from_slice(&extension.head.frontier.to_bytes());
        for (entry, draft) in extension.entries.iter().zip(&batch.drafts) {
            items.push(put_entry(
                &tables.evidence,
                entry,
                before.stream,
                draft.run.as_deref(),
            )?);
            content.extend_from_slice(&entry.bytes);
        }
        for (entry, draft) in extension.entries.iter().zip(&batch.drafts) {
            let about = draft.about.as_ref().filter(|_| draft.subject.is_some());
            let about = about.map(|about| format!("{}/{about}", before.stream));
            items.push(put_parts(
                &tables.parts,
                entry,
                before.stream,
                about.as_deref(),
            )?);
            for part in &entry.parts {
                content.extend_from_slice(&part.salt);
            }
        }
        let mut names = Vec::new();
        for (id, after) in &extension.runs {
            if let Some(known) = runs.get(id) {
                items.push(put_run(&tables.head, before.stream, known, after)?);
                names.push(id.clone());
            }
        }
        for write in &batch.state {
            let explained = write.entry.and_then(|entry| refs.get(entry));
            let built = transact(&tables.state, write, explained, None);
            items.push(built.map_err(AppendError::Unavailable)?);
            content.extend_from_slice(describe(write).as_bytes());
        }
        for check in &batch.checks {
            let built = checked(&tables.state, check);
            items.push(built.map_err(AppendError::Unavailable)?);
        }
        // Nothing of these needs to be in the token's content: the salts of the entries beside them
        // are in no other request.
        for redaction in &batch.redactions {
            let by = refs.get(redaction.draft).map(|by| by.seq);
            items.push(redact(&tables.parts, before.stream, *redaction, by)?);
        }
        if let Some(write) = &batch.holds {
            items.push(register(&tables.head, before.stream, write)?);
        }
        if items.len() > MAX_ITEMS {
            let doing = "appending more than one transaction can hold";
            return Err(AppendError::Unavailable(PortError::new(
                PortErrorKind::Refused,
                doing,
            )));
        }
        let transaction = Transaction::new(items, &content);
        Ok(Self {
            before,
            extension,
            refs,
            transaction,
            runs: names,
            opened,
        })
    }

    /// Reads the reasons by position: head, entries, parts, runs, state, checks, redactions, register of
    /// holds. A stale head fails several items at once; what fails alone is an answer of its own.
    pub(super) fn cancelled(&self, codes: &[String], batch: &Batch) -> Result<bool, AppendError> {
        let entries = self.extension.entries.len();
        let runs_at = entries.saturating_mul(2).saturating_add(1);
        let state_at = runs_at.saturating_add(self.runs.len());
        let failed = |at: usize| codes.get(at).is_some_and(|code| code == CONDITION);
        if (0..runs_at).any(failed) || codes.iter().any(|code| code == CONFLICT) {
            return Ok(false);
        }
        if codes.iter().any(|code| code == INVALID) {
            let doing = "appending an item that the table does not take";
            let refused = PortError::new(PortErrorKind::Refused, doing);
            return Err(AppendError::Unavailable(refused));
        }
        for (place, run) in self.runs.iter().enumerate() {
            if failed(runs_at.saturating_add(place)) && self.opened.contains(run) {
                return Err(AppendError::RunConflict { run: run.clone() });
            }
        }
        let conditions = batch.state.len().saturating_add(batch.checks.len());
        for index in 0..conditions {
            if failed(state_at.saturating_add(index)) {
                return Err(AppendError::StateChanged { index });
            }
        }
        let redactions_at = state_at.saturating_add(conditions);
        let holds_at = redactions_at.saturating_add(batch.redactions.len());
        if batch.holds.is_some() && failed(holds_at) {
            return Err(AppendError::HoldsChanged);
        }
        for index in 0..batch.redactions.len() {
            if failed(redactions_at.saturating_add(index)) {
                return Err(AppendError::PartChanged { index });
            }
        }
        // A run's counter was stale, or the service names a reason of its own (throttling of one
        // item): read everything again.
        Ok(false)
    }
}

fn put_head(table: &str, before: &Head, after: &Head) -> Result<TransactWriteItem, AppendError> {
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
        let put = Put::builder().table_name(table).set_item(Some(row));
        let put = put.condition_expression("attribute_not_exists(#s)");
        let put = put.expression_attribute_names("#s", "stream").build();
        return Ok(TransactWriteItem::builder()
            .put(put.map_err(unbuilt)?)
            .build());
    }
    let update = Update::builder()
        .table_name(table)
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
    table: &str,
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
    put_new(table, row)
}

fn put_parts(
    table: &str,
    entry: &Entry,
    stream: Hash,
    subject_key: Option<&str>,
) -> Result<TransactWriteItem, AppendError> {
    let mut row = item([("stream", s(stream.to_string())), ("seq", n(entry.seq()))]);
    for part in &entry.parts {
        let stored = item([("d", b(part.bytes.clone())), ("s", b(part.salt))]);
        row.insert(part.name.name().to_owned(), AttributeValue::M(stored));
    }
    if let Some(key) = subject_key {
        row.insert("subject_key".to_owned(), s(key));
    }
    put_new(table, row)
}

fn put_run(
    table: &str,
    stream: Hash,
    before: &RunHead,
    after: &RunHead,
) -> Result<TransactWriteItem, AppendError> {
    let name = format!("run/{}", before.id);
    let mut row = item([("stream", s(stream.to_string())), ("item", s(name))]);
    let closed = |closed| AttributeValue::Bool(closed);
    row.extend(item([
        ("n", n(after.next)),
        ("prev", s(after.prev.to_string())),
        ("closed", closed(after.closed)),
    ]));
    let put = Put::builder().table_name(table).set_item(Some(row));
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

fn put_new(table: &str, row: Item) -> Result<TransactWriteItem, AppendError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .condition_expression("attribute_not_exists(seq)")
        .build()
        .map_err(unbuilt)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn draft_error(error: DraftError) -> AppendError {
    match error {
        DraftError::Clock { .. } => AppendError::Clock,
        other => AppendError::Draft(other),
    }
}

fn salt() -> [u8; 32] {
    let mut salt = [0_u8; 32];
    if getrandom::fill(&mut salt).is_err() {
        // A predictable salt would let erased values be guessed; no entry is better.
        std::process::abort();
    }
    salt
}
