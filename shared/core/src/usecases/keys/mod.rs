//! API keys of a workspace and its projects: made, listed, revoked, replaced.
//!
//! The secret is shown once and stored nowhere. Everything is recorded in the workspace's stream.

mod rotate;

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::admin::{ATTEMPTS, Acted, AdminError, AdminPorts, Recorded, acted, name};
use super::facts::{change, target};
use super::governed::AdminEffect;
use super::limit_rate::LimitRate;
use super::pages::{Page, PageOf};
use crate::auth::NewKey;
use crate::idempotency::Once;
use crate::ids::{KeyId, ProjectId, UserId};
use crate::policy::Question;
use crate::records::{ApiKey, Directory, Versioned};
use crate::redacted::Redacted;
use crate::tenancy::{Capability, Principal, Role, WorkspaceCtx};
use crate::time::Timestamp;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/workspaces/{workspace_id}/keys";
/// Days that a key may be valid at most, and unless said otherwise.
const DAYS: (u64, u64) = (365, 90);
/// The same for a key that approves (governance, approver keys).
const APPROVER_DAYS: (u64, u64) = (30, 30);
const DAY: Duration = Duration::from_hours(24);

/// A key to make.
#[derive(Debug, Clone, Copy)]
pub struct NewApiKey<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The one project it is for; `None` for every project of the workspace.
    pub project: Option<&'a str>,
    /// Whether it is for live use.
    pub live: bool,
    /// What it may do.
    pub capability: Capability,
    /// The person it speaks as.
    pub approver: Option<&'a str>,
    /// Whether it is for an agent, which is judged as one at every door then.
    pub agent: bool,
    /// Days until it ends.
    pub days: Option<u64>,
}

/// API keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Its ports.
    pub ports: AdminPorts,
}

/// A key that was made, and its secret.
pub type MadeKey = (Acted<ApiKey>, Redacted<String>);

impl Keys {
    /// The keys, also those that ended, in the order in which they were made.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the cursor is not of this list.
    pub async fn list(
        &self,
        ctx: &WorkspaceCtx,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<ApiKey>>, AdminError> {
        let place = |key: &ApiKey| key.id;
        self.ports.page(ctx, ROUTE, place, page).await
    }

    /// One key.
    pub async fn get(&self, ctx: &WorkspaceCtx, id: &str) -> Result<Versioned<ApiKey>, AdminError> {
        let id: KeyId = id.parse().map_err(|_| AdminError::NotFound)?;
        self.ports.find(ctx, id).await
    }

    /// When a key was last used, as far as that is known: it is written when a process takes the next
    /// share of its requests.
    pub async fn last_used(
        &self,
        ctx: &WorkspaceCtx,
        key: &ApiKey,
    ) -> Result<Option<Timestamp>, AdminError> {
        let row = LimitRate::key(ctx.workspace(), &key.id.to_string());
        let found = self.ports.state.get(&row).await?;
        let at = found.and_then(|stored| stored.doc.get("last_used_at").cloned());
        Ok(at.and_then(|at| serde_json::from_value(at).ok()))
    }

    /// Whether the caller may make keys; for a request that is bad.
    pub async fn admit(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        self.ports
            .admit(ctx, &creation(Capability::Read, None))
            .await
    }

    /// Makes a key, for owners. The secret is shown once.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn make(
        &self,
        ctx: &WorkspaceCtx,
        new: &NewApiKey<'_>,
        once: Option<&Once>,
    ) -> Result<MadeKey, AdminError> {
        let question = creation(new.capability, new.approver);
        let judged = self.ports.judge(ctx, &question).await?;
        let (project, days) = if may_make(ctx.principal()) {
            self.check(ctx, new).await?
        } else {
            (None, 0)
        };
        let now = self.ports.clock.now();
        let person = ctx.principal().person();
        let minted = self.mint(new.live)?;
        let key = ApiKey {
            id: KeyId::new(now, self.ports.random.bits128()),
            handle: minted.handle,
            hash: minted.hash,
            name: new.name.trim().to_owned(),
            workspace: ctx.workspace(),
            project,
            live: new.live,
            capability: new.capability,
            // Policy has seen that it is the caller.
            approver: new.approver.and(person),
            agent: new.agent,
            owner: person.unwrap_or_else(|| UserId::from_bits(0)),
            created_at: now,
            expires_at: now.plus(DAY.saturating_mul(u32::try_from(days).unwrap_or(0))),
            revoked_at: None,
            replaced_by: None,
        };
        let id = key.id.to_string();
        let effect = AdminEffect {
            draft: granted(ctx.principal(), &key),
            rows: Directory::api_key_writes(&key, None)?.into(),
        };
        let once = once.map(|once| (once, id.as_str()));
        let recorded = self.ports.record(ctx, &judged, None, vec![effect], once);
        match recorded.await? {
            Recorded::Done(entries) => Ok((acted(key, 1, &entries, &judged), minted.secret)),
            Recorded::Again => Err(AdminError::Changed),
        }
    }

