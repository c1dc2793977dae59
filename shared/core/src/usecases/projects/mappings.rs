//! Mappings of a project: stored by the hash of what they compile to. A stored one never changes and
//! counts for nothing until it is activated.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects};
use crate::mapping::{MappingError, MappingFormat, read};
use crate::policy::Place;
use crate::ports::{AppendError, StateWrite};
use crate::records::{Mapping, MappingSource, Records, StoredMappings, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{change, target_named};
use crate::usecases::governed::AdminEffect;

/// The longest text of a mapping, in bytes: with its compiled form it must fit into a row.
pub const MAX_MAPPING: usize = 131_072;
/// How many mappings a project stores.
pub const MAX_MAPPINGS: usize = 200;
/// The most that a row's document may take, in bytes of JSON: a table's item has at most 409 600 with
/// all that is around it.
const MAX_ROW: usize = 400_000;
/// Attempts when others store at the same time.
const ATTEMPTS: u32 = 5;

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
    /// [`ProjectError::Mapping`] with everything that is wrong, or when it is too large for a row;
    /// [`ProjectError::Full`]. Nothing is stored then.
    pub async fn add_mapping(
        &self,
        ctx: &TenantCtx,
        text: &str,
        format: MappingFormat,
    ) -> Result<(Versioned<Mapping>, bool), ProjectError> {
        let project = self.project(ctx).await?.value;
        let stream = project.stream_id()?;
        let principal = ctx.principal();
        let place = Place::project(&project);
        let judged = self.judge_setting(place, principal, "mapping").await?;
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
        let mapping = Mapping {
            hash: artifact.hash(),
            artifact: artifact.canonical_text(),
            source: Some(MappingSource {
                format,
                text: text.to_owned(),
            }),
            added_at: self.clock().now(),
        };
        let records = Records::of(self.state(), ctx);
        for _ in 0..ATTEMPTS {
            // The row first: what is stored after it was read changes its version.
            let stored = records.stored_mappings().await?;
            if let Some(known) = records.get::<Mapping>(&mapping.hash).await? {
                return Ok((known, false));
            }
            let rows = rows(records, &mapping, stored)?;
            let facts = change(
                principal,
                target_named("mapping", &mapping.hash),
                [("format", Json::from(format.name()))],
            );
            let effect = AdminEffect {
                draft: Draft::new(Kind::ConfigChanged, facts),
                rows,
            };
            let batch = judged.batch(principal, None, vec![effect])?;
            match self.create.evidence.append(stream, batch).await {
                Ok(_) => return Ok((self.mapping(ctx, &mapping.hash).await?, true)),
                // Somebody stored the same, or another one, at the same moment.
                Err(AppendError::StateChanged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ProjectError::Changed)
    }
}

/// The rows of a new mapping, where it has room.
fn rows(
    records: Records<'_>,
    mapping: &Mapping,
    stored: Versioned<StoredMappings>,
) -> Result<Vec<StateWrite>, ProjectError> {
    if stored.value.added.len() >= MAX_MAPPINGS {
        return Err(ProjectError::Full);
    }
    let row = records.create(mapping)?;
    let bytes = row.doc.as_ref().map_or(0, |doc| doc.to_string().len());
    if bytes > MAX_ROW {
        let rule = format!(
            "the text and what it compiles to take {bytes} bytes to store, of at most {MAX_ROW}"
        );
        let fix = "shorten comments, names and lists of prices, or select by product";
        return Err(ProjectError::Mapping(
            MappingError::new("", rule, fix).into(),
        ));
    }
    let mut all = stored.value;
    all.added.insert(mapping.hash.clone(), mapping.added_at);
    let listed = match stored.version {
        0 => records.create(&all)?,
        version => records.replace(version, &all)?,
    };
    Ok(vec![row, listed])
}
