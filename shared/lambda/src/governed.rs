//! What is asked of governed runs, whoever asks for it: routes of the API, and tools of agents. Both
//! take the same bodies, and do the same once.

use axum::Json;
use axum::response::{IntoResponse, Response};
use counterfoil_core::governed_run::{Flow, FlowKind, GovernedRun, Reference};
use counterfoil_core::money::Money;
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::RunWork;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{Completion, GovernedRuns, NewRun, Preview, RunError};
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Problem;
use crate::http::{Repeats, Sent, admitted, allowed, judged};
use crate::refusals::governed as problem;
use crate::schema;
use crate::views;

/// A file that stays with the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileReference)]
struct FileBody {
    /// Where the caller keeps it: opaque, never personal data.
    #[serde(rename = "ref")]
    #[schema(pattern = "^[!-~]{1,512}$", examples("s3://inputs/batch-7.json"))]
    name: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    sha256: String,
    #[serde(default)]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    bytes: Option<u64>,
    #[serde(default)]
    #[schema(pattern = "^[!-~]{1,64}$", examples("application/json"))]
    media_type: Option<String>,
}

impl FileBody {
    fn reference(self) -> Reference {
        Reference {
            name: self.name,
            digest: self.sha256,
            bytes: self.bytes.unwrap_or_default(),
            media_type: self.media_type,
        }
    }
}

/// The two kinds of runs.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum FlowKindWord {
    Governed,
    Deterministic,
}

/// What is run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FlowBody {
    /// Its name: what its actions are is registered under it.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refunds"))]
    id: String,
    /// Digest of the version that runs.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    version_sha256: String,
    #[schema(value_type = FlowKindWord)]
    kind: FlowKind,
}

/// A run to open.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    flow: FlowBody,
    /// Digest of what is executed; a deterministic run names it and repeats it at its end.
    #[serde(default)]
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    artifact_sha256: Option<String>,
    /// What it works on, by reference.
    #[serde(default)]
    #[schema(max_items = 100)]
    inputs: Vec<FileBody>,
    /// Your own trace id, W3C.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{32}$")]
    trace_id: Option<String>,
}

impl RunBody {
    fn read(sent: &Sent) -> Result<NewRun, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        let new = NewRun {
            flow: Flow {
                id: body.flow.id,
                version: body.flow.version_sha256,
                kind: body.flow.kind,
            },
            artifact: body.artifact_sha256,
            inputs: body.inputs.into_iter().map(FileBody::reference).collect(),
            trace_id: body.trace_id,
        };
        let checked = new.check().map_err(RunError::from);
        checked.map_err(|error| problem(&error))?;
        Ok(new)
    }
}

/// Opens the run that is asked for, once.
///
/// # Errors
/// What the route answers.
pub async fn open(
    runs: &GovernedRuns,
    repeats: &Repeats,
    ctx: &TenantCtx,
    sent: &Sent,
) -> Result<Response, Problem> {
    let new = admitted(RunBody::read(sent), runs.admit_open(ctx), problem).await?;
    let may = allowed(runs.admit_open(ctx), problem);
    sent.once(repeats, ctx, may, async |once| {
        let done = Some((once, Makes::New("governed-run")));
        judged(&runs.evidence, done, async |evidence| {
            let runs = GovernedRuns {
                evidence,
                ..runs.clone()
            };
            let opened = runs.open(ctx, new).await;
            let opened = opened.map_err(|error| problem(&error))?;
            Ok(answer(StatusCode::CREATED, &opened))
        })
        .await
    })
    .await
}

/// How a run is completed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionBody {
    /// What it produced, by reference.
    #[serde(default)]
    output: Option<FileBody>,
    /// Digest of what was executed; a deterministic run repeats it.
    #[serde(default)]
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    artifact_sha256: Option<String>,
}

impl CompletionBody {
    fn read(sent: &Sent) -> Result<Completion, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        let completion = Completion {
            output: body.output.map(FileBody::reference),
            artifact: body.artifact_sha256,
        };
        let checked = completion.check().map_err(RunError::from);
        checked.map_err(|error| problem(&error))?;
        Ok(completion)
    }
}

/// Completes a run as it is asked for, once.
///
/// # Errors
/// What the route answers.
pub async fn complete(
    runs: &GovernedRuns,
    repeats: &Repeats,
    (ctx, id): (&TenantCtx, &str),
    sent: &Sent,
) -> Result<Response, Problem> {
    let completion = admitted(CompletionBody::read(sent), runs.admit(ctx, id), problem).await?;
    let may = allowed(runs.admit(ctx, id), problem);
    sent.once(repeats, ctx, may, async |once| {
        let done = Some((once, Makes::Known(id.to_owned())));
        judged(&runs.evidence, done, async |evidence| {
            let runs = GovernedRuns {
                evidence,
                ..runs.clone()
            };
            let completed = runs.complete(ctx, id, &completion).await;
            let completed = completed.map_err(|error| problem(&error))?;
            Ok(answer(StatusCode::OK, &completed))
        })
        .await
    })
    .await
}

fn answer(status: StatusCode, run: &Versioned<GovernedRun>) -> Response {
    let view = views::GovernedRun::of(&run.value);
    let mut response = (status, Json(view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", run.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// What would be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PreviewParams)]
struct ParamsBody {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refund.create"))]
    kind: String,
    #[serde(default)]
    #[schema(value_type = Option<schema::Money>)]
    amount: Option<Money>,
    #[serde(default)]
    #[schema(pattern = "^[!-~]{1,128}$", examples("invoice-1042"))]
    target: Option<String>,
}

/// What is only asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// `run.action`.
    #[serde(rename = "type")]
    #[schema(pattern = "^run\\.action$", examples("run.action"))]
    kind: String,
    /// The flow whose registration counts.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refunds"))]
    flow: String,
    params: ParamsBody,
}

impl PreviewBody {
    /// What is asked, where that keeps its rules.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self) -> Result<Preview, Problem> {
        if self.kind != "run.action" {
            return Err(Problem::invalid("/type", "must be `run.action`"));
        }
        let preview = Preview {
            flow: self.flow,
            work: RunWork {
                kind: self.params.kind,
                amount: self.params.amount,
                target: self.params.target,
            },
        };
        preview.check().map_err(|error| problem(&error))?;
        Ok(preview)
    }
}

crate::views::silent!(RunBody, CompletionBody, PreviewBody);
