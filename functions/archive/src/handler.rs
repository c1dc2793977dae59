//! From an event to the streams that are to be sealed, and from a refusal to its three signs: the
//! log line (and with it metric and notification), the entry, the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{RefusalCause, State};
use counterfoil_core::records::Directory;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    Alarm, RecordAlarm, RotateError, RotateKey, Rotated, SealError, SealStream, Sealing,
};
use counterfoil_lambda::Error;
use counterfoil_lambda::telemetry::chain;
use serde_json::{Value, json};

use crate::event::{Job, SealNow, Which, read};

/// How long one invocation goes on to another stream: below the timeout in template.yaml, with room
/// for the last one.
const INVOCATION: Duration = Duration::from_mins(3);

/// The use cases of the function.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) seal: SealStream,
    pub(crate) rotate: RotateKey,
    pub(crate) record: RecordAlarm,
    pub(crate) state: Arc<dyn State>,
}

/// Handles one invocation.
pub(crate) async fn handle(archive: Archive, event: Value) -> Result<Value, Error> {
    match read(&event)? {
        Job::SealAll => {
            let streams = archive.every_stream().await?;
            archive.seal_each(streams).await.answer()
        }
        Job::SealNow(asked) => archive.seal_now(&asked).await,
        Job::Followed { streams, alarms } => {
            // The schedule tries again what was not sealed. The records come again only for an alarm
            // that was not recorded: those of other tenants wait behind them.
            let mut unrecorded = 0_u32;
            for alarm in &alarms {
                unrecorded = unrecorded.saturating_add(u32::from(!archive.changed(alarm).await));
            }
            let tally = archive.seal_each(streams).await;
            if unrecorded > 0 {
                return Err(format!("{unrecorded} alarms were not recorded; see the log").into());
            }
            Ok(tally.value())
        }
        Job::Rotate(which) => archive.rotate_each(&which).await,
        Job::Recheck(which) => archive.recheck(&which).await,
    }
}

impl Archive {
    /// Seals streams one after another. A refusal is an alarm and no failure: trying again would not
    /// help, and would keep the records behind it waiting.
    async fn seal_each(&self, streams: BTreeSet<Hash>) -> Tally {
        let clock = self.seal.clock.as_ref();
        let deadline = clock.now().plus(INVOCATION);
        let mut tally = Tally::default();
        for stream in streams {
            if clock.now() > deadline {
                tracing::warn!("time is up: the next run goes on");
                break;
            }
            self.seal_one(stream, &mut tally).await;
        }
        tally
    }

    async fn seal_one(&self, stream: Hash, tally: &mut Tally) {
        let name = stream.to_string();
        match self.seal.seal(stream).await {
            Ok(Sealing::Sealed { size }) => {
                tracing::info!(stream = name, size, "sealed");
                tally.sealed.push(json!({ "stream": name, "size": size }));
            }
            Ok(Sealing::Continues { size }) => {
                tracing::warn!(stream = name, size, "not sealed yet: the next run goes on");
            }
            Ok(Sealing::NothingNew) => {}
            Err(error) => {
                let Some(cause) = error.cause() else {
                    tally.failed = tally.failed.saturating_add(1);
                    return not_done(stream, &error);
                };
                if !self.refused(stream, cause, &error).await {
                    tally.failed = tally.failed.saturating_add(1);
                }
                let refused = json!({ "stream": name, "cause": cause.name() });
                tally.refused.push(refused);
            }
        }
    }

    /// Seals one stream for somebody who waits: here a refusal is a failure too.
    async fn seal_now(&self, asked: &SealNow) -> Result<Value, Error> {
        let stream = asked.stream.0;
        let since = asked.since.unwrap_or(Timestamp::from_millis(0));
        match self.seal.seal_since(stream, since).await {
            Ok(Sealing::Sealed { size }) => {
                tracing::info!(stream = stream.to_string(), size, "sealed");
                Ok(json!({ "sealed": [{ "stream": stream.to_string(), "size": size }] }))
            }
            Ok(Sealing::NothingNew) => Ok(json!({ "sealed": [] })),
            Ok(Sealing::Continues { .. }) => Err("not sealed yet: ask again".into()),
            Err(error) => {
                match error.cause() {
                    Some(cause) => drop(self.refused(stream, cause, &error).await),
                    None => not_done(stream, &error),
                }
                Err("the stream was not sealed; see the log".into())
            }
        }
    }

