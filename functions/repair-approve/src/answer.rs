//! Actions and errors as people and programs see them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::policy::Judgement;
use counterfoil_core::records::{OverrideUse, Versioned};
use counterfoil_core::repair::Action;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ActionError, Answered, Lapsed, LookError, Proposed, ReadActions, RunError,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::refusals::governed;
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::telemetry::chain;
pub(crate) use counterfoil_lambda::views::action;
use counterfoil_lambda::views::answer;

use crate::views;

/// A page of waiting actions, each with what to send back.
pub(crate) fn list(items: Vec<views::WaitingAction>, next_cursor: Option<String>) -> Response {
    Json(views::Waiting { items, next_cursor }).into_response()
}

/// An action that waits for approvals, and who of those who gave one counts no more.
pub(crate) fn waiting(
    ctx: &TenantCtx,
    (action, lapsed): (&Versioned<Action>, Vec<Lapsed>),
) -> views::WaitingAction {
    listed(
        action,
        views::ActionView::of(&action.value, Sight::of(ctx)).without(lapsed),
    )
}

/// A use of break-glass that waits for a review.
pub(crate) fn used(
    ctx: &TenantCtx,
    (action, used): (&Versioned<Action>, &OverrideUse),
) -> views::WaitingAction {
    let view = views::ActionView::of(&action.value, Sight::of(ctx));
    listed(action, view.reviewed(Some(used)))
}

fn listed(action: &Versioned<Action>, view: views::ActionView) -> views::WaitingAction {
    views::WaitingAction {
        action: view,
        etag: format!("\"{}\"", action.version),
    }
}

/// All that is known of an action.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn whole(
    ctx: &TenantCtx,
    actions: &ReadActions,
    found: &Versioned<Action>,
) -> Result<Response, Problem> {
    let used = actions.used(ctx, &found.value).await;
    let used = used.map_err(|error| problem(&error))?;
    let lapsed = actions.lapsed(ctx, std::slice::from_ref(found)).await;
    let lapsed = lapsed.map_err(|error| problem(&error))?;
    let view = views::ActionView::of(&found.value, Sight::of(ctx)).reviewed(used.as_ref());
    let view = view.without(lapsed.into_iter().flatten().collect());
    Ok(answer(StatusCode::OK, (&found.value, view), found.version))
}

/// A use of break-glass that was just reviewed.
pub(crate) fn reviewed(
    ctx: &TenantCtx,
    found: &Versioned<Action>,
    used: Option<&OverrideUse>,
) -> Response {
    let view = views::ActionView::of(&found.value, Sight::of(ctx)).reviewed(used);
    answer(StatusCode::OK, (&found.value, view), found.version)
}

/// An error as an answer. Causes go to the log, once.
pub(crate) fn problem(error: &ActionError) -> Problem {
    match error {
        ActionError::NotFound => Problem::not_found(),
        ActionError::MissingCapability => {
            let title = "This key or role may not do this";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        ActionError::WrongState { state } => {
            let code = if state == "held" {
                "action-held"
            } else {
                "wrong-state"
            };
            Problem::new(StatusCode::CONFLICT, code, format!("The action is {state}"))
        }
        ActionError::Changed => {
            let title = "The record has changed: read it again";
            Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                title,
            )
        }
        ActionError::OtherDigest => governed(&RunError::OtherDigest),
        ActionError::Full => governed(&RunError::Full),
        ActionError::Invalid(invalid) => Problem::invalid(invalid.field.clone(), invalid.rule),
        ActionError::Expired => Problem::new(
            StatusCode::GONE,
            "hold-expired",
            "The hold has ended: propose again",
        ),
        ActionError::Denied(judgement) => Problem::denied(judgement),
        ActionError::Look(LookError::TooManyNewcomers) => {
            let title = "Nothing was written, and an approval stays: too many customers have come \
                         since a scan has last seen this difference. Ask for a scan, then for the \
                         execution";
            Problem::new(StatusCode::CONFLICT, "scan-needed", title)
        }
        ActionError::Unknown(_) | ActionError::Unsettled(_) => {
            tracing::error!(cause = chain(error), "request not settled");
            Problem::outcome_unknown()
        }
        ActionError::Evidence(_)
        | ActionError::Port(_)
        | ActionError::Record(_)
        | ActionError::Vault(_)
        | ActionError::Look(_)
        | ActionError::Json(_) => {
            tracing::error!(cause = chain(error), "request failed");
            Problem::unavailable()
        }
    }
}

/// The glass stays whole before another person has reviewed an earlier use, which this names.
pub(crate) fn unreviewed(judgement: &Judgement, used: &OverrideUse) -> Problem {
    let title = format!(
        "{}: {} of {} ({})",
        judgement.reason, used.id, used.project, judgement.rule
    );
    Problem::new(StatusCode::FORBIDDEN, "action-denied", title).with_resource(used.id.to_string())
}

/// What was to be executed is not what is there any more.
pub(crate) fn stale() -> Problem {
    let title = "The action is stale: the row, what was promised or the rules have changed since, and \
                 nothing was written. Look at it, and propose it again";
    Problem::new(StatusCode::CONFLICT, "action-stale", title)
}

/// What became of an action, or why not.
pub(crate) fn after_act(
    ctx: &TenantCtx,
    after: Result<Versioned<Action>, ActionError>,
) -> Result<Response, Problem> {
    let after = after.map_err(|error| problem(&error))?;
    Ok(action(ctx, StatusCode::OK, &after.value, after.version))
}

/// What became of an action that somebody approved or rejected. What kept it from being begun at once is
/// for whoever runs the product.
pub(crate) fn after_answer(
    ctx: &TenantCtx,
    answered: Result<Answered, ActionError>,
) -> Result<Response, Problem> {
    let answered = answered.map(|it| {
        if let Some(cause) = &it.not_begun {
            let action = it.action.value.id;
            tracing::warn!(cause = chain(cause), %action, "approved, not begun");
        }
        it.action
    });
    after_act(ctx, answered)
}

/// A repair that was proposed, or why not.
pub(crate) fn proposed(
    ctx: &TenantCtx,
    proposed: Result<Proposed, ActionError>,
) -> Result<Response, Problem> {
    let proposed = proposed.map_err(|error| problem(&error))?;
    let (action, version) = (&proposed.action, proposed.version);
    Ok(self::action(ctx, StatusCode::CREATED, action, version))
}
