//! The state table: `pk`, `sk`, `v` (version), `doc` (JSON text), `expires_at` (seconds), the entry
//! that explains the version in `ev_stream`, `ev_seq`, `ev_hash` (and `ev_line`), and in `tx` the token of the
//! transaction that wrote it, where no entry tells.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use counterfoil_core::ports::PortErrorKind::{OutcomeUnknown, Refused, Unavailable};
use counterfoil_core::ports::{
    EntryRef, Expect, PortError, State, StateCheck, StateKey, StateWrite, Stored,
};
use counterfoil_core::time::Timestamp;

use super::clock::now;
use super::items::{Item, item, n, number, s, text};
use super::transaction::{Answer, CONDITION, INVALID, Transaction};
use crate::backoff::Backoff;
use crate::error;

/// Attempts of a write before it is given up.
const ATTEMPTS: u32 = 6;

/// The state table.
#[derive(Debug, Clone)]
pub struct DynamoState {
    client: Client,
    table: String,
}

/// What the rows say about a write whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    /// A row carries its token: all of it was written.
    Written,
    /// A row is as it was before, or another write took its place: none of it was written.
    Absent,
    /// Every row has moved on since, or is gone.
    Lost,
}

impl DynamoState {
    /// State in this table.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn row(&self, key: &StateKey) -> Result<Option<Item>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item([("pk", s(&key.pk)), ("sk", s(&key.sk))])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading a record", e))?;
        Ok(found.item)
    }

    /// Looks for the traces of a write. A transaction is all or nothing, so one row is enough.
    async fn trace(&self, writes: &[StateWrite], token: &str) -> Result<Trace, PortError> {
        let mut all = Trace::Lost;
        for write in writes {
            match trace(write, self.row(&write.key).await?.as_ref(), token) {
                Trace::Written => return Ok(Trace::Written),
                Trace::Absent => all = Trace::Absent,
                Trace::Lost => {}
            }
        }
        Ok(all)
    }
}

fn trace(write: &StateWrite, row: Option<&Item>, token: &str) -> Trace {
    if write.doc.is_some() && row.and_then(|row| text(row, "tx")) == Some(token) {
        return Trace::Written;
    }
    let version = row.map(|row| number(row, "v"));
    let expected = match write.expect {
        Expect::Anything => return Trace::Lost,
        Expect::Absent => None,
        Expect::Version(version) => Some(version),
    };
    let next = expected.map_or(1, |version| version.saturating_add(1));
    let untouched = version == expected.map(Some);
    let replaced = write.doc.is_some() && version == Some(Some(next));
    if untouched || replaced {
        Trace::Absent
    } else {
        Trace::Lost
    }
}

