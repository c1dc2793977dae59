//! What the routes answer with, as types: the document (docs/openapi.json) is made of them.

mod connection;
mod customer;
mod deletion;
mod evidence;
mod incident;
mod key;
mod mapping;
mod own_project;
mod project;
mod records;
mod tenants;

pub(crate) use connection::{Connection, ConnectionKindWord, Connections};
pub(crate) use customer::BothSides;
pub(crate) use deletion::{Deletion, Endings};
pub(crate) use evidence::{Entries, Ledger, LedgerLine, ListedEntry, ListedRun, Runs, WholeEntry};
pub(crate) use incident::{Incident, Incidents};
pub(crate) use key::{Key, Keys, MadeKey};
pub(crate) use mapping::{Mapping, Mappings};
pub(crate) use own_project::{Project, Projects};
pub(crate) use project::{Check, Schedule, Webhooks};
pub(crate) use records::{Erasure, HeldTarget, Hold, Holds, LostPart, RetentionSetting, Run};
pub(crate) use tenants::{
    Invitation, Invitations, Joined, Me, Member, Members, MyKey, Myself, NewInvitation,
    OneWorkspace, Workspace, Workspaces,
};
