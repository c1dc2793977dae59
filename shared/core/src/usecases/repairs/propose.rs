//! Proposing a repair: by a person or key, in a governed run, by a scan, and taking one back.

use super::counted::ATTEMPTS;
use super::record::{Proposed, RUN, TakingBack, Wanted, record};
use super::{ActionError, RepairPorts, plan_of};
use crate::governed_run::InvalidRun;
use crate::ids::{ProjectId, RunId};
use crate::incident::{Incident, IncidentState};
use crate::ports::AppendError;
use crate::records::{Directory, Versioned};
use crate::repair::{Action, ActionState, Meaning, Undo};
use crate::run::{Run, RunStep};
use crate::tenancy::TenantCtx;
use crate::usecases::governed_runs::{RunError, in_order};

/// Proposes repairs.
#[derive(Debug, Clone)]
pub struct ProposeRepair {
    /// Ports.
    pub ports: RepairPorts,
}

impl ProposeRepair {
    /// Proposes the repair of an incident by a person or a key.
    pub async fn propose(
        &self,
        ctx: &TenantCtx,
        incident: &str,
        reason: Option<&str>,
        execute_on_approval: bool,
    ) -> Result<Proposed, ActionError> {
        let project = self.ports.project(ctx).await?;
        let incident = self.admit(ctx, incident).await?;
        if incident.value.state != IncidentState::Open {
            return Err(not_open(&incident.value));
        }
        let wanted = Wanted {
            reason,
            execute_on_approval,
            ..Wanted::default()
        };
        record(&self.ports, ctx, &project, incident, wanted).await
    }

    /// Proposes the repair of an incident as an action of a governed run: its votes, its execution and
    /// its result are in that run.
    ///
    /// # Errors
    /// As those of [`Self::propose`]; [`ActionError::WrongState`] of the run, [`ActionError::Full`].
    pub async fn propose_in_run(
        &self,
        ctx: &TenantCtx,
        run: &str,
        new: &NewRepair,
    ) -> Result<Proposed, ActionError> {
        let project = self.ports.project(ctx).await?;
        let runs = self.ports.runs();
        for _ in 0..ATTEMPTS {
            let run = runs.admit(ctx, run).await?;
            let incident = self.admit_in_run(ctx, new).await?;
            if incident.value.state != IncidentState::Open {
                return Err(not_open(&incident.value));
            }
            run.value
                .takes_one(self.ports.clock.now())
                .map_err(RunError::from)?;
            in_order(&run.value, new.seq)?;
            let wanted = Wanted {
                reason: new.reason.as_deref(),
                execute_on_approval: new.execute_on_approval,
                run: Some(run),
                ..Wanted::default()
            };
            match record(&self.ports, ctx, &project, incident, wanted).await {
                // Another action of the same run was faster: the counts are another one's.
                Err(ActionError::Evidence(AppendError::StateChanged { index: RUN })) => {}
                proposed => return proposed,
            }
        }
        Err(ActionError::Evidence(AppendError::Busy))
    }

    /// The incident that a caller names in what they send.
    async fn admit_in_run(
        &self,
        ctx: &TenantCtx,
        new: &NewRepair,
    ) -> Result<Versioned<Incident>, ActionError> {
        match self.ports.incident(ctx, &new.incident).await {
            Err(ActionError::NotFound) => {
                let rule = "must be an incident of this project that is there: list them";
                Err(InvalidRun::new("/resource", rule).into())
            }
            found => found,
        }
    }

    /// Proposes to take an executed repair back: what it wrote must still be there, and becomes what
    /// was there before. Judged like any other repair.
    ///
    /// # Errors
    /// [`ActionError::WrongState`] for what was not executed, or whose incident is being repaired.
    pub async fn undo(
        &self,
        ctx: &TenantCtx,
        id: &str,
        reason: Option<&str>,
        execute_on_approval: bool,
    ) -> Result<Proposed, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.admit_undo(ctx, id).await?.value;
        if action.repair().is_none() {
            let state = "no repair: an incident that is ignored is reopened";
            return Err(ActionError::WrongState {
                state: state.to_owned(),
            });
        }
        if action.undo.is_some() {
            let state = "one that took another back: propose the repair of its incident again";
            return Err(ActionError::WrongState {
                state: state.to_owned(),
            });
        }
        let executed = matches!(action.state, ActionState::Executed | ActionState::Verified);
        if !executed || action.is_erased() {
            return Err(ActionError::in_state(action.state));
        }
        let plan = plan_of(&action)?.reversed();
        let incident = action.binding.resource.to_string();
        let incident = self.ports.incident(ctx, &incident).await?;
        let was = incident.value.state;
        if !matches!(was, IncidentState::Open | IncidentState::Resolved) {
            return Err(not_open(&incident.value));
        }
        let undo = Undo {
            of: action.id,
            incident_was: was,
        };
        let wanted = Wanted {
            reason,
            execute_on_approval,
            undo: Some(TakingBack {
                undo,
                plan,
                meaning: action.meaning.as_ref().map(Meaning::reversed),
            }),
            ..Wanted::default()
        };
        record(&self.ports, ctx, &project, incident, wanted).await
    }

    /// The action, for whoever may have it taken back.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::MissingCapability`].
    pub async fn admit_undo(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let action = self.ports.action(ctx, id).await?;
        if ctx.principal().may_operate() {
            Ok(action)
        } else {
            Err(ActionError::MissingCapability)
        }
    }

    /// The incident, for whoever may propose its repair. Whether it exists for them comes first.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::MissingCapability`].
    pub async fn admit(
        &self,
        ctx: &TenantCtx,
        incident: &str,
    ) -> Result<Versioned<Incident>, ActionError> {
        let incident = self.ports.incident(ctx, incident).await?;
        if ctx.principal().may_operate() {
            Ok(incident)
        } else {
            Err(ActionError::MissingCapability)
        }
    }

    /// Proposes on behalf of a scan. The caller is trusted by nothing but the scan's id: it must be
    /// a run of this project that is recording its findings now.
    pub async fn propose_for_run(
        &self,
        project: ProjectId,
        run: RunId,
        incident: &str,
    ) -> Result<Proposed, ActionError> {
        let found = Directory::of(self.ports.state.as_ref())
            .project(project)
            .await?;
        let project = found.ok_or(ActionError::NotFound)?.value;
        let ctx = Directory::scheduler(&project, run);
        let records = self.ports.records(&ctx);
        let scan = records
            .get::<Run>(&run.to_string())
            .await?
            .ok_or(ActionError::NotFound)?;
        if scan.value.step != RunStep::Recording {
            return Err(ActionError::WrongState {
                state: "not an open scan".to_owned(),
            });
        }
        let incident = self.ports.incident(&ctx, incident).await?;
        if incident.value.state != IncidentState::Open {
            return Err(not_open(&incident.value));
        }
        let wanted = Wanted {
            execute_on_approval: true,
            cause: scan.evidence.as_ref(),
            ..Wanted::default()
        };
        record(&self.ports, &ctx, &project, incident, wanted).await
    }
}

/// A repair to propose in a governed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRepair {
    /// The incident, as the caller names it.
    pub incident: String,
    /// Why, in words for whoever approves.
    pub reason: Option<String>,
    /// The last approval executes it at once.
    pub execute_on_approval: bool,
    /// The caller's own number of the step: it must be the next one, where it is given.
    pub seq: Option<u64>,
}

fn not_open(incident: &Incident) -> ActionError {
    let state = format!("not to be proposed: its incident is {:?}", incident.state);
    ActionError::WrongState {
        state: state.to_lowercase(),
    }
}
