//! Deriving a recorded run again: the same inputs, the same mapping, the same rules must give the
//! same findings and the same decisions (evidence-format section 13, `--replay`).
//!
//! Works on facts of a package that the verifier has accepted, and on inputs that are still kept.
//! What was pruned or erased cannot be derived again; that is said, and is no difference.

mod scan;

use std::collections::BTreeMap;
use std::sync::Arc;

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_policy::bundle::Bundle;
use counterfoil_policy::{Layer, LayerName, Phase};
use thiserror::Error;

use self::scan::Derived;
use super::reconcile::{LookError, Sources, Times, first_look, flow_version, second_look};
use super::rejudge::Again;
use crate::json::JsonError;
use crate::mapping::Artifact;
use crate::policy::{Rules, baseline_digest, default_bundle_digest};
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
    inputs: Inputs<'a>,
    /// Runs that are not closed yet.
    open: BTreeMap<String, Told>,
    replayed: Replayed,
}

/// What is known of a run that is not closed yet.
#[derive(Default)]
struct Told {
    open: Option<Json>,
    decisions: Vec<Json>,
}

impl std::fmt::Debug for ReplayRuns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplayRuns")
    }
}

impl<'a> ReplayRuns<'a> {
    /// Begins with no entry.
    pub fn new(inputs: Inputs<'a>) -> Self {
        Self {
            inputs,
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
            close,
        };
        let one = replay_run(&run, self.inputs).await?;
        let all = &mut self.replayed;
        all.findings = all.findings.saturating_add(one.findings);
        all.decisions = all.decisions.saturating_add(one.decisions);
        all.not_checked.extend(one.not_checked);
        Ok(())
    }

    /// What came of all of them.
    pub fn finish(self) -> Replayed {
        let mut replayed = self.replayed;
        let open = self.open.into_keys();
        let open = open.map(|id| format!("run {id} is not closed in this package"));
        replayed.not_checked.extend(open);
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
    for decision in run.decisions {
        replay_decision(run, decision, inputs, &mut replayed)?;
    }
    if matches!(text(run.open, "purpose"), Some("scan" | "check"))
        && text(run.close, "status") == Some("completed")
    {
        replay_findings(run, inputs, &mut replayed).await?;
    }
    Ok(replayed)
}

fn replay_decision(
    run: &RecordedRun<'_>,
    decision: &Json,
    inputs: Inputs<'_>,
    replayed: &mut Replayed,
) -> Result<(), ReplayError> {
    let name = text(decision, "decision").unwrap_or("a decision");
    let mut unchecked = |what: &str| {
        let said = format!("{name} of run {} {what}", run.id);
        replayed.not_checked.push(said);
        Ok(())
    };
    if text(decision, "baseline") != Some(baseline_digest()) {
        return unchecked("was judged by another baseline than that of this build");
    }
    let Some(rules) = rules(decision, inputs) else {
        return unchecked("was judged by a bundle that is not at hand");
    };
    let again = Again::of(decision);
    let phase = match again {
        Again::As(phase) => phase,
        // What the rules asked for is what the ladder says.
        Again::Broken => Phase::Propose,
        Again::Never(why) => return unchecked(why),
        Again::OfNoPhase => return Err(run.differs(format!("{name}: it is of no phase"))),
    };
    let request = decision.get("request").cloned().unwrap_or(Json::Null);
    let verdict = rules.judge_stored(request, phase);
    if again == Again::Broken && !verdict.denied() {
        replayed.decisions = replayed.decisions.saturating_add(1);
        return Ok(());
    }
    let rule = text(decision, "rule").unwrap_or_default();
    let approvals = decision
        .get("approvals")
        .and_then(Json::as_uint)
        .unwrap_or(0);
    let same = text(decision, "effect") == Some(verdict.effect.name())
        && rule == verdict.rule
        && text(decision, "reason") == Some(verdict.reason.as_str())
        && approvals == u64::from(verdict.approvals);
    if !same {
        let (effect, rule) = (verdict.effect.name(), &verdict.rule);
        return Err(run.differs(format!("{name}: the rules say {effect} by {rule}")));
    }
    replayed.decisions = replayed.decisions.saturating_add(1);
    Ok(())
}

/// The rules that a decision names, if they are at hand: built in, or the bundle of that digest beside
/// the evidence. Its signature says who may have it in force, which is not what is asked here.
fn rules(decision: &Json, inputs: Inputs<'_>) -> Option<Rules> {
    let cited = text(decision, "policy")?;
    if cited == default_bundle_digest() {
        return Some(Rules::standard());
    }
    let folder = format!("policy/{}", cited.strip_prefix("sha256:")?);
    let manifest = inputs(&format!("{folder}/manifest.json"))?;
    let listed = Json::parse_document(&manifest).ok()?;
    let mut files = BTreeMap::new();
    for file in listed.get("files")?.as_array()? {
        let path = file.get("path")?.as_str()?;
        let read = inputs(&format!("{folder}/{path}"))?;
        files.insert(path.to_owned(), String::from_utf8(read).ok()?);
    }
    let bundle = Bundle::read(&manifest, files).ok()?;
    if bundle.digest() != cited {
        return None;
    }
    let policies: Vec<(&str, &str)> = bundle.policies().collect();
    let version = bundle.manifest().version;
    let layer = Layer::of(LayerName::Workspace, cited, version, &policies).ok()?;
    Some(Rules::of(cited.to_owned(), Ok(Arc::new(layer)), None))
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
