//! The state table: `pk`, `sk`, `v` (version), `doc` (JSON text), `expires_at` (seconds), and the
//! entry that explains the version in `ev_stream`, `ev_seq`, `ev_hash`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use counterfoil_core::ports::{
    EntryRef, Expect, PortError, PortErrorKind, State, StateKey, StateWrite, Stored,
};
use counterfoil_core::time::Timestamp;

use super::items::{Item, item, n, number, s, text};
use super::transaction::{Answer, Backoff, CONDITION, Transaction};
use crate::error;

/// Attempts of a write before it is given up.
const ATTEMPTS: u32 = 6;

/// The state table.
#[derive(Debug, Clone)]
pub struct DynamoState {
    client: Client,
    table: String,
}

impl DynamoState {
    /// State in this table.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Whether every write is there already: what a lost reply is settled by.
    async fn applied(&self, writes: &[StateWrite]) -> Result<bool, PortError> {
        for write in writes {
            let stored = self.get(&write.key).await?;
            let same = match (&write.doc, stored) {
                (None, None) => true,
                (Some(doc), Some(stored)) => {
                    let version = match write.expect {
                        Expect::Absent => stored.version == 1,
                        Expect::Version(version) => stored.version == version.saturating_add(1),
                        Expect::Anything => true,
                    };
                    version && stored.doc == *doc
                }
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The transaction item of a write. `explained` is the entry of the same transaction, if any.
pub(super) fn transact(
    table: &str,
    write: &StateWrite,
    explained: Option<&EntryRef>,
) -> Result<TransactWriteItem, PortError> {
    let build = || PortError::new(PortErrorKind::Refused, "building a state write");
    let key = item([("pk", s(&write.key.pk)), ("sk", s(&write.key.sk))]);
    let Some(doc) = &write.doc else {
        let delete = Delete::builder().table_name(table).set_key(Some(key));
        let delete = delete.build().map_err(|_| build())?;
        return Ok(TransactWriteItem::builder().delete(delete).build());
    };
    let mut row = key;
    let version = match write.expect {
        Expect::Version(version) => version.saturating_add(1),
        Expect::Absent | Expect::Anything => 1,
    };
    row.insert("v".to_owned(), n(version));
    row.insert("doc".to_owned(), s(doc.to_string()));
    if let Some(at) = write.expires_at {
        row.insert(
            "expires_at".to_owned(),
            AttributeValue::N(at.as_secs().to_string()),
        );
    }
    if let Some(entry) = explained.or(write.cites.as_ref()) {
        row.insert("ev_stream".to_owned(), s(&entry.stream));
        row.insert("ev_seq".to_owned(), n(entry.seq));
        row.insert("ev_hash".to_owned(), s(&entry.leaf));
    }
    let put = Put::builder().table_name(table).set_item(Some(row));
    let put = match write.expect {
        Expect::Anything => put,
        Expect::Absent => put.condition_expression("attribute_not_exists(pk)"),
        Expect::Version(version) => put
            .condition_expression("v = :v")
            .expression_attribute_values(":v", n(version)),
    };
    let put = put.build().map_err(|_| build())?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// A canonical description of a write, for the transaction's token.
pub(super) fn describe(write: &StateWrite) -> String {
    let doc = write
        .doc
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "{}\n{}\n{:?}\n{doc}\n{:?}\n",
        write.key.pk, write.key.sk, write.expect, write.entry
    )
}

fn stored(row: &Item) -> Result<Stored, PortError> {
    let corrupt = || error::corrupt("reading a state row");
    let key = StateKey {
        pk: text(row, "pk").ok_or_else(corrupt)?.to_owned(),
        sk: text(row, "sk").ok_or_else(corrupt)?.to_owned(),
    };
    let doc = text(row, "doc").and_then(|doc| serde_json::from_str(doc).ok());
    let evidence = match (
        text(row, "ev_stream"),
        number(row, "ev_seq"),
        text(row, "ev_hash"),
    ) {
        (Some(stream), Some(seq), Some(leaf)) => Some(EntryRef {
            stream: stream.to_owned(),
            seq,
            leaf: leaf.to_owned(),
        }),
        _ => None,
    };
    Ok(Stored {
        key,
        version: number(row, "v").ok_or_else(corrupt)?,
        doc: doc.ok_or_else(corrupt)?,
        evidence,
    })
}

/// An expired row may stay for days; it is absent all the same. Rows that expire are never read by
/// time-critical code, so the clock of this machine is good enough.
fn expired(row: &Item, now: Timestamp) -> bool {
    number(row, "expires_at").is_some_and(|at| at <= now.as_millis() / 1_000)
}

#[expect(
    clippy::disallowed_methods,
    reason = "only to hide rows that the table has not swept yet"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[async_trait]
impl State for DynamoState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item([("pk", s(&key.pk)), ("sk", s(&key.sk))])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading a record", e))?;
        match found.item {
            Some(row) if !expired(&row, now()) => stored(&row).map(Some),
            _ => Ok(None),
        }
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", s(pk))
                .expression_attribute_values(":prefix", s(prefix))
                .consistent_read(true)
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|e| error::read("listing records", e))?;
            for row in page.items.unwrap_or_default() {
                if !expired(&row, now()) {
                    rows.push(stored(&row)?);
                }
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => from = Some(key),
                _ => return Ok(rows),
            }
        }
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        if writes.is_empty() {
            return Ok(true);
        }
        let items: Result<Vec<_>, _> = writes
            .iter()
            .map(|write| transact(&self.table, write, None))
            .collect();
        let mut content: String = writes.iter().map(describe).collect();
        // Two equal writes at different times are two writes.
        content.push_str(&now().as_millis().to_string());
        let transaction = Transaction::new(items?, content.as_bytes());
        let mut backoff = Backoff::default();
        let mut doubt = false;
        for _ in 0..ATTEMPTS {
            match transaction.send(&self.client).await {
                Answer::Done => return Ok(true),
                Answer::Cancelled(codes) => {
                    if doubt && self.applied(&writes).await? {
                        return Ok(true);
                    }
                    if codes.iter().any(|code| code == CONDITION) {
                        return Ok(false);
                    }
                    doubt = false;
                }
                Answer::Throttled => {}
                Answer::Unknown => doubt = true,
                Answer::Refused(e) => return Err(error::write("writing records", *e)),
                Answer::Mismatch => return Err(error::corrupt("writing records")),
            }
            backoff.wait().await;
        }
        if doubt && self.applied(&writes).await? {
            return Ok(true);
        }
        let kind = if doubt {
            PortErrorKind::OutcomeUnknown
        } else {
            PortErrorKind::Unavailable
        };
        Err(PortError::new(kind, "writing records"))
    }
}
