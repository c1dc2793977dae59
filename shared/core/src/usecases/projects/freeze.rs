//! The emergency stop of a project: one admin sets it at once, two people lift it.
//!
//! While it is set, the rules deny every action of the group `operate`: repairs, actions of runs, ignoring
//! incidents, erasing, deleting. What makes less possible goes on: rejecting, revoking, legal holds.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde_json::json;

use super::{ProjectError, Projects, project_target};
use crate::held_change::UNFREEZE;
use crate::policy::Question;
use crate::records::{Directory, Project, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::change;
use crate::usecases::held_changes::{Outcome, Settled};

/// What a request to freeze or to unfreeze came to.
pub type FreezeChange = Outcome<Project>;

impl Projects {
    /// Freezes a project of the version given, or unfreezes it, which another person confirms who sends
    /// the same. Freezing one that is frozen takes the wish to unfreeze it back.
    ///
    /// # Errors
    /// [`ProjectError::Denied`], which is recorded; [`ProjectError::Changed`] when the project has another
    /// version by now.
    pub async fn freeze(
        &self,
        ctx: &TenantCtx,
        frozen: bool,
        reason: Option<&str>,
        version: u64,
    ) -> Result<FreezeChange, ProjectError> {
        let before = self.project(ctx).await?;
        let question = Question::ChangeSetting {
            name: "frozen",
            loosening: before.value.frozen && !frozen,
        };
        let (changes, value) = (self.changes(), json!({ "frozen": frozen }));
        let mut wanted = changes.in_project(ctx, &before.value, UNFREEZE, question, value)?;
        wanted.reason = reason;
        let asked = changes.ask(&wanted).await?;
        if before.value.frozen == frozen && asked.nothing_waits() {
            return Ok(Outcome::Done(before));
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        let Settled::Happens(happens) = changes.settle(&wanted, asked).await? else {
            return Ok(Outcome::Held(before));
        };
        let about = [
            ("frozen", frozen.into()),
            ("frozen_before", before.value.frozen.into()),
        ];
        let facts = change(ctx.principal(), project_target(before.value.id), about);
        let draft = Draft::new(Kind::ConfigChanged, facts);
        let after = Project {
            frozen,
            ..before.value
        };
        let key = Directory::project_key(after.id);
        let row = Directory::write(key, Some(version), &after)?;
        let evidence = changes.carry_out(&wanted, &happens, draft, [row]).await?;
        Ok(Outcome::Done(Versioned {
            value: after,
            version: version.saturating_add(1),
            evidence,
        }))
    }
}