    async fn rotate_each(&self, which: &Which) -> Result<Value, Error> {
        if self.seal.retiring.is_none() {
            return Err(RotateError::NothingToRetire.into());
        }
        let streams = match which.stream {
            Some(stream) => BTreeSet::from([stream.0]),
            None => self.every_stream().await?,
        };
        let (mut handed_over, mut remaining) = (Vec::new(), Vec::new());
        for stream in streams {
            match self.rotate.rotate(stream).await {
                Ok(Rotated::HandedOver) => {
                    tracing::info!(
                        stream = stream.to_string(),
                        "handed over to the new seal key"
                    );
                    handed_over.push(stream.to_string());
                }
                Ok(Rotated::Already | Rotated::NotNeeded) => {}
                Err(error) => {
                    not_done(stream, &error);
                    remaining.push(stream.to_string());
                }
            }
        }
        Ok(json!({ "handed_over": handed_over, "remaining": remaining }))
    }

    async fn recheck(&self, which: &Which) -> Result<Value, Error> {
        let Some(stream) = which.stream else {
            return Err("`recheck` takes one `stream`".into());
        };
        match self.seal.recheck(stream.0).await {
            Ok(found) => {
                self.record
                    .lifted(stream.0, found.sealed, found.size)
                    .await?;
                tracing::info!(stream = stream.0.to_string(), "found intact: sealed again");
                Ok(json!({ "intact": { "sealed": found.sealed, "size": found.size } }))
            }
            Err(error) => {
                not_done(stream.0, &error);
                Err(chain(&error).into())
            }
        }
    }

    /// Somebody changed history. The log line is written first: nothing that fails after it keeps it
    /// back. `false` when the refusal or the entry is not known to be durable.
    async fn changed(&self, alarm: &Alarm) -> bool {
        let Alarm::ItemChanged {
            stream,
            seq,
            change,
            ..
        } = alarm
        else {
            return true;
        };
        let cause = RefusalCause::ItemChanged;
        tracing::error!(
            alarm = alarm.topic(),
            cause = cause.name(),
            stream = stream.to_string(),
            seq,
            change = change.name(),
            runbook = cause.runbook(),
            "an evidence entry was changed in place"
        );
        let now = self.seal.clock.now();
        let refused = self.seal.seals.refuse(*stream, cause, now).await;
        if let Err(error) = &refused {
            not_done(*stream, error);
        }
        let recorded = self.record(alarm).await;
        refused.is_ok() && recorded
    }

    /// The sealer refused a stream; `false` when that is not known to be recorded.
    async fn refused(&self, stream: Hash, cause: RefusalCause, error: &SealError) -> bool {
        let last = self.seal.seals.last(stream).await.ok().flatten();
        let alarm = Alarm::SealRefused {
            stream,
            cause,
            last: last.map(|last| last.seal_hash),
        };
        tracing::error!(
            alarm = alarm.topic(),
            cause = cause.name(),
            stream = stream.to_string(),
            detail = chain(error),
            runbook = cause.runbook(),
            "not sealed"
        );
        self.record(&alarm).await
    }

    async fn record(&self, alarm: &Alarm) -> bool {
        let noted = self.record.record(alarm).await;
        if let Err(error) = &noted {
            not_done(alarm.stream(), error);
        }
        noted.is_ok()
    }

    async fn every_stream(&self) -> Result<BTreeSet<Hash>, Error> {
        let directory = Directory::of(self.state.as_ref());
        Ok(directory.streams(self.seal.clock.now()).await?)
    }
}

/// What became of several streams.
#[derive(Debug, Default)]
struct Tally {
    sealed: Vec<Value>,
    refused: Vec<Value>,
    failed: u32,
}

impl Tally {
    fn answer(self) -> Result<Value, Error> {
        match self.failed {
            0 => Ok(self.value()),
            failed => Err(format!("{failed} streams failed; see the log").into()),
        }
    }

    fn value(self) -> Value {
        let Self {
            sealed, refused, ..
        } = self;
        if refused.is_empty() {
            json!({ "sealed": sealed })
        } else {
            json!({ "sealed": sealed, "refused": refused })
        }
    }
}

fn not_done(stream: Hash, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(
        stream = stream.to_string(),
        detail = chain(error),
        runbook = "docs/runbooks/not-sealed.md",
        "not done: the next run tries again"
    );
}
