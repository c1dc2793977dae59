//! The table: every route, and who may use it. A route of docs/openapi.json without a row, or a row
//! without a route, fails.

use super::principals::Name::{self, *};

/// Everybody of the tenant, persons and keys.
const EVERYBODY: &[Name] = &[
    ReadKey,
    RepairKey,
    WorkspaceReadKey,
    ApproverKey,
    Viewer,
    Auditor,
    Approver,
    Admin,
    Owner,
];
/// Everybody who has signed in or has a key of the whole workspace: what is not one project's.
const WORKSPACE: &[Name] = &[WorkspaceReadKey, Viewer, Auditor, Approver, Admin, Owner];
/// Every credential that is valid, whatever it reaches.
const VALID: &[Name] = &[
    ForeignKey,
    ForeignOwner,
    OtherProjectKey,
    Stranger,
    ReadKey,
    RepairKey,
    WorkspaceReadKey,
    ApproverKey,
    Viewer,
    Auditor,
    Approver,
    Admin,
    Owner,
];
/// Everybody who has signed in, of whatever workspace.
const PEOPLE: &[Name] = &[
    ForeignOwner,
    Stranger,
    Viewer,
    Auditor,
    Approver,
    Admin,
    Owner,
];
/// Whoever may operate: repair keys, and people who may approve.
const OPERATORS: &[Name] = &[RepairKey, ApproverKey, Approver, Admin, Owner];
/// People who may approve, also through their key.
const APPROVERS: &[Name] = &[ApproverKey, Approver, Admin, Owner];
/// Whoever may export: a key counts as its owner does. The repair key is Ada's, who owns the workspace;
/// the reading keys are Ben's, who approves.
const EXPORTERS: &[Name] = &[RepairKey, ApproverKey, Auditor, Admin, Owner];
/// Admins and owners, also through an approver key.
const ERASERS: &[Name] = &[ApproverKey, Admin, Owner];
/// Admins and owners who have signed in.
const ADMINS: &[Name] = &[Admin, Owner];
/// Whoever may place a legal hold.
const HOLDERS: &[Name] = &[Auditor, Admin, Owner];
/// The owner, signed in.
/// It takes an owner with a second factor, with which nobody here signed in.
const NOBODY: &[Name] = &[];

const REVIEWERS: &[Name] = &[ApproverKey, Auditor, Admin, Owner];

const OWNERS: &[Name] = &[Owner];

/// Which tenant a route is about, and where a request says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nobody is asked who they are.
    Open,
    /// No tenant yet.
    Nobody,
    /// `workspace_id` in the path.
    Workspace,
    /// `project_id` in the path, or the header, or the key.
    Project,
}

/// A route and who may use it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) scope: Scope,
    pub(super) may: &'static [Name],
    /// What those get. Requests that would change something are sent without what they need, so that
    /// nothing changes and everybody meets the same record.
    pub(super) status: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    scope: Scope,
    may: &'static [Name],
    status: u16,
) -> Row {
    Row {
        method,
        path,
        scope,
        may,
        status,
    }
}

use Scope::{Nobody, Open, Project, Workspace};

