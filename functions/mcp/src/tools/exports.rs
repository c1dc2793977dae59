//! The tool that asks for an evidence package. `export` judges it and keeps the job; nothing is
//! downloaded here.

use counterfoil_lambda::Problem;
use counterfoil_lambda::agent::Ask;
use counterfoil_lambda::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Call, Told, Tools, delegate, told};

/// What is asked for: exactly one of `run_id`, `from` with `to`, `all`, `customer`.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "its arguments are handed on as the body of the API's request"
)]
pub(super) struct Wanted {
    #[schema(value_type = Option<schema::RunId>, nullable = false)]
    run_id: Option<String>,
    /// With `to`: first moment of a period.
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    from: Option<String>,
    /// With `from`: the moment after the period.
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    to: Option<String>,
    /// The whole project.
    #[schema(value_type = Option<schema::True>, nullable = false)]
    all: Option<bool>,
    /// The ledger of a customer, by their id in Stripe.
    #[schema(max_length = 255, nullable = false)]
    customer: Option<String>,
    /// A key of your own: the same key asks for the same package.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// An evidence package that was asked for.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AskedExport)]
pub(super) struct Asked {
    #[serde(rename(deserialize = "id"))]
    #[schema(value_type = schema::ExportId)]
    export_id: String,
    /// How far it is, for example `queued` or `ready`.
    state: String,
    /// Where the package is fetched once it is ready, with a credential that may export.
    #[serde(default)]
    download: String,
}

impl Tools {
    pub(super) async fn evidence_export_request(&self, mut call: Call<'_>) -> Told {
        let key = call.arguments.idempotency_key()?;
        let body = std::mem::take(&mut call.arguments).rest();
        // What the API takes besides is for people: a whole workspace, and inputs.
        for beyond in ["workspace", "inputs"] {
            if body.contains_key(beyond) {
                let rule = "is not an argument of this tool: leave it out";
                return Err(Problem::invalid(format!("/{beyond}"), rule).into());
            }
        }
        let to = self.others.export.as_ref();
        let export = delegate(to, &call, Ask::Export {}, (Some(key), body)).await?;
        let mut asked: Asked = serde_json::from_value(export).map_err(|_| Problem::internal())?;
        asked.download = format!("/v1/exports/{}/download", asked.export_id);
        told(&asked)
    }
}
