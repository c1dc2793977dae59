//! A bundle never counts again: one person stops what only two can start.

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::judge::Act;
use super::{Policies, PolicyActed, PolicyError, replaced};
use crate::bundles::Noted;
use crate::policy::Effect;
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::{ATTEMPTS, AdminError};
use crate::usecases::facts::actor;
use crate::usecases::governed::AdminEffect;

impl Policies {
    /// Whether the caller may revoke bundles; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// [`AdminError::Denied`].
    pub async fn admit_revocation(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<(), PolicyError> {
        let about = self.about(ctx, digest).await?;
        self.admit(ctx, &Act::Revoke(about)).await
    }

    /// Revokes a stored bundle. Where it is the active one, everything but mending that is denied
    /// until another one is activated.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn revoke(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<PolicyActed, PolicyError> {
        let principal = ctx.principal();
        let act = Act::Revoke(self.about(ctx, digest).await?);
        for _ in 0..ATTEMPTS {
            let state = self.state(ctx).await?;
            let judged = self.judge(ctx, &act).await?;
            let (Effect::Allow, Some(by)) = (judged.judgement.effect, principal.person()) else {
                return Err(self.refuse(ctx, judged).await);
            };
            if state.value.revoked.contains_key(digest) {
                return Ok(PolicyActed::NOTHING);
            }
            let mut after = state.value;
            let at = self.ports.clock.now();
            after.revoked.insert(digest.to_owned(), Noted { at, by });
            after.shadow = after.shadow.filter(|it| it.digest != digest);
            let facts = object([
                ("active", (after.active_digest() == Some(digest)).into()),
                ("actor", actor(principal)),
                ("bundle", digest.into()),
                ("layer", "workspace".into()),
            ]);
            let effect = AdminEffect {
                draft: Draft::new(Kind::PolicyRevoked, facts),
                rows: vec![replaced(ctx, state.version, &after)?],
            };
            let batch = judged.batch(principal, None, vec![effect])?;
            match self.append(ctx, batch).await {
                Ok(_) => return Ok(PolicyActed::by(&judged)),
                Err(PolicyError::Admin(AdminError::Changed)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AdminError::Changed.into())
    }
}
