//! Looking at runs.

use super::{GovernedRuns, RunError};
use crate::governed_run::GovernedRun;
use crate::records::Versioned;
use crate::tenancy::TenantCtx;

impl GovernedRuns {
    /// A run of the caller's project.
    ///
    /// # Errors
    /// [`RunError::NotFound`].
    pub async fn get(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<GovernedRun>, RunError> {
        self.run(ctx, id).await
    }
}
