//! Room for another bundle: where the list is full, the oldest draft gives way.
//!
//! What was ever in force stays, because decisions name it and exports carry it; so do the candidate in
//! shadow and what waits for a second person.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Policies, PolicyError};
use crate::bundles::{MOST_STORED, PolicyState, StoredBundle};
use crate::held_change::POLICY;
use crate::records::Versioned;
use crate::tenancy::WorkspaceCtx;

/// A draft that gives way.
#[derive(Debug)]
pub(super) struct GivesWay {
    pub(super) digest: String,
    /// Its row, where it is still there.
    pub(super) row: Option<Versioned<StoredBundle>>,
}

/// What a manifest says of the bundle before it.
#[derive(Deserialize)]
struct Follows {
    #[serde(default)]
    previous: Option<String>,
}

impl Policies {
    /// The stored bundle that gives way to another one; `None` while there is room.
    pub(super) async fn gives_way(
        &self,
        ctx: &WorkspaceCtx,
        state: &PolicyState,
    ) -> Result<Option<GivesWay>, PolicyError> {
        if state.stored.len() < MOST_STORED {
            return Ok(None);
        }
        let mut kept = self.were_in_force(ctx, state).await?;
        kept.extend(state.shadow.as_ref().map(|it| it.digest.clone()));
        let changes = self.changes();
        let waiting = changes.of_workspace(ctx.workspace(), POLICY);
        let waiting = waiting.await?;
        kept.extend(waiting.and_then(|it| it.text("bundle").map(str::to_owned)));
        let drafts = state
            .stored
            .iter()
            .filter(|(digest, _)| !kept.contains(*digest));
        let oldest = drafts.min_by_key(|(digest, line)| (line.at, *digest));
        let Some((digest, _)) = oldest else {
            let why = format!(
                "this workspace stores {MOST_STORED} bundles, and all of them were in force, are in shadow or \
                 wait for a second person: end the shadow or let the proposal lapse, and upload it again"
            );
            return Err(PolicyError::Unfit(why));
        };
        let directory = self.directory();
        let row = directory.policy_bundle(ctx.workspace(), digest);
        Ok(Some(GivesWay {
            digest: digest.clone(),
            row: row.await?,
        }))
    }

    /// Every bundle that was ever in force: one comes into force only after the one that its manifest
    /// names.
    async fn were_in_force(
        &self,
        ctx: &WorkspaceCtx,
        state: &PolicyState,
    ) -> Result<BTreeSet<String>, PolicyError> {
        let mut known = BTreeSet::new();
        let mut next = state.active_digest().map(str::to_owned);
        while let Some(digest) = next {
            let directory = self.directory();
            let found = directory.policy_bundle(ctx.workspace(), &digest).await?;
            let follows = found.and_then(|it| serde_json::from_str(&it.value.manifest).ok());
            let Some(Follows { previous }) = follows else {
                let why = format!(
                    "this workspace stores {MOST_STORED} bundles, and which of them were in force cannot be \
                     told, because {digest} is not there or cannot be read: none gives way"
                );
                return Err(PolicyError::Unfit(why));
            };
            next = previous.filter(|it| !known.contains(it) && *it != digest);
            known.insert(digest);
        }
        Ok(known)
    }
}
