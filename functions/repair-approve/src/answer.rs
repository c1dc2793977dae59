//! Actions and errors as people and programs see them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::Action;
use counterfoil_core::usecases::{ActionError, LookError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::telemetry::chain;
use serde_json::{Value, json};

/// An action with its decision, and the version as `ETag`.
pub(crate) fn action(status: StatusCode, action: &Action, version: u64) -> Response {
    let mut response = (status, Json(view(action))).into_response();
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(ETAG, tag);
    }
    if let Ok(decision) = HeaderValue::from_str(&action.decision.to_string()) {
        headers.insert("counterfoil-decision", decision);
    }
    let policy = counterfoil_core::policy::bundle_digest();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert("counterfoil-policy", policy);
    }
    response
}

/// Waiting actions, each with what to send back.
pub(crate) fn list(actions: &[Versioned<Action>]) -> Response {
    let items: Vec<Value> = actions
        .iter()
        .map(|action| {
            let mut view = view(&action.value);
            if let Some(fields) = view.as_object_mut() {
                fields.insert("etag".to_owned(), json!(format!("\"{}\"", action.version)));
            }
            view
        })
        .collect();
    Json(json!({ "items": items, "next_cursor": null })).into_response()
}

fn view(action: &Action) -> Value {
    let changes: Vec<Value> = action
        .plan
        .changes
        .iter()
        .map(|change| {
            json!({
                "column": change.column,
                "before": change.before.text(),
                "after": change.after.text(),
            })
        })
        .collect();
    json!({
        "id": action.id,
        "state": action.state,
        "incident": action.binding.resource,
        "run": action.binding.run,
        "action_digest": action.digest,
        "expires_at": action.binding.expires_at.to_string(),
        "proposer": { "type": action.binding.principal_type, "id": action.binding.principal },
        "reason": action.reason,
        "decision": {
            "id": action.decision,
            "effect": action.effect,
            "approvals": action.approvals,
            "rule": action.rule,
            "reason": action.why,
        },
        "change": {
            "table": format!("{}.{}", action.plan.schema, action.plan.table),
            "key": action.plan.key.text(),
            "columns": changes,
        },
        "approved_by": action.approvers(),
        "follow_up_run": action.follow_up,
        "failure": action.failure,
    })
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
        ActionError::Expired => Problem::new(
            StatusCode::GONE,
            "hold-expired",
            "The hold has ended: propose again",
        ),
        ActionError::Denied(judgement) => {
            let title = format!("{} ({})", judgement.reason, judgement.rule);
            Problem::new(StatusCode::FORBIDDEN, "action-denied", title)
        }
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
