//! Answers that rest on a decision name it.

use std::future::Future;
use std::sync::Arc;

use axum::response::Response;
use counterfoil_core::idempotency::Once;
use counterfoil_core::ports::EvidenceAppend;
use counterfoil_core::traced::{Makes, Traced};

use crate::Problem;
use crate::problem::decision_headers;

use super::once::in_flight;

/// Does `act` with evidence that notes the decision it records, and names that decision in the answer:
/// `Counterfoil-Decision`, `Counterfoil-Policy`, and `decision_id` in a problem. With `done`, the first
/// transaction of `act` says that the request was done ([`Once::done`]).
///
/// # Errors
/// What `act` returns; 409 where another worker has taken the request over, whatever `act` made of that.
pub async fn judged<F, R>(
    evidence: &Arc<dyn EvidenceAppend>,
    done: Option<(Once, Makes)>,
    act: F,
) -> Result<Response, Problem>
where
    F: FnOnce(Arc<dyn EvidenceAppend>) -> R,
    R: Future<Output = Result<Response, Problem>>,
{
    let traced = Arc::new(Traced::new(Arc::clone(evidence), done));
    let noting: Arc<dyn EvidenceAppend> = traced.clone();
    let answer = act(noting).await;
    if traced.is_overtaken() {
        return Err(in_flight());
    }
    let Some(made) = traced.decision() else {
        return answer;
    };
    match answer {
        Ok(mut response) => {
            decision_headers(response.headers_mut(), Some(&made.id), Some(&made.policy));
            Ok(response)
        }
        Err(problem) => Err(problem.decided(&made.id, made.policy)),
    }
}
