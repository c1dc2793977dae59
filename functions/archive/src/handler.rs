//! From a table-stream batch, a schedule or a request to the streams that are to be sealed.

use std::collections::BTreeSet;
use std::sync::Arc;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::State;
use counterfoil_core::records::Directory;
use counterfoil_core::usecases::{SealStream, Sealing};
use counterfoil_lambda::Error;
use counterfoil_lambda::telemetry::chain;
use serde_json::{Value, json};

/// Handles one invocation: records of the evidence table, a schedule, or `{"seal":{"stream":…}}`.
pub(crate) async fn handle(
    seal: SealStream,
    state: Arc<dyn State>,
    event: Value,
) -> Result<Value, Error> {
    let streams = if let Some(stream) = event.pointer("/seal/stream") {
        BTreeSet::from([serde_json::from_value::<String>(stream.clone())?.parse()?])
    } else if let Some(records) = event.get("Records").and_then(Value::as_array) {
        changed(records)
    } else {
        every_stream(state.as_ref()).await?
    };
    let mut refused = 0_u32;
    let mut sealed = Vec::new();
    for stream in streams {
        match seal.seal(stream).await {
            Ok(Sealing::Sealed { size }) => {
                tracing::info!(stream = stream.to_string(), size, "sealed");
                sealed.push(json!({ "stream": stream.to_string(), "size": size }));
            }
            Ok(Sealing::NothingNew) => {}
            Err(error) => {
                refused = refused.saturating_add(1);
                let stream = stream.to_string();
                tracing::error!(stream, cause = chain(&error), "not sealed");
            }
        }
    }
    if refused > 0 {
        return Err(format!("{refused} streams were not sealed; see the log").into());
    }
    Ok(json!({ "sealed": sealed }))
}

/// Streams named by records of the table stream. Anything but an INSERT is somebody changing
/// history: it is an alarm, and the stream is recomputed all the same.
fn changed(records: &[Value]) -> BTreeSet<Hash> {
    let mut streams = BTreeSet::new();
    for record in records {
        let key = record
            .pointer("/dynamodb/Keys/stream/S")
            .and_then(Value::as_str);
        let Some(stream) = key.and_then(|key| key.parse().ok()) else {
            continue;
        };
        let kind = record
            .get("eventName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind != "INSERT" {
            let stream = key.unwrap_or_default();
            tracing::error!(
                stream,
                change = kind,
                "an evidence entry was changed in place"
            );
        }
        streams.insert(stream);
    }
    streams
}

async fn every_stream(state: &dyn State) -> Result<BTreeSet<Hash>, Error> {
    let directory = Directory::of(state);
    let mut streams = BTreeSet::new();
    for workspace in directory.workspaces().await? {
        streams.insert(workspace.stream.parse()?);
    }
    for project in directory.projects().await? {
        streams.insert(project.stream.parse()?);
    }
    Ok(streams)
}
