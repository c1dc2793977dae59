//! The seals table: one item per seal under `<size 16>-<at 16>`, and beside them `last`, `progress`
//! and `refused`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::stream::Head;
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::{
    PortError, PortErrorKind, RefusalCause, SealCommit, SealProgress, SealStart, SealStore,
    SealedState,
};
use counterfoil_core::time::Timestamp;

use super::heads::head_from;
use super::items::{Item, b, bytes, item, n, number, s, text};
use super::once;
use super::store_time::StoreTime;
use super::transaction::{Answer, Transaction};
use crate::backoff::Backoff;
use crate::error;
use crate::resend::attempts;

/// Attempts of a commit before it is given up.
const ATTEMPTS: u32 = 6;

/// Seals in DynamoDB.
#[derive(Debug, Clone)]
pub struct DynamoSeals {
    client: Client,
    seals: String,
    head: String,
}

impl DynamoSeals {
    /// Seals in table `seals`, of streams whose heads lie in table `head`.
    pub const fn new(client: Client, seals: String, head: String) -> Self {
        Self {
            client,
            seals,
            head,
        }
    }

    fn row(stream: Hash, sort: &str, sealed: &SealedState) -> Item {
        item([
            ("stream", s(stream.to_string())),
            ("sort", s(sort)),
            ("note", s(&sealed.note)),
            ("seal", s(sealed.seal_hash.to_string())),
            ("size", n(sealed.size)),
            ("at", n(sealed.at)),
            ("leaf", s(sealed.leaf.to_string())),
            ("frontier", b(sealed.frontier.to_bytes())),
        ])
    }

    /// The seal item that must be new, and `last`, which must still be the previous seal.
    fn items(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<Vec<TransactWriteItem>, PortError> {
        let unbuilt = |e| PortError::caused(PortErrorKind::Refused, "building a seal", e);
        let sort = sort_key(sealed);
        let seal = Put::builder()
            .table_name(&self.seals)
            .set_item(Some(Self::row(stream, &sort, sealed)))
            .condition_expression("attribute_not_exists(sort)")
            .build()
            .map_err(unbuilt)?;
        let last = Put::builder()
            .table_name(&self.seals)
            .set_item(Some(Self::row(stream, "last", sealed)));
        let last = match previous {
            None => last.condition_expression("attribute_not_exists(sort)"),
            Some(hash) => last
                .condition_expression("seal = :p")
                .expression_attribute_values(":p", s(hash.to_string())),
        };
        let last = last.build().map_err(unbuilt)?;
        Ok(vec![
            TransactWriteItem::builder().put(seal).build(),
            TransactWriteItem::builder().put(last).build(),
        ])
    }
}

impl DynamoSeals {
    /// What became of a commit: `None` while it may still be written, because `last` is what it was.
    async fn settle(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<Option<SealCommit>, PortError> {
        let last = self.last(stream).await?;
        if last.map(|last| last.seal_hash) == previous {
            return Ok(None);
        }
        // `last` may be the seal that another sealer put on top of ours, so ours is looked up under
        // its own name.
        let ours = self.read(stream, &sort_key(sealed)).await?;
        Ok(Some(match ours {
            Some(ours) if ours.note == sealed.note => SealCommit::Committed,
            _ => SealCommit::Lost,
        }))
    }

    fn refusal(&self, stream: Hash) -> UpdateItemFluentBuilder {
        let key = item([("stream", s(stream.to_string())), ("sort", s("refused"))]);
        let update = self.client.update_item().table_name(&self.seals);
        update.set_key(Some(key))
    }

    async fn read(&self, stream: Hash, sort: &str) -> Result<Option<SealedState>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.seals)
            .set_key(Some(item([
                ("stream", s(stream.to_string())),
                ("sort", s(sort)),
            ])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading a seal", e))?;
        found.item.as_ref().map(seal_from).transpose()
    }
}

fn sort_key(sealed: &SealedState) -> String {
    format!("{:016}-{:016}", sealed.size, sealed.at)
}

fn seal_from(row: &Item) -> Result<SealedState, PortError> {
    let corrupt = || error::corrupt("reading a seal");
    let hash = |name| text(row, name).and_then(|hash| hash.parse().ok());
    let size = number(row, "size").ok_or_else(corrupt)?;
    let frontier = bytes(row, "frontier").ok_or_else(corrupt)?;
    Ok(SealedState {
        note: text(row, "note").ok_or_else(corrupt)?.to_owned(),
        seal_hash: hash("seal").ok_or_else(corrupt)?,
        size,
        at: number(row, "at").ok_or_else(corrupt)?,
        leaf: hash("leaf").ok_or_else(corrupt)?,
        frontier: Frontier::from_bytes(size, frontier).map_err(|_| corrupt())?,
    })
}

fn progress_from(row: &Item) -> Result<SealProgress, PortError> {
    let corrupt = || error::corrupt("reading the place of the sealer");
    let hash = |name| text(row, name).map(str::parse::<Hash>).transpose();
    let size = number(row, "size").ok_or_else(corrupt)?;
    let frontier = bytes(row, "frontier").ok_or_else(corrupt)?;
    Ok(SealProgress {
        base: hash("base").map_err(|_| corrupt())?,
        size,
        leaf: hash("leaf").ok().flatten().ok_or_else(corrupt)?,
        frontier: Frontier::from_bytes(size, frontier).map_err(|_| corrupt())?,
        rotated: row.get("rotated") == Some(&AttributeValue::Bool(true)),
    })
}

/// The cause, unless the refusal was lifted, and the number of refusals.
fn refusal_from(row: &Item) -> Result<(Option<RefusalCause>, u64), PortError> {
    let corrupt = || error::corrupt("reading a refusal");
    let cause = match text(row, "cause") {
        None => None,
        Some(name) => Some(RefusalCause::from_name(name).ok_or_else(corrupt)?),
    };
    match row.get("refusals") {
        None if cause.is_none() => Ok((None, 0)),
        _ => Ok((cause, number(row, "refusals").ok_or_else(corrupt)?)),
    }
}

#[async_trait]
impl SealStore for DynamoSeals {
    async fn last(&self, stream: Hash) -> Result<Option<SealedState>, PortError> {
        self.read(stream, "last").await
    }

