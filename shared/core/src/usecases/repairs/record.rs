//! Recording a proposal: the action, its decision, and what becomes of its incident, in one transaction.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::asking::{active_mapping, judge, opening, pace};
use super::counted::ATTEMPTS;
use super::judge::{Repair, meaning, meaning_back};
use super::{ActionError, RepairPorts, look};
use crate::cell::Cell;
use crate::governed_run::GovernedRun;
use crate::ids::{ActionId, DecisionId, RunId};
use crate::incident::Incident;
use crate::json::to_json;
use crate::mapping::Artifact;
use crate::policy::{Asking, Effect, Judgement, Place};
use crate::ports::{AppendError, Batch, EntryRef};
use crate::reconcile::Finding;
use crate::records::{Project, Versioned};
use crate::repair::{Action, Meaning, RepairPlan, Resource, Undo, Work};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::facts::{Closing, Decided, Opening};
use crate::usecases::governed_runs::{DecisionRecord, Quota, RunError, Waiting, within};
use crate::usecases::proposal::{Proposal, difference};

/// A repair as somebody wants it.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// The person's words.
    pub(super) reason: Option<&'a str>,
    pub(super) execute_on_approval: bool,
    /// The scan behind it.
    pub(super) cause: Option<&'a EntryRef>,
    /// What it takes back, and how.
    pub(super) undo: Option<TakingBack>,
    /// The run that somebody holds open.
    pub(super) run: Option<Versioned<GovernedRun>>,
}

/// A repair that is to be taken back.
pub(super) struct TakingBack {
    pub(super) undo: Undo,
    pub(super) plan: RepairPlan,
    /// `None` where an earlier build proposed it.
    pub(super) meaning: Option<Meaning>,
}

/// Where the record of a governed run is among the writes of a proposal in it.
pub(super) const RUN: usize = 0;

/// The answer to a proposal. A DENY is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The action.
    pub action: Action,
    /// Its version, for `If-Match`.
    pub version: u64,
}

/// What was judged of a proposal.
struct Judged {
    plan: RepairPlan,
    meaning: Meaning,
    undo: Option<Undo>,
    /// The customer's pseudonym.
    about: Option<String>,
    judgement: Judgement,
    /// Where it is to wait, what it was counted by.
    quota: Option<Quota>,
    at: Timestamp,
}

/// Records a proposal.
pub(super) async fn record(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: Versioned<Incident>,
    wanted: Wanted<'_>,
) -> Result<Proposed, ActionError> {
    for _ in 0..ATTEMPTS {
        let recording = try_record(ports, ctx, project, &incident, &wanted);
        if let Some(proposed) = Box::pin(recording).await? {
            return Ok(proposed);
        }
    }
    Err(ActionError::Evidence(AppendError::Busy))
}

/// The same; `None` where something else began to wait at this moment, so that it is counted again.
async fn try_record(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Versioned<Incident>,
    wanted: &Wanted<'_>,
) -> Result<Option<Proposed>, ActionError> {
    let records = ports.records(ctx);
    let mut judged = Box::pin(judged(ports, ctx, project, &incident.value, wanted)).await?;
    let mut action = new_action(ports, ctx, &incident.value, wanted, &judged)?;
    let (drafts, entry) = drafts(ctx, project, &incident.value, wanted, (&judged, &action))?;
    let mut batch = Batch::of(drafts);
    if let Some(governed) = &wanted.run {
        let after = governed.value.clone();
        let after = after.taking_repair(action.id, action.effect, judged.at);
        let after = after.map_err(RunError::from)?;
        let counted = records.replace(governed.version, &after)?;
        let index = records.create(&DecisionRecord::of_action(&action, judged.at))?;
        batch = batch
            .with(counted.explained_by(entry))
            .with(index.explained_by(entry));
    }
    batch = batch.with(records.create(&action)?.explained_by(entry));
    if action.effect != Effect::Deny {
        let repairing = incident.value.clone().repaired_by(action.id);
        let write = records.replace(incident.version, &repairing)?;
        let waiting = records.create(&Waiting::of(&action, &action.digest))?;
        batch = batch
            .with(write.explained_by(entry))
            .with(waiting.explained_by(entry));
    }
    let mut held = None;
    if let Some(quota) = judged.quota.take() {
        held = Some(batch.state.len());
        batch = batch.with(quota.taking(&records, &action)?.explained_by(entry));
    }
    match ports.evidence.append(project.stream_id()?, batch).await {
        Ok(entries) => {
            action.decided = entries.get(entry).cloned();
            Ok(Some(Proposed { action, version: 1 }))
        }
        Err(AppendError::StateChanged { index }) if Some(index) == held => Ok(None),
        Err(error @ AppendError::StateChanged { index: RUN }) if wanted.run.is_some() => {
            Err(ActionError::Evidence(error))
        }
        Err(error) => Err(error.into()),
    }
}

