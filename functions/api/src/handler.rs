//! Tells apart a request and the hourly duty.

use counterfoil_core::usecases::{Secrets, Tidied};
use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, Front};
use serde_json::{Value, json};

use crate::api::Api;

/// Handles one invocation; `front` is the router of the same service.
///
/// # Errors
/// When the event is none of these, or when a duty is not done.
pub async fn handle(api: Api, front: Front, event: Value) -> Result<Value, Error> {
    let event = match event::read(event)? {
        Incoming::Http(request) => return Ok(event::answer(front, *request).await?),
        Incoming::Other(event) => event,
    };
    match event.pointer("/detail/job").and_then(Value::as_str) {
        Some("retention") => duty(&api).await,
        _ => Err("this function takes HTTP API events and the job `retention`".into()),
    }
}

/// Legal holds first, then erasures, then deletions, then retention. One that fails does not stop the
/// next: the first error fails the invocation, and the schedule tries again.
async fn duty(api: &Api) -> Result<Value, Error> {
    let holds = api.holds.finish().await;
    let erasures = api.erase.finish().await;
    let deleted = api.delete.carry_out().await;
    let enforced = api.retention.enforce().await;
    let tidied = tidied(&api.secrets).await;
    let mut failed: Option<Error> = None;
    let mut note = |error: Error| {
        tracing::error!(cause = chain(error.as_ref()), "duty not done");
        failed.get_or_insert(error);
    };
    let holds = holds
        .map_err(|error| note(error.into()))
        .unwrap_or_default();
    let erasures = erasures
        .map_err(|error| note(error.into()))
        .unwrap_or_default();
    let deleted = deleted
        .map_err(|error| note(error.into()))
        .unwrap_or_default();
    let enforced = enforced
        .map_err(|error| note(error.into()))
        .unwrap_or_default();
    let tidied = tidied.map_err(&mut note).unwrap_or_default();
    tracing::info!(
        holds,
        erasures,
        deleted = deleted.deleted,
        removed = deleted.removed,
        put_off = deleted.put_off,
        versions_retired = tidied.retired,
        keys_shredded = tidied.shredded,
        pruned = enforced.pruned,
        objects = enforced.objects,
        held = enforced.held,
        "duty"
    );
    match failed {
        Some(error) => Err(error),
        None => Ok(json!({
            "holds_finished": holds,
            "erasures_finished": erasures,
            "deleted": deleted.deleted,
            "removed": deleted.removed,
            "put_off": deleted.put_off,
            "pruned": enforced.pruned,
            "objects_deleted": enforced.objects,
            "held": enforced.held,
        })),
    }
}

/// Retires versions of secrets and destroys data keys that nothing needs. A project that fails does
/// not stop the next; the last error is the answer.
async fn tidied(secrets: &Secrets) -> Result<Tidied, Error> {
    let mut all = Tidied::default();
    let mut failed = None;
    for (project, result) in secrets.tidy().await? {
        match result {
            Ok(tidied) => {
                all.retired = all.retired.saturating_add(tidied.retired);
                all.shredded = all.shredded.saturating_add(tidied.shredded);
            }
            Err(error) => {
                let project = project.to_string();
                tracing::error!(
                    project.id = project,
                    cause = chain(&error),
                    "keys not tidied"
                );
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(all),
    }
}
