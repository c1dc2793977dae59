//! Proposing a repair: plan, judge, record, all in one transaction.

use std::time::Duration;

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::judge::{Repair, Surroundings, repair_question};
use super::{ActionError, RepairPorts, in_run, plan_of, settle};
use crate::cell::Cell;
use crate::governed_run::{GovernedRun, InvalidRun};
use crate::ids::{ActionId, DecisionId, ProjectId, RunId};
use crate::incident::{Incident, IncidentState};
use crate::json::to_json;
use crate::mapping::Artifact;
use crate::policy::{Asking, BlastFacts, Effect, Judgement, Place, Rules, baseline_digest};
use crate::ports::{AppendError, Batch, EntryRef};
use crate::reconcile::Finding;
use crate::records::{Directory, Project, Records, Versioned};
use crate::repair::{
    Action, ActionBinding, ActionState, DAY_MAX, HOUR_MAX, Pace, RepairPlan, Resource, Undo, Work,
};
use crate::run::{Run, RunScope, RunStep};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::{Closing, Decided, Opening};
use crate::usecases::governed_runs::{
    DecisionRecord, QUOTA_REASON, RunError, Waiting, in_order, over, within_quota,
};
use crate::usecases::reconcile::flow_version;

/// How long an action waits for approvals: a weekend and the days around it.
const HOLD: Duration = Duration::from_hours(72);

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

    async fn record(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: Versioned<Incident>,
        wanted: Wanted<'_>,
    ) -> Result<Proposed, ActionError> {
        let records = self.ports.records(ctx);
        let Wanted { reason, cause, .. } = wanted;
        let artifact = active_mapping(&self.ports, ctx, project).await?;
        let (undo, plan) = match wanted.undo {
            Some((undo, plan)) => (Some(undo), plan),
            None => (None, plan(&artifact, &incident.value)),
        };
        let now = self.ports.clock.now();
        let about = self.ports.about(ctx, project, &incident.value).await;
        let asking = Asking::new(ctx.principal(), now, Place::project(project));
        let undoes = match undo {
            Some(_) => Some(settle::looked(&self.ports, ctx, project, &incident.value).await?),
            None => None,
        };
        let repair = Repair {
            incident: &incident.value,
            plan: &plan,
            undoes,
            customer: about.clone(),
        };
        let pace = pace(&records).await?.value;
        let judged = judge(&self.ports, ctx, (&artifact, &pace), repair, &asking);
        let mut judgement = Box::pin(judged).await?;
        if judgement.effect == Effect::Require {
            let waiting = records.list::<Waiting>().await?;
            if over(&waiting, &ctx.principal().id()) {
                judgement = within_quota(judgement, QUOTA_REASON);
            }
        }
        let hold = judgement.considered.hold.unwrap_or(HOLD);
        let run = match &wanted.run {
            Some(governed) => governed.value.id,
            None => RunId::new(now, self.ports.random.bits128()),
        };
        let act = ActionId::new(now, self.ports.random.bits128());
        let decision = DecisionId::new(now, self.ports.random.bits128());
        let salt = self.ports.random.bytes32();
        let binding = ActionBinding {
            v: 1,
            workspace: ctx.workspace(),
            project: ctx.project(),
            run,
            act,
            kind: judgement.considered.action.to_owned(),
            principal_type: ctx.principal().kind().to_owned(),
            principal: ctx.principal().id(),
            on_behalf_of: ctx.principal().on_behalf_of(),
            resource: Resource::Incident(incident.value.id),
            plan: plan.digest(&salt)?,
            expires_at: now.plus(hold),
        };
        let digest = binding.digest()?;
        let decided = Decided {
            id: decision,
            run,
            act,
            action_hash: &digest,
            judgement: &judgement,
            principal: ctx.principal(),
            at: now,
            hold: (judgement.effect == Effect::Require).then(|| now.plus(hold)),
            more: undo
                .iter()
                .map(|undo| ("undo_of", Json::from(undo.of.to_string())))
                .collect(),
        };
        let opening = opening(project, ctx.principal(), "repair", cause)?;
        let opening = Opening {
            policies: judgement.considered.policies(),
            ..opening
        };
        let told = subject(&plan, &hex::encode(salt), reason, &incident.value.finding)?;
        let decision_entry = Draft::new(Kind::RunDecision, decided.facts()?)
            .in_run(run)
            .subject(told)
            .about(about.clone());
        // A run that somebody holds open has its own beginning and end.
        let (drafts, entry) = if wanted.run.is_some() {
            (vec![decision_entry], 0)
        } else {
            let open = Draft::new(Kind::RunOpen, opening.facts()).in_run(run);
            let close = Draft::new(Kind::RunClose, closing(&judgement).facts()).in_run(run);
            (vec![open, decision_entry, close], 1)
        };
        let mut action = Action {
            about,
            reason: reason.map(str::to_owned),
            execute_on_approval: wanted.execute_on_approval,
            undo,
            follow_up: wanted.run.as_ref().map(|governed| governed.value.id),
            ..new_action(
                act,
                decision,
                binding,
                digest.clone(),
                plan,
                ctx.principal(),
                &judgement,
            )
        };
        action.salt = hex::encode(salt);
        let mut batch = Batch::of(drafts);
        if let Some(governed) = &wanted.run {
            let after = governed.value.clone();
            let after = after.taking_repair(act, judgement.effect, now);
            let after = after.map_err(RunError::from)?;
            let counted = records.replace(governed.version, &after)?;
            let index = records.create(&DecisionRecord::of_action(&action, now))?;
            batch = batch
                .with(counted.explained_by(entry))
                .with(index.explained_by(entry));
        }
        batch = batch.with(records.create(&action)?.explained_by(entry));
        let batch = match judgement.effect {
            Effect::Deny => batch,
            Effect::Allow | Effect::Require => {
                let repairing = incident.value.clone().repaired_by(act);
                let write = records.replace(incident.version, &repairing)?;
                let waiting = records.create(&Waiting::of(&action, &action.digest))?;
                batch
                    .with(write.explained_by(entry))
                    .with(waiting.explained_by(entry))
            }
        };
        let appended = self.ports.evidence.append(project.stream_id()?, batch);
        let entries = appended.await.map_err(|error| match error {
            AppendError::StateChanged { index: RUN } if wanted.run.is_some() => {
                ActionError::Evidence(error)
            }
            error => error.into(),
        })?;
        action.decided = entries.get(entry).cloned();
        Ok(Proposed { action, version: 1 })
    }
}

