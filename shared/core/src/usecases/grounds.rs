//! What a judgement stands on: rows that may change between the question and the act.
//!
//! They are read before the question is asked, and are conditions of the transaction that acts on the
//! answer. So an emergency stop, a revoked bundle or key, or a demotion that was acknowledged before that
//! transaction is always heard: it is judged anew, or not done.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundles::PolicyState;
use crate::ids::{KeyId, ProjectId, UserId, WorkspaceId};
use crate::ports::{Batch, Expect, PortError, State, StateKey};
use crate::records::{ApiKey, Directory, RecordError, workspace_row};
use crate::tenancy::{Capability, Principal, Role};

/// Rows that somebody is about to be judged by.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    workspace: WorkspaceId,
    keys: BTreeSet<StateKey>,
}

impl Rows {
    /// None yet.
    pub(super) const fn of(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            keys: BTreeSet::new(),
        }
    }

    /// What every question stands on: the rules in force, and the project where it is asked.
    pub(super) fn asked_in(mut self, project: Option<ProjectId>) -> Self {
        self.keys.insert(PolicyState::key(self.workspace));
        self.keys.extend(project.map(Directory::project_key));
        self
    }

    /// People who count, as members.
    pub(super) fn people(mut self, people: impl IntoIterator<Item = UserId>) -> Self {
        let member = |person| Directory::member_key(self.workspace, person);
        self.keys.extend(people.into_iter().map(member));
        self
    }

    /// API keys that something came with.
    pub(super) fn api_keys(mut self, keys: impl IntoIterator<Item = KeyId>) -> Self {
        let row = |key| api_key(self.workspace, key);
        self.keys.extend(keys.into_iter().map(row));
        self
    }

    /// Whoever asks, or has asked: the people behind them, and their key.
    pub(super) fn principal(self, principal: &Principal) -> Self {
        self.people(principal.proposers())
            .people(principal.owners())
            .api_keys(principal.key())
    }

    /// A row that facts are read from.
    pub(super) fn row(mut self, key: StateKey) -> Self {
        self.keys.insert(key);
        self
    }

    /// Reads which versions they have. Whoever judges reads them after that, so what is judged is never
    /// older.
    pub(super) async fn read(self, state: &dyn State) -> Result<Grounds, PortError> {
        let mut grounds = Grounds::default();
        for key in self.keys {
            let found = state.get(&key).await?;
            let expect = found.map_or(Expect::Absent, |row| Expect::Version(row.version));
            grounds.0.insert(key, expect);
        }
        Ok(grounds)
    }
}

/// The rows that were read, each with the version that it had.
#[derive(Debug, Clone, Default)]
pub(super) struct Grounds(BTreeMap<StateKey, Expect>);

impl Grounds {
    /// These, and others that were read later.
    pub(super) fn and(mut self, later: Self) -> Self {
        for (key, expect) in later.0 {
            self.0.entry(key).or_insert(expect);
        }
        self
    }

    /// The batch, which is appended only while all of it is as it was. What the batch writes itself has
    /// its own condition.
    pub(super) fn under(&self, mut batch: Batch) -> Batch {
        for (key, expect) in &self.0 {
            if batch.state.iter().all(|write| write.key != *key) {
                batch = batch.provided(key.clone(), *expect);
            }
        }
        batch
    }
}

/// Whoever asked for something, with the role that they, or the owner of their key, have now. Who has
/// left may no more than look, and neither may a key that was revoked: it was taken back because nobody
/// knows who used it. What somebody did with a key while it was valid stays theirs when its time is over.
pub(super) async fn as_they_are(
    state: &dyn State,
    workspace: WorkspaceId,
    principal: &Principal,
) -> Result<Principal, RecordError> {
    let directory = Directory::of(state);
    let role_of = async |person| -> Result<Option<Role>, RecordError> {
        let member = directory.member(workspace, person).await?;
        Ok(member.map(|member| member.value.role))
    };
    let revoked = !revoked(state, workspace, principal.key()).await?.is_empty();
    let mut now = principal.clone();
    match &mut now {
        Principal::User { id, role, .. } => {
            let has = role_of(*id).await?.filter(|_| !revoked);
            *role = has.unwrap_or(Role::Viewer);
        }
        Principal::ApiKey {
            owner,
            owner_role,
            capability,
            ..
        } => {
            *owner_role = role_of(*owner).await?;
            if revoked {
                *capability = Capability::Read;
            }
        }
        Principal::Agent {
            owner,
            owner_role,
            on_behalf,
            capability,
            ..
        } => {
            let role = role_of(*owner).await?;
            *owner_role = role;
            // A client can do no more than the person it acts for.
            if revoked || (*on_behalf && !role.is_some_and(Role::may_approve)) {
                *capability = Capability::Read;
            }
        }
        Principal::Scheduler { .. } | Principal::System { .. } => {}
    }
    Ok(now)
}

/// Which of these keys were taken back. Their rows stay for as long as their workspace, so one that is
/// not there was never one.
pub(super) async fn revoked(
    state: &dyn State,
    workspace: WorkspaceId,
    keys: impl IntoIterator<Item = KeyId>,
) -> Result<BTreeSet<KeyId>, RecordError> {
    let directory = Directory::of(state);
    let mut revoked = BTreeSet::new();
    for key in keys.into_iter().collect::<BTreeSet<_>>() {
        let place = api_key(workspace, key);
        let row = directory.find::<ApiKey>("key", &place).await?;
        if row.is_some_and(|row| row.value.revoked_at.is_some()) {
            revoked.insert(key);
        }
    }
    Ok(revoked)
}

fn api_key(workspace: WorkspaceId, key: KeyId) -> StateKey {
    workspace_row(workspace, "key", key)
}
