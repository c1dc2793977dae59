//! Founding a workspace: its stream, its row, its first people, in one transaction. The product does
//! it for setups and tests, a person does it for themselves.

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use crate::auth::login_digest;
use crate::ids::{UserId, WorkspaceId};
use crate::ports::{
    AppendError, Batch, Clock, EvidenceAppend, Login, PortError, Random, SealSigner, State,
    StateWrite,
};
use crate::records::{Directory, Member, Owners, Person, Workspace};
use crate::tenancy::{Principal, Role, Via};
use crate::time::Timestamp;
use crate::usecases::admin::{ATTEMPTS, AdminError};
use crate::usecases::facts::{change, target};
use crate::usecases::logins::touched;

/// A workspace to found.
#[derive(Debug)]
pub struct NewWorkspace<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its people. The first one is the founder.
    pub people: &'a [NewPerson<'a>],
}

/// A person of a new workspace.
#[derive(Debug, Clone, Copy)]
pub struct NewPerson<'a> {
    /// Their name.
    pub name: &'a str,
    /// Their role.
    pub role: Role,
    /// How they sign in; without it they only have keys.
    pub login: Option<&'a Login>,
}

impl<'a> NewPerson<'a> {
    /// A person who only has keys.
    pub const fn with_keys(name: &'a str, role: Role) -> Self {
        Self {
            name,
            role,
            login: None,
        }
    }
}

/// The ports that founding needs.
#[derive(Clone, Copy)]
pub(in crate::usecases) struct Founding<'a> {
    pub(in crate::usecases) evidence: &'a dyn EvidenceAppend,
    pub(in crate::usecases) state: &'a dyn State,
    pub(in crate::usecases) signer: &'a dyn SealSigner,
    pub(in crate::usecases) clock: &'a dyn Clock,
    pub(in crate::usecases) random: &'a dyn Random,
}

/// Who founds.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecases) enum Founder {
    /// The product itself.
    Product,
    /// The first of the people, who came like this.
    First(Via),
}

/// A workspace as it was founded, and the ids of its people in order.
pub(in crate::usecases) type Founded = (Workspace, Vec<UserId>);

impl Founding<'_> {
    /// Founds. `more` makes a row of the same transaction, given the id of the workspace.
    pub(in crate::usecases) async fn found(
        self,
        founder: Founder,
        new: &NewWorkspace<'_>,
        more: &(dyn Fn(WorkspaceId) -> Option<StateWrite> + Sync),
    ) -> Result<Founded, AdminError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.once(founder, new, more).await {
                // Somebody who is new may be founding another one at the same time.
                Err(AdminError::Evidence(AppendError::StateChanged { .. }))
                    if attempt < ATTEMPTS => {}
                done => return done,
            }
        }
    }

    async fn once(
        self,
        founder: Founder,
        new: &NewWorkspace<'_>,
        more: &(dyn Fn(WorkspaceId) -> Option<StateWrite> + Sync),
    ) -> Result<Founded, AdminError> {
        let now = self.clock.now();
        let id = WorkspaceId::new(now, self.random.bits128());
        let mut joined = Vec::new();
        for new in new.people {
            let fresh = UserId::new(now, self.random.bits128());
            joined.push((new, joining(self.state, id, new, fresh, now).await?));
        }
        let people: Vec<UserId> = joined.iter().map(|(_, (person, _))| *person).collect();
        let founder = match (founder, people.first()) {
            (Founder::First(via), Some(first)) => Principal::User {
                id: *first,
                role: Role::Owner,
                via,
            },
            _ => Principal::System {
                duty: "setup".to_owned(),
            },
        };
        let (stream, genesis) = open_stream(self, &id.to_string()).await?;
        let workspace = Workspace {
            id,
            name: new.name.to_owned(),
            stream: stream.to_string(),
        };
        let owners = joined.iter().filter(|(new, _)| new.role == Role::Owner);
        let owners = Owners {
            owners: owners.map(|(_, (person, _))| *person).collect(),
            left_at: None,
        };
        let named = object([("after", object([("name", new.name.into())]))]);
        let config = Draft::new(
            Kind::ConfigChanged,
            change(&founder, target("workspace", id), []),
        );
        let workspace_row = Directory::write(Directory::workspace_key(id), None, &workspace)?;
        let owners_row = Directory::write(Directory::owners_key(id), None, &owners)?;
        let mut batch = Batch::of([genesis, config.subject(named)])
            .with(workspace_row.explained_by(1))
            .with(owners_row.explained_by(1));
        if let Some(row) = more(id) {
            batch = batch.with(row.explained_by(1));
        }
        for (new, (person, rows)) in joined {
            let entry = batch.drafts.len();
            batch.drafts.push(granted(&founder, person, new));
            let rows = rows.into_iter();
            batch.state.extend(rows.map(|row| row.explained_by(entry)));
        }
        self.evidence.append(stream, batch).await?;
        Ok((workspace, people))
    }
}

/// The id of a person, known or `fresh`, and the rows that make them a member.
pub(in crate::usecases) async fn joining(
    state: &dyn State,
    workspace: WorkspaceId,
    new: &NewPerson<'_>,
    fresh: UserId,
    now: Timestamp,
) -> Result<(UserId, Vec<StateWrite>), AdminError> {
    let mut rows = Vec::new();
    let mut id = fresh;
    let digest = new.login.map(login_digest);
    if let (Some(login), Some(digest)) = (new.login, &digest) {
        match Directory::of(state).person(digest).await? {
            Some(known) => {
                id = known.value.id;
                rows.push(touched(digest, &known)?);
            }
            None => rows.push(person_row(id, login, digest)?),
        }
        let membership = Directory::membership_key(digest, workspace);
        rows.push(StateWrite::create(membership, serde_json::json!({})));
    }
    let member = Member {
        id,
        name: new.name.to_owned(),
        role: new.role,
        login: digest,
        since: now,
        role_since: None,
    };
    let key = Directory::member_key(workspace, id);
    rows.push(Directory::write(key, None, &member)?);
    Ok((id, rows))
}

fn person_row(id: UserId, login: &Login, digest: &str) -> Result<StateWrite, AdminError> {
    let person = Person {
        id,
        issuer: login.issuer.clone(),
        subject: login.subject.clone(),
    };
    Ok(Directory::write(
        Directory::person_key(digest),
        None,
        &person,
    )?)
}

/// `access.granted` for somebody who becomes a member.
pub(in crate::usecases) fn granted(by: &Principal, person: UserId, new: &NewPerson<'_>) -> Draft {
    let facts = change(
        by,
        target("user", person),
        [("role", new.role.name().into())],
    );
    let subject = object([("name", new.name.into())]);
    Draft::new(Kind::AccessGranted, facts).subject(subject)
}

/// A new stream of `owner`, and the draft that opens it.
pub(in crate::usecases) async fn open_stream(
    ports: Founding<'_>,
    owner: &str,
) -> Result<(Hash, Draft), PortError> {
    let key = ports.signer.key().await?;
    let descriptor = Descriptor::for_owner(
        owner,
        ports.random.bytes32(),
        ports.clock.now().as_millis(),
        vec![key.hash()],
    );
    let facts = object([("descriptor", descriptor.to_json())]);
    Ok((descriptor.stream_id(), Draft::new(Kind::Genesis, facts)))
}
