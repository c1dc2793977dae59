//! That somebody was refused something about an action, as a decision of its own.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::asking::opening;
use super::{ActionError, RepairPorts};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::canonical;
use crate::policy::{Judgement, baseline_digest};
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
        _ => "repair",
    };
    let opening = if action.is_external() {
        // Such a project may have no mapping at all.
        Opening {
            flow: baseline_digest().to_owned(),
            artifact: baseline_digest().to_owned(),
            inputs: &[],
            cause,
            principal: ctx.principal(),
            purpose,
            as_of: None,
            asked_by: None,
            policies: Vec::new(),
        }
    } else {
        opening(project, ctx.principal(), purpose, cause)?
    };
    let opening = Opening {
        policies: judgement.considered.policies(),
        ..opening
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