async fn judged(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
    wanted: &Wanted<'_>,
) -> Result<Judged, ActionError> {
    let records = ports.records(ctx);
    let undoes = match &wanted.undo {
        Some(back) => Some(look::looked(ports, ctx, project, incident, &back.plan).await?),
        None => None,
    };
    let artifact = active_mapping(ports, ctx, project).await?;
    let (plan, meaning) = match &wanted.undo {
        Some(back) => {
            let kept = back.meaning.clone();
            let meaning = kept.unwrap_or_else(|| meaning_back(&incident.finding));
            (back.plan.clone(), meaning)
        }
        None => (plan_for(&artifact, incident), meaning(&incident.finding)),
    };
    let at = ports.clock.now();
    let customer = ports.customer(ctx, project, incident, None).await?;
    let asking = Asking::new(ctx.principal(), at, Place::project(project));
    let repair = Repair {
        incident,
        plan: &plan,
        meaning: &meaning,
        undoes,
        customer: customer.clone(),
        earlier: (wanted.run.as_ref()).map_or(0, |run| run.value.repairs_taken),
    };
    let pace = pace(&records).await?.value;
    let judged = judge(ports, ctx, (&artifact, &pace), repair, &asking);
    let judgement = Box::pin(judged).await?;
    let (judgement, quota) = within(&records, ctx, judgement).await?;
    Ok(Judged {
        plan,
        meaning,
        undo: wanted.undo.as_ref().map(|back| back.undo),
        about: Some(customer),
        judgement,
        quota,
        at,
    })
}

/// The action that comes of it.
fn new_action(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    incident: &Incident,
    wanted: &Wanted<'_>,
    judged: &Judged,
) -> Result<Action, ActionError> {
    let random = ports.random.as_ref();
    let held_open = wanted.run.as_ref().map(|governed| &governed.value);
    let governed = held_open.map(|run| run.id);
    let proposal = Proposal {
        judgement: &judged.judgement,
        at: judged.at,
        id: ActionId::new(judged.at, random.bits128()),
        decision: DecisionId::new(judged.at, random.bits128()),
        run: governed.unwrap_or_else(|| RunId::new(judged.at, random.bits128())),
        ends: held_open.map(GovernedRun::ends_at),
        resource: Resource::Incident(incident.id),
        work: Work::Repair(judged.plan.clone()),
        salt: random.bytes32(),
    };
    Ok(Action {
        about: judged.about.clone(),
        reason: wanted.reason.map(str::to_owned),
        execute_on_approval: wanted.execute_on_approval,
        follow_up: governed,
        undo: judged.undo,
        meaning: Some(judged.meaning.clone()),
        ..proposal.action(ctx)?
    })
}

/// The entries, and which of them is the decision. A run that somebody holds open has its own beginning
/// and end.
fn drafts(
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
    wanted: &Wanted<'_>,
    (judged, action): (&Judged, &Action),
) -> Result<(Vec<Draft>, usize), ActionError> {
    let Judged { judgement, at, .. } = judged;
    let run = action.binding.run;
    let decided = Decided {
        id: action.decision,
        run,
        act: action.id,
        action_hash: &action.digest,
        judgement,
        principal: ctx.principal(),
        at: *at,
        hold: (judgement.effect == Effect::Require).then_some(action.binding.expires_at),
        more: judged
            .undo
            .iter()
            .map(|undo| ("undo_of", Json::from(undo.of.to_string())))
            .collect(),
    };
    let told = subject(&judged.plan, &action.salt, wanted.reason, &incident.finding)?;
    let decision = Draft::new(Kind::RunDecision, decided.facts()?)
        .in_run(run)
        .subject(told)
        .about(judged.about.clone());
    if wanted.run.is_some() {
        return Ok((vec![decision], 0));
    }
    let opening = Opening {
        policies: judgement.considered.policies(),
        ..opening(project, ctx.principal(), "repair", wanted.cause)?
    };
    let open = Draft::new(Kind::RunOpen, opening.facts()).in_run(run);
    // It closes at once, also with a held action: whoever answers opens a run of their own.
    let close = Draft::new(Kind::RunClose, Closing::of_one(judgement.effect).facts()).in_run(run);
    Ok((vec![open, decision, close], 1))
}

fn plan_for(artifact: &Artifact, incident: &Incident) -> RepairPlan {
    let table = artifact.table();
    RepairPlan {
        schema: table.schema,
        table: table.table,
        key_column: table.key,
        key: incident.finding.row.clone().unwrap_or(Cell::Null),
        changes: incident.finding.changes.clone(),
    }
}

/// The erasable part of a repair's decisions: who, where, what and why. `salt` is hexadecimal.
pub(super) fn subject(
    plan: &RepairPlan,
    salt: &str,
    reason: Option<&str>,
    finding: &Finding,
) -> Result<Json, ActionError> {
    let side = |pick: fn(&crate::repair::ColumnChange) -> &Cell| {
        plan.changes
            .iter()
            .map(|change| {
                Ok(object([
                    ("column", change.column.as_str().into()),
                    ("value", to_json(pick(change))?),
                ]))
            })
            .collect::<Result<Vec<_>, ActionError>>()
    };
    let mut fields = vec![
        ("after", Json::Array(side(|change| &change.after)?)),
        ("before", Json::Array(side(|change| &change.before)?)),
        ("difference", difference(finding)?),
        ("key", to_json(&plan.key)?),
        ("plan_salt", salt.into()),
        ("table", format!("{}.{}", plan.schema, plan.table).into()),
    ];
    // The one whose pseudonym leads to the entry, so that an erasure finds it.
    if let Some(customer) = finding.customers.first() {
        fields.push(("customer", customer.as_str().into()));
    }
    if let Some(reason) = reason {
        fields.push(("comment", reason.into()));
    }
    Ok(object(fields))
}
