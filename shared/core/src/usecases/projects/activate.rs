//! Making a stored mapping the active one. Runs at work keep theirs.
//!
//! One that lets repairs do more than the active one needs a second person: the first proposes, and
//! another one who asks for the same confirms.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde_json::json;

use super::{ProjectError, Projects, project_target};
use crate::held_change::MAPPING;
use crate::mapping::Artifact;
use crate::policy::Question;
use crate::ports::{PortError, PortErrorKind};
use crate::records::{Directory, Mapping, Project, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::change;
use crate::usecases::governed::Terms;
use crate::usecases::held_changes::{Outcome, Settled};

/// What became of a request to activate.
pub type Activation = Outcome<Project>;

impl Projects {
    /// Whether the caller may activate mappings. It comes before what they sent.
    ///
    /// # Errors
    /// [`ProjectError::Denied`]; only a request that is tried is recorded.
    pub async fn admit_activation(&self, ctx: &TenantCtx) -> Result<(), ProjectError> {
        let (judging, question) = (self.judging(), question(false));
        let judged = judging.in_project(ctx, &question, Terms::default()).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(ProjectError::Denied(judged.judgement))
        }
    }

    /// Makes a stored mapping the active one of a project of the version given. Where it lets repairs
    /// do more, the first person proposes that, and another one who sends the same confirms it.
    /// Sending what is done or proposed already does nothing.
    ///
    /// # Errors
    /// [`ProjectError::Changed`] when the project has another version by now.
    pub async fn activate(
        &self,
        ctx: &TenantCtx,
        hash: &str,
        version: u64,
    ) -> Result<Activation, ProjectError> {
        let before = self.project(ctx).await?;
        let wanted = artifact(&self.mapping(ctx, hash).await?.value)?;
        let earlier = before.value.mapping.clone();
        let active = match &earlier {
            Some(active) => Some(artifact(&self.mapping(ctx, active).await?.value)?),
            None => None,
        };
        let loosening = active.is_some_and(|active| wanted.loosens(&active));
        let (changes, question) = (self.changes(), question(loosening));
        let value = json!({ "instead_of": earlier, "mapping": hash });
        let wanted = changes.in_project(ctx, &before.value, MAPPING, question, value)?;
        let asked = changes.ask(&wanted).await?;
        if earlier.as_deref() == Some(hash) {
            return Ok(Outcome::Done(before));
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        let Settled::Happens(happens) = changes.settle(&wanted, asked).await? else {
            return Ok(Outcome::Held(before));
        };
        let mut hashes = vec![
            ("loosening", Json::from(loosening)),
            ("mapping", Json::from(hash)),
        ];
        if let Some(earlier) = &earlier {
            hashes.push(("mapping_before", Json::from(earlier.as_str())));
        }
        let facts = change(ctx.principal(), project_target(before.value.id), hashes);
        let draft = Draft::new(Kind::ConfigChanged, facts);
        let after = Project {
            mapping: Some(hash.to_owned()),
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

const fn question(loosening: bool) -> Question {
    Question::ChangeSetting {
        name: "active_mapping",
        loosening,
    }
}

fn artifact(stored: &Mapping) -> Result<Artifact, PortError> {
    let corrupt = |error| {
        let reading = "reading a stored mapping";
        PortError::caused(PortErrorKind::Corrupt, reading, error)
    };
    Artifact::from_json(stored.artifact.as_bytes()).map_err(corrupt)
}
