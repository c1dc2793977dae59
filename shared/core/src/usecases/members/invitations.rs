//! Invitations: an owner makes one, the token is shown once, somebody who signed in accepts it once.
//!
//! An invitation counts while it is younger than [`INVITATION_VALID`] and whoever made it is an owner:
//! accepting replaces the row of owners, so an owner who is removed at the same moment leaves no way in.
//! Both of its rows go when it is accepted or revoked; evidence says what became of it.

use std::time::Duration;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::owners_write;
use crate::auth::{Authenticated, NewInvite, invite_hash};
use crate::idempotency::Once;
use crate::ids::{InvitationId, UserId, WorkspaceId};
use crate::policy::Question;
use crate::ports::{Batch, EntryRef, Login, StateWrite};
use crate::records::{Directory, Invitation, Invited, Versioned, Workspace};
use crate::redacted::Redacted;
use crate::tenancy::{Principal, Role, WorkspaceCtx};
use crate::usecases::admin::{
    ATTEMPTS, Acted, AdminError, AdminPorts, Recorded, acted, append, gone, name,
};
use crate::usecases::facts::{change, target};
use crate::usecases::governed::AdminEffect;
use crate::usecases::pages::{Page, PageOf};
use crate::usecases::workspaces::founding::{NewPerson, granted, joining};
use crate::usecases::workspaces::via;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/workspaces/{workspace_id}/invitations";

/// How long an invitation counts.
pub const INVITATION_VALID: Duration = Duration::from_hours(7 * 24);

/// Somebody to invite.
#[derive(Debug, Clone, Copy)]
pub struct NewInvitation<'a> {
    /// For whom.
    pub name: &'a str,
    /// Where the token will be sent, by whoever invites.
    pub email: Option<&'a str>,
    /// As what.
    pub role: Role,
}

/// Somebody who has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The workspace.
    pub workspace: Workspace,
    /// The person.
    pub person: UserId,
    /// As what.
    pub role: Role,
}

/// Whether invitations are a caller's to make and to revoke.
const INVITE: Question = Question::ChangeMember {
    own: false,
    removes_last_owner: false,
    to: Some(Role::Viewer),
};

/// Invitations.
#[derive(Debug, Clone)]
pub struct Invitations {
    /// Its ports.
    pub ports: AdminPorts,
}

/// An invitation that counts now.
struct Open {
    ctx: WorkspaceCtx,
    workspace: Workspace,
    invitation: Versioned<Invitation>,
    owners: Versioned<crate::records::Owners>,
}

impl Invitations {
    /// Whether the caller may see who was invited: owners and admins who signed in. Addresses of
    /// people who are not here yet are nobody else's business.
    ///
    /// # Errors
    /// [`AdminError::NotAPerson`] for keys, [`AdminError::NotForRole`] for other roles.
    pub fn admit_list(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        let by_key = ctx.principal().by_approver_key();
        match ctx.principal().role() {
            Some(role) if role.may_administer() && !by_key => Ok(()),
            Some(_) if !by_key => Err(AdminError::NotForRole),
            _ => Err(AdminError::NotAPerson),
        }
    }

    /// The invitations that wait, for owners and admins, in the order in which they were made.
    ///
    /// # Errors
    /// Those of [`Invitations::admit_list`]; [`AdminError::Invalid`] when the cursor is not of this
    /// list.
    pub async fn list(
        &self,
        ctx: &WorkspaceCtx,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<Invitation>>, AdminError> {
        self.admit_list(ctx)?;
        let place = |invitation: &Invitation| invitation.id;
        self.ports.page(ctx, ROUTE, place, page).await
    }

    /// Whether the caller may invite; for a request that is bad.
    pub async fn admit(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        self.ports.admit(ctx, &INVITE).await
    }

    /// Invites somebody. The token is shown once.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn make(
        &self,
        ctx: &WorkspaceCtx,
        new: &NewInvitation<'_>,
        once: Option<&Once>,
    ) -> Result<(Acted<Invitation>, Redacted<String>), AdminError> {
        let question = Question::ChangeMember {
            own: false,
            removes_last_owner: false,
            to: Some(new.role),
        };
        let judged = self.ports.judge(ctx, &question).await?;
        let (whom, email) = if judged.allowed() {
            (
                name("/name", new.name)?,
                new.email.map(address).transpose()?,
            )
        } else {
            ("", None)
        };
        let now = self.ports.clock.now();
        let token = NewInvite::from_random(&self.ports.random_bytes());
        let token = token.ok_or(AdminError::Random)?;
        // A principal without a person is refused below.
        let by = ctx.principal().person();
        let invitation = Invitation {
            id: InvitationId::new(now, self.ports.random.bits128()),
            hash: token.hash.clone(),
            name: whom.to_owned(),
            email: email.map(str::to_owned),
            role: new.role,
            by: by.unwrap_or_else(|| UserId::from_bits(0)),
            made_at: now,
            expires_at: now.plus(INVITATION_VALID),
        };
        let id = invitation.id.to_string();
        let effect = AdminEffect {
            draft: entry(ctx, &invitation, Kind::AccessGranted),
            rows: self.rows(ctx, &invitation)?,
        };
        let once = once.map(|once| (once, id.as_str()));
        let recorded = self.ports.record(ctx, &judged, None, vec![effect], once);
        match recorded.await? {
            Recorded::Done(entries) => Ok((acted(invitation, 1, &entries, &judged), token.secret)),
            Recorded::Again => Err(AdminError::Changed),
        }
    }

