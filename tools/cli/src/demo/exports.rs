//! The last part of the play: evidence for somebody who trusts nobody.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use counterfoil_core::evidence::json::Json;
use counterfoil_testkit::delivery::{manifest, unpack};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::api::Api;
use super::play::{PATIENCE, Played};
use super::scene::Scene;
use super::story::Story;

/// Between two looks at an export.
const PAUSE: Duration = Duration::from_millis(250);

/// One repair as a package with its report, and the whole stream as an archive.
pub(super) async fn export(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("Evidence for somebody who trusts nobody");
    let body = json!({ "run_id": played.exported_run });
    let run = made(&scene.owner, story, &body).await?;
    text(&run, "/id")?.clone_into(&mut played.export);
    played.package = fetch(&scene.owner, &run, "package").await?;
    played.report = fetch(&scene.owner, &run, "report").await?;
    let entries = Json::parse_document(&played.package)?;
    let entries = entries
        .get("entries")
        .and_then(Json::as_array)
        .map_or(0, <[Json]>::len);
    story.say(format!(
        "The first repair as a package: {entries} entries, {} bytes, and a report of {} bytes.",
        played.package.len(),
        played.report.len()
    ));
    let all = made(&scene.owner, story, &json!({ "all": true, "inputs": true })).await?;
    let delivery = fetch(&scene.owner, &all, "package").await?;
    let members = unpack(&delivery).context("the delivery is no archive")?;
    ensure!(
        manifest(&members).is_some(),
        "the manifest does not name every file of the delivery"
    );
    played.delivery = members;
    played.evidence()?;
    let entries = all.pointer("/entries").and_then(Value::as_u64);
    story.say(format!(
        "Everything as an archive: {} entries, {} bytes, verified before it was offered.",
        entries.unwrap_or_default(),
        delivery.len()
    ));
    Ok(())
}

/// Asks for an export and waits until it is ready.
async fn made(api: &Api, story: &Story, body: &Value) -> Result<Value> {
    let asked = api.post("/v1/exports", body, None).await?;
    let asked = asked.expect(StatusCode::ACCEPTED)?;
    let path = format!("/v1/exports/{}", asked.text("/id")?);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let export = api.get(&path).await?.expect(StatusCode::OK)?;
        match export.text("/state")? {
            "ready" => return Ok(export.body),
            "failed" => bail!("the export failed: {}", export.body),
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
        waited = waited.saturating_add(PAUSE);
        if waited.as_millis().is_multiple_of(5_000) {
            story.progress("waiting for the export");
        }
    }
    bail!("the export did not come within {} s", PATIENCE.as_secs())
}

/// Follows a link of five minutes; the bytes are those that the product recorded.
async fn fetch(api: &Api, export: &Value, part: &str) -> Result<Vec<u8>> {
    let path = format!("/v1/exports/{}/download?part={part}", text(export, "/id")?);
    let link = api.get(&path).await?.expect(StatusCode::OK)?;
    let response = reqwest::get(link.text("/url")?).await?;
    let bytes = response.error_for_status()?.bytes().await?.to_vec();
    let digest = counterfoil_core::evidence::hash::digest_string(&bytes);
    ensure!(
        digest == link.text("/digest")?,
        "other bytes came than were recorded"
    );
    Ok(bytes)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.with_context(|| format!("no {pointer}"))
}
