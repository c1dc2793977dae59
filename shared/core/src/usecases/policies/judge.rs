//! May they?

use counterfoil_policy::bundle::PublicKey;
use serde_json::Value;

use super::{Policies, PolicyError};
use crate::bundles::{PolicyState, StoredBundle};
use crate::policy::{BundleFacts, Effect, Question};
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::AdminError;
use crate::usecases::governed::Governed;
use crate::usecases::held_changes::{Changes, Wanted};

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

impl Act {
    fn question(&self) -> Question {
        let facts = |about: &About| BundleFacts {
            digest: about.digest.clone(),
            version: about.version,
            // Nothing in a deployment proves that a bundle allows nothing new.
            loosening: true,
            signed_by: about.signer.clone(),
        };
        match self {
            Self::Activate(about) => Question::ActivatePolicy(facts(about)),
            Self::Revoke(about) => Question::RevokePolicy(facts(about)),
            Self::Register => Question::RegisterPolicyKey,
        }
    }
}

impl Policies {
    /// Judges, without any approval.
    pub(super) async fn judge(
        &self,
        ctx: &WorkspaceCtx,
        act: &Act,
    ) -> Result<Governed, PolicyError> {
        Ok(self.ports.judge(ctx, &act.question()).await?)
    }

    /// The same as a change that waits for a second person under this name.
    pub(super) async fn wanted<'a>(
        &self,
        ctx: &'a WorkspaceCtx,
        name: &str,
        act: &Act,
    ) -> Result<Wanted<'a>, PolicyError> {
        let stream = self.ports.stream(ctx.workspace()).await?;
        let (at, question) = ((ctx.workspace(), ctx.principal()), act.question());
        Ok(Changes::in_workspace(
            at,
            stream,
            name,
            question,
            Value::Null,
        ))
    }

    pub(super) fn changes(&self) -> Changes<'_> {
        let ports = &self.ports;
        let (clock, random) = (ports.clock.as_ref(), ports.random.as_ref());
        Changes::of(
            ports.evidence.as_ref(),
            (ports.state.as_ref(), clock, random),
        )
    }

    /// Whether the caller may propose or do it; for a request that is bad. Records nothing.
    pub(super) async fn admit(&self, ctx: &WorkspaceCtx, act: &Act) -> Result<(), PolicyError> {
        let judged = self.judge(ctx, act).await?;
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
