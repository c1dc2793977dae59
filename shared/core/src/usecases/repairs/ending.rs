//! The end of a waiting action without an effect: rejected, withdrawn, or past its time.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::counted::{append, waits_no_more};
use super::follow_up::{Said, follow_up, given_up};
use super::in_run::{resolve, withdraw};
use super::{ActionError, RepairPorts};
use crate::governed_run::{Step, answering};
use crate::incident::{Incident, IncidentState};
use crate::policy::Effect;
use crate::ports::{Batch, StateWrite};
use crate::records::{Project, Records, Versioned};
use crate::repair::{Action, ActionState};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::Closing;

/// Ends a waiting action without an effect: rejected, expired or cancelled.
pub(super) async fn end(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    version: u64,
    mut action: Action,
    state: ActionState,
    said: Option<Said<'_>>,
) -> Result<Versioned<Action>, ActionError> {
    if action.is_external() {
        if state == ActionState::Cancelled && action.state != ActionState::Held {
            return Box::pin(withdraw(ports, ctx, project, (version, action))).await;
        }
        let steps = ending(&action, state);
        return resolve(ports, ctx, project, (version, action), steps, said).await;
    }
    let ends = ending(&action, state);
    let held = action.state == ActionState::Held;
    action.state = state;
    // Expiry and withdrawal are resolutions by the system, whoever caused them.
    let approver = match state {
        ActionState::Cancelled => "system:cancel".to_owned(),
        _ => ctx.principal().id(),
    };
    let votes = follow_up(ports, project, ctx.principal(), &mut action).await?;
    let run = votes.run;
    let (steps, mut drafts) = if action.is_in_governed_run() && !held {
        let code = match state {
            ActionState::Cancelled => "withdrawn",
            _ => "expired",
        };
        (
            vec![Step::GivenUp],
            vec![given_up(&votes, &action, ctx.principal(), code)],
        )
    } else {
        // Only what waits for approvals can be resolved: the end of what was allowed is a run of its
        // own with nothing in it.
        let drafts = match action.effect {
            Effect::Require => votes.drafts(ctx.principal(), &approver, false, said),
            Effect::Allow | Effect::Deny => votes.opening(),
        };
        (ends, drafts)
    };
    let entry = drafts.len().saturating_sub(1);
    if !action.is_in_governed_run() {
        let closing = Closing {
            overrides: u64::from(action.overridden.is_some()),
            status: "completed",
            ..Closing::default()
        };
        drafts.push(Draft::new(Kind::RunClose, closing.facts()).in_run(run));
    }
    let records = ports.records(ctx);
    let mut batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(entry))
        .with(waits_no_more(&records, &action).explained_by(entry));
    let resource = action.binding.resource.to_string();
    if let Some(incident) = records.get::<Incident>(&resource).await?
        && let Some(open) = given_back(&records, &action, incident)?
    {
        batch = batch.with(open.explained_by(entry));
    }
    append(ports, ctx, project, (&action, &steps), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: None,
    })
}

/// The write after which the incident of an action is what it was before; `None` where it does not wait
/// for this action.
pub(super) fn given_back(
    records: &Records<'_>,
    action: &Action,
    incident: Versioned<Incident>,
) -> Result<Option<StateWrite>, ActionError> {
    let Versioned { value, version, .. } = incident;
    if value.state != IncidentState::Repairing || value.action != Some(action.id) {
        return Ok(None);
    }
    let open = Incident {
        state: action.gives_back(),
        ..value
    };
    Ok(Some(records.replace(version, &open)?))
}

/// Ends what nobody approved or carried out in time. Time never allows anything.
pub(super) async fn expire(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
) -> Result<(), ActionError> {
    let system = TenantCtx::new(
        ctx.workspace(),
        ctx.project(),
        Principal::System {
            duty: "expiry".to_owned(),
        },
    );
    let Versioned { value, version, .. } = action;
    end(
        ports,
        &system,
        project,
        version,
        value,
        ActionState::Expired,
        None,
    )
    .await?;
    Ok(())
}

/// The steps that an end without an effect is, of an action that waits for approvals: the record answers
/// it by that, if it did not before.
fn ending(action: &Action, state: ActionState) -> Vec<Step> {
    let step = match state {
        ActionState::Cancelled => Step::Cancelled,
        ActionState::Expired => Step::Expired,
        _ => Step::Rejected,
    };
    answering(!action.is_answered(), step)
}
