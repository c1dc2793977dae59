//! Who may sign: a key is proposed by one owner and registered by another.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use counterfoil_policy::bundle::PublicKey;

use super::judge::Act;
use super::{Policies, PolicyActed, PolicyError, replaced};
use crate::bundles::{
    FAMILY, MOST_KEYS, PolicyProposal, PolicyState, Proposed, RegisteredKey, WAITS_KEY, verified,
};
use crate::policy::Effect;
use crate::ports::Batch;
use crate::records::{Versioned, workspace_row};
use crate::tenancy::{Role, WorkspaceCtx};
use crate::usecases::admin::{AdminError, gone};
use crate::usecases::facts::{change, target_named};
use crate::usecases::second_person::{NotSecond, Waiting};

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
        let principal = ctx.principal();
        let state = self.state(ctx).await?;
        let wanted = Proposed::Register {
            public_key: public_key.to_owned(),
            replaces: replaces.map(str::to_owned),
        };
        let waiting = self.waiting(ctx, WAITS_KEY).await?;
        let waiting = waiting.filter(|it| it.value.what == wanted);
        let asked = self
            .judge(ctx, &Act::Register, waiting.is_some(), None)
            .await?;
        if asked.judgement.effect == Effect::Deny {
            return Err(self.refuse(ctx, asked).await);
        }
        let Some(after) = self
            .with_key(ctx, &state.value, public_key, replaces)
            .await?
        else {
            return Ok(PolicyActed::NOTHING);
        };
        if let Some(waiting) = waiting {
            let second = Waiting {
                by: waiting.value.by,
                at: waiting.value.at,
                proposes: Role::Owner,
                confirms: Role::Owner,
            };
            let now = self.ports.clock.now();
            let (directory, workspace) = (self.directory(), ctx.workspace());
            let confirmed = second.confirmed_by(directory, workspace, principal, now);
            match confirmed.await? {
                Ok(approver) => {
                    let next = (state.version, after);
                    return self.put_key(ctx, next, waiting, &approver).await;
                }
                Err(NotSecond::ProposerGone | NotSecond::Expired) => {}
                Err(why @ NotSecond::Newcomer) => return Err(PolicyError::NotSecond(why)),
                Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                    return Ok(PolicyActed::WAITS);
                }
            }
        }
        let judged = self.judge(ctx, &Act::Register, false, None).await?;
        let (Effect::Require, Some(by)) = (judged.judgement.effect, principal.person()) else {
            return Err(self.refuse(ctx, judged).await);
        };
        let proposal = PolicyProposal {
            what: wanted,
            by,
            at: self.ports.clock.now(),
            action_hash: judged.action_hash.clone(),
        };
        self.propose(ctx, &judged, &proposal).await
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

    async fn put_key(
        &self,
        ctx: &WorkspaceCtx,
        (version, after): (u64, PolicyState),
        waiting: Versioned<PolicyProposal>,
        approver: &str,
    ) -> Result<PolicyActed, PolicyError> {
        let principal = ctx.principal();
        let hash = Some(waiting.value.action_hash.as_str());
        let judged = self.judge(ctx, &Act::Register, true, hash).await?;
        let held = waiting.evidence.clone().ok_or(AdminError::Changed)?;
        if !judged.allowed() {
            let refused = self.judge(ctx, &Act::Register, true, None).await?;
            return Err(self.refuse(ctx, refused).await);
        }
        let Proposed::Register {
            replaces,
            public_key,
        } = &waiting.value.what
        else {
            return Err(AdminError::Changed.into());
        };
        let mut keys = after.keys.iter();
        let new = keys.find(|it| it.public_key == *public_key);
        let new = new.ok_or(AdminError::Changed)?;
        let mut more = vec![("public_key", Json::from(new.public_key.as_str()))];
        if let Some(replaces) = replaces {
            more.push(("replaces", replaces.as_str().into()));
        }
        let target = target_named("policy_key", &new.fingerprint);
        let facts = change(principal, target, more);
        let mut batch = Batch::of(judged.approved(principal, &held, approver)?);
        let decision = batch.drafts.len().saturating_sub(1);
        let entry = batch.drafts.len();
        let changed = Draft::new(Kind::ConfigChanged, facts).cite("decision", decision);
        batch.drafts.extend([changed, judged.closing()]);
        let row = replaced(ctx, version, &after)?;
        let waited = workspace_row(ctx.workspace(), FAMILY, WAITS_KEY);
        let batch = batch
            .with(row.explained_by(entry))
            .with(gone(waited, waiting.version));
        self.append(ctx, batch).await?;
        Ok(PolicyActed::by(&judged, false))
    }
}
