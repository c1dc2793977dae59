//! The stored mappings of a project, newest first.

use std::cmp::Reverse;

use super::{Page, PageOf, ReadEvidence, ReadEvidenceError};
use crate::records::{Mapping, Project, Records, Versioned};
use crate::tenancy::TenantCtx;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/projects/{project_id}/mappings";

impl ReadEvidence {
    /// The project, and a page of its mappings, newest first.
    ///
    /// # Errors
    /// [`ReadEvidenceError::Invalid`] when the cursor is not of this list.
    pub async fn mappings(
        &self,
        ctx: &TenantCtx,
        page: PageOf<'_>,
    ) -> Result<(Project, Page<Versioned<Mapping>>), ReadEvidenceError> {
        let project = self.project(ctx).await?;
        let cursors = self.cursors(ctx, ROUTE, &()).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let items = records.list::<Mapping>().await?;
        let newest_first =
            |it: &Versioned<Mapping>| Reverse((it.value.added_at, it.value.hash.clone()));
        Ok((project, cursors.page(items, newest_first, page)?))
    }
}
