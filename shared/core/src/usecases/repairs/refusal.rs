//! That somebody was refused something about an action, as a decision of its own.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::asking::{self, opening_about};
use super::{ActionError, RepairPorts};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::canonical;
use crate::policy::Judgement;
use crate::ports::Batch;
use crate::records::Project;
use crate::repair::Action;
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{Closing, Decided, Opening};

/// What is refused is a decision of its own, with a hash of its own, in a run of its own.
pub(super) async fn record_refusal(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
    judgement: &Judgement,
) -> Result<(), ActionError> {
    let now = ports.clock.now();
    let run = RunId::new(now, ports.random.bits128());
    let id = DecisionId::new(now, ports.random.bits128());
    let about = serde_json::json!({
        "act": action.id, "decision": id, "kind": judgement.considered.action, "run": run,
    });
    let hash = counterfoil_evidence::hash::digest_string(&canonical(&about)?);
    let decided = Decided {
        id,
        run,
        act: ActionId::new(now, ports.random.bits128()),
        action_hash: &hash,
        judgement,
        principal: ctx.principal(),
        at: now,
        hold: None,
        more: Vec::new(),
    };
    let cause = action.decided.as_ref();
    let purpose = match judgement.considered.action {
        "approval.give" | "approval.reject" => "vote",
        _ => asking::purpose(action),
    };
    let opening = Opening {
        policies: judgement.considered.policies(),
        ..opening_about(action, project, ctx.principal(), purpose, cause)?
    };
    let closing = Closing::of_one(judgement.effect);
    let batch = Batch::of([
        Draft::new(Kind::RunOpen, opening.facts()).in_run(run),
        Draft::new(Kind::RunDecision, decided.facts()?).in_run(run),
        Draft::new(Kind::RunClose, closing.facts()).in_run(run),
    ]);
    ports.evidence.append(project.stream_id()?, batch).await?;
    Ok(())
}
