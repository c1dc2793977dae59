//! The facts of a governed run's entries: opaque names, digests and counts, which are for ever.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::ReportOf;
use crate::governed_run::{GovernedRun, Reference};
use crate::json::{JsonError, to_json};
use crate::ports::EntryRef;
use crate::repair::{Action, RunWork};
use crate::tenancy::Principal;
use crate::usecases::facts::{FileRef, actor};

/// `run.open`. `bundles` are those in force, baseline first.
pub(super) fn opening(run: &GovernedRun, inputs: &[Reference], bundles: &[String]) -> Json {
    let artifact = run.artifact.as_ref().unwrap_or(&run.flow.version);
    let mut fields = vec![
        ("actor", actor(&run.by)),
        ("artifact", artifact.as_str().into()),
        ("flow", run.flow.version.as_str().into()),
        ("flow_id", run.flow.id.as_str().into()),
        ("flow_kind", run.flow.kind.name().into()),
        ("inputs", Json::Array(inputs.iter().map(file).collect())),
        (
            "policy_bundles",
            Json::Array(bundles.iter().map(|it| it.as_str().into()).collect()),
        ),
        ("purpose", "governed".into()),
    ];
    if let Some(trace) = &run.trace_id {
        fields.push(("trace_id", trace.as_str().into()));
    }
    object(fields)
}

/// `run.close`, as the run is now.
pub(super) fn closing(run: &GovernedRun, artifact: Option<&str>, by: &Principal) -> Draft {
    let tally = run.tally;
    let outputs = run.output.iter().map(file).collect();
    let mut fields = vec![
        ("actor", actor(by)),
        ("allow", Json::uint(tally.allow)),
        ("decisions", Json::uint(tally.decisions())),
        ("deny", Json::uint(tally.deny)),
        ("outputs", Json::Array(outputs)),
        ("overrides", Json::uint(tally.overrides)),
        ("require", Json::uint(tally.require)),
        ("status", run.state.name().into()),
        ("unresolved", Json::uint(tally.unresolved)),
    ];
    if let Some(artifact) = artifact {
        fields.push(("artifact", artifact.into()));
    }
    if let Some(failure) = &run.failure {
        fields.push(("code", failure.as_str().into()));
    }
    if let Some(media_type) = run.output.as_ref().and_then(|it| it.media_type.as_ref()) {
        fields.push(("media_type", media_type.as_str().into()));
    }
    if run.in_hand > 0 {
        fields.push(("unreported", Json::uint(run.in_hand)));
    }
    Draft::new(Kind::RunClose, object(fields)).in_run(run.id)
}

/// `run.action`: what became of an action, in the words of whoever did it.
pub(super) fn reported(
    action: &Action,
    decision: &EntryRef,
    report: &ReportOf,
    by: &Principal,
) -> Json {
    let mut fields = vec![
        ("act", Json::from(action.id.to_string())),
        ("action_hash", action.digest.as_str().into()),
        ("actor", actor(by)),
        ("decision", decision.leaf.as_str().into()),
        ("status", report.status.name().into()),
    ];
    if let Some(output) = &report.output {
        fields.push(("output", file(output)));
    }
    if let Some(code) = &report.error {
        fields.push(("code", code.as_str().into()));
    }
    object(fields)
}

/// The erasable part of a decision: what ties its digest to what was proposed.
pub(in crate::usecases) fn subject(
    work: &RunWork,
    salt: &str,
    reason: Option<&str>,
) -> Result<Json, JsonError> {
    let mut fields = vec![("params", to_json(work)?), ("plan_salt", salt.into())];
    if let Some(reason) = reason {
        fields.push(("comment", reason.into()));
    }
    Ok(object(fields))
}

fn file(reference: &Reference) -> Json {
    FileRef {
        name: reference.name.clone(),
        digest: reference.digest.clone(),
        bytes: reference.bytes,
    }
    .json()
}
