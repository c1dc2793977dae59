//! `counterfoil verify --replay DIR`: findings and decisions of an accepted package, derived again
//! from the inputs that are still kept (evidence-format section 13).
//!
//! DIR is an unpacked delivery; its folder `inputs` holds mappings and snapshots under the names that
//! the entries give them. Nothing here changes a verdict of the verifier: it comes after it.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::path::{Component, Path};

use anyhow::{Context, Result};
use counterfoil_core::usecases::{RecordedRun, ReplayError, replay_run};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::verify::Members;
use tokio::runtime::Runtime;

/// What a replay came to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Runs whose findings were derived again.
    findings: u64,
    /// Decisions that were judged again.
    decisions: u64,
    /// What could not be derived again.
    not_checked: Vec<String>,
    /// The first difference, in one sentence: `E_REPLAY`.
    pub(crate) difference: Option<String>,
}

impl Replayed {
    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (findings, decisions) = (self.findings, self.decisions);
        let mut lines = vec![format!(
            "replayed: findings of {findings} runs, {decisions} decisions"
        )];
        let skipped = self.not_checked.iter();
        lines.extend(skipped.map(|what| format!("not replayed: {what}")));
        lines
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Json {
        let not_checked = self.not_checked.iter().map(|what| what.as_str().into());
        let difference = self.difference.as_deref();
        object([
            ("decisions", Json::uint(self.decisions)),
            ("difference", difference.map_or(Json::Null, Json::from)),
            ("findings", Json::uint(self.findings)),
            ("not_checked", Json::Array(not_checked.collect())),
        ])
    }
}

/// What is known of a run that is not closed yet.
#[derive(Debug, Default)]
struct Told {
    open: Option<Json>,
    decisions: Vec<Json>,
}

/// Replays runs as their entries come.
pub(crate) struct Replaying<'a> {
    folder: &'a Path,
    runtime: Runtime,
    runs: BTreeMap<String, Told>,
    report: Replayed,
}

impl<'a> Replaying<'a> {
    /// Inputs come from `folder`.
    pub(crate) fn new(folder: &'a Path) -> Result<Self> {
        fs::metadata(folder).with_context(|| {
            format!(
                "--replay {}: give the folder into which the delivery was unpacked",
                folder.display()
            )
        })?;
        Ok(Self {
            folder,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            runs: BTreeMap::new(),
            report: Replayed::default(),
        })
    }

    /// A package as one JSON document.
    pub(crate) fn document(mut self, bytes: &[u8]) -> Result<Replayed> {
        let document = Json::parse_document(bytes).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let entries = document.get("entries").and_then(Json::as_array);
        for entry in entries.unwrap_or_default() {
            let facts = entry.get("p").and_then(|parts| parts.get("facts")?.get("d"));
            if let Some((header, facts)) = entry.get("h").zip(facts) {
                self.take(header, facts);
            }
        }
        Ok(self.finish())
    }

    /// A package in the folder form, wherever its files lie.
    pub(crate) fn members(mut self, members: &dyn Members) -> Result<Replayed> {
        let mut parts = members.open("parts.jsonl")?.lines();
        for header in members.open("headers.jsonl")?.lines() {
            let header = json(&header?)?;
            let seq = header.get("seq").and_then(Json::as_uint);
            // Parts come in the order of their entries; every entry has facts, before its subject.
            let facts = loop {
                let part = json(&parts.next().context("an entry has no facts")??)?;
                let is_facts = part.get("part").and_then(Json::as_str) == Some("facts");
                if is_facts && part.get("seq").and_then(Json::as_uint) == seq {
                    break part;
                }
            };
            if let Some(facts) = facts.get("d") {
                self.take(&header, facts);
            }
        }
        Ok(self.finish())
    }

    fn take(&mut self, header: &Json, facts: &Json) {
        let run = header.get("run").and_then(|run| run.get("id")?.as_str());
        let kind = header.get("kind").and_then(Json::as_str);
        let (Some(run), Some(kind)) = (run, kind.and_then(Kind::from_name)) else {
            return;
        };
        match kind {
            Kind::RunOpen => {
                self.runs.entry(run.to_owned()).or_default().open = Some(facts.clone());
            }
            Kind::RunDecision => {
                let told = self.runs.entry(run.to_owned()).or_default();
                told.decisions.push(facts.clone());
            }
            Kind::RunClose => {
                let told = self.runs.remove(run).unwrap_or_default();
                self.close(run, &told, facts);
            }
            _ => {}
        }
    }

    fn close(&mut self, id: &str, told: &Told, close: &Json) {
        if self.report.difference.is_some() {
            return;
        }
        let Some(open) = &told.open else {
            let what = format!("run {id}: it was opened before this package begins");
            self.report.not_checked.push(what);
            return;
        };
        let run = RecordedRun {
            id,
            open,
            decisions: &told.decisions,
            close,
        };
        let folder = self.folder.join("inputs");
        let replayed = self
            .runtime
            .block_on(replay_run(&run, &|name| input(&folder, name)));
        match replayed {
            Ok(same) => {
                self.report.findings += u64::from(same.findings);
                self.report.decisions += same.decisions;
                self.report.not_checked.extend(same.not_checked);
            }
            Err(error) => self.report.difference = Some(sentence(&error)),
        }
    }

    fn finish(mut self) -> Replayed {
        let open = self.runs.into_keys();
        let open = open.map(|id| format!("run {id}: it is not closed in this package"));
        self.report.not_checked.extend(open);
        self.report
    }
}

fn json(line: &str) -> Result<Json> {
    Json::parse(line.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault}"))
}

/// The kept input of this name. A name that leads out of the folder names nothing.
fn input(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let inside = |part| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(inside) {
        return None;
    }
    fs::read(folder.join(name)).ok()
}

fn sentence(error: &ReplayError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
