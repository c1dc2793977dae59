//! Records under addresses of their own, for clients that attach them to a conversation.

use counterfoil_lambda::Problem;
use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, JsonObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};

use crate::arguments::Arguments;
use crate::caller::Caller;
use crate::tools::{Refused, Told, Tools};

const SCHEME: &str = "counterfoil://";
const JSON: &str = "application/json";

/// The rules in force.
const POLICY: &str = "policy/active";

/// Those that are there whatever is recorded.
pub(crate) fn list() -> Vec<Resource> {
    let policy = Resource::new(format!("{SCHEME}{POLICY}"), "policy")
        .with_description("Which rules judge: their digests, and since when they are in force")
        .with_mime_type(JSON);
    vec![policy]
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
    let (path, project) = match path.split_once("?project_id=") {
        Some((path, project)) => (path, Some(project)),
        None => (path, None),
    };
    let segments: Vec<&str> = path.split('/').collect();
    let found = match segments.as_slice() {
        ["incidents", id] => {
            called(tools, caller, ("incident_get", "incident_id", id), project).await
        }
        ["runs", id, "evidence"] => called(tools, caller, ("run_get", "run_id", id), project).await,
        _ if path == POLICY => tools.policy_active(caller, project).await,
        _ => return Err(absent()),
    };
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

async fn called(
    tools: &Tools,
    caller: &Caller,
    (tool, argument, id): (&str, &str, &str),
    project: Option<&str>,
) -> Told {
    let mut arguments = JsonObject::new();
    arguments.insert(argument.to_owned(), id.into());
    if let Some(project) = project {
        arguments.insert("project_id".to_owned(), project.into());
    }
    let called = tools
        .call(tool, caller, Arguments::of(Some(arguments)))
        .await;
    called.unwrap_or_else(|| Err(Problem::not_found().into()))
}
