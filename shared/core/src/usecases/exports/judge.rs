//! May this evidence be exported? Asked for every request and for every download.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ExportError, Exports};
use crate::export::ExportScope;
use crate::ids::{ActionId, DecisionId, RunId};
use crate::policy::{
    Asking, Effect, EvidenceFacts, Judgement, Place, Question, Rules, baseline_digest,
};
use crate::ports::Batch;
use crate::records::Project;
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{Closing, Decided, Opening, act_hash};
use crate::usecases::governed::{Judging, Terms};
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
    fn judging(&self) -> Judging<'_> {
        Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        }
    }

    /// Whether the caller may export at all; records nothing. It comes before what they sent.
    ///
    /// # Errors
    /// [`ExportError::Refused`]; when the rules could not be read.
    pub async fn admit(&self, ctx: &TenantCtx) -> Result<(), ExportError> {
        let question = Question::Export(EvidenceFacts {
            id: "any".to_owned(),
            extent: "run",
            entries: 0,
            legal_hold: false,
        });
        let judging = self.judging();
        let judged = judging.in_project(ctx, &question, Terms::default()).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(ExportError::Refused(judged.judgement))
        }
    }

    /// Judges `evidence.export`; the decision has a run of its own.
    pub(super) async fn rule(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: &ExportScope,
    ) -> Result<Ruling, ExportError> {
        let question = Question::Export(facts(scope));
        let rules = Rules::load(self.state.as_ref(), ctx.workspace()).await?;
        let now = self.clock.now();
        let place = match scope {
            ExportScope::Workspace => Place::workspace(ctx.workspace()),
            _ => Place::project(project),
        };
        let asking = Asking::new(ctx.principal(), now, place);
        let judgement = rules.judge(&question, &asking, self.clock.as_ref());
        let run = RunId::new(now, self.random.bits128());
        let decision = DecisionId::new(now, self.random.bits128());
        let act = ActionId::new(now, self.random.bits128());
        let hash = act_hash(question.action(), act, run);
        let decided = Decided {
            id: decision,
            run,
            act,
            action_hash: &hash,
            judgement: &judgement,
            principal: ctx.principal(),
            at: now,
            hold: None,
            more: Vec::new(),
        };
        // Before a mapping is active, what runs here is the product's rules alone.
        let artifact = project.mapping.clone();
        let artifact = artifact.unwrap_or_else(|| baseline_digest().to_owned());
        let opening = Opening {
            flow: flow_version(&artifact)?,
            artifact,
            policies: judgement.considered.policies(),
            inputs: &[],
            cause: None,
            principal: ctx.principal(),
            purpose: "export",
            as_of: None,
            asked_by: None,
        };
        let closing = Closing::of_one(judgement.effect);
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

/// What policy knows about what is asked for.
fn facts(scope: &ExportScope) -> EvidenceFacts {
    let (id, extent) = match scope {
        ExportScope::Run { run_id } => (run_id.to_string(), "run"),
        ExportScope::Period { from, to } => (format!("period:{from}/{to}"), "range"),
        // The customer's id is no fact that may stay for ever.
        ExportScope::Customer { .. } => ("customer".to_owned(), "range"),
        ExportScope::All => ("all".to_owned(), "all"),
        ExportScope::Workspace => ("workspace".to_owned(), "workspace"),
    };
    EvidenceFacts {
        id,
        extent,
        entries: 0,
        legal_hold: false,
    }
}
