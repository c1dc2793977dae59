//! The stored mappings of a project, newest first.

use std::cmp::Reverse;

use super::{Page, PageOf, ReadEvidence, ReadEvidenceError};
use crate::records::{Project, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/projects/{project_id}/mappings";

impl ReadEvidence {
    /// The project, and a page of its mappings, newest first: their hashes, and when they were stored.
    ///
    /// # Errors
    /// [`ReadEvidenceError::Invalid`] when the cursor is not of this list.
    pub async fn mappings(
        &self,
        ctx: &TenantCtx,
        page: PageOf<'_>,
    ) -> Result<(Project, Page<(String, Timestamp)>), ReadEvidenceError> {
        let project = self.project(ctx).await?;
        let cursors = self.cursors(ctx, ROUTE, &()).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let stored = records.stored_mappings().await?.value;
        let items = stored.added.into_iter().collect();
        let newest_first = |(hash, at): &(String, Timestamp)| Reverse((*at, hash.clone()));
        Ok((project, cursors.page(items, newest_first, page)?))
    }
}
