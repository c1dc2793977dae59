//! Tells apart a request of a person, what an agent asks through `mcp`, a proposal of a scan, and the
//! sweep.

use std::time::Duration;

use counterfoil_core::ids::{IncidentId, ProjectId, RunId};
use counterfoil_core::sealed::Purpose;
use counterfoil_core::usecases::{
    ActionError, OverdueReviews, ProposeRepair, RepairPorts, Rewrap, SweepRepairs, Swept,
};
use counterfoil_lambda::agent::AgentRequest;
use counterfoil_lambda::duty;
use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, Front};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::glass;
use crate::service::Service;

/// What other functions and the schedule may ask. Whoever can invoke this function is decided by
/// IAM; a proposal is believed only as far as its run is open.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Job {
    Propose {
        project: ProjectId,
        run: RunId,
        incident: IncidentId,
    },
    Sweep {},
    Rewrap {},
}

/// For how long one invocation wraps data keys anew; the function ends after 60 seconds.
const REWRAP_WITHIN: Duration = Duration::from_secs(40);

/// Handles one invocation; `front` is the router of the same service.
///
/// # Errors
/// When the event is none of these, or when what it asks for is not done.
pub async fn handle(service: Service, front: Front, event: Value) -> Result<Value, Error> {
    let event = match event::read(event)? {
        Incoming::Http(request) => return Ok(event::answer(front, *request).await?),
        Incoming::Other(event) => event,
    };
    if let Some(request) = AgentRequest::read(&event)? {
        return request.answer(front, &service.agents).await;
    }
    let ports = service.ports;
    let job = match event.pointer("/detail/job").and_then(Value::as_str) {
        Some("sweep") => Job::Sweep {},
        Some("rewrap") => Job::Rewrap {},
        _ => serde_json::from_value(event)?,
    };
    match job {
        Job::Propose {
            project,
            run,
            incident,
        } => propose(ports, project, run, incident).await,
        Job::Sweep {} => sweep(ports).await,
        Job::Rewrap {} => duty::rewrap(&rewrap(ports)).await,
    }
}

/// Repairs first, then reviews that are overdue. One that fails does not stop the other.
async fn sweep(ports: RepairPorts) -> Result<Value, Error> {
    let reviews = OverdueReviews {
        ports: ports.clone(),
    };
    let swept = SweepRepairs { ports }.sweep().await;
    let rung = glass::tell_overdue(&reviews).await;
    let swept = told(swept?)?;
    rung?;
    Ok(swept)
}

/// The repair credentials alone: `scheduled-reconcile` does it for the others.
fn rewrap(ports: RepairPorts) -> Rewrap {
    Rewrap {
        state: ports.state,
        vault: ports.vault,
        clock: ports.clock,
        purposes: &[Purpose::Repair],
        within: REWRAP_WITHIN,
    }
}

/// Logs each failure, and fails if there was one: then the alarm of this function rings.
fn told(swept: Swept) -> Result<Value, Error> {
    let Swept {
        finished,
        left,
        projects_left,
        failed,
    } = swept;
    tracing::info!(
        finished,
        left,
        projects_left,
        failed = failed.len(),
        "sweep"
    );
    for failure in &failed {
        tracing::error!(
            project.id = failure.project.to_string(),
            action.id = failure.action.map(|id| id.to_string()),
            cause = chain(&failure.error),
            "sweep could not finish an action"
        );
    }
    match failed.into_iter().next() {
        Some(failure) => Err(failure.error.into()),
        None => Ok(json!({ "finished": finished, "left": left, "projects_left": projects_left })),
    }
}

async fn propose(
    ports: RepairPorts,
    project: ProjectId,
    run: RunId,
    incident: IncidentId,
) -> Result<Value, Error> {
    let propose = ProposeRepair { ports };
    match propose
        .propose_for_run(project, run, &incident.to_string())
        .await
    {
        Ok(proposed) => {
            let (act, effect) = (
                proposed.action.id.to_string(),
                proposed.action.effect.name(),
            );
            tracing::info!(
                action.id = act,
                decision.effect = effect,
                "repair proposed by a scan"
            );
            Ok(json!({ "action": act, "effect": effect }))
        }
        // A message that came twice: the repair is on its way already.
        Err(error @ ActionError::WrongState { .. }) => {
            tracing::info!(cause = chain(&error), "repair not proposed again");
            Ok(json!({ "action": null }))
        }
        Err(error) => {
            tracing::error!(cause = chain(&error), "repair not proposed");
            Err(error.into())
        }
    }
}
