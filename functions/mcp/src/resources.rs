//! Records under addresses of their own, for clients that attach them to a conversation.

use counterfoil_lambda::Problem;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;

use crate::arguments::Arguments;
use crate::caller::Caller;
use crate::tools::{Refused, Told, Tools};

const SCHEME: &str = "counterfoil://";
const JSON: &str = "application/json";

/// Those that are there whatever is recorded.
pub(crate) fn list() -> Vec<Resource> {
    Vec::new()
}

pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |path: &str, name: &str, description: &str| {
        ResourceTemplate::new(format!("{SCHEME}{path}"), name)
            .with_description(description)
            .with_mime_type(JSON)
    };
    vec![
        template(
            "incidents/{id}",
            "incident",
            "A difference between promise and grant",
        ),
        template(
            "runs/{id}/evidence",
            "run evidence",
            "A run and the entries that record it",
        ),
    ]
}

/// Reads one, as the tool of the same record would.
pub(crate) async fn read(
    tools: &Tools,
    caller: &Caller,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let absent = || ErrorData::resource_not_found("there is nothing here", None);
    let path = uri.strip_prefix(SCHEME).ok_or_else(absent)?;
    let mut segments = path.split('/');
    let found = match (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ) {
        (Some("incidents"), Some(id), None, None) => {
            called(tools, caller, "incident_get", "incident_id", id)
        }
        (Some("runs"), Some(id), Some("evidence"), None) => {
            called(tools, caller, "run_get", "run_id", id)
        }
        _ => return Err(absent()),
    }
    .await;
    let value = found.map_err(|refused| match refused {
        Refused::Here(problem) if problem == Problem::not_found() => absent(),
        Refused::Here(problem) => {
            let said = serde_json::to_value(&problem).unwrap_or_default();
            ErrorData::internal_error("it could not be read", Some(said))
        }
        Refused::There(said) => ErrorData::internal_error("it could not be read", Some(said)),
    })?;
    let contents = ResourceContents::text(value.to_string(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private))
}

async fn called(tools: &Tools, caller: &Caller, tool: &str, argument: &str, id: &str) -> Told {
    let arguments = Arguments::of(json!({ argument: id }).as_object().cloned());
    let called = tools.call(tool, caller, arguments).await;
    called.unwrap_or_else(|| Err(Problem::not_found().into()))
}
