//! A request that comes again does what it asks once.
//!
//! One row per workspace, principal, method, route and `Idempotency-Key`, for 24 hours. It goes
//! from *in flight* (a lease of 60 seconds) to *done* in the transaction of the action itself
//! ([`Once::done`]), so that recorded and done cannot differ, and from there to *answered* when the
//! answer is kept. Who finds a lease that is over takes the row over under its version: a slow first
//! worker's transaction then fails. Nothing here knows HTTP beyond a status, headers and bytes.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::ids::WorkspaceId;
use crate::ports::{PortError, State, StateKey, StateWrite, Stored};
use crate::time::Timestamp;

/// How long one worker has.
pub const LEASE: Duration = Duration::from_mins(1);
/// How long a key is remembered.
pub const REMEMBERED: Duration = Duration::from_hours(24);
/// Bytes of an answer that is kept, at most; a larger one is answered as one that was not kept.
pub const MAX_KEPT: usize = 64 * 1024;
/// How often a row is looked at that others change meanwhile.
const ATTEMPTS: usize = 3;

/// Who asks, and for what: what a key is remembered for.
#[derive(Debug, Clone, Copy)]
pub struct OnceScope<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Opaque id of whoever asks.
    pub principal: &'a str,
    /// The method and the route's template, for example `POST /v1/holds`.
    pub route: &'a str,
    /// The caller's key.
    pub key: &'a str,
    /// What is asked: the path and the canonical body.
    pub asked: &'a [u8],
}

impl OnceScope<'_> {
    fn row(&self) -> StateKey {
        let named = format!("{}\n{}\n{}", self.principal, self.route, self.key);
        StateKey {
            pk: format!("{}#idempotency", self.workspace),
            sk: sha256(named.as_bytes()).to_string(),
        }
    }
}

/// An answer as it went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// HTTP status.
    pub status: u16,
    /// Headers that belong to the answer and not to the connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Stage {
    InFlight { until: Timestamp },
    Done { resource: String },
    Answered { kept: Kept },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// SHA-256 of what was asked, hex.
    asked: String,
    /// Which worker has it: random, so that a worker knows its own row.
    holder: String,
    /// When the key is forgotten.
    ends: Timestamp,
    #[serde(flatten)]
    stage: Stage,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begun {
    /// Do it.
    First(Once),
    /// It was done; this was the answer.
    Again(Kept),
    /// It was done and the answer was not kept; the id of what came of it.
    AlreadyDone(String),
    /// Somebody is doing it.
    InFlight,
    /// The key came with another request.
    Reused,
}

/// Why it is not known what to do with a request. Nothing was done.
#[derive(Debug, Error)]
pub enum OnceError {
    /// The table did not answer.
    #[error("the state table did not answer")]
    Port(#[from] PortError),
    /// The row has another shape than this version of the product knows.
    #[error("an idempotency record has an unknown shape")]
    Shape(#[from] serde_json::Error),
    /// Others kept changing the row.
    #[error("the idempotency record is busy")]
    Busy,
}

/// The right to do one request once.
#[derive(Debug, Clone)]
pub struct Once {
    key: StateKey,
    version: u64,
    row: Row,
}

impl Once {
    /// The write that says it is done, for the transaction that does it: it fails when another
    /// worker has taken the request over. `resource` is the id of what came of it.
    pub fn done(&self, resource: &impl ToString) -> StateWrite {
        let resource = resource.to_string();
        self.next(self.version, Stage::Done { resource })
    }

    fn next(&self, version: u64, stage: Stage) -> StateWrite {
        let row = Row {
            stage,
            ..self.row.clone()
        };
        let doc = serde_json::to_value(&row).unwrap_or(Value::Null);
        StateWrite::replace(self.key.clone(), version, doc).until(self.row.ends)
    }
}

/// Begins a request. `holder` is random.
///
/// # Errors
/// When it is not known whether the request came before.
pub async fn begin(
    state: &dyn State,
    scope: OnceScope<'_>,
    now: Timestamp,
    holder: [u8; 32],
) -> Result<Begun, OnceError> {
    let key = scope.row();
    let asked = sha256(scope.asked).to_string();
    let fresh = Row {
        asked: asked.clone(),
        holder: hex::encode(holder),
        ends: now.plus(REMEMBERED),
        stage: Stage::InFlight {
            until: now.plus(LEASE),
        },
    };
    for _ in 0..ATTEMPTS {
        let stored = state.get(&key).await?;
        let begun = stored.as_ref().map(|stored| known(stored, &asked, now));
        if let Some(begun) = begun.transpose()?.flatten() {
            return Ok(begun);
        }
        let doc = serde_json::to_value(&fresh)?;
        let before = stored.map(|stored| stored.version);
        let version = before.map_or(1, |before| before.saturating_add(1));
        let write = match before {
            None => StateWrite::create(key.clone(), doc),
            Some(before) => StateWrite::replace(key.clone(), before, doc),
        };
        if state.write(vec![write.until(fresh.ends)]).await? {
            let row = fresh;
            return Ok(Begun::First(Once { key, version, row }));
        }
    }
    Err(OnceError::Busy)
}

/// What a row says about a request; `None` when its lease is over.
fn known(stored: &Stored, asked: &str, now: Timestamp) -> Result<Option<Begun>, OnceError> {
    let row: Row = serde_json::from_value(stored.doc.clone())?;
    if row.asked != asked {
        return Ok(Some(Begun::Reused));
    }
    Ok(match row.stage {
        Stage::InFlight { until } if now < until => Some(Begun::InFlight),
        Stage::InFlight { .. } => None,
        Stage::Done { resource } => Some(Begun::AlreadyDone(resource)),
        Stage::Answered { kept } => Some(Begun::Again(kept)),
    })
}

/// Keeps the answer for repeats. `false` when it is not this worker's to keep any more.
///
/// # Errors
/// When the table does not answer; a repeat is then told that it was done, or waits for the lease.
pub async fn keep(state: &dyn State, once: &Once, kept: Kept) -> Result<bool, OnceError> {
    let Some(version) = mine(state, once).await? else {
        return Ok(false);
    };
    let write = once.next(version, Stage::Answered { kept });
    Ok(state.write(vec![write]).await?)
}

/// Gives the lease of a request that did nothing back, so that it may come again at once. A row that
/// is done stays, and a transaction that is still on its way fails.
///
/// # Errors
/// When the table does not answer; the request may then come again when the lease is over.
pub async fn release(state: &dyn State, once: &Once) -> Result<bool, OnceError> {
    let over = Stage::InFlight {
        until: Timestamp::from_millis(0),
    };
    Ok(state.write(vec![once.next(once.version, over)]).await?)
}

/// The version of the row, if it is still this worker's.
async fn mine(state: &dyn State, once: &Once) -> Result<Option<u64>, OnceError> {
    let Some(stored) = state.get(&once.key).await? else {
        return Ok(None);
    };
    let row: Row = serde_json::from_value(stored.doc)?;
    Ok((row.holder == once.row.holder).then_some(stored.version))
}