    async fn start(&self, stream: Hash) -> Result<SealStart, PortError> {
        let time = StoreTime::default();
        // `last`, `progress` and `refused` in one answer: they sort after the digits of the seals.
        let found = self
            .client
            .query()
            .table_name(&self.seals)
            .key_condition_expression("#s = :s AND sort > :seals")
            .expression_attribute_names("#s", "stream")
            .expression_attribute_values(":s", s(stream.to_string()))
            .expression_attribute_values(":seals", s(":"))
            .consistent_read(true)
            .customize()
            .interceptor(time.clone())
            .send()
            .await
            .map_err(|e| error::read("reading the last seal", e))?;
        let rows = found.items.unwrap_or_default();
        let row = |sort| rows.iter().find(|row| text(row, "sort") == Some(sort));
        let refusal = row("refused").map(refusal_from).transpose()?;
        let (refused, refusals) = refusal.unwrap_or_default();
        Ok(SealStart {
            last: row("last").map(seal_from).transpose()?,
            progress: row("progress").map(progress_from).transpose()?,
            refused,
            refusals,
            store_time: time.get(),
        })
    }

    async fn keep_progress(&self, stream: Hash, progress: &SealProgress) -> Result<(), PortError> {
        let mut row = item([
            ("stream", s(stream.to_string())),
            ("sort", s("progress")),
            ("size", n(progress.size)),
            ("leaf", s(progress.leaf.to_string())),
            ("frontier", b(progress.frontier.to_bytes())),
            ("rotated", AttributeValue::Bool(progress.rotated)),
        ]);
        if let Some(base) = progress.base {
            row.insert("base".to_owned(), s(base.to_string()));
        }
        let put = self.client.put_item().table_name(&self.seals);
        let put = put.set_item(Some(row)).send().await;
        put.map(drop)
            .map_err(|e| error::write("keeping the place of the sealer", e, false))
    }

    async fn refuse(
        &self,
        stream: Hash,
        cause: RefusalCause,
        at: Timestamp,
    ) -> Result<(), PortError> {
        // One update, whatever is there: a refusal that stands keeps its cause and counts. An update
        // that is sent twice counts twice, which does no harm.
        let update = self.refusal(stream);
        let update = update
            .update_expression(
                "SET cause = if_not_exists(cause, :c), #at = if_not_exists(#at, :t) \
                 ADD refusals :one",
            )
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":c", s(cause.name()))
            .expression_attribute_values(":t", n(at.as_millis()))
            .expression_attribute_values(":one", n(1))
            .send()
            .await;
        update
            .map(drop)
            .map_err(|e| error::write("refusing a stream", e, false))
    }

