//! What happened to the row, and whether the promise holds now.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::counted::{ATTEMPTS, append, try_append};
use super::ending::given_back;
use super::look::left_over;
use super::{ActionError, RepairPorts, plan_of};
use crate::cell::Cell;
use crate::governed_run::Step;
use crate::ids::RunId;
use crate::incident::{Incident, IncidentState};
use crate::json::to_json;
use crate::ports::{AppendError, Batch, EntryRef, PortError, PortErrorKind, StateWrite};
use crate::records::{Project, Unfinished, Versioned};
use crate::repair::{Action, ActionState, ColumnChange};
use crate::sealed::Purpose;
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{Closing, change, repair_step, target};

/// What became of the UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The row has the after-values.
    Executed,
    /// The row was not changed by us.
    Failed {
        /// `Failed` or `Stale`.
        state: ActionState,
        /// A stable code.
        code: &'static str,
    },
}

impl Outcome {
    pub(super) const fn failed(code: &'static str) -> Self {
        Self::Failed {
            state: ActionState::Failed,
            code,
        }
    }
}

/// Looks at the row after a lost reply. The read waits for whoever holds the row, so it sees the
/// end of a transaction whose COMMIT is still on its way.
pub(super) async fn read_back(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
) -> Result<Outcome, ActionError> {
    let plan = plan_of(action)?;
    let secret = project.repair_database.ok_or(ActionError::NotFound)?;
    let records = ports.records(ctx);
    let url = ports
        .vault
        .secret(&records, ctx, secret, Purpose::Repair)
        .await?;
    let current = ports.databases.repair(&url).await?.current(plan).await?;
    let side = |after: bool| -> Vec<Cell> {
        let pick = |change: &ColumnChange| {
            if after {
                change.after.clone()
            } else {
                change.before.clone()
            }
        };
        plan.changes.iter().map(pick).collect()
    };
    Ok(match current {
        Some(cells) if cells == side(true) => Outcome::Executed,
        Some(cells) if cells == side(false) => Outcome::failed("not-applied"),
        Some(_) => Outcome::failed("row-changed-since"),
        None => Outcome::failed("row-gone"),
    })
}

/// Records the outcome; after an executed repair looks at promise and grant again.
pub(super) async fn record(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    outcome: Outcome,
) -> Result<Versioned<Action>, ActionError> {
    match outcome {
        Outcome::Executed => {
            let executed = executed(ports, ctx, project, action).await?;
            // The row is right and recorded. Whatever keeps both sides from being looked at now, a run that
            // has touched the incident meanwhile too, the sweep verifies it, and tells what it cannot.
            let verified = verify(ports, ctx, project, executed.clone()).await;
            Ok(verified.unwrap_or(executed))
        }
        Outcome::Failed { state, code } => failed(ports, ctx, project, action, state, code).await,
    }
}

async fn executed(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
) -> Result<Versioned<Action>, ActionError> {
    let (run, decision) = execution(&action)?;
    let version = action.version;
    let mut action = action.value;
    action.state = ActionState::Executed;
    let mut facts = repair_step(&decision.leaf, &action.digest, action.id);
    facts.push(("rows", Json::uint(1)));
    let draft = Draft::new(Kind::RepairExecuted, object(facts))
        .in_run(run)
        .subject(row(&action)?)
        .about(action.about.clone());
    let records = ports.records(ctx);
    let batch = Batch::of([draft]).with(records.replace(version, &action)?.explained_by(0));
    let entries = append(ports, ctx, project, (&action, &[]), batch).await?;
    let version = version.saturating_add(1);
    Ok(Versioned {
        value: action,
        version,
        evidence: entries.first().cloned(),
    })
}

async fn failed(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    state: ActionState,
    code: &'static str,
) -> Result<Versioned<Action>, ActionError> {
    let (_, decision) = execution(&action)?;
    let mut facts = repair_step(&decision.leaf, &action.value.digest, action.value.id);
    facts.push(("code", code.into()));
    let failed = Draft::new(Kind::RepairFailed, object(facts));
    ended(
        ports,
        ctx,
        project,
        action,
        (state, code),
        (failed, "failed"),
    )
    .await
}

