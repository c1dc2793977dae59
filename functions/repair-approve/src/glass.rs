//! Breaking the glass, and looking at it afterwards.

use axum::extract::{Path, State};
use axum::response::Response;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ActionError, Glass, OVERDUE_TOPIC, OverdueReviews, ReadActions, RepairPorts, VoteOnAction,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, demand_if_match};
use counterfoil_lambda::schema::{ActionId, DecisionId, IdempotencyKey, IfMatch, Reason};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer;
use crate::service::{Service, known};
use crate::views;
use crate::words::short_enough;

/// Why the approvals are replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverrideBody {
    /// At least 20 characters.
    #[schema(
        min_length = 20,
        max_length = 1_000,
        examples("Nobody else answers, and the customer is locked out")
    )]
    reason: String,
    /// Where it is written down: a reference, which stays in the record for ever.
    #[schema(pattern = "^[A-Za-z0-9_#/.:-]{1,64}$", examples("OPS-1042"))]
    ticket: String,
    /// `action_digest` of the action that was displayed.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: String,
}

impl OverrideBody {
    /// The body, and the version of the action that was displayed.
    pub(crate) fn read(sent: &Sent) -> Result<(Self, u64), Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        short_enough(&body.reason)?;
        Ok((body, demand_if_match(sent.headers())?))
    }
}

/// Replace missing approvals
///
/// For owners who signed in within 5 minutes with a second factor, when nobody else can be reached.
/// What policy denies stays denied. The record shows it for ever, and another person reviews it
/// within seven days.
#[utoipa::path(
    post, path = "/v1/actions/{id}/override", operation_id = "overrideAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), IfMatch, IdempotencyKey),
    request_body = OverrideBody,
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "insufficient_user_authentication", "action-denied", "wrong-state", "hold-expired", "precondition-required", "precondition-failed", "scan-needed", "outcome-unknown"]))),
)]
pub(crate) async fn break_glass(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let votes = service.votes();
    let may = (|| votes.admit_break_glass(&ctx, &id), answer::problem);
    let asked = (&sent, OverrideBody::read(&sent));
    let act = async |ports, (body, version): (OverrideBody, u64)| {
        let glass = Glass {
            digest: &body.action_digest,
            reason: body.reason.trim(),
            ticket: body.ticket.trim(),
            version,
        };
        let votes = VoteOnAction { ports };
        let ring = || tell(&ctx, &id);
        let overridden = Box::pin(votes.override_approvals(&ctx, &id, &glass, &ring)).await;
        let overridden = match overridden {
            Err(error) => return Err(refused(&votes, &ctx, &error).await),
            Ok(overridden) => overridden,
        };
        let done = Box::pin(votes.carry_out(&ctx, overridden)).await;
        answer::after_answer(&ctx, done)
    };
    Box::pin(service.once(&ctx, asked, may, known(&id), act)).await
}

/// Why the glass was not broken; where an earlier use has to be reviewed first, which one.
async fn refused(votes: &VoteOnAction, ctx: &TenantCtx, error: &ActionError) -> Problem {
    if let ActionError::Denied(judgement) = error
        && (judgement.rule == OVERDUE && judgement.fresh_within_s.is_none())
        && let Ok(Some(used)) = votes.overdue(ctx).await
    {
        return answer::unreviewed(judgement, &used);
    }
    answer::problem(error)
}

/// The rule that keeps the glass whole while a review is overdue.
const OVERDUE: &str = "base.forbid.override-unreviewed";

/// Rings the alarm of the template.
fn tell(ctx: &TenantCtx, action: &str) {
    tracing::error!(
        alarm = "override.used",
        workspace.id = %ctx.workspace(),
        project.id = %ctx.project(),
        action,
        "an owner replaces missing approvals"
    );
}

/// Rings for each use that nobody reviewed in time, and records that. It rings first: nobody would hear of
/// what is recorded and not told. The last failure is the answer.
pub(crate) async fn tell_overdue(reviews: &OverdueReviews) -> Result<usize, ActionError> {
    let due = reviews.due().await?;
    let mut failed = None;
    for overdue in &due {
        tracing::error!(
            alarm = OVERDUE_TOPIC,
            workspace.id = %overdue.workspace(),
            project.id = %overdue.project(),
            action = %overdue.action(),
            "nobody reviewed in time that an owner replaced missing approvals"
        );
        if let Err(error) = reviews.record(overdue).await {
            tracing::error!(cause = chain(&error), "an overdue review was not recorded");
            failed = Some(error);
        }
    }
    failed.map_or(Ok(due.len()), Err)
}

/// What the reviewer says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    #[schema(value_type = Reason)]
    reason: String,
}

impl ReviewBody {
    pub(crate) fn read(sent: &Sent) -> Result<Self, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        short_enough(&body.reason)?;
        Ok(body)
    }
}

/// Review a use of break-glass
///
/// By another auditor, admin or owner than the one who used it. A review that is overdue keeps
/// everybody from breaking the glass again.
#[utoipa::path(
    post, path = "/v1/actions/{id}/override/review", operation_id = "reviewOverride", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), IdempotencyKey),
    request_body = ReviewBody,
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "action-denied", "wrong-state", "precondition-failed", "outcome-unknown"]))),
)]
pub(crate) async fn review(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let votes = service.votes();
    let may = (|| votes.admit_review(&ctx, &id), answer::problem);
    let asked = (&sent, ReviewBody::read(&sent));
    let act = async |ports: RepairPorts, body: ReviewBody| {
        let actions = ReadActions {
            ports: ports.clone(),
        };
        let votes = VoteOnAction { ports };
        let reviewed = Box::pin(votes.review(&ctx, &id, body.reason.trim())).await;
        let reviewed = reviewed.map_err(|error| answer::problem(&error))?;
        // It is reviewed, also where that cannot be read just now.
        let used = actions.used(&ctx, &reviewed.value).await.ok().flatten();
        Ok(answer::reviewed(&ctx, &reviewed, used.as_ref()))
    };
    Box::pin(service.once(&ctx, asked, may, known(&id), act)).await
}