/// The transaction item of a write. `explained` is the entry of the same transaction, if any, and
/// `token` marks the row where there is none.
pub(super) fn transact(
    table: &str,
    write: &StateWrite,
    explained: Option<&EntryRef>,
    token: Option<&str>,
) -> Result<TransactWriteItem, PortError> {
    let unbuilt = |e| PortError::caused(Refused, "building a state write", e);
    let key = item([("pk", s(&write.key.pk)), ("sk", s(&write.key.sk))]);
    let condition = condition(write.expect);
    let (expression, values) = condition.map_or((None, None), |(e, v)| (Some(e), Some(v)));
    let Some(doc) = &write.doc else {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_condition_expression(expression)
            .set_expression_attribute_values(values);
        let delete = delete.build().map_err(unbuilt)?;
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
        // Whole seconds, and never too early.
        let seconds = at.as_millis().div_ceil(1_000);
        row.insert("expires_at".to_owned(), n(seconds));
    }
    if let Some(entry) = explained.or(write.cites.as_ref()) {
        row.insert("ev_stream".to_owned(), s(&entry.stream));
        row.insert("ev_seq".to_owned(), n(entry.seq));
        row.insert("ev_hash".to_owned(), s(&entry.leaf));
        if let Some(line) = write.line {
            row.insert("ev_line".to_owned(), n(line));
        }
    }
    if let Some(token) = token {
        row.insert("tx".to_owned(), s(token));
    }
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .set_condition_expression(expression)
        .set_expression_attribute_values(values);
    let put = put.build().map_err(unbuilt)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// The transaction item of a condition on a row that stays.
pub(super) fn checked(table: &str, check: &StateCheck) -> Result<TransactWriteItem, PortError> {
    let unbuilt = |e| PortError::caused(Refused, "building a condition", e);
    let key = item([("pk", s(&check.key.pk)), ("sk", s(&check.key.sk))]);
    let always = || {
        (
            "attribute_exists(pk) OR attribute_not_exists(pk)".to_owned(),
            None,
        )
    };
    let (expression, values) =
        condition(check.expect).map_or_else(always, |(held, values)| (held, Some(values)));
    let built = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression(expression)
        .set_expression_attribute_values(values)
        .build();
    let check = built.map_err(unbuilt)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

/// A row past its time counts as absent, also where the table has not swept it yet.
fn condition(expect: Expect) -> Option<(String, Item)> {
    match expect {
        Expect::Anything => None,
        Expect::Absent => Some((
            "attribute_not_exists(pk) OR expires_at <= :now".to_owned(),
            item([(":now", n(now().as_millis() / 1_000))]),
        )),
        Expect::Version(version) => Some(("v = :v".to_owned(), item([(":v", n(version))]))),
    }
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
        line: number(row, "ev_line"),
    })
}

/// An expired row may stay for days; it is absent all the same. Only what is remembered for a while
/// expires (no approval, no lease), in whole seconds: the clock of this machine is good enough.
fn expired(row: &Item, now: Timestamp) -> bool {
    number(row, "expires_at").is_some_and(|at| at <= now.as_millis() / 1_000)
}

/// Every row of a query.
async fn listed(query: &QueryFluentBuilder) -> Result<Vec<Stored>, PortError> {
    let mut rows = Vec::new();
    let mut from = None;
    loop {
        let page = query
            .clone()
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

#[async_trait]
impl State for DynamoState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        match self.row(key).await? {
            Some(row) if !expired(&row, now()) => stored(&row).map(Some),
            _ => Ok(None),
        }
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", s(pk));
        // An empty value is refused in a key condition.
        let query = if prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", s(prefix))
        };
        listed(&query).await
    }

    async fn list_from(&self, pk: &str, from: &str) -> Result<Vec<Stored>, PortError> {
        // An empty value is refused in a key condition.
        if from.is_empty() {
            return self.list(pk, "").await;
        }
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk >= :from")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":from", s(from));
        listed(&query).await
    }

    async fn first(&self, pk: &str, most: usize) -> Result<Vec<StateKey>, PortError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(pk))
            .consistent_read(true)
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|e| error::read("listing keys of records", e))?;
            for row in page.items.unwrap_or_default() {
                if !expired(&row, now()) {
                    keys.push(stored(&row)?.key);
                }
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() && keys.len() < most => from = Some(key),
                _ => {
                    keys.truncate(most);
                    return Ok(keys);
                }
            }
        }
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        if writes.is_empty() {
            return Ok(true);
        }
        let doing = "writing records";
        let token = token()?;
        let items: Result<Vec<_>, _> = writes
            .iter()
            .map(|write| transact(&self.table, write, None, Some(&token)))
            .collect();
        let transaction = Transaction {
            items: items?,
            token,
        };
        let mut backoff = Backoff::default();
        // Whether an earlier sending of this very request may have been written.
        let mut doubt = false;
        for _ in 0..ATTEMPTS {
            match transaction.send(&self.client).await {
                Answer::Done => return Ok(true),
                Answer::Unknown => doubt = true,
                Answer::Cancelled(codes) if codes.iter().any(|code| code == CONDITION) => {
                    return if doubt {
                        self.settle(&writes, &transaction.token).await
                    } else {
                        Ok(false)
                    };
                }
                Answer::Cancelled(codes) if codes.iter().any(|code| code == INVALID) => {
                    let kind = if doubt { OutcomeUnknown } else { Refused };
                    return Err(PortError::new(kind, doing));
                }
                Answer::Throttled | Answer::Cancelled(_) => {}
                Answer::Refused(e) => return Err(error::write(doing, *e, doubt)),
                Answer::Mismatch => return Err(error::corrupt(doing)),
            }
            backoff.wait().await;
        }
        if !doubt {
            return Err(PortError::new(Unavailable, doing));
        }
        match self.trace(&writes, &transaction.token).await {
            Ok(Trace::Written) => Ok(true),
            Ok(_) => Err(PortError::new(OutcomeUnknown, doing)),
            Err(unread) => Err(error::unsettled(doing, unread)),
        }
    }
}

