//! The run that carries votes and effect of an action, and its end without an effect.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::in_run::{append, ending, is_in_run, resolve, waits_no_more};
use super::propose::opening;
use super::{ActionError, RepairPorts};
use crate::governed_run::Step;
use crate::ids::RunId;
use crate::incident::{Incident, IncidentState};
use crate::policy::{Effect, Judgement};
use crate::ports::{Batch, EntryRef, PortError, PortErrorKind};
use crate::records::{Project, Versioned};
use crate::repair::{Action, ActionState};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::{Closing, judged, repair_step, resolution};

/// A person's words with their vote, and how it was judged.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) reason: &'a str,
    pub(super) judgement: &'a Judgement,
}

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
    if is_in_run(&action) {
        let step = ending(state);
        return resolve(ports, ctx, project, (version, action), step, said).await;
    }
    let held = action.state == ActionState::Held;
    action.state = state;
    // Expiry and withdrawal are resolutions by the system, whoever caused them.
    let approver = match state {
        ActionState::Cancelled => "system:cancel".to_owned(),
        _ => ctx.principal().id(),
    };
    let votes = follow_up(ports, project, ctx.principal(), &mut action)?;
    let run = votes.run;
    let (step, mut drafts) = if action.is_in_governed_run() && !held {
        let code = match state {
            ActionState::Cancelled => "withdrawn",
            _ => "expired",
        };
        (Step::GivenUp, vec![given_up(&votes, &action, code)])
    } else {
        // Only what waits for approvals can be resolved: the end of what was allowed is a run of its
        // own with nothing in it.
        let drafts = match action.effect {
            Effect::Require => votes.drafts(ctx.principal(), &approver, false, said),
            Effect::Allow | Effect::Deny => votes.opening(),
        };
        (ending(state), drafts)
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
        && incident.value.state == IncidentState::Repairing
        && incident.value.action == Some(action.id)
    {
        let open = Incident {
            state: action.gives_back(),
            ..incident.value
        };
        batch = batch.with(
            records
                .replace(incident.version, &open)?
                .explained_by(entry),
        );
    }
    append(ports, ctx, project, (&action, &[step]), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: None,
    })
}

/// That a repair of a run that somebody holds open is not begun any more.
pub(super) fn given_up(votes: &FollowUp, action: &Action, code: &str) -> Draft {
    let mut facts = repair_step(&votes.decision.leaf, &action.digest, action.id);
    facts.push(("code", code.into()));
    Draft::new(Kind::RepairFailed, object(facts)).in_run(votes.run)
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

/// The run that carries votes and effect. The first vote opens it.
pub(super) struct FollowUp {
    pub(super) run: RunId,
    open: Option<Draft>,
    pub(super) decision: EntryRef,
    about: Option<String>,
}

pub(super) fn follow_up(
    ports: &RepairPorts,
    project: &Project,
    principal: &Principal,
    action: &mut Action,
) -> Result<FollowUp, ActionError> {
    let decision = action
        .decided
        .clone()
        .ok_or_else(|| PortError::new(PortErrorKind::Corrupt, "reading the action's decision"))?;
    if let Some(run) = action.follow_up {
        return Ok(FollowUp {
            run,
            open: None,
            decision,
            about: action.about.clone(),
        });
    }
    let run = RunId::new(ports.clock.now(), ports.random.bits128());
    action.follow_up = Some(run);
    let opening = opening(project, principal, "repair", Some(&decision))?;
    let open = Draft::new(Kind::RunOpen, opening.facts()).in_run(run);
    Ok(FollowUp {
        run,
        open: Some(open),
        decision,
        about: action.about.clone(),
    })
}

impl FollowUp {
    /// `run.open` where this is the first vote, or nothing.
    pub(super) fn opening(&self) -> Vec<Draft> {
        self.open.iter().cloned().collect()
    }

    /// `run.open` where needed, and the resolution of one vote, expiry or withdrawal.
    pub(super) fn drafts(
        &self,
        principal: &Principal,
        approver: &str,
        allow: bool,
        said: Option<Said<'_>>,
    ) -> Vec<Draft> {
        let mut drafts = self.opening();
        let mut facts = resolution(&self.decision, approver, allow, principal);
        if let (Some(said), Json::Object(fields)) = (said, &mut facts) {
            fields.insert("judged".to_owned(), judged(said.judgement));
        }
        let mut draft = Draft::new(Kind::RunResolution, facts).in_run(self.run);
        if let Some(said) = said {
            draft = draft
                .subject(object([("comment", said.reason.into())]))
                .about(self.about.clone());
        }
        drafts.push(draft);
        drafts
    }
}