pub(super) const ROWS: &[Row] = &[
    row("GET", "/v1/login", Open, &[], 200),
    row("GET", "/.well-known/security.txt", Open, &[], 200),
    row("GET", "/v1/incidents", Project, EVERYBODY, 200),
    row("GET", "/v1/incidents/{id}", Project, EVERYBODY, 200),
    row("POST", "/v1/incidents/{id}/ignore", Project, OPERATORS, 400),
    row("POST", "/v1/incidents/{id}/reopen", Project, APPROVERS, 400),
    row(
        "POST",
        "/v1/incidents/{id}/acknowledge",
        Project,
        APPROVERS,
        400,
    ),
    row(
        "POST",
        "/v1/incidents/{id}/repairs",
        Project,
        OPERATORS,
        400,
    ),
    row("GET", "/v1/actions/{id}", Project, EVERYBODY, 200),
    row(
        "POST",
        "/v1/actions/{id}/approvals",
        Project,
        APPROVERS,
        400,
    ),
    row("POST", "/v1/actions/{id}/execute", Project, OPERATORS, 400),
    row("POST", "/v1/actions/{id}/cancel", Project, OPERATORS, 400),
    row("POST", "/v1/actions/{id}/undo", Project, OPERATORS, 400),
    row("POST", "/v1/actions/{id}/override", Project, NOBODY, 400),
    row(
        "POST",
        "/v1/actions/{id}/override/review",
        Project,
        REVIEWERS,
        400,
    ),
    row("POST", "/v1/actions/{id}/result", Project, OPERATORS, 400),
    row("GET", "/v1/approvals", Project, EVERYBODY, 200),
    row("POST", "/v1/checks", Project, OPERATORS, 400),
    row("GET", "/v1/customers/{id}/state", Project, EVERYBODY, 200),
    row("POST", "/v1/customers/{id}/erase", Project, ERASERS, 400),
    row("GET", "/v1/runs/{id}", Project, EVERYBODY, 200),
    row("GET", "/v1/runs/{id}/evidence", Project, EVERYBODY, 303),
    row("POST", "/v1/runs/{id}/erase", Project, ERASERS, 400),
    row("POST", "/v1/runs", Project, OPERATORS, 400),
    row("POST", "/v1/runs/{id}/actions", Project, OPERATORS, 400),
    row("POST", "/v1/runs/{id}/complete", Project, OPERATORS, 400),
    row("POST", "/v1/decisions/preview", Project, OPERATORS, 400),
    row("GET", "/v1/decisions/{id}", Project, EVERYBODY, 200),
    row("POST", "/v1/entries/{seq}/lost", Project, ERASERS, 400),
    row("POST", "/v1/exports", Project, EXPORTERS, 400),
    row("GET", "/v1/exports/{id}", Project, EVERYBODY, 200),
    row("GET", "/v1/exports/{id}/download", Project, EXPORTERS, 200),
    row("GET", "/v1/changes", Project, EVERYBODY, 200),
    row("POST", "/v1/changes/{id}/reject", Project, ADMINS, 400),
    row("GET", "/v1/holds", Project, EVERYBODY, 200),
    row("POST", "/v1/holds", Project, HOLDERS, 400),
    row("POST", "/v1/holds/{id}/release", Project, OWNERS, 400),
    row("GET", "/v1/flows/{flow}", Project, EVERYBODY, 200),
    row("PUT", "/v1/flows/{flow}", Project, ADMINS, 400),
    row("GET", "/v1/settings/retention", Project, EVERYBODY, 200),
    row("PUT", "/v1/settings/retention", Project, ADMINS, 400),
    row("GET", "/v1/settings/schedule", Project, EVERYBODY, 200),
    row("PUT", "/v1/settings/schedule", Project, ADMINS, 400),
    row("GET", "/v1/webhooks/health", Project, EVERYBODY, 200),
    row("GET", "/v1/me", Nobody, VALID, 200),
    row("GET", "/v1/workspaces", Nobody, VALID, 200),
    row("POST", "/v1/workspaces", Nobody, PEOPLE, 400),
    row("POST", "/v1/invitations/accept", Nobody, PEOPLE, 400),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "PATCH",
        "/v1/workspaces/{workspace_id}",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/members",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/members/{user_id}",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "PATCH",
        "/v1/workspaces/{workspace_id}/members/{user_id}",
        Workspace,
        OWNERS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/invitations",
        Workspace,
        ADMINS,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/invitations",
        Workspace,
        OWNERS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/keys",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/keys",
        Workspace,
        OWNERS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/keys/{key_id}",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/keys/{key_id}/revoke",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/keys/{key_id}/rotate",
        Workspace,
        OWNERS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/policy",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy/keys",
        Workspace,
        NOBODY,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/policy-bundles",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy-bundles",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/policy-bundles/{digest}",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/activate",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/revoke",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/shadow",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/impact",
        Workspace,
        HOLDERS,
        400,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/projects",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/projects",
        Workspace,
        ADMINS,
        400,
    ),
    row("GET", "/v1/projects/{project_id}", Project, EVERYBODY, 200),
    row("PATCH", "/v1/projects/{project_id}", Project, ADMINS, 400),
    row("GET", "/v1/customers/{id}/ledger", Project, EVERYBODY, 200),
    row("GET", "/v1/entries", Project, EVERYBODY, 200),
    row("GET", "/v1/entries/{seq}", Project, EVERYBODY, 200),
    row("GET", "/v1/runs", Project, EVERYBODY, 200),
    row(
        "GET",
        "/v1/projects/{project_id}/connections",
        Project,
        EVERYBODY,
        200,
    ),
    row(
        "PUT",
        "/v1/projects/{project_id}/connections/{kind}",
        Project,
        ADMINS,
        400,
    ),
    row(
        "GET",
        "/v1/projects/{project_id}/mappings",
        Project,
        EVERYBODY,
        200,
    ),
    row(
        "POST",
        "/v1/projects/{project_id}/mappings",
        Project,
        ADMINS,
        400,
    ),
    row(
        "GET",
        "/v1/projects/{project_id}/mappings/{hash}",
        Project,
        EVERYBODY,
        200,
    ),
    row(
        "POST",
        "/v1/projects/{project_id}/mappings/{hash}/activate",
        Project,
        ADMINS,
        400,
    ),
    row(
        "GET",
        "/v1/projects/{project_id}/deletion",
        Project,
        EVERYBODY,
        200,
    ),
    row(
        "POST",
        "/v1/projects/{project_id}/deletion",
        Project,
        OWNERS,
        400,
    ),
    row(
        "POST",
        "/v1/projects/{project_id}/deletion/confirm",
        Project,
        ADMINS,
        400,
    ),
    row(
        "DELETE",
        "/v1/projects/{project_id}/deletion",
        Project,
        ADMINS,
        409,
    ),
    row(
        "GET",
        "/v1/workspaces/{workspace_id}/deletion",
        Workspace,
        WORKSPACE,
        200,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/deletion",
        Workspace,
        OWNERS,
        400,
    ),
    row(
        "POST",
        "/v1/workspaces/{workspace_id}/deletion/confirm",
        Workspace,
        ADMINS,
        400,
    ),
    row(
        "DELETE",
        "/v1/workspaces/{workspace_id}/deletion",
        Workspace,
        ADMINS,
        409,
    ),
    // Last, because these change what they are about. Only the owner does it really.
    row(
        "DELETE",
        "/v1/projects/{project_id}/connections/{kind}",
        Project,
        ADMINS,
        428,
    ),
    row(
        "DELETE",
        "/v1/workspaces/{workspace_id}/invitations/{invitation_id}",
        Workspace,
        OWNERS,
        204,
    ),
    row(
        "DELETE",
        "/v1/workspaces/{workspace_id}/members/{user_id}",
        Workspace,
        OWNERS,
        204,
    ),
];
