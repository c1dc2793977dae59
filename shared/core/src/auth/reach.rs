//! What an API key reaches: scope, environment and capability, decided in one function.

use crate::ids::{ProjectId, WorkspaceId};
use crate::records::ApiKey;
use crate::tenancy::Capability;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A workspace itself: its people, keys, projects.
    Workspace(WorkspaceId),
    /// One project.
    Project {
        /// Its workspace.
        workspace: WorkspaceId,
        /// The project.
        project: ProjectId,
        /// Whether its Stripe account is live.
        live: bool,
    },
}

/// How a key stands to what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The target does not exist for this key.
    Absent,
    /// It exists, and the key may not do this.
    Incapable,
    /// It may be done, as far as the key goes.
    Admitted,
}

/// Whether a key may do something that needs `need` with `target`. A key of one project reaches that
/// project alone; a key of a workspace its workspace, and in it the projects of its own environment.
/// What is not reached is absent before it is asked what the key can do.
pub fn reach(key: &ApiKey, target: Target, need: Capability) -> Reach {
    let within = match (key.project, target) {
        (None, Target::Workspace(workspace)) => workspace == key.workspace,
        (Some(_), Target::Workspace(_)) => false,
        (
            own,
            Target::Project {
                workspace,
                project,
                live,
            },
        ) => {
            let is_own = own.is_none_or(|own| own == project);
            workspace == key.workspace && is_own && live == key.live
        }
    };
    match (within, key.capability.covers(need)) {
        (false, _) => Reach::Absent,
        (true, false) => Reach::Incapable,
        (true, true) => Reach::Admitted,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{KeyId, UserId};
    use crate::time::Timestamp;

    fn workspaces() -> impl Strategy<Value = WorkspaceId> {
        (1_u128..4).prop_map(WorkspaceId::from_bits)
    }

    fn projects() -> impl Strategy<Value = ProjectId> {
        (1_u128..4).prop_map(ProjectId::from_bits)
    }

    fn capabilities() -> impl Strategy<Value = Capability> {
        prop_oneof![Just(Capability::Read), Just(Capability::Repair)]
    }

    prop_compose! {
        fn keys()(
            workspace in workspaces(), project in proptest::option::of(projects()),
            live in any::<bool>(), capability in capabilities(),
        ) -> ApiKey {
            ApiKey {
                id: KeyId::from_bits(1),
                handle: String::new(),
                hash: String::new(),
                name: String::new(),
                workspace,
                project,
                live,
                capability,
                approver: None,
                agent: false,
                owner: UserId::from_bits(1),
                created_at: Timestamp::from_secs(0),
                expires_at: Timestamp::from_secs(0),
                revoked_at: None,
                replaced_by: None,
            }
        }
    }

    fn targets() -> impl Strategy<Value = Target> {
        prop_oneof![
            workspaces().prop_map(Target::Workspace),
            (workspaces(), projects(), any::<bool>()).prop_map(|(workspace, project, live)| {
                Target::Project {
                    workspace,
                    project,
                    live,
                }
            }),
        ]
    }

    fn workspace(target: Target) -> WorkspaceId {
        match target {
            Target::Workspace(workspace) | Target::Project { workspace, .. } => workspace,
        }
    }

    proptest! {
        #[test]
        fn no_operation_outside_the_scope_passes(
            key in keys(), target in targets(), need in capabilities(),
        ) {
            let found = reach(&key, target, need);
            if workspace(target) != key.workspace {
                prop_assert_eq!(found, Reach::Absent);
            }
            if let Some(own) = key.project {
                let other = !matches!(target, Target::Project { project, .. } if project == own);
                prop_assert!(!other || found == Reach::Absent);
            }
            if let Target::Project { live, .. } = target && live != key.live {
                prop_assert_eq!(found, Reach::Absent);
            }
            if key.capability == Capability::Read && need == Capability::Repair {
                prop_assert!(found != Reach::Admitted);
            }
        }

        #[test]
        fn whether_something_exists_does_not_depend_on_what_is_to_be_done(
            key in keys(), target in targets(),
        ) {
            let [read, repair] = [Capability::Read, Capability::Repair]
                .map(|need| reach(&key, target, need) == Reach::Absent);
            prop_assert_eq!(read, repair);
        }

        #[test]
        fn a_narrower_key_reaches_no_more(
            key in keys(), own in projects(), target in targets(), need in capabilities(),
        ) {
            let narrower = [
                ApiKey { project: key.project.or(Some(own)), ..key.clone() },
                ApiKey { capability: Capability::Read, ..key.clone() },
            ];
            for narrow in narrower {
                if reach(&narrow, target, need) == Reach::Admitted {
                    prop_assert_eq!(reach(&key, target, need), Reach::Admitted);
                }
            }
        }

        #[test]
        fn what_is_in_scope_passes(key in keys(), own in projects(), need in capabilities()) {
            let project = key.project.unwrap_or(own);
            let target = Target::Project { workspace: key.workspace, project, live: key.live };
            let wanted = if need != Capability::Read && key.capability == Capability::Read { Reach::Incapable } else { Reach::Admitted };
            prop_assert_eq!(reach(&key, target, need), wanted);
        }
    }
}
