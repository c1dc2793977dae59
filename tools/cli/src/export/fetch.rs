//! From a request to a file whose digest was checked.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::place;
use crate::client::{Client, Failure};

/// Between two looks at the export.
const PAUSE: Duration = Duration::from_secs(1);
/// How often an answer that was lost is asked for again.
const TRIES: u32 = 5;

/// An export that is ready.
pub(crate) struct Ready {
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) entries: u64,
    pub(crate) empty: bool,
    pub(crate) sealed_at: String,
}

/// A file that was fetched.
pub(crate) struct File {
    pub(crate) bytes: u64,
    pub(crate) digest: String,
    pub(crate) is_archive: bool,
}

/// Asks for an export and waits until it is ready, with a line of progress.
pub(crate) async fn obtain(api: &Client, body: &Value) -> Result<Ready, Failure> {
    let key = idempotency_key()?;
    let mut left = TRIES;
    // The same key: asking again after a lost answer asks once.
    let asked = loop {
        left = left.saturating_sub(1);
        match api.post("/v1/exports", body, &key).await {
            Err(Failure::Unknown(_)) if left > 0 => tokio::time::sleep(PAUSE).await,
            answered => break answered?,
        }
    };
    let id = text(&asked, "/id")?;
    let path = format!("/v1/exports/{id}");
    let mut left = TRIES;
    loop {
        let export = match api.get(&path).await {
            Err(Failure::Unknown(_)) if left > 0 => {
                left = left.saturating_sub(1);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            answered => answered?,
        };
        left = TRIES;
        progress(&export);
        match export.pointer("/state").and_then(Value::as_str) {
            Some("ready") => {
                eprintln!();
                return ready(id, &export);
            }
            Some("failed") => {
                eprintln!();
                let code = text(&export, "/failure/code")?;
                let detail = text(&export, "/failure/detail")?;
                return Err(Failure::refused(format!("{code}: {detail}")));
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn ready(id: String, export: &Value) -> Result<Ready, Failure> {
    let number = |pointer: &str| export.pointer(pointer).and_then(Value::as_u64);
    Ok(Ready {
        id,
        stream: text(export, "/stream")?,
        entries: number("/entries").unwrap_or_default(),
        empty: export.pointer("/empty") == Some(&Value::Bool(true)),
        sealed_at: text(export, "/seal/at")?,
    })
}

fn progress(export: &Value) {
    let state = export.pointer("/state").and_then(Value::as_str);
    let number = |pointer: &str| export.pointer(pointer).and_then(Value::as_u64);
    let done = number("/progress/done").unwrap_or_default();
    let of = match number("/progress/of") {
        Some(of) => format!(" of {of}"),
        None => String::new(),
    };
    eprint!("\r{:<8} {done}{of}    ", state.unwrap_or_default());
    drop(std::io::stderr().flush());
}

/// Fetches one part of an export into a file; what is there is replaced when all of it has come and
/// is what was recorded.
pub(crate) async fn fetch(api: &Client, id: &str, part: &str, out: &Path) -> Result<File, Failure> {
    let path = format!("/v1/exports/{id}/download?part={part}");
    let link = api.get(&path).await?;
    let mut response = api.follow(&text(&link, "/url")?).await?;
    let mut file = place::beside(out).map_err(Failure::Unknown)?;
    let mut hash = Sha256::new();
    let mut bytes = 0_u64;
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(reqwest::Error::without_url);
        let chunk = chunk.context("fetching").map_err(Failure::Unknown)?;
        let Some(chunk) = chunk else { break };
        hash.update(&chunk);
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        let written = file.write_all(&chunk);
        written
            .with_context(|| format!("writing {}", out.display()))
            .map_err(Failure::Unknown)?;
    }
    let digest = format!("sha256:{}", hex::encode(hash.finalize()));
    let recorded = text(&link, "/digest")?;
    let kept = file.persist(out).map_err(|error| error.error);
    kept.with_context(|| format!("writing {}", out.display()))
        .map_err(Failure::Unknown)?;
    if digest != recorded {
        let what = format!("{} is {digest}, recorded is {recorded}", out.display());
        return Err(Failure::Different(what));
    }
    let kind = link.pointer("/content_type").and_then(Value::as_str);
    Ok(File {
        bytes,
        digest,
        is_archive: kind == Some("application/x-tar"),
    })
}

fn text(value: &Value, pointer: &str) -> Result<String, Failure> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    let text = text.map(str::to_owned);
    text.ok_or_else(|| Failure::Unknown(anyhow!("the answer has no {pointer}")))
}

fn idempotency_key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(hex::encode(bytes)),
        Err(_) => Err(Failure::Unknown(anyhow!("no randomness"))),
    }
}
