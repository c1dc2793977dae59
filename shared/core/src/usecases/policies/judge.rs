//! May they?

use counterfoil_policy::bundle::PublicKey;

use super::{Policies, PolicyError};
use crate::bundles::{PolicyState, StoredBundle};
use crate::policy::{ConfirmedFacts, Effect, Question};
use crate::tenancy::{Role, WorkspaceCtx};
use crate::usecases::admin::AdminError;
use crate::usecases::governed::{Governed, came, who};

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
    #[expect(
        clippy::unused_async,
        reason = "the rules of a workspace are read from the state table"
    )]
    /// Judges; `approved` when a second person's request carries it out.
    pub(super) async fn judge(
        &self,
        ctx: &WorkspaceCtx,
        act: &Act,
        approved: bool,
        hash: Option<&str>,
    ) -> Result<Governed, PolicyError> {
        let principal = ctx.principal();
        let (by_key, login_age_s) = came(principal, self.ports.clock.now());
        let may = match act {
            Act::Register => Role::may_own,
            Act::Activate(_) | Act::Revoke(_) => Role::may_administer,
        };
        let facts = ConfirmedFacts {
            who: who(principal),
            by_key,
            login_age_s,
            role_may: principal.role().is_some_and(may),
            loosening: !matches!(act, Act::Revoke(_)),
            approvals: u8::from(approved),
        };
        let (clock, random) = (self.ports.clock.as_ref(), self.ports.random.as_ref());
        Ok(Governed::judge(
            Question::ChangeSetting(facts),
            hash,
            clock,
            random,
        ))
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
