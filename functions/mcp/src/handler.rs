//! From an HTTP event to the routes and back.

use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::{Error, Front};
use serde_json::Value;

/// Handles one invocation.
///
/// # Errors
/// When the event is none of the HTTP API.
pub async fn handle(front: Front, event: Value) -> Result<Value, Error> {
    match event::read(event)? {
        Incoming::Http(request) => Ok(event::answer(front, *request).await?),
        Incoming::Other(_) => Err("this function takes HTTP API events".into()),
    }
}
