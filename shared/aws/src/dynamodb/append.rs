//! Appending (evidence-format section 18): one transaction of head, entries, parts, run counters
//! and state.
//!
//! An error of a call never proves that nothing was written. After an unknown answer the head and
//! the entry's place are read: our bytes mean committed, other bytes mean lost, nothing there and a
//! head that moved mean dead, and nothing there under the old head means: send the same again.

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind,
};
use tokio::time::Instant;

use super::DynamoEvidence;
use super::attempt::Attempt;
use super::items::{bytes, item, n, s};
use super::transaction::Answer;
use crate::backoff::Backoff;
use crate::error;

/// What an unknown attempt turned out to be.
enum Settled {
    Committed,
    /// It was not written and cannot be any more.
    Gone,
    /// It may still be written: the same request must be sent again.
    Open,
}

#[async_trait]
impl EvidenceAppend for DynamoEvidence {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let deadline = Instant::now() + self.patience;
        let mut backoff = Backoff::default();
        // Only the first attempt builds on what this process remembers, and only an append that met
        // nobody is remembered: where others write as well, memory would cost an attempt each time.
        let mut known = self.known.of(stream);
        let mut alone = true;
        while Instant::now() < deadline {
            let prepared = self.prepare(stream, &batch, known.as_ref()).await;
            let attempt = match (prepared, known.take()) {
                (Ok(attempt), _) => attempt,
                (Err(_), Some(stale)) => {
                    self.known.forget(stream, &stale.head);
                    alone = false;
                    continue;
                }
                (Err(failed), None) => return Err(failed),
            };
            match self.send(&attempt, &batch, deadline).await {
                Ok(true) => {
                    let done = &attempt.extension;
                    if alone {
                        self.known.learn(&attempt.before, &done.head, &done.runs);
                    }
                    return Ok(attempt.refs);
                }
                Ok(false) => {
                    self.known.forget(stream, &attempt.before);
                    alone = false;
                }
                Err(failed) => {
                    self.known.forget(stream, &attempt.before);
                    return Err(failed);
                }
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
                    return Err(AppendError::Unavailable(error::write(
                        "appending",
                        *e,
                        false,
                    )));
                }
                Answer::Mismatch if !doubt => {
                    return Err(AppendError::Unavailable(error::corrupt("appending")));
                }
                _ => {
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
}
