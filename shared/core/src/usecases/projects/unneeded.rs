//! Whether the repair credential may be taken away: an UPDATE whose reply was lost is read back with it.

use super::credential::ConnectionKind;
use super::{ProjectError, Projects};
use crate::ports::{Expect, StateCheck};
use crate::records::{Records, Unfinished};
use crate::repair::{Action, ActionState, Pace};
use crate::tenancy::TenantCtx;

impl Projects {
    /// That no UPDATE may be on its way that only the repair credential of now can read back, and that it
    /// stays so: every repair that begins writes the row of the condition. Other credentials read nothing back.
    ///
    /// # Errors
    /// [`ProjectError::Repairing`], where one may be.
    pub(super) async fn is_unneeded(
        &self,
        ctx: &TenantCtx,
        kind: ConnectionKind,
    ) -> Result<Option<StateCheck>, ProjectError> {
        if kind != ConnectionKind::Repair {
            return Ok(None);
        }
        let records = Records::of(self.state(), ctx);
        // Listed, because whoever stores credentials may list this family, and no more.
        let paces = records.list::<Pace>().await?;
        let expect = paces
            .first()
            .map_or(Expect::Absent, |row| Expect::Version(row.version));
        if self.is_executing(&records).await? {
            return Err(ProjectError::Repairing);
        }
        Ok(Some(StateCheck {
            key: records.key::<Pace>(Pace::ID),
            expect,
        }))
    }

    /// What could not be read back with the credential of now needs it no more: it may be refused, or leaked.
    async fn is_executing(&self, records: &Records<'_>) -> Result<bool, ProjectError> {
        let mut unfinished = records.list::<Unfinished>().await?;
        unfinished.retain(|unfinished| unfinished.value.unread.is_none());
        for unfinished in unfinished {
            let action = records
                .get::<Action>(&unfinished.value.id.to_string())
                .await?;
            if action.is_none_or(|action| action.value.state == ActionState::Executing) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