impl DynamoState {
    /// A condition failed after an attempt that may have been written: perhaps its own.
    async fn settle(&self, writes: &[StateWrite], token: &str) -> Result<bool, PortError> {
        let doing = "writing records";
        match self.trace(writes, token).await {
            Ok(Trace::Written) => Ok(true),
            Ok(Trace::Absent) => Ok(false),
            Ok(Trace::Lost) => Err(PortError::new(OutcomeUnknown, doing)),
            Err(unread) => Err(error::unsettled(doing, unread)),
        }
    }
}

/// What marks the rows of one write, and makes its repetition the same request.
fn token() -> Result<String, PortError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)
        .map_err(|e| PortError::caused(Unavailable, "drawing a token", e.to_string()))?;
    Ok(hex::encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0123456789abcdef";

    fn key() -> StateKey {
        StateKey {
            pk: "ws_1".to_owned(),
            sk: "row#1".to_owned(),
        }
    }

    fn row(version: u64, token: &str) -> Item {
        item([("v", n(version)), ("tx", s(token))])
    }

    fn seen(write: &StateWrite, row: Option<&Item>) -> Trace {
        trace(write, row, OURS)
    }

    #[test]
    fn the_token_proves_a_write_and_its_place_the_opposite() {
        let create = StateWrite::create(key(), true.into());
        assert_eq!(seen(&create, Some(&row(1, OURS))), Trace::Written);
        assert_eq!(seen(&create, Some(&row(1, "another"))), Trace::Absent);
        assert_eq!(seen(&create, None), Trace::Absent);
        let replace = StateWrite::replace(key(), 4, true.into());
        assert_eq!(seen(&replace, Some(&row(5, OURS))), Trace::Written);
        assert_eq!(seen(&replace, Some(&row(5, "another"))), Trace::Absent);
        assert_eq!(seen(&replace, Some(&row(4, "earlier"))), Trace::Absent);
    }

    #[test]
    fn a_row_that_has_moved_on_proves_nothing() {
        let create = StateWrite::create(key(), true.into());
        let replace = StateWrite::replace(key(), 4, true.into());
        assert_eq!(seen(&create, Some(&row(2, "later"))), Trace::Lost);
        assert_eq!(seen(&replace, Some(&row(6, "later"))), Trace::Lost);
        assert_eq!(seen(&replace, None), Trace::Lost);
    }

    #[test]
    fn a_deletion_proves_nothing_unless_the_row_is_still_there() {
        let mut delete = StateWrite::delete(key());
        assert_eq!(seen(&delete, None), Trace::Lost);
        delete.expect = Expect::Version(3);
        assert_eq!(seen(&delete, None), Trace::Lost);
        assert_eq!(seen(&delete, Some(&row(3, "earlier"))), Trace::Absent);
        assert_eq!(seen(&delete, Some(&row(4, "later"))), Trace::Lost);
    }
}
