//! What the function is invoked with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{Alarm, Change};
use counterfoil_lambda::Error;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// One stream, and from when on a seal is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealNow {
    /// Stream id.
    pub(crate) stream: Hash64,
    /// Not older than this, ms.
    #[serde(default)]
    pub(crate) since: Option<Timestamp>,
}

/// One stream, or all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Stream id; without it every stream.
    #[serde(default)]
    pub(crate) stream: Option<Hash64>,
}

/// A stream id in JSON.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hash64(pub(crate) Hash);

impl TryFrom<String> for Hash64 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hash = text.parse().map(Self);
        hash.map_err(|_| "a stream id is 64 lower-case hexadecimal digits")
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Job {
    /// Every stream, by schedule.
    SealAll,
    /// One stream, because somebody waits for the seal.
    SealNow(SealNow),
    /// Records of the evidence table: streams that grew, and changes that must never happen.
    Followed {
        /// Streams named by the records.
        streams: BTreeSet<Hash>,
        /// One alarm per record that is not an INSERT.
        alarms: Vec<Alarm>,
    },
    /// An operator hands streams over to the new seal key.
    Rotate(Which),
    /// An operator has a refused stream compared with its locked copy.
    Recheck(Which),
}

/// Reads an event.
///
/// # Errors
/// When it is none of those, or not what it claims to be.
pub(crate) fn read(event: &Value) -> Result<Job, Error> {
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        return Ok(followed(records));
    }
    if let Some(asked) = event.get("seal") {
        return Ok(Job::SealNow(serde_json::from_value(asked.clone())?));
    }
    if let Some(asked) = event.get("rotate") {
        return Ok(Job::Rotate(serde_json::from_value(asked.clone())?));
    }
    if let Some(asked) = event.get("recheck") {
        return Ok(Job::Recheck(serde_json::from_value(asked.clone())?));
    }
    match event.pointer("/detail/job").and_then(Value::as_str) {
        Some("seal") => Ok(Job::SealAll),
        _ => Err(
            "an event must have `Records`, `seal`, `rotate`, `recheck`, or the job `seal`".into(),
        ),
    }
}

fn followed(records: &[Value]) -> Job {
    let mut streams = BTreeSet::new();
    let mut alarms = Vec::new();
    for record in records {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        let stream = text("/dynamodb/Keys/stream/S").and_then(|stream| stream.parse().ok());
        let Some(stream) = stream else { continue };
        streams.insert(stream);
        let change = match text("/eventName") {
            Some("INSERT") => continue,
            Some("REMOVE") => Change::Remove,
            _ => Change::Modify,
        };
        let seq = text("/dynamodb/Keys/seq/N").and_then(|seq| seq.parse().ok());
        let event = text("/eventID").or_else(|| text("/dynamodb/SequenceNumber"));
        let header = |image: &str| STANDARD.decode(text(image)?).ok();
        alarms.push(Alarm::ItemChanged {
            stream,
            seq: seq.unwrap_or_default(),
            change,
            event: event.unwrap_or_default().to_owned(),
            before: header("/dynamodb/OldImage/h/B"),
            after: header("/dynamodb/NewImage/h/B"),
        });
    }
    Job::Followed { streams, alarms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_insert_is_no_alarm() {
        let event = file(include_str!(
            "../../../events/archive/entries-appended.json"
        ));
        let Job::Followed { streams, alarms } = read(&event).unwrap() else {
            panic!("these are records");
        };
        assert_eq!((streams.len(), alarms), (1, Vec::new()));
    }

    #[test]
    fn every_other_record_is_one() {
        for (text, expected) in [
            (
                include_str!("../../../events/archive/entry-changed.json"),
                Change::Modify,
            ),
            (
                include_str!("../../../events/archive/entry-removed.json"),
                Change::Remove,
            ),
        ] {
            let Job::Followed { streams, alarms } = read(&file(text)).unwrap() else {
                panic!("these are records");
            };
            assert_eq!(streams.len(), 1);
            let [
                Alarm::ItemChanged {
                    seq,
                    change,
                    before,
                    after,
                    ..
                },
            ] = alarms.as_slice()
            else {
                panic!("{alarms:?}");
            };
            assert_eq!((*seq, *change), (1, expected));
            assert!(before.is_some());
            assert_eq!(after.is_some(), expected == Change::Modify);
            assert_ne!(before, after);
        }
    }

    #[test]
    fn an_event_that_nobody_sends_is_refused() {
        for event in [
            serde_json::json!({}),
            serde_json::json!({ "detail": { "job": "scan" } }),
            serde_json::json!({ "seal": { "stream": "x" } }),
            serde_json::json!({ "seal": {} }),
            serde_json::json!({ "rotate": { "all": true } }),
        ] {
            assert!(read(&event).is_err(), "{event}");
        }
    }
}
