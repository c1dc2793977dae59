//! `counterfoil verify --replay DIR`: findings and decisions of an accepted package, derived again
//! from the inputs that are still kept (evidence-format section 13).
//!
//! DIR is an unpacked delivery; its folder `inputs` holds mappings and snapshots under the names that
//! the entries give them. Nothing here changes a verdict of the verifier: it comes after it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::io::BufRead as _;
use std::path::{Component, Path};

use anyhow::{Context, Result, anyhow, ensure};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{InForce, Inputs, ReplayError, ReplayRuns, Replayed};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::{Members, Trust};

/// What a replay came to: what was derived again, or the first difference in one sentence
/// (`E_REPLAY`).
pub(crate) type Outcome = Result<Replayed, String>;

/// Gives inputs of the delivery that was unpacked into `folder`.
pub(crate) fn folder(folder: &Path) -> Result<impl Fn(&str) -> Option<Vec<u8>> + Sync> {
    let delivery = folder.to_owned();
    // A delivery all of whose inputs were pruned has no such folder.
    let is_delivery = || folder.join("manifest.json").is_file();
    ensure!(
        delivery.join("inputs").is_dir() || is_delivery(),
        "--replay {}: there is no folder `inputs` in it; give the folder into which the delivery was \
         unpacked",
        folder.display()
    );
    // A name that leads out of the folder names nothing.
    Ok(move |name: &str| {
        let member = member(name);
        let member = Path::new(&member);
        let lies_inside = member
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        lies_inside
            .then(|| fs::read(delivery.join(member)).ok())
            .flatten()
    })
}

/// The member of a delivery that has an input. Rules, who put them in force and the manifest stand
/// beside the inputs, under their own names.
pub(crate) fn member(name: &str) -> String {
    let beside = ["policy/", "workspace/"];
    if name == "manifest.json" || beside.iter().any(|folder| name.starts_with(folder)) {
        name.to_owned()
    } else {
        format!("inputs/{name}")
    }
}

/// Replays a package that is one JSON document.
pub(crate) async fn document(bytes: &[u8], inputs: Inputs<'_>, trust: &Trust) -> Result<Outcome> {
    let document = Json::parse_document(bytes).map_err(|fault| anyhow!("{fault}"))?;
    let entries = document.get("entries").and_then(Json::as_array);
    let entries = entries.unwrap_or_default().iter().filter_map(|entry| {
        let facts = entry.get("p")?.get("facts")?.get("d")?;
        Some(Ok((entry.get("h")?.clone(), facts.clone())))
    });
    replay(entries, inputs, trust).await
}

/// Replays a package in the folder form, wherever its files lie.
pub(crate) async fn members(
    members: &dyn Members,
    inputs: Inputs<'_>,
    trust: &Trust,
) -> Result<Outcome> {
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
    let headers = members.open("headers.jsonl")?.lines();
    replay(headers.map(entry), inputs, trust).await
}

async fn replay(
    entries: impl Iterator<Item = Result<(Json, Json)>>,
    inputs: Inputs<'_>,
    trust: &Trust,
) -> Result<Outcome> {
    let mut runs = ReplayRuns::telling(inputs, trust);
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
    let votes = match replayed.votes {
        0 => String::new(),
        1 => ", and so does 1 answer of a person to what waited".to_owned(),
        votes => format!(", and so do {votes} answers of people to what waited"),
    };
    let mut lines = vec![format!(
        "replayed: the findings of {findings} runs and {decisions} decisions follow from their inputs{votes}"
    )];
    lines.extend(replayed.in_force.iter().map(in_force));
    lines.extend(replayed.by_delivered.iter().map(|(rules, count)| {
        format!(
            "rules from the delivery: {count} decisions were judged again by the {rules}, whose text came \
             with the delivery and is not in this program; what vouches for it is that they cite its digest"
        )
    }));
    let not = replayed.not_rederivable.iter();
    lines.extend(not.map(|(why, count)| format!("not re-derivable: {count} decisions: {why}")));
    let skipped = replayed.not_checked.iter();
    lines.extend(skipped.map(|what| format!("not replayed: {what}")));
    lines
}

/// Who put rules in force, in a line.
fn in_force(told: &InForce) -> String {
    let InForce {
        rules,
        since,
        stream,
        seq,
        ..
    } = told;
    let since = Timestamp::from_millis(*since);
    let mut line = format!("in force: {rules} since {since}");
    let approvals = told.approvals.join(" and ");
    let people = [
        ("proposed by", &told.proposed_by),
        ("uploaded by", &told.uploaded_by),
        ("activated by", &told.by),
        ("approved by", &Some(approvals).filter(|it| !it.is_empty())),
    ];
    for (did, who) in people {
        if let Some(who) = who {
            let _ = write!(line, ", {did} {who}");
        }
    }
    if let Some(signer) = &told.signer {
        let _ = write!(
            line,
            "; its signature is by the key that this entry names, {signer}"
        );
    }
    let _ = write!(line, "; entry {seq} of stream {stream}, the workspace's");
    line
}

/// The same for programs.
fn in_force_json(told: &InForce) -> Json {
    let text = |value: &Option<String>| value.as_deref().map_or(Json::Null, Json::from);
    let approvals = told.approvals.iter();
    object([
        (
            "approvals",
            Json::Array(approvals.map(|it| it.as_str().into()).collect()),
        ),
        ("by", text(&told.by)),
        ("proposed_by", text(&told.proposed_by)),
        ("rules", told.rules.as_str().into()),
        ("seq", Json::uint(told.seq)),
        ("signer", text(&told.signer)),
        ("since", Json::uint(told.since)),
        ("stream", told.stream.as_str().into()),
        ("uploaded_by", text(&told.uploaded_by)),
    ])
}

/// For programs.
pub(crate) fn to_json(outcome: &Outcome) -> Json {
    match outcome {
        Ok(replayed) => {
            let skipped = replayed.not_checked.iter();
            object([
                ("by_delivered", counted(&replayed.by_delivered, "rules")),
                ("decisions", Json::uint(replayed.decisions)),
                ("findings", Json::uint(replayed.findings)),
                (
                    "in_force",
                    Json::Array(replayed.in_force.iter().map(in_force_json).collect()),
                ),
                (
                    "not_checked",
                    Json::Array(skipped.map(|what| what.as_str().into()).collect()),
                ),
                ("not_rederivable", counted(&replayed.not_rederivable, "why")),
                ("votes", Json::uint(replayed.votes)),
            ])
        }
        Err(difference) => object([("difference", difference.as_str().into())]),
    }
}

/// Decisions by what is said of them.
fn counted(counts: &BTreeMap<String, u64>, what: &'static str) -> Json {
    let counts = counts.iter().map(|(said, count)| {
        object([
            ("decisions", Json::uint(*count)),
            (what, said.as_str().into()),
        ])
    });
    Json::Array(counts.collect())
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
