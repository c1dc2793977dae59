//! Workspaces, their people, invitations, and who is calling.

use counterfoil_core::ids::{InvitationId, UserId, WorkspaceId};
use counterfoil_core::ports::Login;
use counterfoil_core::records::{self, Versioned};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{self, Reached};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Deletion, Key};

open_words! {
    /// What a person may do, least first.
    pub(crate) RoleWord: "viewer", "auditor", "approver", "admin", "owner";
}

/// Workspaces, in the order in which they were founded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workspaces {
    pub(crate) items: Vec<Workspace>,
    pub(crate) next_cursor: Option<String>,
}

/// A workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workspace {
    #[schema(value_type = schema::WorkspaceId)]
    id: WorkspaceId,
    name: String,
    /// As what the caller is in it; `null` for a key.
    #[schema(value_type = Option<RoleWord>)]
    role: Option<Role>,
}

impl Workspace {
    pub(crate) fn of(workspace: &records::Workspace, role: Option<Role>) -> Self {
        Self {
            id: workspace.id,
            name: workspace.name.clone(),
            role,
        }
    }

    pub(crate) fn reached(reached: &Reached) -> Self {
        Self::of(&reached.workspace.value, reached.role)
    }
}

/// A workspace, and whether it stays.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneWorkspace {
    #[serde(flatten)]
    pub(crate) workspace: Workspace,
    /// That it is to be deleted; `null` while it stays.
    pub(crate) deletion: Option<Deletion>,
}

/// Who is calling.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Me {
    /// A program.
    ApiKey(MyKey),
    /// Somebody who signed in.
    User(Myself),
}

/// The key behind the credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct MyKey {
    #[serde(flatten)]
    key: Key,
    #[schema(value_type = schema::WorkspaceId)]
    workspace_id: WorkspaceId,
}

impl MyKey {
    pub(crate) fn of(key: &records::ApiKey) -> Self {
        Self {
            key: Key::of(key, None),
            workspace_id: key.workspace,
        }
    }
}

/// The person behind the credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct Myself {
    /// `null` until they found or join their first workspace.
    #[schema(value_type = Option<schema::UserId>)]
    id: Option<UserId>,
    /// Who vouches for them.
    issuer: String,
    #[schema(value_type = schema::Time)]
    signed_in_at: String,
    second_factor: bool,
    workspaces: Vec<Membership>,
}

impl Myself {
    pub(crate) fn of(login: &Login, person: Option<UserId>, mine: &[Reached]) -> Self {
        let membership = |reached: &Reached| Membership {
            workspace: Workspace::reached(reached),
            your_name: reached.name.clone(),
        };
        Self {
            id: person,
            issuer: login.issuer.clone(),
            signed_in_at: login.authenticated_at.to_string(),
            second_factor: login.second_factor,
            workspaces: mine.iter().map(membership).collect(),
        }
    }
}

/// A workspace of the caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct Membership {
    #[serde(flatten)]
    workspace: Workspace,
    /// What the caller is called there.
    your_name: Option<String>,
}

/// The people of a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Members {
    pub(crate) items: Vec<Member>,
    pub(crate) next_cursor: Option<String>,
}

/// Somebody in a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Member {
    #[schema(value_type = schema::UserId)]
    id: UserId,
    name: String,
    #[schema(value_type = RoleWord)]
    role: Role,
    #[schema(value_type = schema::Time)]
    since: String,
    /// Whether they can sign in; somebody who cannot only has keys.
    signs_in: bool,
}

impl Member {
    pub(crate) fn of(found: &Versioned<records::Member>) -> Self {
        let member = &found.value;
        Self {
            id: member.id,
            name: member.name.clone(),
            role: member.role,
            since: member.since.to_string(),
            signs_in: member.login.is_some(),
        }
    }
}

/// The invitations that wait.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invitations {
    pub(crate) items: Vec<Invitation>,
    pub(crate) next_cursor: Option<String>,
}

/// Somebody was asked to join.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invitation {
    #[schema(value_type = schema::InvitationId)]
    id: InvitationId,
    /// For whom.
    name: String,
    /// A note of whoever invites: nobody checks it.
    email: Option<String>,
    #[schema(value_type = RoleWord)]
    role: Role,
    #[schema(value_type = schema::UserId)]
    invited_by: UserId,
    #[schema(value_type = schema::Time)]
    created_at: String,
    #[schema(value_type = schema::Time)]
    expires_at: String,
}

impl Invitation {
    pub(crate) fn of(invitation: &records::Invitation) -> Self {
        Self {
            id: invitation.id,
            name: invitation.name.clone(),
            email: invitation.email.clone(),
            role: invitation.role,
            invited_by: invitation.by,
            created_at: invitation.made_at.to_string(),
            expires_at: invitation.expires_at.to_string(),
        }
    }
}

/// An invitation that was made just now.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewInvitation {
    #[serde(flatten)]
    pub(crate) invitation: Invitation,
    /// What the person sends to accept it. Shown once.
    #[schema(pattern = "^cfi_[0-9A-Za-z]{49}$")]
    pub(crate) token: String,
}

/// A workspace that somebody has joined.
#[derive(Serialize, ToSchema)]
pub(crate) struct Joined {
    #[schema(value_type = schema::WorkspaceId)]
    workspace_id: WorkspaceId,
    workspace_name: String,
    #[schema(value_type = schema::UserId)]
    user_id: UserId,
    #[schema(value_type = RoleWord)]
    role: Role,
}

impl Joined {
    pub(crate) fn of(joined: usecases::Joined) -> Self {
        Self {
            workspace_id: joined.workspace.id,
            workspace_name: joined.workspace.name,
            user_id: joined.person,
            role: joined.role,
        }
    }
}
