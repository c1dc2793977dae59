//! Whose approval of an action counts now: a vote is in the record for ever, and its person may not be
//! any more what they were.

use super::{ActionError, RepairPorts};
use crate::ids::UserId;
use crate::records::Directory;
use crate::repair::{Action, Vote, approvers};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::grounds::revoked;

/// Why an approval counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The approver key that it came with was revoked.
    KeyRevoked,
    /// Its person has left the workspace.
    Left,
    /// Their role is lower than what the action asks for.
    RoleLower,
    /// They have had their role only since after the proposal.
    RoleNewer,
}

/// Somebody whose approval counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapsed {
    /// Who.
    pub person: UserId,
    /// Why.
    pub why: Lapse,
}

/// Somebody who has approved an action.
struct Approver {
    person: UserId,
    /// The role that they have now, or why no role of theirs counts.
    role: Result<Role, Lapse>,
}

impl Approver {
    /// Why their approval counts no more, where `least` is the lowest role that does.
    fn lapsed(&self, least: Role) -> Option<Lapsed> {
        let why = match self.role {
            Ok(role) if role >= least => return None,
            Ok(_) => Lapse::RoleLower,
            Err(why) => why,
        };
        let person = self.person;
        Some(Lapsed { person, why })
    }
}

impl RepairPorts {
    /// The votes of an action without those that came with an approver key which was revoked since.
    pub(super) async fn votes_that_count(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Vec<Vote>, ActionError> {
        let keys = action.votes.iter().filter_map(|vote| vote.via);
        let revoked = revoked(self.state.as_ref(), ctx.workspace(), keys).await?;
        let mut votes = action.votes.clone();
        votes.retain(|vote| vote.via.is_none_or(|key| !revoked.contains(&key)));
        Ok(votes)
    }

    /// Everybody who has approved an action. Whoever was let in, or raised, after the proposal is no
    /// second person.
    async fn approvers_now(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Vec<Approver>, ActionError> {
        let directory = Directory::of(self.state.as_ref());
        let valid = approvers(&self.votes_that_count(ctx, action).await?);
        let mut all = Vec::new();
        for person in action.approvers() {
            let role = if valid.contains(&person) {
                match directory.member(ctx.workspace(), person).await? {
                    None => Err(Lapse::Left),
                    Some(it) if it.value.has_role_since() > action.proposed_at() => {
                        Err(Lapse::RoleNewer)
                    }
                    Some(it) => Ok(it.value.role),
                }
            } else {
                Err(Lapse::KeyRevoked)
            };
            all.push(Approver { person, role });
        }
        Ok(all)
    }

    /// The people whose approval of an action can count, with the roles that they have now.
    pub(super) async fn roles_of_approvers(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Vec<(UserId, Role)>, ActionError> {
        let all = self.approvers_now(ctx, action).await?.into_iter();
        let roles = all.filter_map(|it| Some((it.person, it.role.ok()?)));
        Ok(roles.collect())
    }

    /// Those who have approved an action and are not among the people that it waits for any more.
    pub(super) async fn lapsed(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Vec<Lapsed>, ActionError> {
        let least = action.approver_role();
        let all = self.approvers_now(ctx, action).await?;
        Ok(all.iter().filter_map(|it| it.lapsed(least)).collect())
    }

    /// Whether as many people as its decision asked for approve an action now.
    pub(super) async fn has_enough(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<bool, ActionError> {
        let given = action.approvers().len();
        let lapsed = self.lapsed(ctx, action).await?.len();
        Ok(given.saturating_sub(lapsed) >= usize::from(action.approvals))
    }
}
