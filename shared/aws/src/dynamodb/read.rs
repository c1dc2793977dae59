//! Strongly consistent reads of evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::stream::Head;
use counterfoil_core::ports::{
    EvidenceRead, Holds, PortError, PortErrorKind, StoredEntry, StoredPart,
};

use super::DynamoEvidence;
use super::items::{Item, bytes, item, n, number, s};
use crate::error;

/// Keys in one `BatchGetItem`.
const BATCH: usize = 100;
/// Looks at the index of runs before it is believed to be broken rather than late.
const INDEX_LOOKS: u32 = 20;

#[async_trait]
impl EvidenceRead for DynamoEvidence {
    async fn head(&self, stream: Hash) -> Result<Option<Head>, PortError> {
        self.read_head(stream).await
    }

    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let entries = self.range(&self.tables.evidence, stream, from, to).await?;
        let parts = self.range(&self.tables.parts, stream, from, to).await?;
        join(entries, parts)
    }

    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError> {
        // The index follows the table by moments. What the index had when it was asked is all there
        // was if the run's own counter, read afterwards, says so.
        for _ in 0..INDEX_LOOKS {
            let seqs = self.seqs_of_run(stream, run).await?;
            let Some(state) = self.read_run(stream, run).await? else {
                return Ok(Vec::new());
            };
            if u64::try_from(seqs.len()).unwrap_or(u64::MAX) >= state.next {
                let entries = self.batch(&self.tables.evidence, stream, &seqs).await?;
                let parts = self.batch(&self.tables.parts, stream, &seqs).await?;
                return join(entries, parts);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(PortError::new(
            PortErrorKind::Unavailable,
            "waiting for the index of runs",
        ))
    }

    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError> {
        // A batch must not name a key twice.
        let seqs: BTreeSet<u64> = seqs.iter().copied().collect();
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let entries = self.batch(&self.tables.evidence, stream, &seqs).await?;
        join(entries, Vec::new())
    }

    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError> {
        let doing = "looking up a person";
        let key = s(format!("{stream}/{pseudonym}"));
        let mut seqs = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.tables.parts)
                .index_name("by_subject")
                .key_condition_expression("subject_key = :k")
                .expression_attribute_values(":k", key.clone())
                .projection_expression("seq")
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|e| error::read(doing, e))?;
            for row in page.items.unwrap_or_default() {
                seqs.push(number(&row, "seq").ok_or_else(|| error::corrupt(doing))?);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(seqs),
            }
        }
    }

    async fn holds(&self, stream: Hash) -> Result<Holds, PortError> {
        self.read_holds(stream).await
    }
}

impl DynamoEvidence {
    async fn range(
        &self,
        table: &str,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<Item>, PortError> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(table)
                .key_condition_expression("#s = :s AND seq BETWEEN :a AND :b")
                .expression_attribute_names("#s", "stream")
                .expression_attribute_values(":s", s(stream.to_string()))
                .expression_attribute_values(":a", n(from))
                .expression_attribute_values(":b", n(to.saturating_sub(1)))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|e| error::read("reading entries", e))?;
            rows.extend(page.items.unwrap_or_default());
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(rows),
            }
        }
    }

    async fn seqs_of_run(&self, stream: Hash, run: &str) -> Result<Vec<u64>, PortError> {
        let mut seqs = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.tables.evidence)
                .index_name("by_run")
                .key_condition_expression("#r = :r")
                .expression_attribute_names("#r", "run")
                .expression_attribute_values(":r", s(format!("{stream}/{run}")))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|e| error::read("looking up a run", e))?;
            for row in page.items.unwrap_or_default() {
                seqs.push(number(&row, "seq").ok_or_else(|| error::corrupt("looking up a run"))?);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(seqs),
            }
        }
    }

    async fn batch(&self, table: &str, stream: Hash, seqs: &[u64]) -> Result<Vec<Item>, PortError> {
        let unbuilt = |e| PortError::caused(PortErrorKind::Refused, "building a read", e);
        let mut rows = Vec::new();
        for chunk in seqs.chunks(BATCH) {
            let keys = chunk
                .iter()
                .map(|seq| item([("stream", s(stream.to_string())), ("seq", n(*seq))]))
                .collect();
            let wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(keys));
            let mut wanted = Some(wanted.build().map_err(unbuilt)?);
            while let Some(request) = wanted.take() {
                let page = self
                    .client
                    .batch_get_item()
                    .request_items(table, request)
                    .send()
                    .await
                    .map_err(|e| error::read("reading entries", e))?;
                let mut found = page.responses.unwrap_or_default();
                rows.extend(found.remove(table).unwrap_or_default());
                let mut left = page.unprocessed_keys.unwrap_or_default();
                wanted = left.remove(table).filter(|left| !left.keys().is_empty());
            }
        }
        rows.sort_by_key(|row| number(row, "seq"));
        Ok(rows)
    }
}

fn join(entries: Vec<Item>, parts: Vec<Item>) -> Result<Vec<StoredEntry>, PortError> {
    let corrupt = || error::corrupt("reading an entry");
    let mut by_seq = BTreeMap::new();
    for row in parts {
        by_seq.insert(number(&row, "seq").ok_or_else(corrupt)?, row);
    }
    let mut joined = Vec::new();
    for row in entries {
        let seq = number(&row, "seq").ok_or_else(corrupt)?;
        let nodes = bytes(&row, "nodes").ok_or_else(corrupt)?;
        let nodes: Result<Vec<Hash>, _> = nodes.chunks(32).map(Hash::from_slice).collect();
        let of_entry = by_seq.get(&seq);
        joined.push(StoredEntry {
            seq,
            header: bytes(&row, "h").ok_or_else(corrupt)?.to_vec(),
            nodes: nodes.map_err(|_| corrupt())?,
            facts: of_entry.and_then(|row| part(row, "facts")),
            subject: of_entry.and_then(|row| part(row, "subject")),
        });
    }
    Ok(joined)
}

fn part(row: &Item, name: &str) -> Option<StoredPart> {
    let AttributeValue::M(stored) = row.get(name)? else {
        return None;
    };
    if let Some(by) = number(stored, "x") {
        return Some(StoredPart::Erased(by));
    }
    let salt = bytes(stored, "s")?.try_into().ok()?;
    Some(StoredPart::Present {
        bytes: bytes(stored, "d")?.to_vec(),
        salt,
    })
}
