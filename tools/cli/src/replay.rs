//! `counterfoil verify --replay DIR`: findings and decisions of an accepted package, derived again
//! from the inputs that are still kept (evidence-format section 13).
//!
//! DIR is an unpacked delivery; its folder `inputs` holds mappings and snapshots under the names that
//! the entries give them. Nothing here changes a verdict of the verifier: it comes after it.

use std::error::Error as _;
use std::fs;
use std::io::BufRead as _;
use std::path::{Component, Path};

use anyhow::{Context, Result, anyhow, ensure};
use counterfoil_core::usecases::{Inputs, ReplayError, ReplayRuns, Replayed};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Members;

/// What a replay came to: what was derived again, or the first difference in one sentence
/// (`E_REPLAY`).
pub(crate) type Outcome = Result<Replayed, String>;

/// Gives inputs of the delivery that was unpacked into `folder`.
pub(crate) fn folder(folder: &Path) -> Result<impl Fn(&str) -> Option<Vec<u8>> + Sync> {
    let place = folder.join("inputs");
    let rules = folder.to_owned();
    // A delivery all of whose inputs were pruned has no such folder.
    let is_delivery = || folder.join("evidence.tar").is_file();
    ensure!(
        place.is_dir() || is_delivery(),
        "--replay {}: there is no folder `inputs` in it; give the folder into which the delivery was \
         unpacked",
        folder.display()
    );
    // A name that leads out of the folder names nothing.
    Ok(move |name: &str| {
        let name = Path::new(name);
        let lies_inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        // Bundles stand beside the inputs, under the name by which the delivery has them.
        let place = if name.starts_with("policy") {
            &rules
        } else {
            &place
        };
        lies_inside
            .then(|| fs::read(place.join(name)).ok())
            .flatten()
    })
}

/// Replays a package that is one JSON document.
pub(crate) async fn document(bytes: &[u8], inputs: Inputs<'_>) -> Result<Outcome> {
    let document = Json::parse_document(bytes).map_err(|fault| anyhow!("{fault}"))?;
    let entries = document.get("entries").and_then(Json::as_array);
    let entries = entries.unwrap_or_default().iter().filter_map(|entry| {
        let facts = entry.get("p")?.get("facts")?.get("d")?;
        Some(Ok((entry.get("h")?.clone(), facts.clone())))
    });
    replay(entries, inputs).await
}

/// Replays a package in the folder form, wherever its files lie.
pub(crate) async fn members(members: &dyn Members, inputs: Inputs<'_>) -> Result<Outcome> {
    let mut parts = members.open("parts.jsonl")?.lines();
    let entry = |header: std::io::Result<String>| {
        let header = json(&header?)?;
        let seq = header.get("seq").and_then(Json::as_uint);
        // Parts come in the order of their entries; every entry has facts, before its subject.
        loop {
            let part = json(&parts.next().context("an entry has no facts")??)?;
            let is_facts = part.get("part").and_then(Json::as_str) == Some("facts");
            if is_facts && part.get("seq").and_then(Json::as_uint) == seq {
                let facts = part.get("d").context("facts cannot be absent")?;
                return Ok((header, facts.clone()));
            }
        }
    };
    replay(members.open("headers.jsonl")?.lines().map(entry), inputs).await
}

async fn replay(
    entries: impl Iterator<Item = Result<(Json, Json)>>,
    inputs: Inputs<'_>,
) -> Result<Outcome> {
    let mut runs = ReplayRuns::new(inputs);
    for entry in entries {
        let (header, facts) = entry?;
        if let Err(difference) = runs.take(&header, &facts).await {
            return Ok(Err(sentence(&difference)));
        }
    }
    Ok(Ok(runs.finish()))
}

/// For people.
pub(crate) fn lines(outcome: &Outcome) -> Vec<String> {
    let Ok(replayed) = outcome else {
        return Vec::new();
    };
    let (findings, decisions) = (replayed.findings, replayed.decisions);
    let mut lines = vec![format!(
        "replayed: the findings of {findings} runs and {decisions} decisions follow from their inputs"
    )];
    let skipped = replayed.not_checked.iter();
    lines.extend(skipped.map(|what| format!("not replayed: {what}")));
    lines
}

/// For programs.
pub(crate) fn to_json(outcome: &Outcome) -> Json {
    match outcome {
        Ok(replayed) => {
            let skipped = replayed.not_checked.iter();
            object([
                ("decisions", Json::uint(replayed.decisions)),
                ("findings", Json::uint(replayed.findings)),
                (
                    "not_checked",
                    Json::Array(skipped.map(|what| what.as_str().into()).collect()),
                ),
            ])
        }
        Err(difference) => object([("difference", difference.as_str().into())]),
    }
}

fn json(line: &str) -> Result<Json> {
    Json::parse(line.as_bytes()).map_err(|fault| anyhow!("{fault}"))
}

fn sentence(error: &ReplayError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
