//! The evidence of checks on a laptop: a stream in a folder, sealed by a key beside it.
//!
//! ```text
//! DIR/               the stream as a full export in folder form (evidence-format section 12.4)
//! DIR.key.pem        public sealing key: what `counterfoil verify` pins
//! DIR.private.pem    private sealing key, readable by its owner only
//! DIR.files/         what the entries refer to: compiled mappings and findings
//! ```
//! A key on the same disk proves that nothing was changed by accident or by somebody without the
//! key. It does not bind whoever holds the key; for that, keep the printed seal somewhere else.

mod key;
mod stream;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ids::RunId;
use counterfoil_core::mapping::Artifact;
use counterfoil_core::reconcile::{Outcome, findings};
use counterfoil_core::run::RunCounts;
use counterfoil_core::tenancy::Principal;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::facts::{Closing, FileRef, Opening};
use counterfoil_core::usecases::flow_version;
use serde_json::{Value, json};

use super::clock::now;
use key::LocalKey;
use stream::LocalStream;

/// A check that is being recorded.
#[derive(Debug)]
pub(super) struct Recording {
    folder: PathBuf,
    files: PathBuf,
    key: LocalKey,
    stream: LocalStream,
    run: RunId,
}

/// A check that is recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    folder: PathBuf,
    key: PathBuf,
    stream: String,
    run: RunId,
    findings: PathBuf,
    seal: String,
}

impl Recording {
    /// Opens the stream and the run, and makes sure that both can be written.
    pub(super) fn begin(folder: &Path, artifact: &Artifact, as_of: Timestamp) -> Result<Self> {
        let begin = || -> Result<Self> {
            let folder = std::path::absolute(folder)?;
            if let Some(parent) = folder.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let key = LocalKey::open(&folder)?;
            let mut stream = LocalStream::open(&folder, &key, now())?;
            let files = beside(&folder, "files");
            std::fs::create_dir_all(&files)?;
            let text = artifact.canonical_text();
            let name = format!("{}.mapping.json", artifact.hash().replace(':', "-"));
            std::fs::write(files.join(&name), &text)?;
            let run = RunId::new(now(), key::random_bits()?);
            let duty = Principal::System {
                duty: "check".to_owned(),
            };
            let opening = Opening {
                flow: flow_version(&artifact.hash())?,
                artifact: artifact.hash(),
                policies: vec![counterfoil_core::policy::baseline_digest().to_owned()],
                inputs: &[FileRef::of(name, text.as_bytes())],
                cause: None,
                principal: &duty,
                purpose: "check",
                as_of: Some(as_of),
                asked_by: None,
            };
            stream.append(
                &[Draft::new(Kind::RunOpen, opening.facts()).in_run(run)],
                now(),
            )?;
            LocalStream::prepare(&folder)?;
            Ok(Self {
                folder,
                files,
                key,
                stream,
                run,
            })
        };
        begin().with_context(|| format!("no evidence can be written to {}", folder.display()))
    }

    /// Records what was found.
    pub(super) fn finish(self, outcome: &Outcome) -> Result<Recorded> {
        let key = self.key.pseudonym_key();
        let lines = findings::lines(&outcome.findings, |subject| {
            findings::pseudonym(&key, subject)
        })?;
        let name = format!("{}.findings.jsonl", self.run);
        let path = self.files.join(&name);
        std::fs::write(&path, &lines)
            .with_context(|| format!("{} could not be written", path.display()))?;
        let count = u64::try_from(outcome.findings.len()).unwrap_or(u64::MAX);
        let partial = outcome.incomplete_subscriptions > 0 || outcome.unread_customers > 0;
        let closing = Closing {
            outputs: &[FileRef::of(name, &lines)],
            status: "completed",
            counts: Some(RunCounts {
                customers: outcome.customers,
                subscriptions: outcome.subscriptions,
                rows: outcome.rows,
                findings: count,
                differing: outcome.differing(),
                catalog: 0,
            }),
            result: Some(if partial { "partial" } else { "complete" }),
            ..Closing::default()
        };
        self.close(&closing, path)
    }

    /// Records that nothing could be told.
    pub(super) fn fail(self) -> Result<()> {
        let closing = Closing {
            status: "failed",
            result: Some("partial"),
            ..Closing::default()
        };
        self.close(&closing, PathBuf::new()).map(|_| ())
    }

    fn close(mut self, closing: &Closing<'_>, findings: PathBuf) -> Result<Recorded> {
        let failed = || format!("no evidence can be written to {}", self.folder.display());
        let draft = Draft::new(Kind::RunClose, closing.facts()).in_run(self.run);
        self.stream.append(&[draft], now()).with_context(failed)?;
        let seal = self.stream.seal(&self.key, now()).with_context(failed)?;
        let verdict = self
            .stream
            .write(&self.folder, &self.key)
            .with_context(failed)?;
        ensure!(
            verdict.is_accepted(),
            "the evidence that was just written does not verify: {}",
            verdict.first_line()
        );
        Ok(Recorded {
            key: self.key.public_path(),
            stream: self.stream.id().to_string(),
            folder: self.folder,
            run: self.run,
            findings,
            seal,
        })
    }
}

impl Recorded {
    /// What to do with it.
    pub(super) fn text(&self) -> String {
        format!(
            "Recorded as {} in stream {}. Verify with\n  counterfoil verify {} --key {} --stream {}",
            self.run,
            self.stream,
            self.folder.display(),
            self.key.display(),
            self.stream,
        )
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "package": self.folder,
            "key": self.key,
            "stream": self.stream,
            "run": self.run.to_string(),
            "findings": self.findings,
            "seal": self.seal,
        })
    }
}

/// `DIR.ending`, beside `DIR`.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}
