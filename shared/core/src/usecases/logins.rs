//! The rows of somebody who signs in, over all workspaces: who they are, and where they are a member.
//!
//! Whoever joins or leaves a workspace replaces the person's row, so two who do it at the same time
//! cannot both succeed: nobody keeps a membership without the row that says who they are, and the
//! last membership takes that row with it.

use crate::ids::WorkspaceId;
use crate::ports::{Expect, StateWrite};
use crate::records::{Directory, Person, RecordError, Versioned};

/// The write that replaces a person's row by itself.
///
/// # Errors
/// When it cannot be written as a document.
pub(super) fn touched(login: &str, person: &Versioned<Person>) -> Result<StateWrite, RecordError> {
    let key = Directory::person_key(login);
    let mut write = Directory::write(key, Some(person.version), &person.value)?;
    write.cites.clone_from(&person.evidence);
    Ok(write)
}

/// The writes after which whoever signs in as `login` is no member of `workspace`; where it was their
/// last one, nothing is left of them.
///
/// # Errors
/// When their rows cannot be read.
pub(super) async fn leaving(
    directory: Directory<'_>,
    login: &str,
    workspace: WorkspaceId,
) -> Result<Vec<StateWrite>, RecordError> {
    // The row first: a membership that comes after the list changes its version.
    let person = directory.person(login).await?;
    let memberships = directory.memberships(login).await?;
    let last = memberships.iter().all(|other| *other == workspace);
    let mut rows = vec![StateWrite::delete(Directory::membership_key(
        login, workspace,
    ))];
    match person {
        Some(person) if last => rows.push(StateWrite {
            expect: Expect::Version(person.version),
            ..StateWrite::delete(Directory::person_key(login))
        }),
        Some(person) => rows.push(touched(login, &person)?),
        None => {}
    }
    Ok(rows)
}
