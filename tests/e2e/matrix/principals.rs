//! Everybody who may knock: with no credential, a bad one, somebody else's, and each of the tenant's.

use std::collections::BTreeMap;

use counterfoil_core::ports::{State, StateWrite};
use counterfoil_core::records::{ApiKey, Directory};
use counterfoil_core::tenancy::Role;

use crate::calls::person;
use crate::stage::{Stage, now};
use crate::tenant::Tenant;

/// A kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// No credential.
    Anonymous,
    /// Something that is not one.
    Malformed,
    /// A key that was revoked.
    Revoked,
    /// A key that has expired.
    Expired,
    /// A token that nobody signed.
    Forged,
    /// A key of another workspace.
    ForeignKey,
    /// An owner of another workspace, who has signed in.
    ForeignOwner,
    /// A key of another project of the same workspace.
    OtherProjectKey,
    /// Signed in, and a member of nothing.
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
}

use Name::*;

/// What a caller may expect before their rights are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// 401 whatever they ask for.
    Unknown,
    /// 404 whatever of the tenant they ask for.
    Outside,
    /// Of the tenant.
    Inside,
}

impl Name {
    pub(super) const ALL: [Self; 18] = [
        Anonymous,
        Malformed,
        Revoked,
        Expired,
        Forged,
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

    pub(super) const fn standing(self) -> Standing {
        match self {
            Anonymous | Malformed | Revoked | Expired | Forged => Standing::Unknown,
            ForeignKey | ForeignOwner | OtherProjectKey | Stranger => Standing::Outside,
            _ => Standing::Inside,
        }
    }

    /// Whether the credential itself says which project it is for.
    pub(super) const fn is_project_key(self) -> bool {
        matches!(
            self,
            ForeignKey | OtherProjectKey | ReadKey | RepairKey | ApproverKey
        )
    }
}

/// A caller: the credential, and the project that they work in.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    pub(super) bearer: Option<String>,
    /// Their own project, for the header.
    pub(super) project: String,
}

/// Everybody, around a tenant.
pub(super) async fn everybody(
    stage: &Stage,
    tenant: &Tenant,
    foreign: &Tenant,
    second: &str,
) -> BTreeMap<Name, Principal> {
    let own = tenant.project.id.to_string();
    let theirs = foreign.project.id.to_string();
    let subject = |tenant: &Tenant, role: Role| {
        let named = tenant.people[&role].strip_prefix("person:").unwrap();
        person(named.split_once('@').unwrap().0, "")
    };
    let people = |role| subject(tenant, role);
    let token = stage.issuer.mint("nobody", |_| {});
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let altered = async |alter: &dyn Fn(&mut ApiKey)| altered(stage, alter).await;
    let revoked = altered(&|row| row.revoked_at = Some(now())).await;
    let expired = altered(&|row| row.expires_at = now()).await;
    let whole = whole_workspace(stage, tenant).await;
    let table = [
        (Anonymous, None, &own),
        (
            Malformed,
            Some("cfk_test_0123456789_nothing".to_owned()),
            &own,
        ),
        (Revoked, Some(revoked), &own),
        (Expired, Some(expired), &own),
        (Forged, Some(forged), &own),
        (ForeignKey, Some(foreign.ada.clone()), &theirs),
        (ForeignOwner, Some(subject(foreign, Role::Owner)), &theirs),
        (OtherProjectKey, Some(second.to_owned()), &own),
        (Stranger, Some(person("a stranger", "")), &own),
        (ReadKey, Some(tenant.read_key.clone()), &own),
        (RepairKey, Some(tenant.repair_key.clone()), &own),
        (WorkspaceReadKey, Some(whole), &own),
        (ApproverKey, Some(tenant.ada.clone()), &own),
        (Viewer, Some(people(Role::Viewer)), &own),
        (Auditor, Some(people(Role::Auditor)), &own),
        (Approver, Some(people(Role::Approver)), &own),
        (Admin, Some(people(Role::Admin)), &own),
        (Owner, Some(people(Role::Owner)), &own),
    ];
    let made = |(name, bearer, project): (Name, Option<String>, &String)| {
        let project = project.clone();
        (name, Principal { bearer, project })
    };
    table.map(made).into_iter().collect()
}

/// A key of a tenant of its own, after its row was changed.
async fn altered(stage: &Stage, alter: &dyn Fn(&mut ApiKey)) -> String {
    let key = stage.tenant().await.ada;
    change(stage, &key, alter).await;
    key
}

/// A reading key of the tenant for the whole workspace.
async fn whole_workspace(stage: &Stage, tenant: &Tenant) -> String {
    let key = stage.another_key(tenant, &tenant.project).await;
    change(stage, &key, &|row| row.project = None).await;
    key
}

async fn change(stage: &Stage, key: &str, alter: &dyn Fn(&mut ApiKey)) {
    let handle = key.split('_').nth(2).unwrap();
    let state = stage.main.boot.state().unwrap();
    let row = Directory::of(state.as_ref()).api_key(handle).await;
    let mut row = row.unwrap().unwrap();
    alter(&mut row.value);
    let doc = serde_json::to_value(&row.value).unwrap();
    let mut write = StateWrite::replace(Directory::api_key_key(handle), row.version, doc);
    write.cites = row.evidence;
    assert!(state.write(vec![write]).await.unwrap());
}