    /// Revokes an invitation that waits, for owners.
    pub async fn revoke(
        &self,
        ctx: &WorkspaceCtx,
        id: &str,
    ) -> Result<Acted<Invitation>, AdminError> {
        let id: InvitationId = id.parse().map_err(|_| AdminError::NotFound)?;
        let found: Versioned<Invitation> = self.ports.find(ctx, id).await?;
        let judged = self.ports.judge(ctx, &INVITE).await?;
        let effect = AdminEffect {
            draft: entry(ctx, &found.value, Kind::AccessRevoked),
            rows: self.rows_gone(ctx, &found),
        };
        let recorded = self.ports.record(ctx, &judged, None, vec![effect], None);
        match recorded.await? {
            Recorded::Done(entries) => {
                let version = found.version.saturating_add(1);
                Ok(acted(found.value, version, &entries, &judged))
            }
            // Accepted or revoked at the same moment.
            Recorded::Again => Err(AdminError::NotFound),
        }
    }

    /// Lets somebody who signed in become a member. The invitation was judged when it was made; this
    /// carries it out.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] alike for a token that is unknown, used, revoked, over, or of somebody
    /// who is not an owner any more; [`AdminError::WrongState`] for a member.
    pub async fn accept(
        &self,
        caller: &Authenticated,
        token: &str,
        your_name: &str,
        once: Option<&Once>,
    ) -> Result<Joined, AdminError> {
        let (login, person) = caller.login().ok_or(AdminError::NotAPerson)?;
        let hash = invite_hash(token).ok_or(AdminError::NotFound)?;
        for _ in 0..ATTEMPTS {
            let open = self.open(&hash, login, person).await?;
            let your_name = name("/your_name", your_name)?;
            self.not_a_member(&open, person).await?;
            let join = self.join(&open, login, your_name, once);
            if let Some(joined) = join.await? {
                return Ok(joined);
            }
        }
        Err(AdminError::Changed)
    }

    /// One attempt; `None` when a row has changed meanwhile.
    async fn join(
        &self,
        open: &Open,
        login: &Login,
        your_name: &str,
        once: Option<&Once>,
    ) -> Result<Option<Joined>, AdminError> {
        let now = self.ports.clock.now();
        let invitation = &open.invitation.value;
        let new = NewPerson {
            name: your_name,
            role: invitation.role,
            login: Some(login),
        };
        let fresh = UserId::new(now, self.ports.random.bits128());
        let workspace = open.workspace.id;
        let state = self.ports.state.as_ref();
        let (person, mut rows) = joining(state, workspace, &new, fresh, now).await?;
        let principal = Principal::User {
            id: person,
            role: invitation.role,
            via: via(login),
        };
        let mut after = open.owners.value.clone();
        if invitation.role == Role::Owner {
            after.owners.insert(person);
        }
        rows.push(owners_write(&open.ctx, &open.owners, &after)?);
        rows.extend(self.rows_gone(&open.ctx, &open.invitation));
        rows.extend(once.map(|once| once.done(&workspace)));
        let mut draft = granted(&principal, person, &new);
        name_invitation(&mut draft, invitation.id, open.invitation.evidence.as_ref());
        let mut batch = Batch::of([draft]);
        batch.state = rows.into_iter().map(|row| row.explained_by(0)).collect();
        let stream = self.ports.stream(workspace).await?;
        match append(self.ports.evidence.as_ref(), stream, batch).await? {
            Recorded::Done(_) => Ok(Some(Joined {
                workspace: open.workspace.clone(),
                person,
                role: invitation.role,
            })),
            Recorded::Again => Ok(None),
        }
    }

