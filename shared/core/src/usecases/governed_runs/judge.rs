//! What the rules say about an action of a run. The one place that asks them.

use counterfoil_evidence::json::Json;

use super::{GovernedRuns, RunError};
use crate::governed_run::{FlowActions, KnownKind, Registrations};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::JsonError;
use crate::policy::{
    Approvals, Asking, BlastFacts, Effect, Judgement, Place, Question, Rules, RunActionFacts,
    baseline_digest,
};
use crate::records::Project;
use crate::repair::{Action, RunWork};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::facts::Decided;
use crate::usecases::grounds::{Grounds, Rows, as_they_are};
use crate::usecases::incidents::{breaker, is_breaker_open};

/// The action, as the policy's schema names it.
pub(super) const RUN_ACTION: &str = "run.action";

/// Something to judge, and who asks.
pub(super) struct Matter<'a> {
    pub(super) project: &'a Project,
    pub(super) flow: &'a str,
    pub(super) act: ActionId,
    pub(super) work: &'a RunWork,
    pub(super) proposer: &'a Principal,
    pub(super) at: Timestamp,
    /// Only asked: nothing can come of it.
    pub(super) dry_run: bool,
}

/// What an action that is judged again has besides.
#[derive(Debug)]
pub(in crate::usecases) enum Again {
    /// None is counted: what do the rules ask for?
    Climb,
    /// The approvals that count now.
    With(Approvals),
    /// An owner stands in for those that are missing.
    Broken {
        /// The owner.
        by: String,
        /// Where it is written down.
        ticket: String,
        /// Approvals that are there.
        given: u8,
    },
}

/// What the rules say.
#[derive(Debug)]
pub(super) struct Verdict(pub(super) Judgement);

/// What a decision is about.
pub(super) struct About<'a> {
    pub(super) id: DecisionId,
    pub(super) run: RunId,
    pub(super) act: ActionId,
    pub(super) action_hash: &'a str,
    pub(super) principal: &'a Principal,
    pub(super) at: Timestamp,
    /// Until when it waits for approvals.
    pub(super) until: Timestamp,
}

impl GovernedRuns {
    /// What an action that is allowed now stands on, with the project and whoever proposes it as they are
    /// then.
    pub(super) async fn standing(
        &self,
        ctx: &TenantCtx,
    ) -> Result<(Grounds, Project, Principal), RunError> {
        let (state, records) = (self.state.as_ref(), self.records(ctx));
        let rows = Rows::of(ctx.workspace())
            .asked_in(Some(ctx.project()))
            .principal(ctx.principal())
            .row(breaker(&records, ctx.project()))
            .row(records.key::<Registrations>(Registrations::ID));
        let grounds = rows.read(state).await?;
        let project = self.project(ctx).await?;
        let proposer = as_they_are(state, ctx.workspace(), ctx.principal());
        Ok((grounds, project, proposer.await?))
    }

    async fn rules(&self, ctx: &TenantCtx) -> Result<Rules, RunError> {
        Ok(Rules::load(self.state.as_ref(), ctx.workspace()).await?)
    }

    /// Digests of the bundles in force, baseline first.
    pub(super) async fn bundles(&self, ctx: &TenantCtx) -> Result<Vec<String>, RunError> {
        let rules = self.rules(ctx).await?;
        Ok(vec![
            baseline_digest().to_owned(),
            rules.digest().to_owned(),
        ])
    }

    /// Judges: what is known of a kind of action comes from the flows' registrations.
    pub(super) async fn judge(
        &self,
        ctx: &TenantCtx,
        matter: &Matter<'_>,
    ) -> Result<Verdict, RunError> {
        let asking = Asking {
            dry_run: matter.dry_run,
            ..Asking::new(matter.proposer, matter.at, Place::project(matter.project))
        };
        Ok(Verdict(self.asked(ctx, matter, &asking).await?))
    }

    /// Judges an action of a run again, as its proposer's and in the request of whoever is served.
    pub(in crate::usecases) async fn judge_again(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        (action, work): (&Action, &RunWork),
        (proposer, serving): (&Principal, &Principal),
        again: Again,
    ) -> Result<Judgement, RunError> {
        let run = self.run(ctx, &action.binding.run.to_string()).await?;
        let at = self.clock.now();
        let matter = Matter {
            project,
            flow: &run.value.flow.id,
            act: action.id,
            work,
            proposer,
            at,
            dry_run: false,
        };
        let asking = Asking {
            proposer,
            ..Asking::new(serving, at, Place::project(project))
        };
        Ok(match again {
            Again::Climb => self.asked(ctx, &matter, &asking).await?,
            Again::With(approvals) => self.asked(ctx, &matter, &asking.with(approvals)).await?,
            // The ladder says what would be missing: a DENY stays one.
            Again::Broken { by, ticket, given } => {
                let asking = Asking {
                    break_glass: true,
                    ..asking
                };
                let judgement = self.asked(ctx, &matter, &asking).await?;
                judgement.broken_by(by, ticket, given)
            }
        })
    }

    async fn asked(
        &self,
        ctx: &TenantCtx,
        matter: &Matter<'_>,
        asking: &Asking<'_>,
    ) -> Result<Judgement, RunError> {
        let rules = self.rules(ctx).await?;
        let records = self.records(ctx);
        let flows = records.list_with::<FlowActions>(FlowActions::ROWS).await?;
        let flows = flows.iter().map(|it| &it.value);
        let known = KnownKind::of(matter.flow, &matter.work.kind, flows);
        let question = Question::RunAction(RunActionFacts {
            id: matter.act.to_string(),
            kind: matter.work.kind.clone(),
            registered: known.registered,
            destructive: known.destructive,
            amount: matter.work.amount.clone(),
            target: matter.work.target.clone(),
            blast: BlastFacts {
                breaker_open: is_breaker_open(&records, matter.project.id).await?,
                ..BlastFacts::default()
            },
        });
        Ok(rules.judge(&question, asking, self.clock.as_ref()))
    }
}

impl Verdict {
    /// The facts of `run.decision`.
    pub(super) fn facts(&self, about: &About<'_>) -> Result<Json, JsonError> {
        let held = self.0.effect == Effect::Require;
        let decided = Decided {
            id: about.id,
            run: about.run,
            act: about.act,
            action_hash: about.action_hash,
            judgement: &self.0,
            principal: about.principal,
            at: about.at,
            hold: held.then_some(about.until),
            more: Vec::new(),
        };
        decided.facts()
    }
}
