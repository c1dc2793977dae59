//! Routes of governed runs: open, complete, and what a decision is or would be. Their actions are
//! proposed and reported at `repair-approve`, where votes are.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::governed_run::{Flow, FlowKind, Reference};
use counterfoil_core::money::Money;
use counterfoil_core::repair::RunWork;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{
    Completion, DecisionRecord, GovernedRuns, NewRun, Preview, RunError,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed, judged};
use counterfoil_lambda::refusals::governed as problem;
use counterfoil_lambda::schema::{self, DecisionId, IdempotencyKey, RunId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::versioned;
use crate::api::Api;
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
struct RunBody {
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

/// Open a governed run
///
/// It takes actions until it is completed. One that is left ends by itself, 24 hours after the last
/// thing that happened in it.
#[utoipa::path(
    post, path = "/v1/runs", operation_id = "openRun", tag = "runs",
    params(IdempotencyKey), request_body = RunBody,
    responses((status = CREATED, description = "The run", body = views::GovernedRun,
        headers(("ETag" = String, description = "Version of the run")))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "outcome-unknown"]))),
)]
pub(crate) async fn open(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.governed.admit_open(&ctx);
    let new = admitted(RunBody::read(&sent), may, problem).await?;
    let may = allowed(api.governed.admit_open(&ctx), problem);
    sent.once(&api.repeats, &ctx, may, async |once| {
        let done = Some((once, Makes::New("governed-run")));
        judged(&api.governed.evidence, done, async |evidence| {
            let runs = GovernedRuns {
                evidence,
                ..api.governed.clone()
            };
            let opened = runs.open(&ctx, new).await;
            let opened = opened.map_err(|error| problem(&error))?;
            let view = views::GovernedRun::of(&opened.value);
            Ok(versioned(StatusCode::CREATED, &view, opened.version))
        })
        .await
    })
    .await
}

/// How a run is completed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CompletionBody {
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

/// Complete a governed run
///
/// When every action has ended. A deterministic run that ends with another artifact than it began with
/// is recorded as failed.
#[utoipa::path(
    post, path = "/v1/runs/{id}/complete", operation_id = "completeRun", tag = "runs",
    params(("id" = RunId, Path, description = "The run"), IdempotencyKey),
    request_body = CompletionBody,
    responses((status = OK, description = "The run as it ended", body = views::GovernedRun,
        headers(("ETag" = String, description = "Version of the run")))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "run-has-open-actions", "wrong-state", "precondition-failed", "outcome-unknown"]))),
)]
pub(crate) async fn complete(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.governed.admit(&ctx, &id);
    let completion = admitted(CompletionBody::read(&sent), may, problem).await?;
    let may = allowed(api.governed.admit(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, async |once| {
        let done = Some((once, Makes::Known(id.clone())));
        judged(&api.governed.evidence, done, async |evidence| {
            let runs = GovernedRuns {
                evidence,
                ..api.governed.clone()
            };
            let completed = runs.complete(&ctx, &id, &completion).await;
            let completed = completed.map_err(|error| problem(&error))?;
            let view = views::GovernedRun::of(&completed.value);
            Ok(versioned(StatusCode::OK, &view, completed.version))
        })
        .await
    })
    .await
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
struct PreviewBody {
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
    fn read(sent: &Sent) -> Result<Preview, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        if body.kind != "run.action" {
            return Err(Problem::invalid("/type", "must be `run.action`"));
        }
        let preview = Preview {
            flow: body.flow,
            work: RunWork {
                kind: body.params.kind,
                amount: body.params.amount,
                target: body.params.target,
            },
        };
        preview.check().map_err(|error| problem(&error))?;
        Ok(preview)
    }
}

/// Ask what would be decided
///
/// Nothing is proposed and nothing is recorded as evidence. The answer can be read for 7 days.
#[utoipa::path(
    post, path = "/v1/decisions/preview", operation_id = "previewDecision", tag = "runs",
    params(IdempotencyKey), request_body = PreviewBody,
    responses((status = CREATED, description = "What would be decided now", body = views::Decision, headers(
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing"]))),
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.governed.admit_open(&ctx);
    let preview = admitted(PreviewBody::read(&sent), may, problem).await?;
    let may = allowed(api.governed.admit_open(&ctx), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        let previewed = api.governed.preview(&ctx, &preview).await;
        let previewed = previewed.map_err(|error| problem(&error))?;
        Ok(decision(StatusCode::CREATED, &previewed))
    })
    .await
}

/// Read a decision
///
/// Of an action of a governed run, or a preview.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", operation_id = "readDecision", tag = "runs",
    params(("id" = DecisionId, Path, description = "The decision")),
    responses((status = OK, description = "The decision", body = views::Decision, headers(
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!([]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = api.governed.decision(&ctx, &id).await;
    let found = found.map_err(|error| problem(&error))?;
    Ok(decision(StatusCode::OK, &found.value))
}

fn decision(status: StatusCode, decision: &DecisionRecord) -> Response {
    let mut response = (status, Json(views::Decision::of(decision))).into_response();
    let headers = response.headers_mut();
    let named = [
        ("counterfoil-decision", decision.id.to_string()),
        ("counterfoil-policy", decision.policy.clone()),
    ];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
