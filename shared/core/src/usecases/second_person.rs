//! Who may confirm what somebody proposed.
//!
//! The second person is against one who is angry, or whose sign-in somebody else has. So whoever was
//! let in, or raised, after the proposal is none; nor is whoever proposed, in a workspace that was
//! emptied for it. A proposal also counts only while whoever made it might still make it, and for
//! [`HELD`] at most: it was about the state of things when it was made. Not covered: somebody who was
//! let in before the proposal; evidence names who let them in.

use std::time::Duration;

use thiserror::Error;

use crate::ids::{UserId, WorkspaceId};
use crate::records::{Directory, RecordError};
use crate::tenancy::{Principal, Role};
use crate::time::Timestamp;

/// After which the only person of a workspace counts as the second one: a workspace
/// of one person must not be held for ever.
pub const SOLO_AFTER: Duration = Duration::from_hours(24);
/// For how long before the proposal they must have been the only one.
pub const ALONE_FOR: Duration = Duration::from_hours(7 * 24);

/// Before the id of an approver who is the only person of the workspace.
pub(super) const SOLO: &str = "solo:";

/// How long a proposal waits for its confirmation.
pub const HELD: Duration = Duration::from_hours(72);

/// A proposal that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Who proposed it.
    pub(super) by: UserId,
    /// When.
    pub(super) at: Timestamp,
    /// Who may propose: this role, or a higher one.
    pub(super) proposes: Role,
    /// Who may confirm.
    pub(super) confirms: Role,
}

/// Why somebody does not count as the second person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotSecond {
    /// Whoever proposed it has not the role for that any more.
    #[error("whoever proposed it may not do so any more: withdraw it and propose it anew")]
    ProposerGone,
    /// They came, or got their role, after the proposal.
    #[error(
        "whoever confirms it has had the role for that since before it was proposed: ask such a person, or propose it anew"
    )]
    Newcomer,
    /// They proposed it, and there are others.
    #[error("another admin or owner confirms it: nobody confirms what they proposed")]
    Own,
    /// They made what would come into force.
    #[error("you uploaded this bundle: another owner activates it, or you propose it and they do")]
    Maker,
    /// They are the only person, and proposed it just now.
    #[error(
        "confirm it 24 hours after it was proposed, or propose it anew once somebody else has joined who confirms it"
    )]
    TooSoon,
    /// They are the only person, and others left shortly before.
    #[error(
        "others left this workspace within 7 days before it was proposed: propose it anew later, or once somebody else has joined who confirms it"
    )]
    Emptied,
}

impl Waiting {
    /// Who `principal` counts as when they confirm: their id, and `solo:` before it where they are the
    /// only person.
    ///
    /// # Errors
    /// When members cannot be read; inside, why they do not count.
    pub(super) async fn confirmed_by(
        &self,
        directory: Directory<'_>,
        workspace: WorkspaceId,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Result<String, NotSecond>, RecordError> {
        let proposer = directory.member(workspace, self.by).await?;
        if proposer.is_none_or(|it| it.value.role < self.proposes) {
            return Ok(Err(NotSecond::ProposerGone));
        }
        let id = principal.id();
        if let Some(person) = principal.person().filter(|person| *person != self.by) {
            let member = directory.member(workspace, person).await?;
            let counts = member.is_some_and(|it| it.value.counts(self.confirms, self.at));
            return Ok(if counts {
                Ok(id)
            } else {
                Err(NotSecond::Newcomer)
            });
        }
        Ok(match self.alone(directory, workspace, now).await? {
            Some(why) => Err(why),
            None => Ok(format!("{SOLO}{id}")),
        })
    }

    /// Why the person who proposed it does not count as the second one.
    async fn alone(
        &self,
        directory: Directory<'_>,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Option<NotSecond>, RecordError> {
        // The row before the list: whoever leaves in between is still counted.
        let left = directory.owners(workspace).await?.value.left_at;
        if directory.members(workspace).await?.len() > 1 {
            return Ok(Some(NotSecond::Own));
        }
        if left.is_some_and(|left| self.at < left.plus(ALONE_FOR)) {
            return Ok(Some(NotSecond::Emptied));
        }
        Ok((now.since(self.at) < SOLO_AFTER).then_some(NotSecond::TooSoon))
    }
}
