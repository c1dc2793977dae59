//! What one person may change of a project: its name, and whether scans propose repairs.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects, changed, name, project_target};
use crate::policy::Place;
use crate::records::{Directory, Project, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::change;
use crate::usecases::governed::{AdminEffect, DECISION};

/// What is to change; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectChange {
    /// The name.
    pub name: Option<String>,
    /// Whether scans propose repairs by themselves. A proposal changes nothing: each repair still
    /// needs its approval.
    pub auto_propose: Option<bool>,
}

impl Projects {
    /// Changes a project of the version given. What stays as it is leaves no entry but the decision.
    ///
    /// # Errors
    /// [`ProjectError::Changed`] when it has another version by now.
    pub async fn change(
        &self,
        ctx: &TenantCtx,
        wanted: &ProjectChange,
        version: u64,
    ) -> Result<Versioned<Project>, ProjectError> {
        let before = self.project(ctx).await?;
        let stream = before.value.stream_id()?;
        let principal = ctx.principal();
        let place = Place::project(&before.value);
        let judged = self.judge_setting(place, principal, "project").await?;
        if !judged.allowed() {
            return Err(self.refused(stream, principal, judged).await);
        }
        let mut after = before.value.clone();
        if let Some(given) = &wanted.name {
            after.name = name(given)?;
        }
        if let Some(auto_propose) = wanted.auto_propose {
            after.auto_propose = auto_propose;
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        if after == before.value {
            return Ok(before);
        }
        let facts = change(
            principal,
            project_target(after.id),
            [("auto_propose", after.auto_propose.into())],
        );
        let side = |project: &Project| object([("name", Json::from(project.name.as_str()))]);
        let draft = Draft::new(Kind::ConfigChanged, facts).subject(object([
            ("after", side(&after)),
            ("before", side(&before.value)),
        ]));
        let row = Directory::write(Directory::project_key(after.id), Some(version), &after)?;
        let effects = vec![AdminEffect {
            draft,
            rows: vec![row],
        }];
        let batch = judged.batch(principal, None, effects)?;
        let appended = self.create.evidence.append(stream, batch).await;
        let entries = appended.map_err(changed)?;
        Ok(Versioned {
            value: after,
            version: version.saturating_add(1),
            evidence: entries.get(DECISION.saturating_add(1)).cloned(),
        })
    }
}