/// The end of what was begun and is not known to have changed its row: `why` is in its run, and closes it
/// with `status` unless somebody holds it open. The incident is what it was before.
pub(super) async fn ended(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    (state, code): (ActionState, &'static str),
    (why, status): (Draft, &'static str),
) -> Result<Versioned<Action>, ActionError> {
    let (run, _) = execution(&action)?;
    let version = action.version;
    let mut action = action.value;
    action.state = state;
    action.failure = Some(code.to_owned());
    let records = ports.records(ctx);
    let mut drafts = vec![why.in_run(run)];
    drafts.extend(close(run, &action, status));
    let batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(0))
        .with(
            StateWrite::delete(records.key::<Unfinished>(&action.id.to_string())).explained_by(0),
        );
    let resource = action.binding.resource.to_string();
    let incident_row = batch.state.len();
    for _ in 0..ATTEMPTS {
        let mut batch = batch.clone();
        if let Some(incident) = records.get::<Incident>(&resource).await?
            && let Some(open) = given_back(&records, &action, incident)?
        {
            batch = batch.with(open.explained_by(0));
        }
        let about = (&action, [Step::Settled].as_slice());
        match try_append(ports, ctx, project, about, batch).await {
            // A scan has seen the incident in this moment. What became of the UPDATE is known anyway.
            Err(ActionError::Evidence(AppendError::StateChanged { index }))
                if index == incident_row => {}
            Err(ActionError::Evidence(error)) => return Err(error.into()),
            Err(other) => return Err(other),
            Ok(_) => {
                return Ok(Versioned {
                    value: action,
                    version: version.saturating_add(1),
                    evidence: None,
                });
            }
        }
    }
    Err(ActionError::Evidence(AppendError::Busy))
}

/// Reads both sides again and says whether the promise holds.
pub(super) async fn verify(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
) -> Result<Versioned<Action>, ActionError> {
    let run = action.value.follow_up.ok_or(ActionError::NotFound)?;
    let repair = action.evidence.clone().ok_or(ActionError::NotFound)?;
    let records = ports.records(ctx);
    let resource = action.value.binding.resource.to_string();
    let incident = records
        .get::<Incident>(&resource)
        .await?
        .ok_or(ActionError::NotFound)?;
    let now = ports.clock.now();
    let still = Box::pin(left_over(ports, ctx, project, &incident.value)).await?;

    let version = action.version;
    let mut action = action.value;
    action.state = ActionState::Verified;
    let matched = still.is_none();
    let result = if matched { "match" } else { "mismatch" };
    let facts = object([("repair", repair.leaf.into()), ("result", result.into())]);
    let kind = if matched {
        Kind::IncidentResolved
    } else {
        Kind::IncidentChanged
    };
    let about = change(ctx.principal(), target("incident", incident.value.id), []);
    let after = match still {
        None => incident.value.clone().resolved(run, now),
        Some(finding) => Incident {
            state: IncidentState::Open,
            finding,
            ..incident.value.clone()
        },
    };
    let mut drafts = vec![
        Draft::new(Kind::RepairVerified, facts).in_run(run),
        Draft::new(kind, about).in_run(run),
    ];
    drafts.extend(close(run, &action, "completed"));
    let batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(0))
        .with(records.replace(incident.version, &after)?.explained_by(1))
        .with(
            StateWrite::delete(records.key::<Unfinished>(&action.id.to_string())).explained_by(0),
        );
    append(ports, ctx, project, (&action, &[Step::Settled]), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: None,
    })
}

/// The end of a follow-up run, which holds one decision of its own: ALLOW at execution. A run that
/// somebody holds open goes on.
fn close(run: RunId, action: &Action, status: &'static str) -> Option<Draft> {
    let closing = Closing {
        decisions: (1, 0, 0),
        overrides: u64::from(action.overridden.is_some()),
        status,
        ..Closing::default()
    };
    let draft = Draft::new(Kind::RunClose, closing.facts()).in_run(run);
    (!action.is_in_governed_run()).then_some(draft)
}

/// The run and the decision of an action that is executing. The record of this state is explained
/// by the decision's entry, unless a decision of the open run goes on to count.
fn execution(action: &Versioned<Action>) -> Result<(RunId, EntryRef), ActionError> {
    let decision = if action.value.cites_its_first_decision() {
        action.value.decided.clone()
    } else {
        action.evidence.clone()
    };
    match (action.value.follow_up, decision) {
        (Some(run), Some(decision)) => Ok((run, decision)),
        _ => Err(PortError::new(PortErrorKind::Corrupt, "reading the action's execution").into()),
    }
}

fn row(action: &Action) -> Result<Json, ActionError> {
    let plan = plan_of(action)?;
    let values = |after: bool| {
        plan.changes
            .iter()
            .map(|change| {
                let cell = if after { &change.after } else { &change.before };
                Ok(object([
                    ("column", change.column.as_str().into()),
                    ("value", to_json(cell)?),
                ]))
            })
            .collect::<Result<Vec<_>, ActionError>>()
    };
    Ok(object([
        ("after", Json::Array(values(true)?)),
        ("before", Json::Array(values(false)?)),
    ]))
}