fn new_action(
    id: ActionId,
    decision: DecisionId,
    binding: ActionBinding,
    digest: String,
    plan: RepairPlan,
    proposer: &Principal,
    judgement: &Judgement,
) -> Action {
    Action {
        id,
        state: state_after(judgement.effect),
        binding,
        digest,
        work: Work::Repair(plan),
        salt: String::new(),
        about: None,
        proposer: proposer.clone(),
        reason: None,
        decision,
        decided: None,
        effect: judgement.effect,
        approvals: judgement.approvals,
        role: Some(judgement.considered.role),
        policy: judgement.policy().to_owned(),
        rule: judgement.rule.clone(),
        why: judgement.reason.clone(),
        execute_on_approval: false,
        votes: Vec::new(),
        follow_up: None,
        started_at: None,
        failure: None,
        overridden: None,
        undo: None,
    }
}

/// A repair as somebody wants it.
#[derive(Default)]
struct Wanted<'a> {
    /// The person's words.
    reason: Option<&'a str>,
    execute_on_approval: bool,
    /// The scan behind it.
    cause: Option<&'a EntryRef>,
    /// What it takes back, and how.
    undo: Option<(Undo, RepairPlan)>,
    /// The run that somebody holds open.
    run: Option<Versioned<GovernedRun>>,
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

/// Where the record of a governed run is among the writes of a proposal in it.
const RUN: usize = 0;

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

fn plan(artifact: &Artifact, incident: &Incident) -> RepairPlan {
    let table = artifact.table();
    RepairPlan {
        schema: table.schema,
        table: table.table,
        key_column: table.key,
        key: incident.finding.row.clone().unwrap_or(Cell::Null),
        changes: incident.finding.changes.clone(),
    }
}

const fn state_after(effect: Effect) -> ActionState {
    match effect {
        Effect::Allow => ActionState::Allowed,
        Effect::Require => ActionState::Held,
        Effect::Deny => ActionState::Denied,
    }
}

/// An implicit run closes at once, also with a held action: whoever answers opens a run of their own.
fn closing(judgement: &Judgement) -> Closing<'static> {
    let one = |effect| u64::from(judgement.effect == effect);
    Closing {
        decisions: (one(Effect::Allow), one(Effect::Require), one(Effect::Deny)),
        unresolved: one(Effect::Require),
        status: "completed",
        ..Closing::default()
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

/// What differs and what it costs a month: the reason for the proposal, as people read it.
fn difference(finding: &Finding) -> Result<Json, ActionError> {
    let mut fields = vec![
        ("granted", Json::from(finding.actual.text())),
        ("kind", finding.kind.name().into()),
        ("promised", finding.expected.text().into()),
    ];
    if let Some(money) = &finding.at_risk {
        fields.push(("at_risk", to_json(money)?));
    }
    Ok(object(fields))
}
