//! Deriving a recorded run again: the same inputs, the same mapping, the same rules must give the
//! same findings and the same decisions (evidence-format section 13, `--replay`).
//!
//! Works on facts of a package that the verifier has accepted, and on inputs that are still kept.
//! What was pruned or erased cannot be derived again; that is said, and is no difference.

mod decisions;
mod in_force;
mod rulebook;
mod scan;

use std::collections::BTreeMap;

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::verify::Trust;
use thiserror::Error;

use self::decisions::{replay_decision, replay_vote};
pub use self::in_force::InForce;
use self::rulebook::Rulebook;
use self::scan::Derived;
use super::reconcile::{LookError, Sources, Times, first_look, flow_version, second_look};
use crate::json::JsonError;
use crate::mapping::Artifact;
use crate::reconcile::{Finding, Outcome, findings};
use crate::run::RunScope;
use crate::snapshot::{self, Look, Replay, SnapshotError};

/// The facts of a closed run.
#[derive(Debug, Clone, Copy)]
pub struct RecordedRun<'a> {
    /// Its id.
    pub id: &'a str,
    /// Facts of `run.open`.
    pub open: &'a Json,
    /// Facts of every `run.decision`.
    pub decisions: &'a [Json],
    /// Facts of every `run.resolution`.
    pub resolutions: &'a [Json],
    /// Facts of `run.close`.
    pub close: &'a Json,
}

/// Gives the input of this name, if it is still kept.
pub type Inputs<'a> = &'a (dyn Fn(&str) -> Option<Vec<u8>> + Sync);

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Runs whose findings were derived again and are the same.
    pub findings: u64,
    /// Decisions that were judged again and are the same.
    pub decisions: u64,
    /// Answers of people to what waited, whose judgements are the same when they are made again.
    pub votes: u64,
    /// Of both, how many were judged by rules that are not built into this program, by what they are:
    /// their text came with the delivery.
    pub by_delivered: BTreeMap<String, u64>,
    /// Decisions that could not be judged again, by why.
    pub not_rederivable: BTreeMap<String, u64>,
    /// Who put the rules in force that decisions cite, where this was asked and is proved.
    pub in_force: Vec<InForce>,
    /// What could not be derived again, one sentence each.
    pub not_checked: Vec<String>,
}

/// A difference: the record does not follow from its inputs (`E_REPLAY`).
#[derive(Debug, Error)]
pub enum ReplayError {
    /// What differs.
    #[error("run {run}: {what}")]
    Differs {
        /// The run.
        run: String,
        /// In one sentence.
        what: String,
    },
    /// An input has the digest that evidence names and is still not what it should be.
    #[error("run {run}: the kept input {name} cannot be read")]
    Input {
        /// The run.
        run: String,
        /// The input.
        name: String,
        /// Why.
        #[source]
        source: SnapshotError,
    },
    /// The engine stopped on the inputs.
    #[error("run {run}: the engine does not ask what it asked then")]
    Engine {
        /// The run.
        run: String,
        /// Where it stopped.
        #[source]
        source: LookError,
    },
    /// A value has no canonical form: a defect.
    #[error("a value cannot be compared")]
    Json(#[from] JsonError),
}

/// Derives every run of an accepted package again, as its entries come, in stream order.
pub struct ReplayRuns<'a> {
    rulebook: Rulebook<'a>,
    /// Runs that are not closed yet.
    open: BTreeMap<String, Told>,
    replayed: Replayed,
}

/// What is known of a run that is not closed yet.
#[derive(Default)]
struct Told {
    open: Option<Json>,
    decisions: Vec<Json>,
    resolutions: Vec<Json>,
}

impl std::fmt::Debug for ReplayRuns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplayRuns")
    }
}

impl<'a> ReplayRuns<'a> {
    /// Begins with no entry.
    pub fn new(inputs: Inputs<'a>) -> Self {
        Self::with(inputs, None)
    }

    /// The same, and tells who put the rules in force that decisions cite: the keys of `trust` may have
    /// sealed the workspace's stream.
    pub fn telling(inputs: Inputs<'a>, trust: &'a Trust) -> Self {
        Self::with(inputs, Some(trust))
    }

    fn with(inputs: Inputs<'a>, trust: Option<&'a Trust>) -> Self {
        Self {
            rulebook: Rulebook::of(inputs, trust),
            open: BTreeMap::new(),
            replayed: Replayed::default(),
        }
    }

