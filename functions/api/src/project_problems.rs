//! Errors about projects and their mappings as answers.

use axum::http::StatusCode;
use counterfoil_core::mapping::MappingErrors;
use counterfoil_core::usecases::{MAX_MAPPINGS, ProjectError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::problem::FieldError;
use counterfoil_lambda::telemetry::chain;

use crate::answer::conflict;

/// Errors that one answer says.
const MAX_ERRORS: usize = 100;

/// An error of making something that nobody has seen a version of: what changed meanwhile is the
/// memory of the request, which another worker has taken over.
pub(crate) fn unmade(error: &ProjectError) -> Problem {
    match error {
        ProjectError::Changed => {
            let title = "This request is being done: send it again in a few seconds";
            conflict("idempotency-in-flight", title).retry_after(2)
        }
        error => problem(error),
    }
}

/// An error about a project as an answer. Causes go to the log, once.
pub(crate) fn problem(error: &ProjectError) -> Problem {
    match error {
        ProjectError::NotFound => Problem::not_found(),
        ProjectError::Invalid { field, rule } => Problem::invalid(*field, rule.clone()),
        ProjectError::Changed => {
            let title = "The project has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        ProjectError::Incomplete(missing) => conflict("project-incomplete", missing.fix()),
        ProjectError::Refused(findings) => refused(findings),
        ProjectError::Mapping(errors) => invalid(errors),
        ProjectError::Full => {
            let title = format!(
                "The project has {MAX_MAPPINGS} mappings, and none can be removed: activate one of them, or make another project"
            );
            conflict("wrong-state", title)
        }
        ProjectError::Repairing => {
            let title = "A repair was begun and is not settled, and only this credential can read back what it did: send this again in some minutes; until then `frozen` keeps others from beginning";
            conflict("wrong-state", title).retry_after(60)
        }
        ProjectError::NotSecond(why) => conflict("wrong-state", why.to_string()),
        ProjectError::Denied(judgement) => Problem::denied(judgement),
        ProjectError::Evidence(_)
        | ProjectError::Port(_)
        | ProjectError::Record(_)
        | ProjectError::Vault(_)
        | ProjectError::Secret(_)
        | ProjectError::Create(_)
        | ProjectError::Json(_) => {
            tracing::error!(cause = chain(error), "project not changed");
            Problem::unfinished()
        }
    }
}

/// A credential that does not fit: each finding with what to do about it.
fn refused(findings: &[String]) -> Problem {
    let title = "The credential was probed and does not fit, so nothing was stored";
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = Problem::new(status, "connection-refused", title);
    let findings = findings.iter();
    findings.fold(problem, |problem, finding| {
        problem.with_error("/secret", finding.as_str())
    })
}

/// What is wrong with a document: everything, up to [`MAX_ERRORS`].
fn invalid(errors: &MappingErrors) -> Problem {
    let mut title = "This is not a mapping, so nothing was stored".to_owned();
    let more = errors.iter().count().saturating_sub(MAX_ERRORS);
    if more > 0 {
        title = format!("{title}. The first {MAX_ERRORS} errors are here, {more} more are not");
    }
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = Problem::new(status, "mapping-invalid", title);
    errors
        .iter()
        .take(MAX_ERRORS)
        .fold(problem, |problem, error| {
            problem.with_field_error(FieldError {
                pointer: "/text".to_owned(),
                detail: error.to_string(),
                path: Some(error.field.clone()),
                rule: Some(error.rule.clone()),
                fix: Some(error.fix.clone()),
                // The parser counts the columns of an empty line from 0.
                line: error.place.map(|place| place.line.max(1)),
                column: error.place.map(|place| place.column.max(1)),
                length: None,
                excerpt: None,
            })
        })
}

#[cfg(test)]
mod tests {
    use counterfoil_core::mapping::{MappingFormat, read};

    use super::*;

    #[test]
    fn an_answer_says_a_hundred_errors_and_how_many_more_there_are() {
        let wrong = |fields: usize| {
            let fields = (0..fields).map(|number| format!("x{number} = 1\n"));
            let errors = read(&fields.collect::<String>(), MappingFormat::Toml).unwrap_err();
            let count = errors.iter().count();
            let told = serde_json::to_value(invalid(&errors)).unwrap();
            let title = told["title"].as_str().unwrap().to_owned();
            (count, told["errors"].as_array().unwrap().len(), title)
        };
        let (all, told, title) = wrong(20);
        assert_eq!(all, told);
        assert!(!title.contains("more"), "{title}");
        let (all, told, title) = wrong(20_000);
        assert_eq!(told, MAX_ERRORS);
        assert!(title.contains(&format!("{} more", all - told)), "{title}");
    }
}
