//! Who may sign: a key is proposed by one owner and registered by another.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use counterfoil_policy::bundle::PublicKey;
use serde_json::json;

use super::judge::Act;
use super::{Policies, PolicyActed, PolicyError, replaced};
use crate::bundles::{MOST_KEYS, PolicyState, RegisteredKey, verified};
use crate::held_change::POLICY_KEY;
use crate::tenancy::{Role, WorkspaceCtx};
use crate::usecases::admin::AdminError;
use crate::usecases::facts::{change, target_named};
use crate::usecases::held_changes::Settled;

impl Policies {
    /// Whether the caller may register keys; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// [`AdminError::Denied`].
    pub async fn admit_key(&self, ctx: &WorkspaceCtx) -> Result<(), PolicyError> {
        self.admit(ctx, &Act::Register).await
    }

    /// Proposes a signing key, or, as another owner, registers it; in place of the one whose
    /// fingerprint is `replaces`, if that is given.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded. [`PolicyError::Unfit`] when
    /// the active bundle would not verify any more.
    pub async fn register_key(
        &self,
        ctx: &WorkspaceCtx,
        public_key: &str,
        replaces: Option<&str>,
    ) -> Result<PolicyActed, PolicyError> {
        let (state, changes) = (self.state(ctx).await?, self.changes());
        let mut wanted = self.wanted(ctx, POLICY_KEY, &Act::Register).await?;
        wanted.value = json!({ "public_key": public_key, "replaces": replaces });
        wanted.proposes = Role::Owner;
        let asked = changes.ask(&wanted).await?;
        let after = self.with_key(ctx, &state.value, public_key, replaces);
        let Some(after) = after.await? else {
            return Ok(PolicyActed::NOTHING);
        };
        let happens = match changes.settle(&wanted, asked).await? {
            Settled::Waits(decision) => return Ok(PolicyActed::waiting(decision)),
            Settled::Happens(happens) => happens,
        };
        let mut keys = after.keys.iter();
        let new = keys.find(|it| it.public_key == public_key);
        let new = new.ok_or(AdminError::Changed)?;
        let mut more = vec![("public_key", Json::from(public_key))];
        if let Some(replaces) = replaces {
            more.push(("replaces", replaces.into()));
        }
        let target = target_named("policy_key", &new.fingerprint);
        let draft = Draft::new(Kind::ConfigChanged, change(ctx.principal(), target, more));
        let row = replaced(ctx, state.version, &after)?;
        changes.carry_out(&wanted, &happens, draft, [row]).await?;
        Ok(PolicyActed::by(&happens.judged))
    }

    /// What would be in force with the key; `None` where it is already.
    async fn with_key(
        &self,
        ctx: &WorkspaceCtx,
        state: &PolicyState,
        public_key: &str,
        replaces: Option<&str>,
    ) -> Result<Option<PolicyState>, PolicyError> {
        let invalid = |field, rule| PolicyError::from(AdminError::Invalid { field, rule });
        let key = PublicKey::parse(public_key).map_err(|_| {
            let rule = "must be an Ed25519 public key: base64 of its 32 bytes";
            invalid("/public_key", rule)
        })?;
        let registered = |fingerprint: &str| {
            let mut keys = state.keys.iter();
            keys.any(|it| it.fingerprint == fingerprint)
        };
        let fingerprint = key.fingerprint();
        if let Some(replaces) = replaces {
            if replaces == fingerprint {
                let rule = "must be another key than the new one";
                return Err(invalid("/replaces", rule));
            }
            if !registered(replaces) {
                if registered(&fingerprint) {
                    return Ok(None);
                }
                let rule = "must be the fingerprint of a key that is registered";
                return Err(invalid("/replaces", rule));
            }
        } else if registered(&fingerprint) {
            return Ok(None);
        }
        let mut after = state.clone();
        after
            .keys
            .retain(|it| Some(it.fingerprint.as_str()) != replaces);
        if !registered(&fingerprint) {
            after.keys.push(RegisteredKey {
                public_key: key.text(),
                fingerprint,
                at: self.ports.clock.now(),
                by: ctx
                    .principal()
                    .person()
                    .unwrap_or_else(|| crate::ids::UserId::from_bits(0)),
            });
        }
        if after.keys.len() > MOST_KEYS {
            let why =
                format!("{MOST_KEYS} keys are registered, and no more: name one that it replaces");
            return Err(PolicyError::Unfit(why));
        }
        self.still_verifies(ctx, state, &after).await?;
        Ok(Some(after))
    }

    /// The active bundle must not lose its signature: that would deny everything at once.
    async fn still_verifies(
        &self,
        ctx: &WorkspaceCtx,
        before: &PolicyState,
        after: &PolicyState,
    ) -> Result<(), PolicyError> {
        let Some(active) = after.active_digest() else {
            return Ok(());
        };
        let directory = self.directory();
        let stored = directory.policy_bundle(ctx.workspace(), active);
        let Some(stored) = stored.await? else {
            return Ok(());
        };
        let counts = |state| verified(&stored.value, state, ctx.workspace(), active).is_ok();
        if counts(before) && !counts(after) {
            let why = "the active bundle is signed with the key that would go: activate one that is \
                       signed with another key first, or revoke it";
            return Err(PolicyError::Unfit(why.to_owned()));
        }
        Ok(())
    }
}
