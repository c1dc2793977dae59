//! May this evidence be exported? Asked for every request and for every download.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ExportError, Exports};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::policy::{Effect, ExportFacts, Judgement, Question, Who, bundle_digest, evaluate};
use crate::ports::Batch;
use crate::records::Project;
use crate::tenancy::{Capability, Principal, Role, TenantCtx};
use crate::usecases::facts::{Closing, Decided, Opening, act_hash};
use crate::usecases::reconcile::flow_version;

/// A judgement and the run that records it. Its decision is entry [`Ruling::DECISION`] of the batch.
pub(super) struct Ruling {
    pub(super) decision: DecisionId,
    judgement: Judgement,
    drafts: Vec<Draft>,
}

impl Ruling {
    /// Index of the decision among the drafts.
    pub(super) const DECISION: usize = 1;

    /// The drafts of a permission; a refusal is recorded and becomes the error.
    pub(super) async fn permit(
        self,
        exports: &Exports,
        stream: Hash,
    ) -> Result<Vec<Draft>, ExportError> {
        if self.judgement.effect == Effect::Allow {
            return Ok(self.drafts);
        }
        exports
            .evidence
            .append(stream, Batch::of(self.drafts))
            .await?;
        Err(ExportError::Denied {
            decision: self.decision,
            judgement: self.judgement,
        })
    }
}

impl Exports {
    /// Whether the caller may export at all; records nothing. It comes before what they sent.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&self, ctx: &TenantCtx) -> Result<(), Judgement> {
        let judgement = evaluate(&Question::Export(export_facts(ctx.principal())));
        if judgement.effect == Effect::Allow {
            Ok(())
        } else {
            Err(judgement)
        }
    }

    /// Judges `evidence.export`; the decision has a run of its own.
    pub(super) fn rule(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        beyond_project: bool,
    ) -> Result<Ruling, ExportError> {
        let question = Question::Export(ExportFacts {
            beyond_project,
            ..export_facts(ctx.principal())
        });
        let judgement = evaluate(&question);
        let now = self.clock.now();
        let run = RunId::new(now, self.random.bits128());
        let decision = DecisionId::new(now, self.random.bits128());
        let act = ActionId::new(now, self.random.bits128());
        let hash = act_hash(question.action(), act, run);
        let decided = Decided {
            id: decision,
            run,
            act,
            action_hash: &hash,
            phase: "propose",
            question: &question,
            judgement: &judgement,
            principal: ctx.principal(),
            at: now,
        };
        // Before a mapping is active, what runs here is the product's rules alone.
        let artifact = project.mapping.clone().unwrap_or_else(bundle_digest);
        let opening = Opening {
            flow: flow_version(&artifact)?,
            artifact,
            inputs: &[],
            cause: None,
            principal: ctx.principal(),
            purpose: "export",
            as_of: None,
            asked_by: None,
        };
        let allowed = judgement.effect == Effect::Allow;
        let closing = Closing {
            decisions: (u64::from(allowed), 0, u64::from(!allowed)),
            status: "completed",
            ..Closing::default()
        };
        let drafts = vec![
            Draft::new(Kind::RunOpen, opening.facts()).in_run(run),
            Draft::new(Kind::RunDecision, decided.facts()?).in_run(run),
            Draft::new(Kind::RunClose, closing.facts()).in_run(run),
        ];
        Ok(Ruling {
            decision,
            judgement,
            drafts,
        })
    }
}

/// A key counts as its owner does now: when the owner leaves, it can no longer export.
const fn export_facts(principal: &Principal) -> ExportFacts {
    let (who, role) = match principal {
        Principal::User { role, .. } if role.may_approve() => (Who::Approver, Some(*role)),
        Principal::User {
            role: Role::Auditor,
            ..
        } => (Who::Auditor, Some(Role::Auditor)),
        Principal::User { role, .. } => (Who::Viewer, Some(*role)),
        Principal::ApiKey {
            owner_role,
            capability: Capability::Repair,
            ..
        } => (Who::RepairKey, *owner_role),
        Principal::ApiKey { owner_role, .. } => (Who::ReadKey, *owner_role),
        Principal::Scheduler { .. } => (Who::Scheduler, None),
        Principal::System { .. } => (Who::System, None),
    };
    let role_may_export = match role {
        Some(role) => role.may_export(),
        None => false,
    };
    ExportFacts {
        who,
        role_may_export,
        beyond_project: false,
    }
}
