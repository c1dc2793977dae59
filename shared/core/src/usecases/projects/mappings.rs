//! Mappings of a project: stored by the hash of what they compile to. A stored one never changes and
//! counts for nothing until it is activated.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects};
use crate::mapping::{MappingFormat, read};
use crate::policy::Question;
use crate::ports::AppendError;
use crate::records::{Mapping, MappingSource, Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{change, target_named};
use crate::usecases::governed::AdminEffect;

/// The longest text of a mapping, in bytes: with its compiled form it must fit into a row.
pub const MAX_MAPPING: usize = 131_072;

impl Projects {
    /// One stored mapping.
    ///
    /// # Errors
    /// [`ProjectError::NotFound`] when there is none of this hash.
    pub async fn mapping(
        &self,
        ctx: &TenantCtx,
        hash: &str,
    ) -> Result<Versioned<Mapping>, ProjectError> {
        let found = Records::of(self.state(), ctx).get::<Mapping>(hash).await?;
        found.ok_or(ProjectError::NotFound)
    }

    /// Compiles and stores a mapping; one that is stored already stays as it is. The second value says
    /// whether it is new.
    ///
    /// # Errors
    /// [`ProjectError::Mapping`] with everything that is wrong: nothing is stored then.
    pub async fn add_mapping(
        &self,
        ctx: &TenantCtx,
        text: &str,
        format: MappingFormat,
    ) -> Result<(Versioned<Mapping>, bool), ProjectError> {
        let stream = self.project(ctx).await?.value.stream_id()?;
        let principal = ctx.principal();
        let judged = self.judge(Question::Configure(self.facts(principal)));
        if !judged.allowed() {
            return Err(self.refused(stream, principal, judged).await);
        }
        if text.len() > MAX_MAPPING {
            return Err(ProjectError::Invalid {
                field: "/text",
                rule: format!("must have at most {MAX_MAPPING} bytes"),
            });
        }
        let artifact = read(text, format).map_err(ProjectError::Mapping)?;
        let records = Records::of(self.state(), ctx);
        if let Some(known) = records.get::<Mapping>(&artifact.hash()).await? {
            return Ok((known, false));
        }
        let mapping = Mapping {
            hash: artifact.hash(),
            artifact: artifact.canonical_text(),
            source: Some(MappingSource {
                format,
                text: text.to_owned(),
            }),
            added_at: self.clock().now(),
        };
        let facts = change(
            principal,
            target_named("mapping", &mapping.hash),
            [("format", Json::from(format.name()))],
        );
        let effect = AdminEffect {
            draft: Draft::new(Kind::ConfigChanged, facts),
            rows: vec![records.create(&mapping)?],
        };
        let batch = judged.batch(principal, None, vec![effect])?;
        match self.create.evidence.append(stream, batch).await {
            Ok(_) => Ok((self.mapping(ctx, &mapping.hash).await?, true)),
            Err(AppendError::StateChanged { .. }) => {
                // Somebody stored the same at the same moment.
                let known = records.get::<Mapping>(&mapping.hash).await?;
                known
                    .map(|known| (known, false))
                    .ok_or(ProjectError::Changed)
            }
            Err(error) => Err(error.into()),
        }
    }
}
