//! What the routes answer with, as types: the document (docs/openapi.json) is made of them.

mod change;
mod connection;
mod deletion;
mod governed;
mod key;
mod mapping;
mod own_project;
mod policy;
mod project;
mod records;
mod tenants;

pub(crate) use counterfoil_lambda::views::{
    Action, BothSides, Entries, GovernedRun, Incident, Incidents, Ledger, Run, Runs, WholeEntry,
    action,
};

pub(crate) use change::{Change, Changes};
pub(crate) use connection::{Connection, ConnectionKindWord, Connections};
pub(crate) use deletion::{Deletion, Endings};
pub(crate) use governed::{Decision, Flow};
pub(crate) use key::{Key, Keys, MadeKey};
pub(crate) use mapping::{Mapping, Mappings};
pub(crate) use own_project::{Project, Projects};
pub(crate) use policy::{Policy, PolicyBundle, PolicyBundles, PolicyImpact, PolicyWarning};
pub(crate) use project::{Check, Schedule, Webhooks};
pub(crate) use records::{Erasure, HeldTarget, Hold, Holds, LostPart, RetentionSetting};
pub(crate) use tenants::{
    Invitation, Invitations, Joined, Me, Member, Members, MyKey, Myself, NewInvitation,
    OneWorkspace, Workspace, Workspaces,
};
