//! May they?

use counterfoil_policy::bundle::PublicKey;

use super::{Policies, PolicyError};
use crate::bundles::{PolicyState, StoredBundle};
use crate::policy::{BundleFacts, Effect, Question};
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::AdminError;
use crate::usecases::governed::{Governed, Judging, Terms, approved_by};

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A bundle comes into force.
    Activate(About),
    /// A bundle is revoked.
    Revoke(About),
    /// A key is to sign.
    Register,
}

/// What is known about a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) digest: String,
    pub(super) version: u64,
    /// Fingerprint of the key that signed it; empty where none that counts did.
    pub(super) signer: String,
}

impl About {
    pub(super) fn of(state: &PolicyState, bundle: &StoredBundle) -> Self {
        let keys = state.public_keys();
        let signer = keys.iter().find(|key| {
            let one = std::slice::from_ref(*key);
            bundle.envelope.verify(one).is_ok()
        });
        let line = state.stored.get(&bundle.digest);
        Self {
            digest: bundle.digest.clone(),
            version: line.map_or(0, |line| line.version),
            signer: signer.map(PublicKey::fingerprint).unwrap_or_default(),
        }
    }
}

impl Policies {
    /// Judges; `approved` when a second person's request carries it out.
    pub(super) async fn judge(
        &self,
        ctx: &WorkspaceCtx,
        act: &Act,
        approved: bool,
        action_hash: Option<&str>,
    ) -> Result<Governed, PolicyError> {
        let facts = |about: &About| BundleFacts {
            digest: about.digest.clone(),
            version: about.version,
            // Nothing in a deployment proves that a bundle allows nothing new.
            loosening: true,
            signed_by: about.signer.clone(),
        };
        let question = match act {
            Act::Activate(about) => Question::ActivatePolicy(facts(about)),
            Act::Revoke(about) => Question::RevokePolicy(facts(about)),
            Act::Register => Question::RegisterPolicyKey,
        };
        let terms = Terms {
            approvals: approved_by(ctx.principal(), u8::from(approved)),
            action_hash,
            ..Terms::default()
        };
        let judging = Judging {
            state: self.ports.state.as_ref(),
            clock: self.ports.clock.as_ref(),
            random: self.ports.random.as_ref(),
        };
        let judged = judging.in_workspace(ctx.workspace(), ctx.principal(), &question, terms);
        judged.await.map_err(PolicyError::from)
    }

    /// Whether the caller may propose or do it; for a request that is bad. Records nothing.
    pub(super) async fn admit(&self, ctx: &WorkspaceCtx, act: &Act) -> Result<(), PolicyError> {
        let judged = self.judge(ctx, act, false, None).await?;
        if judged.judgement.effect == Effect::Deny {
            return Err(PolicyError::Admin(AdminError::Denied {
                judgement: judged.judgement,
                decision: None,
            }));
        }
        Ok(())
    }

    /// What is known about a stored bundle.
    pub(super) async fn about(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<About, PolicyError> {
        let bundle = self.bundle(ctx, digest).await?.value;
        Ok(About::of(&self.state(ctx).await?.value, &bundle))
    }
}
