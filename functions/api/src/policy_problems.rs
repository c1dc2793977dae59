//! Errors about policies as answers, and which of them ring.

use axum::http::StatusCode;
use counterfoil_core::tenancy::WorkspaceCtx;
use counterfoil_core::usecases::{PolicyError, PolicyFinding};
use counterfoil_lambda::Problem;
use counterfoil_lambda::alarming;
use counterfoil_lambda::problem::FieldError;

use crate::admin;
use crate::answer::conflict;

/// Errors that one answer says.
const MOST_ERRORS: usize = 100;
/// Characters of a line that an error shows, around the place.
const LONGEST_EXCERPT: usize = 200;

/// A bundle that is not stored. What nobody who may sign has signed rings.
pub(crate) fn refused(ctx: &WorkspaceCtx, error: &PolicyError) -> Problem {
    if matches!(error, PolicyError::Suspect(_)) {
        alarming::upload_refused(ctx.workspace(), ctx.principal());
    }
    problem(error)
}

/// An error about policies as an answer.
pub(crate) fn problem(error: &PolicyError) -> Problem {
    match error {
        PolicyError::Admin(error) => admin::problem(error),
        PolicyError::Invalid(findings) => invalid(findings),
        PolicyError::Unfit(why) => conflict("wrong-state", why.clone()),
        PolicyError::Suspect(why) => problem(why),
        PolicyError::NotSecond(why) => conflict("wrong-state", why.to_string()),
    }
}

/// What is wrong with a bundle: everything, up to [`MOST_ERRORS`].
fn invalid(findings: &[PolicyFinding]) -> Problem {
    let mut title = "This bundle cannot be activated, so nothing was stored".to_owned();
    let more = findings.len().saturating_sub(MOST_ERRORS);
    if more > 0 {
        title = format!("{title}. The first {MOST_ERRORS} errors are here, {more} more are not");
    }
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "policy-invalid", title);
    let findings = findings.iter().take(MOST_ERRORS);
    findings.fold(problem, |problem, finding| {
        let placed = !finding.excerpt.is_empty();
        problem.with_field_error(FieldError {
            pointer: pointer(&finding.file),
            detail: finding.detail.clone(),
            path: (!finding.file.is_empty()).then(|| finding.file.clone()),
            rule: None,
            fix: Some(finding.help.clone()),
            line: placed.then_some(finding.line),
            column: placed.then_some(finding.column),
            length: placed.then_some(finding.length),
            excerpt: placed.then(|| finding.window(LONGEST_EXCERPT).0),
        })
    })
}

/// The field of the request that a file of a bundle came in.
fn pointer(file: &str) -> String {
    match file {
        "" => "/files".to_owned(),
        "manifest.json" => "/manifest".to_owned(),
        "signature.json" => "/signature".to_owned(),
        file => format!("/files/{}", file.replace('~', "~0").replace('/', "~1")),
    }
}
