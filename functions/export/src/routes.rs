//! The routes of `export`.

use axum::extract::{FromRef, Path, State};
use axum::response::Response;
use counterfoil_core::export::{ExportScope, Wanted};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::Exports;
use counterfoil_lambda::http::{Asked, Authentication, Caller, Repeats, Sent, admitted, judged};
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Front, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{accepted, found, link, problem};
use crate::views;

/// What the routes and the worker use.
#[derive(Debug, Clone)]
pub struct Service {
    /// Who is calling.
    pub authentication: Authentication,
    /// Which agent is calling through `mcp`.
    pub agents: Authentication,
    /// What doing requests once needs.
    pub repeats: Repeats,
    /// The use case.
    pub exports: Exports,
}

impl FromRef<Service> for Authentication {
    fn from_ref(service: &Service) -> Self {
        service.authentication.clone()
    }
}

// The routes (how to add one: functions/api/src/routes.rs).
counterfoil_lambda::routes! { Service:
    create;
    read;
    download;
}

/// Routes that read a query string; `tests/document` compares them with the document.
pub const QUERIES: &[&str] = &["/v1/exports/{id}/download"];

/// Every route; made once, and cloned for each request.
pub fn router(service: Service) -> Front {
    Front::of(served(), service, QUERIES)
}

/// What is asked for, as it is sent: exactly one kind of it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ExportBody)]
struct Request {
    #[schema(value_type = Option<schema::RunId>)]
    run_id: Option<String>,
    /// With `to`: first moment of a period.
    #[schema(value_type = Option<schema::Time>)]
    from: Option<String>,
    /// With `from`: the moment after the period.
    #[schema(value_type = Option<schema::Time>)]
    to: Option<String>,
    /// The whole project.
    #[schema(value_type = Option<schema::True>)]
    all: Option<bool>,
    /// The whole workspace.
    #[schema(value_type = Option<schema::True>)]
    workspace: Option<bool>,
    /// The ledger of a customer, by their id in Stripe.
    #[schema(max_length = 255)]
    customer: Option<String>,
    /// Inputs come with it; with `all` and with periods only.
    #[serde(default)]
    inputs: bool,
}

const ONE_OF: &str = "name exactly one of `run_id`, `from` with `to`, `\"all\": true`, `\"workspace\": true`, `customer`";

impl Request {
    fn wanted(self) -> Result<Wanted, Problem> {
        let inputs = self.inputs;
        let scope = self.scope()?;
        let has_inputs = matches!(scope, ExportScope::All | ExportScope::Period { .. });
        if inputs && !has_inputs {
            let rule = "comes with `\"all\": true` and with periods only: leave it out otherwise";
            return Err(Problem::invalid("/inputs", rule));
        }
        Ok(Wanted { scope, inputs })
    }

    fn scope(self) -> Result<ExportScope, Problem> {
        for (pointer, flag) in [("/all", self.all), ("/workspace", self.workspace)] {
            if flag == Some(false) {
                return Err(Problem::invalid(
                    pointer,
                    "must be true where it is given: leave it out otherwise",
                ));
            }
        }
        let period = self.from.is_some() || self.to.is_some();
        let named = [
            self.run_id.is_some(),
            period,
            self.all.is_some(),
            self.workspace.is_some(),
            self.customer.is_some(),
        ];
        if named.iter().filter(|given| **given).count() != 1 {
            return Err(Problem::invalid("", ONE_OF));
        }
        if let Some(run) = self.run_id {
            // A text that is not an id names nothing.
            let run_id = run.parse().map_err(|_| Problem::not_found())?;
            return Ok(ExportScope::Run { run_id });
        }
        if let Some(customer) = self.customer {
            return Ok(ExportScope::Customer { customer });
        }
        if period {
            return Ok(ExportScope::Period {
                from: moment("/from", self.from)?,
                to: moment("/to", self.to)?,
            });
        }
        Ok(if self.all.is_some() {
            ExportScope::All
        } else {
            ExportScope::Workspace
        })
    }
}

/// An RFC 3339 time in UTC, so that nobody has to know which summer time was meant.
fn moment(pointer: &str, text: Option<String>) -> Result<Timestamp, Problem> {
    let rule = "must be a time in UTC that ends in Z, for example 2026-11-23T00:00:00Z";
    let text = text.unwrap_or_default();
    let time = text.ends_with('Z').then(|| text.parse().ok()).flatten();
    time.ok_or_else(|| Problem::invalid(pointer, rule))
}