    /// Whether the caller may revoke a key; for a request that is bad.
    pub async fn admit_revocation(&self, ctx: &WorkspaceCtx, id: &str) -> Result<(), AdminError> {
        let found = self.get(ctx, id).await?;
        let question = revocation(ctx, &found.value);
        self.ports.admit(ctx, &question).await
    }

    /// Revokes a key: admins, owners, and whoever the key belongs to. It stops with the next request.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn revoke(&self, ctx: &WorkspaceCtx, id: &str) -> Result<Acted<ApiKey>, AdminError> {
        for _ in 0..ATTEMPTS {
            let found = self.get(ctx, id).await?;
            let now = self.ports.clock.now();
            let question = revocation(ctx, &found.value);
            let judged = self.ports.judge(ctx, &question).await?;
            if judged.allowed() && found.value.revoked_at.is_some() {
                return Ok(Acted::nothing(found));
            }
            let mut after = found.value.clone();
            after.revoked_at = Some(now);
            let facts = change(ctx.principal(), target("api_key", after.id), []);
            let effect = AdminEffect {
                draft: Draft::new(Kind::AccessRevoked, facts),
                rows: Directory::api_key_writes(&after, Some(found.version))?.into(),
            };
            let recorded = self.ports.record(ctx, &judged, None, vec![effect], None);
            if let Recorded::Done(entries) = recorded.await? {
                let version = found.version.saturating_add(1);
                return Ok(acted(after, version, &entries, &judged));
            }
        }
        Err(AdminError::Changed)
    }

    /// The project and the days of a new key, if what is asked keeps its rules.
    async fn check(
        &self,
        ctx: &WorkspaceCtx,
        new: &NewApiKey<'_>,
    ) -> Result<(Option<ProjectId>, u64), AdminError> {
        let invalid = |field, rule| AdminError::Invalid { field, rule };
        name("/name", new.name)?;
        if new.approver.is_some() && new.capability != Capability::Repair {
            let rule = "must be `repair` for a key that approves";
            return Err(invalid("/capability", rule));
        }
        if new.approver.is_some() && new.agent {
            let rule = "must be false for a key that approves: agents never vote";
            return Err(invalid("/agent", rule));
        }
        let (most, usual) = if new.approver.is_some() {
            APPROVER_DAYS
        } else {
            DAYS
        };
        let days = new.days.unwrap_or(usual);
        if !(1..=most).contains(&days) {
            let rule = "must be 1 to 365 days, and at most 30 for a key that approves";
            return Err(invalid("/expires_in_days", rule));
        }
        let Some(project) = new.project else {
            return Ok((None, days));
        };
        let unknown = || invalid("/project_id", "must be a project of this workspace");
        let id: ProjectId = project.parse().map_err(|_| unknown())?;
        let found = self.ports.directory().project(id).await?;
        let found = found.filter(|project| project.value.workspace == ctx.workspace());
        if found.ok_or_else(unknown)?.value.livemode != new.live {
            let rule = "must be the project's: `live` for a live Stripe account, else `test`";
            return Err(invalid("/environment", rule));
        }
        Ok((Some(id), days))
    }

    fn mint(&self, live: bool) -> Result<NewKey, AdminError> {
        NewKey::from_random(live, &self.ports.random_bytes()).ok_or(AdminError::Random)
    }
}

/// Whether the caller's own request may be looked at: policy has the last word.
fn may_make(principal: &Principal) -> bool {
    principal.role().is_some_and(Role::may_own) && !principal.by_approver_key()
}

/// The question about a new key; `approver` is the person it is to speak as. A text that names nobody
/// names nobody who asks.
fn creation(capability: Capability, approver: Option<&str>) -> Question {
    let nobody = UserId::from_bits(0);
    Question::CreateKey {
        capability: if approver.is_some() {
            "approver"
        } else {
            capability.name()
        },
        speaks_for: approver.map(|id| id.parse().unwrap_or(nobody)),
    }
}

fn revocation(ctx: &WorkspaceCtx, key: &ApiKey) -> Question {
    let person = ctx.principal().person();
    Question::RevokeKey {
        capability: if key.approver.is_some() {
            "approver"
        } else {
            key.capability.name()
        },
        own: person.is_some() && (person == Some(key.owner) || person == key.approver),
    }
}

/// `access.granted` for a key.
fn granted(by: &Principal, key: &ApiKey) -> Draft {
    let mut more = vec![
        ("capability", Json::from(capability(key.capability))),
        ("expires_at", Json::uint(key.expires_at.as_millis())),
        ("live", Json::from(key.live)),
        (
            "scope",
            key.project
                .map_or_else(|| "workspace".to_owned(), |project| project.to_string())
                .into(),
        ),
    ];
    if let Some(person) = key.approver {
        more.push(("approver", person.to_string().into()));
    }
    if key.agent {
        more.push(("agent", true.into()));
    }
    let subject = counterfoil_evidence::json::object([("name", key.name.as_str().into())]);
    let facts = change(by, target("api_key", key.id), more);
    Draft::new(Kind::AccessGranted, facts).subject(subject)
}

const fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::Read => "read",
        Capability::Repair => "repair",
    }
}