    async fn lift(&self, stream: Hash, refusals: u64, at: Timestamp) -> Result<bool, PortError> {
        let update = self
            .refusal(stream)
            .update_expression("SET lifted = :t REMOVE cause, #at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":t", n(at.as_millis()));
        let update = if refusals == 0 {
            update.condition_expression("attribute_not_exists(refusals)")
        } else {
            update
                .condition_expression("refusals = :n")
                .expression_attribute_values(":n", n(refusals))
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(e)
                if e.as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(e) => Err(error::write("lifting a refusal", e, false)),
        }
    }

    async fn raise_floor(&self, stream: Hash, at: u64) -> Result<Option<Head>, PortError> {
        let doing = "raising the floor";
        let send = || {
            self.client
                .update_item()
                .table_name(&self.head)
                .set_key(Some(item([
                    ("stream", s(stream.to_string())),
                    ("item", s("head")),
                ])))
                .update_expression("SET floor = :t")
                .condition_expression("floor < :t AND #at <= :t")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":t", n(at))
                .return_values(ReturnValue::AllNew)
                .customize()
                .config_override(once())
                .send()
        };
        match attempts(send).await {
            Ok(done) => {
                let row = done.attributes.ok_or_else(|| error::corrupt(doing))?;
                head_from(stream, &row).map(Some)
            }
            // Perhaps by an earlier attempt of ours, whose answer was lost. A floor that nobody
            // uses does no harm: the sealer starts again with a later time.
            Err(failed)
                if failed
                    .error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(failed) => Err(error::write(doing, failed.error, failed.doubt)),
        }
    }

    async fn commit(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<SealCommit, PortError> {
        let doing = "committing a seal";
        let transaction = Transaction::new(
            self.items(stream, previous, sealed)?,
            sealed.note.as_bytes(),
        );
        let mut backoff = Backoff::default();
        let mut doubt = false;
        for _ in 0..ATTEMPTS {
            match transaction.send(&self.client).await {
                Answer::Done => return Ok(SealCommit::Committed),
                Answer::Refused(e) if !doubt => return Err(error::write(doing, *e, false)),
                Answer::Mismatch if !doubt => return Err(error::corrupt(doing)),
                answer => doubt |= matches!(answer, Answer::Unknown),
            }
            match self.settle(stream, previous, sealed).await {
                Ok(Some(settled)) => return Ok(settled),
                Ok(None) => {}
                Err(unread) if doubt => return Err(error::unsettled(doing, unread)),
                Err(unread) => return Err(unread),
            }
            backoff.wait().await;
        }
        let kind = if doubt {
            PortErrorKind::OutcomeUnknown
        } else {
            PortErrorKind::Unavailable
        };
        Err(PortError::new(kind, doing))
    }

    async fn after(&self, stream: Hash, size: u64, at: u64) -> Result<Vec<SealedState>, PortError> {
        let page = self
            .client
            .query()
            .table_name(&self.seals)
            .key_condition_expression("#s = :s AND sort BETWEEN :after AND :end")
            .expression_attribute_names("#s", "stream")
            .expression_attribute_values(":s", s(stream.to_string()))
            // '!' is below every digit and ':' above: the seal itself is left out, `last` as well.
            .expression_attribute_values(":after", s(format!("{size:016}-{at:016}!")))
            .expression_attribute_values(":end", s(":"))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("listing seals", e))?;
        page.items
            .unwrap_or_default()
            .iter()
            .map(seal_from)
            .collect()
    }

    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError> {
        let mut seals = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.seals)
                .key_condition_expression("#s = :s AND sort < :end")
                .expression_attribute_names("#s", "stream")
                .expression_attribute_values(":s", s(stream.to_string()))
                // Seals sort by digits, and every digit is below ':'.
                .expression_attribute_values(":end", s(":"))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|e| error::read("listing seals", e))?;
            for row in page.items.unwrap_or_default() {
                seals.push(seal_from(&row)?);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(seals),
            }
        }
    }
}
