//! Exports as people and programs see them: the document (docs/openapi.json) is made of these types.

use counterfoil_core::export::{self, ExportScope, ExportState, Made};
use counterfoil_core::ids::{ExportId, RunId};
use counterfoil_core::usecases::{Fetched, LINK_VALID};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// Where an export is in its life.
    pub(crate) ExportStateWord: "queued", "running", "ready", "failed";
    /// What an export is of.
    pub(crate) ScopeWord: "run", "period", "customer", "all", "workspace";
    /// A file of an export.
    pub(crate) PartWord: "package", "report";
}

/// An evidence package that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Export {
    #[schema(value_type = schema::ExportId)]
    id: ExportId,
    #[schema(value_type = ExportStateWord)]
    state: ExportState,
    scope: Scope,
    /// Inputs come with it.
    inputs: bool,
    progress: Progress,
    /// The stream that it is of.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    stream: String,
    #[schema(value_type = schema::Time)]
    asked_at: String,
    /// When a worker last said something.
    #[schema(value_type = schema::Time)]
    touched_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(flatten)]
    made: MadeExport,
    /// Until when it can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    expires_at: Option<String>,
}

/// What an export is of.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportScope)]
pub(crate) struct Scope {
    #[schema(value_type = ScopeWord)]
    of: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RunId>)]
    run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    to: Option<String>,
    /// The customer's id in Stripe. Masked for viewers.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
}

/// How far the worker is.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportProgress)]
pub(crate) struct Progress {
    done: u64,
    /// `null` until it is known.
    of: Option<u64>,
}

/// Why an export will not be made.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportFailure)]
pub(crate) struct Failure {
    /// A stable code.
    code: String,
    detail: String,
}

/// What was made: its fields are there once it is ready.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct MadeExport {
    /// Of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<String>,
    /// Of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bytes: Option<u64>,
    /// Of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    seal: Option<Seal>,
    /// First entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    from: Option<u64>,
    /// The entry after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    to: Option<u64>,
    /// Entries in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entries: Option<u64>,
    /// No entry lies in the period: the package holds its two neighbours, which prove that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    empty: Option<bool>,
    /// Package first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    made_at: Option<String>,
}

/// The seal that covers an export.
#[derive(Serialize, ToSchema)]
pub(crate) struct Seal {
    /// Entries under it.
    size: u64,
    #[schema(value_type = schema::Time)]
    at: String,
    hash: String,
}

/// A file of an export.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportFile)]
pub(crate) struct File {
    #[schema(value_type = PartWord)]
    part: String,
    filename: String,
    format: String,
    content_type: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    digest: String,
    bytes: u64,
}

/// A file of an export, and where to fetch it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportLink)]
pub(crate) struct Link {
    #[schema(value_type = schema::ExportId)]
    id: ExportId,
    #[serde(flatten)]
    file: File,
    /// Fetch it with a plain GET, without a credential.
    #[schema(format = "uri")]
    url: String,
    /// Seconds for which it works.
    url_valid_s: u64,
}

impl Export {
    /// As whoever has `sight` sees it.
    pub(crate) fn of(export: &export::Export, sight: Sight) -> Self {
        let failure = export.failure.as_ref();
        Self {
            id: export.id,
            state: export.state,
            scope: Scope::of(&export.scope, sight),
            inputs: export.inputs,
            progress: Progress {
                done: export.progress.done,
                of: export.progress.of,
            },
            stream: export.stream.clone(),
            asked_at: export.asked_at.to_string(),
            touched_at: export.touched_at.to_string(),
            failure: failure.map(|failure| Failure {
                code: failure.code.clone(),
                detail: failure.detail.clone(),
            }),
            made: (export.made.as_ref())
                .map(MadeExport::of)
                .unwrap_or_default(),
            expires_at: export.expires_at().map(|end| end.to_string()),
        }
    }
}

impl Scope {
    fn of(scope: &ExportScope, sight: Sight) -> Self {
        let mut view = Self {
            of: scope.name(),
            run_id: None,
            from: None,
            to: None,
            customer: None,
        };
        match scope {
            ExportScope::Run { run_id } => view.run_id = Some(*run_id),
            ExportScope::Period { from, to } => {
                view.from = Some(from.to_string());
                view.to = Some(to.to_string());
            }
            ExportScope::Customer { customer } => view.customer = Some(sight.id(customer)),
            ExportScope::All | ExportScope::Workspace => {}
        }
        view
    }
}

impl MadeExport {
    fn of(made: &Made) -> Self {
        let package = made.files.first();
        Self {
            digest: package.map(|file| file.digest.clone()),
            bytes: package.map(|file| file.bytes),
            format: package.map(|file| file.format.clone()),
            seal: Some(Seal {
                size: made.seal.size,
                at: made.seal.at.to_string(),
                hash: made.seal.hash.clone(),
            }),
            from: Some(made.from),
            to: Some(made.to),
            entries: Some(made.entries),
            empty: Some(made.empty),
            parts: made.files.iter().map(File::of).collect(),
            made_at: Some(made.at.to_string()),
        }
    }
}

impl File {
    fn of(file: &export::ExportFile) -> Self {
        Self {
            part: file.part.clone(),
            filename: file.filename.clone(),
            format: file.format.clone(),
            content_type: file.content_type.clone(),
            digest: file.digest.clone(),
            bytes: file.bytes,
        }
    }
}

impl Link {
    pub(crate) fn of(fetched: &Fetched) -> Self {
        Self {
            id: fetched.export.id,
            file: File::of(&fetched.file),
            url: fetched.url.clone(),
            url_valid_s: LINK_VALID.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/api.md, "Sight": what a viewer reads of a customer's id.
    #[test]
    fn a_viewer_does_not_read_the_customer_of_a_ledger() {
        let customer = "cus_NffrFeUfNV2Hib".to_owned();
        let scope = ExportScope::Customer { customer };
        let seen = |sight| Scope::of(&scope, sight).customer;
        assert_eq!(seen(Sight::Masked).as_deref(), Some("cus_…2Hib"));
        assert_eq!(seen(Sight::Clear).as_deref(), Some("cus_NffrFeUfNV2Hib"));
    }
}