    /// Takes the next entry. A run is derived again when its `run.close` comes.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn take(&mut self, header: &Json, facts: &Json) -> Result<(), ReplayError> {
        let run = header.get("run").and_then(|run| run.get("id")?.as_str());
        let kind = text(header, "kind").and_then(Kind::from_name);
        let (Some(id), Some(kind)) = (run, kind) else {
            return Ok(());
        };
        match kind {
            Kind::RunOpen => {
                self.open.entry(id.to_owned()).or_default().open = Some(facts.clone());
            }
            Kind::RunDecision => {
                let told = self.open.entry(id.to_owned()).or_default();
                told.decisions.push(facts.clone());
            }
            Kind::RunResolution => {
                let told = self.open.entry(id.to_owned()).or_default();
                told.resolutions.push(facts.clone());
            }
            Kind::RunClose => {
                let told = self.open.remove(id).unwrap_or_default();
                self.close(id, &told, facts).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn close(&mut self, id: &str, told: &Told, close: &Json) -> Result<(), ReplayError> {
        let Some(open) = &told.open else {
            let what = format!("run {id} was opened before this package begins");
            self.replayed.not_checked.push(what);
            return Ok(());
        };
        let run = RecordedRun {
            id,
            open,
            decisions: &told.decisions,
            resolutions: &told.resolutions,
            close,
        };
        replay(&run, &mut self.rulebook, &mut self.replayed).await
    }

    /// What came of all of them.
    pub fn finish(self) -> Replayed {
        let mut replayed = self.replayed;
        let open = self.open.into_keys();
        let open = open.map(|id| format!("run {id} is not closed in this package"));
        replayed.not_checked.extend(open);
        let (in_force, not_shown) = self.rulebook.told();
        replayed.in_force = in_force;
        replayed.not_checked.extend(not_shown);
        replayed
    }
}

/// Derives a run again.
///
/// # Errors
/// See [`ReplayError`]: every one of them means that the record and its inputs do not agree.
pub async fn replay_run(
    run: &RecordedRun<'_>,
    inputs: Inputs<'_>,
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed::default();
    replay(run, &mut Rulebook::of(inputs, None), &mut replayed).await?;
    Ok(replayed)
}

async fn replay(
    run: &RecordedRun<'_>,
    rulebook: &mut Rulebook<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    for decision in run.decisions {
        replay_decision(run, decision, rulebook, replayed)?;
    }
    for resolution in run.resolutions {
        replay_vote(run, resolution, rulebook, replayed)?;
    }
    if matches!(text(run.open, "purpose"), Some("scan" | "check"))
        && text(run.close, "status") == Some("completed")
    {
        replay_findings(run, rulebook.inputs(), replayed).await?;
    }
    Ok(())
}

async fn replay_findings(
    run: &RecordedRun<'_>,
    inputs: Inputs<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    let mut kept = Vec::new();
    let mapping = files(run.open, "inputs").find(|file| file.name.starts_with("mappings/"));
    let snapshots = files(run.close, "outputs").filter(|file| file.name.starts_with("snapshots/"));
    for file in mapping.into_iter().chain(snapshots) {
        let Some(bytes) = inputs(file.name) else {
            replayed.not_checked.push(not_kept(run, file.name));
            return Ok(());
        };
        if digest_string(&bytes) != file.digest {
            return Err(run.differs(format!("{} is not the input that was used", file.name)));
        }
        kept.push((file.name, bytes));
    }
    let mut kept = kept.into_iter();
    let artifact = kept
        .next()
        .filter(|(_, bytes)| text(run.open, "artifact") == Some(digest_string(bytes).as_str()));
    let artifact = artifact.and_then(|(_, bytes)| Artifact::from_json(&bytes).ok());
    let Some(artifact) = artifact else {
        let what = format!(
            "run {} names no compiled mapping that this build reads",
            run.id
        );
        replayed.not_checked.push(what);
        return Ok(());
    };
    if text(run.open, "flow") != Some(flow_version(&artifact.hash())?.as_str()) {
        let what = "was made by another version of engine, rules or connectors";
        replayed.not_checked.push(format!("run {} {what}", run.id));
        return Ok(());
    }
    let looks: Vec<(&str, Vec<u8>)> = kept.collect();
    let files = match looks.as_slice() {
        [(name, bytes)] => {
            snapshot::index_files(bytes).map_err(|source| run.unread(name, source))?
        }
        _ => Vec::new(),
    };
    if files.is_empty() {
        derive(run, &artifact, &looks).await?;
    } else if let Derived::Missing(name) = scan::derive(run, &artifact, &files, inputs).await? {
        replayed.not_checked.push(not_kept(run, &name));
        return Ok(());
    }
    replayed.findings = replayed.findings.saturating_add(1);
    Ok(())
}

fn not_kept(run: &RecordedRun<'_>, name: &str) -> String {
    format!("inputs of run {}: digest only, {name} is not kept", run.id)
}

async fn derive(
    run: &RecordedRun<'_>,
    artifact: &Artifact,
    looks: &[(&str, Vec<u8>)],
) -> Result<(), ReplayError> {
    let [first, rest @ ..] = looks else {
        return Err(run.differs("it names no snapshot of what it read".to_owned()));
    };
    let (look, sources) = open(run, artifact, first).await?;
    if run.open.get("as_of").and_then(Json::as_uint) != Some(look.as_of.as_millis()) {
        return Err(run.differs("its snapshot is of another time".to_owned()));
    }
    let outcome = first_look(&sources, &look.scope, look.as_of).await;
    let outcome = outcome.map_err(|source| run.stopped(source))?;
    check_counts(run, &outcome, artifact, &look.scope)?;
    let told = snapshot::Told::from(outcome);
    compare(run, first, &told)?;
    let mut found = told.found;
    let began = look.as_of;
    for next in rest {
        let (look, sources) = open(run, artifact, next).await?;
        let times = Times {
            first: began,
            again: look.as_of,
        };
        let known = look.known.unwrap_or_default();
        let confirmed =
            second_look(&sources, look.project, &look.scope, found, &known, times).await;
        let again = confirmed.map_err(|source| run.stopped(source))?.told;
        compare(run, next, &again)?;
        found = again.found;
    }
    let last = looks.last().unwrap_or(first);
    let names = snapshot::pseudonyms(&last.1).map_err(|source| run.unread(last.0, source))?;
    check_lines(run, &found, &names)
}

/// The findings object must have the digest that evidence names.
fn check_lines(
    run: &RecordedRun<'_>,
    found: &[Finding],
    names: &BTreeMap<String, String>,
) -> Result<(), ReplayError> {
    let lines = findings::lines(found, |subject| {
        names.get(subject).cloned().unwrap_or_default()
    })?;
    let recorded = files(run.close, "outputs").find(|file| file.name.starts_with("findings/"));
    if recorded.map(|file| file.digest) != Some(digest_string(&lines).as_str()) {
        return Err(run.differs("its findings do not follow from what it read".to_owned()));
    }
    Ok(())
}

async fn open(
    run: &RecordedRun<'_>,
    artifact: &Artifact,
    (name, bytes): &(&str, Vec<u8>),
) -> Result<(Look, Sources), ReplayError> {
    let (look, replay) = Replay::open(bytes.clone()).map_err(|source| run.unread(name, source))?;
    if look.run.to_string() != run.id {
        return Err(run.differs(format!("{name} is a snapshot of another run")));
    }
    let (billing, app) = (Box::new(replay.clone()), Box::new(replay));
    let sources = Sources::new(billing, app, artifact.clone(), look.livemode).await;
    Ok((look, sources.map_err(|source| run.stopped(source))?))
}

/// What the look said it found must be what the engine finds.
fn compare(
    run: &RecordedRun<'_>,
    (name, bytes): &(&str, Vec<u8>),
    told: &snapshot::Told,
) -> Result<(), ReplayError> {
    let recorded = snapshot::told(bytes).map_err(|source| run.unread(name, source))?;
    if recorded == *told {
        return Ok(());
    }
    let (was, is) = (recorded.found.len(), told.found.len());
    Err(run.differs(format!(
        "{name} says {was} findings, the engine finds {is}, not the same ones"
    )))
}

fn check_counts(
    run: &RecordedRun<'_>,
    outcome: &Outcome,
    artifact: &Artifact,
    scope: &RunScope,
) -> Result<(), ReplayError> {
    let counted = [
        ("customers", outcome.customers),
        ("subscriptions", outcome.subscriptions),
        ("rows", outcome.rows),
    ];
    for (name, count) in counted {
        if run.close.get(name).and_then(Json::as_uint) != Some(count) {
            return Err(run.differs(format!("it did not read {count} {name}")));
        }
    }
    let too_many = outcome.is_mass_drift(artifact.max_drift_permille());
    let mass_drift = *scope == RunScope::Scan && too_many;
    let recorded = text(run.close, "result");
    let said = matches!(recorded, Some("mass-drift" | "mass-drift-acknowledged"));
    if said != mass_drift {
        return Err(run.differs("whether too many customers differ is recorded wrongly".to_owned()));
    }
    Ok(())
}

impl RecordedRun<'_> {
    fn differs(&self, what: String) -> ReplayError {
        ReplayError::Differs {
            run: self.id.to_owned(),
            what,
        }
    }

    fn unread(&self, name: &str, source: SnapshotError) -> ReplayError {
        ReplayError::Input {
            run: self.id.to_owned(),
            name: name.to_owned(),
            source,
        }
    }

    fn stopped(&self, source: LookError) -> ReplayError {
        ReplayError::Engine {
            run: self.id.to_owned(),
            source,
        }
    }
}

/// A reference of `inputs` or `outputs`.
#[derive(Clone, Copy)]
struct File<'a> {
    name: &'a str,
    digest: &'a str,
}

fn files<'a>(facts: &'a Json, list: &str) -> impl Iterator<Item = File<'a>> {
    let files = facts.get(list).and_then(Json::as_array).unwrap_or_default();
    files.iter().filter_map(|file| {
        Some(File {
            name: text(file, "ref")?,
            digest: text(file, "hash")?,
        })
    })
}

fn text<'a>(facts: &'a Json, name: &str) -> Option<&'a str> {
    facts.get(name).and_then(Json::as_str)
}