    /// The invitation behind a token, if it counts now.
    async fn open(
        &self,
        hash: &str,
        login: &Login,
        person: Option<UserId>,
    ) -> Result<Open, AdminError> {
        let directory = self.ports.directory();
        let invited = directory.invited(hash).await?;
        let invited = invited.ok_or(AdminError::NotFound)?;
        let principal = Principal::User {
            id: person.unwrap_or_else(|| UserId::from_bits(0)),
            role: Role::Viewer,
            via: via(login),
        };
        let ctx = WorkspaceCtx::new(invited.workspace, principal);
        let invitation: Versioned<Invitation> = self.ports.find(&ctx, invited.invitation).await?;
        let workspace = directory.workspace(invited.workspace).await?;
        let workspace = workspace.ok_or(AdminError::NotFound)?.value;
        let owners = directory.owners(invited.workspace).await?;
        let over = invitation.value.expires_at <= self.ports.clock.now();
        if over || !owners.value.owners.contains(&invitation.value.by) {
            return Err(AdminError::NotFound);
        }
        Ok(Open {
            ctx,
            workspace,
            invitation,
            owners,
        })
    }

    async fn not_a_member(&self, open: &Open, person: Option<UserId>) -> Result<(), AdminError> {
        let Some(person) = person else {
            return Ok(());
        };
        let directory = self.ports.directory();
        match directory.member(open.workspace.id, person).await? {
            Some(_) => Err(AdminError::WrongState(
                "you are a member of this workspace already",
            )),
            None => Ok(()),
        }
    }

    fn rows(
        &self,
        ctx: &WorkspaceCtx,
        invitation: &Invitation,
    ) -> Result<Vec<StateWrite>, AdminError> {
        let listed = self.ports.records(ctx).create(invitation)?;
        let found = found_by(ctx.workspace(), invitation.id);
        let key = Directory::invitation_key(&invitation.hash);
        let found = Directory::write(key, None, &found)?;
        let until = invitation.expires_at;
        Ok(vec![listed.until(until), found.until(until)])
    }

    fn rows_gone(&self, ctx: &WorkspaceCtx, found: &Versioned<Invitation>) -> Vec<StateWrite> {
        let id = found.value.id.to_string();
        let listed = self.ports.records(ctx).key::<Invitation>(&id);
        let by_token = Directory::invitation_key(&found.value.hash);
        vec![gone(listed, found.version), StateWrite::delete(by_token)]
    }
}

const fn found_by(workspace: WorkspaceId, invitation: InvitationId) -> Invited {
    Invited {
        workspace,
        invitation,
    }
}

fn entry(ctx: &WorkspaceCtx, invitation: &Invitation, kind: Kind) -> Draft {
    let role = [("role", invitation.role.name().into())];
    let facts = change(ctx.principal(), target("invitation", invitation.id), role);
    let whom = object([("name", invitation.name.as_str().into())]);
    Draft::new(kind, facts).subject(whom)
}

/// Says which invitation let somebody in, and which entry made it.
fn name_invitation(draft: &mut Draft, id: InvitationId, made: Option<&EntryRef>) {
    use counterfoil_evidence::json::Json;
    if let Json::Object(fields) = &mut draft.facts {
        fields.insert("invitation".to_owned(), Json::from(id.to_string()));
        if let Some(made) = made {
            fields.insert("invited_by".to_owned(), Json::from(made.leaf.as_str()));
        }
    }
}

/// An address as far as it can be told: something, `@`, something, in 3 to 254 visible characters
/// (RFC 5321 section 4.5.3.1.3).
fn address(text: &str) -> Result<&str, AdminError> {
    let parts = text.rsplit_once('@');
    let formed = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if formed && visible && text.len() <= 254 {
        return Ok(text);
    }
    Err(AdminError::Invalid {
        field: "/email",
        rule: "must be an e-mail address of at most 254 characters, or be left out",
    })
}
