//! A candidate is judged beside the active bundle. What it says is recorded and changes nothing.

use super::{Policies, PolicyError, administrator, observed, replaced};
use crate::bundles::{ShadowBundle, verified};
use crate::ports::Batch;
use crate::tenancy::WorkspaceCtx;

impl Policies {
    /// Puts a stored bundle into shadow, in place of another one, or takes it out again.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`] when it is active, revoked, or does not verify.
    pub async fn shadow(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
        on: bool,
    ) -> Result<(), PolicyError> {
        let by = administrator(ctx.principal())?;
        let bundle = self.bundle(ctx, digest).await?.value;
        let state = self.state(ctx).await?;
        let now = state.value.shadow.as_ref();
        let now = now.is_some_and(|it| it.digest == digest);
        if now == on {
            return Ok(());
        }
        let mut after = state.value.clone();
        after.shadow = None;
        if on {
            if state.value.active_digest() == Some(digest) {
                let why = "this bundle is active already";
                return Err(PolicyError::Unfit(why.to_owned()));
            }
            verified(&bundle, &state.value, ctx.workspace(), digest).map_err(|failure| {
                PolicyError::Unfit(format!("{} ({})", failure.why(), failure.rule()))
            })?;
            let at = self.ports.clock.now();
            let digest = digest.to_owned();
            after.shadow = Some(ShadowBundle { digest, at, by });
        }
        let topic = if on {
            "policy.shadow_begun"
        } else {
            "policy.shadow_ended"
        };
        let row = replaced(ctx, state.version, &after)?;
        let batch = Batch::of([observed(topic, ctx, digest, Vec::new())]);
        self.append(ctx, batch.with(row.explained_by(0))).await?;
        Ok(())
    }
}
