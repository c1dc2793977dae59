//! Proposing a repair: by a person or key, in a governed run, by a scan, and taking one back.

use super::judge::{Repair, Surroundings, repair_question};
use super::record::{RUN, Wanted};
use super::{ActionError, RepairPorts, in_run, plan_of};
use crate::governed_run::InvalidRun;
use crate::ids::{ProjectId, RunId};
use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::policy::{Asking, BlastFacts, Judgement, Rules, baseline_digest};
use crate::ports::{AppendError, EntryRef};
use crate::records::{Directory, Project, Records, Versioned};
use crate::repair::{Action, ActionState, DAY_MAX, HOUR_MAX, Pace, Undo};
use crate::run::{Run, RunScope, RunStep};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::Opening;
use crate::usecases::governed_runs::{RunError, in_order};
use crate::usecases::reconcile::flow_version;

/// The answer to a proposal. A DENY is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The action.
    pub action: Action,
    /// Its version, for `If-Match`.
    pub version: u64,
}

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
        self.record(ctx, &project, incident, wanted).await
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
        let runs = in_run::runs(&self.ports);
        for _ in 0..in_run::ATTEMPTS {
            let run = runs.admit(ctx, run).await?;
            let incident = self.admit_in_run(ctx, new).await?;
            if incident.value.state != IncidentState::Open {
                return Err(not_open(&incident.value));
            }
            run.value.takes_one().map_err(RunError::from)?;
            in_order(&run.value, new.seq)?;
            let wanted = Wanted {
                reason: new.reason.as_deref(),
                execute_on_approval: new.execute_on_approval,
                run: Some(run),
                ..Wanted::default()
            };
            match self.record(ctx, &project, incident, wanted).await {
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
        if action.undo.is_some() {
            let state = "one that took another back: propose the repair of its incident again";
            return Err(ActionError::WrongState {
                state: state.to_owned(),
            });
        }
        let executed = matches!(action.state, ActionState::Executed | ActionState::Verified);
        if !executed || action.is_erased() {
            let state = format!("{:?}", action.state).to_lowercase();
            return Err(ActionError::WrongState { state });
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
            undo: Some((undo, plan)),
            ..Wanted::default()
        };
        self.record(ctx, &project, incident, wanted).await
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
        self.record(&ctx, &project, incident, wanted).await
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

/// When repairs of the project were begun; version 0 before the first.
pub(super) async fn pace(records: &Records<'_>) -> Result<Versioned<Pace>, ActionError> {
    let found = records.get::<Pace>(Pace::ID).await?;
    Ok(found.unwrap_or_else(|| Versioned {
        value: Pace::default(),
        version: 0,
        evidence: None,
    }))
}

/// Judges a repair.
pub(super) async fn judge(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    (artifact, pace): (&Artifact, &Pace),
    repair: Repair<'_>,
    asking: &Asking<'_>,
) -> Result<Judgement, ActionError> {
    let mut around = surroundings(ports, ctx, artifact, repair.incident).await?;
    around.blast.hour = pace.hour(asking.at);
    around.blast.day = pace.day(asking.at);
    let question = repair_question(repair, &around, asking.at);
    let rules = Rules::load(ports.state.as_ref(), ctx.workspace()).await?;
    Ok(rules.judge(&question, asking, ports.clock.as_ref()))
}

/// What surrounds a repair at this moment.
async fn surroundings<'a>(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    artifact: &'a Artifact,
    incident: &Incident,
) -> Result<Surroundings<'a>, ActionError> {
    let records = ports.records(ctx);
    let incidents = records.list::<Incident>().await?;
    let behind = records.get::<Run>(&incident.seen_by.to_string()).await?;
    let most = u64::from(artifact.max_drift_permille());
    let drift = behind
        .map(|run| run.value)
        .filter(|run| run.scope == RunScope::Scan)
        .map_or(0, |run| {
            let share = run.counts.drift_permille();
            // One or two customers are no mass drift, whatever their share; and one that a person has
            // taken for real stops nobody any more.
            if run.mass_drift {
                share
            } else {
                share.min(most)
            }
        });
    let run = match ctx.principal() {
        Principal::Scheduler { run } => {
            let proposed = records.list::<Action>().await?;
            let proposed = proposed
                .iter()
                .filter(|action| action.value.proposer == Principal::Scheduler { run: *run })
                .filter(|action| action.value.state != ActionState::Denied)
                .count();
            u64::try_from(proposed).unwrap_or(u64::MAX)
        }
        _ => 0,
    };
    Ok(Surroundings {
        artifact,
        blast: BlastFacts {
            run,
            run_max: u64::try_from(artifact.max_repairs_per_run()).unwrap_or(u64::MAX),
            hour: 0,
            hour_max: HOUR_MAX,
            day: 0,
            day_max: DAY_MAX,
            amount_exceeded: false,
            drift_permille: drift,
            drift_permille_max: most,
            breaker_open: incidents.iter().any(|incident| incident.value.is_breaker()),
        },
    })
}

/// The project's active mapping.
pub(super) async fn active_mapping(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
) -> Result<Artifact, ActionError> {
    Ok(crate::usecases::reconcile::active_mapping(&ports.records(ctx), project).await?)
}

/// The `run.open` of a repair's runs.
pub(super) fn opening<'a>(
    project: &'a Project,
    principal: &'a Principal,
    purpose: &'a str,
    cause: Option<&'a EntryRef>,
) -> Result<Opening<'a>, ActionError> {
    let mapping = project.active_mapping()?;
    Ok(Opening {
        flow: flow_version(mapping)?,
        artifact: mapping.to_owned(),
        policies: vec![baseline_digest().to_owned()],
        inputs: &[],
        cause,
        principal,
        purpose,
        as_of: None,
        asked_by: None,
    })
}