/// Ask for an evidence package
///
/// Name exactly one of `run_id`, `from` with `to`, `all`, `workspace`, `customer`.
#[utoipa::path(
    post, path = "/v1/exports", operation_id = "createExport", tag = "exports",
    params(schema::IdempotencyKey), request_body = Request,
    responses((status = ACCEPTED, description = "Asked for", body = views::Export, headers(
        ("Location" = String, description = "Where to look for it"),
        ("ETag" = String, description = "Version of the export"),
        ("Counterfoil-Decision" = schema::DecisionId, description = "The decision that allowed it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
        ("Idempotent-Replayed" = String, description = "`true` when the key came before"),
    ))),
    extensions(("x-problems" = json!(["run-open", "insufficient_user_authentication", "action-denied", "erased"]))),
)]
async fn create(
    State(service): State<Service>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let exports = &service.exports;
    let wanted = sent.key().and_then(|key| {
        let wanted = sent.read::<Request>()?.wanted()?;
        Ok((key, wanted))
    });
    let (key, wanted) = match wanted {
        // A text that is not an id is absent, as what it could name is, whoever asks.
        Err(absent) if absent == Problem::not_found() => return Err(absent),
        wanted => admitted(wanted, exports.admit(&ctx), problem).await?,
    };
    // The use case finds the export of a key again, so a repeat after a crash gets the export.
    let may = async {
        let admitted = exports.admit(&ctx).await;
        admitted.map_err(|error| problem(&error))
    };
    sent.once(&service.repeats, &ctx, may, async |_| {
        judged(&exports.evidence, None, async |evidence| {
            let exports = Exports {
                evidence,
                ..exports.clone()
            };
            let made = exports.create(&ctx, wanted, Some(&key)).await;
            let made = made.map_err(|error| problem(&error))?;
            if let Some(error) = &made.not_sent {
                let export = made.export.value.id.to_string();
                tracing::warn!(export.id = export, cause = chain(error), "no worker told");
            }
            Ok(accepted(&made, Sight::of(&ctx)))
        })
        .await
    })
    .await
}

/// Read how far an export is
#[utoipa::path(
    get, path = "/v1/exports/{id}", operation_id = "readExport", tag = "exports",
    params(("id" = schema::ExportId, Path, description = "The export")),
    responses((status = OK, description = "The export", body = views::Export, headers(
        ("ETag" = String, description = "Version of the export"),
    ))),
    extensions(("x-problems" = json!(["action-denied"]))),
)]
async fn read(
    State(Service { exports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let export = exports.find(&ctx, &id).await;
    let export = export.map_err(|error| problem(&error))?;
    Ok(found(&export, Sight::of(&ctx)))
}

/// Which file.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Part {
    /// The package, unless it says otherwise, or the report for people.
    #[serde(default = "package")]
    #[param(value_type = Option<PartName>, inline)]
    part: String,
}

fn package() -> String {
    "package".to_owned()
}

/// The files of an export.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExportPart)]
#[expect(dead_code, reason = "the document's words")]
enum PartName {
    Package,
    Report,
}

/// Get a link to a file of an export
///
/// The link works for five minutes. Every link is a decision.
#[utoipa::path(
    get, path = "/v1/exports/{id}/download", operation_id = "downloadExport", tag = "exports",
    params(("id" = schema::ExportId, Path, description = "The export"), Part),
    responses((status = OK, description = "The link", body = views::Link, headers(
        ("Counterfoil-Decision" = schema::DecisionId, description = "The decision that allowed it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!([
        "export-not-ready", "export-failed", "export-expired", "erased", "action-denied",
    ]))),
)]
async fn download(
    State(Service { exports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    Asked(Part { part }): Asked<Part>,
) -> Result<Response, Problem> {
    if !["package", "report"].contains(&part.as_str()) {
        return Err(Problem::invalid("/part", "must be package or report"));
    }
    judged(&exports.evidence, None, async |evidence| {
        let exports = Exports {
            evidence,
            ..exports.clone()
        };
        let fetched = exports.download(&ctx, &id, &part).await;
        Ok(link(&fetched.map_err(|error| problem(&error))?))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use axum::response::IntoResponse;
    use counterfoil_lambda::http::body;

    fn scope(text: &str) -> Result<ExportScope, u16> {
        let request = body::<Request>(&Bytes::copy_from_slice(text.as_bytes()));
        let scope = request.and_then(Request::wanted).map(|wanted| wanted.scope);
        scope.map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn exactly_one_kind_of_export_is_named() {
        assert_eq!(scope(r#"{"all":true}"#), Ok(ExportScope::All));
        assert_eq!(scope(r#"{"all":true,"inputs":true}"#), Ok(ExportScope::All));
        let of_customer = r#"{"customer":"cus_1","inputs":true}"#;
        assert_eq!(scope(of_customer), Err(400));
        assert_eq!(scope(r#"{"workspace":true}"#), Ok(ExportScope::Workspace));
        for bad in [
            "{}",
            "",
            "[]",
            r#"{"all":false}"#,
            r#"{"all":true,"workspace":true}"#,
            r#"{"all":true,"customer":"cus_1"}"#,
            r#"{"everything":true}"#,
            r#"{"from":"2026-11-23T00:00:00Z"}"#,
            r#"{"to":"2026-11-23T00:00:00Z"}"#,
        ] {
            assert_eq!(scope(bad), Err(400), "{bad}");
        }
        assert_eq!(scope(r#"{"run_id":"not an id"}"#), Err(404));
    }

    #[test]
    fn a_period_is_given_in_utc() {
        let good = r#"{"from":"2026-11-23T00:00:00Z","to":"2026-11-24T00:00:00.5Z"}"#;
        let from = Timestamp::from_secs(1_795_392_000);
        let to = Timestamp::from_millis(1_795_478_400_500);
        assert_eq!(scope(good), Ok(ExportScope::Period { from, to }));
        for bad in ["2026-11-24T00:00:00+01:00", "2026-11-24", "yesterday", ""] {
            let text = format!(r#"{{"from":"2026-11-23T00:00:00Z","to":"{bad}"}}"#);
            assert_eq!(scope(&text), Err(400), "{bad}");
        }
    }
}
