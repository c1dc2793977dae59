//! The schedule also records the health of webhooks, once per project and day.

use counterfoil_core::usecases::{HealthError, RecordWebhookHealth};
use counterfoil_lambda::telemetry::chain;
use serde_json::Value;

/// Records what is due when the schedule has asked for scans. A failure is logged and tried again by
/// the next one: it does not keep anybody from being checked.
pub async fn on_schedule(health: &RecordWebhookHealth, event: &Value) {
    let job = event.pointer("/detail/job").and_then(Value::as_str);
    if !matches!(job, Some("due" | "scan" | "incremental")) {
        return;
    }
    match health.record_all().await {
        Ok(results) => {
            for (project, result) in results {
                let project = project.to_string();
                match result {
                    Ok(_) => {}
                    Err(error @ (HealthError::Stripe(_) | HealthError::Vault(_))) => {
                        let cause = chain(&error);
                        tracing::warn!(project.id = project, cause, "webhook health waits");
                    }
                    Err(error) => {
                        let cause = chain(&error);
                        tracing::error!(project.id = project, cause, "webhook health not recorded");
                    }
                }
            }
        }
        Err(error) => tracing::error!(cause = chain(&error), "webhook health not recorded"),
    }
}
