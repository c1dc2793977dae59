//! A bundle comes into force: proposed by one person, carried out by another one's request.
//!
//! The second person is an owner, because nothing here proves that a bundle allows nothing new. They
//! are neither whoever proposed it nor whoever uploaded it; alone in a workspace, the same person a day
//! later. The pointer moves only from the bundle that the signed statement names, and only to a higher
//! version.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::judge::{About, Act};
use super::{Policies, PolicyActed, PolicyError, replaced};
use crate::bundles::{
    ActiveBundle, FAMILY, PolicyProposal, PolicyState, Proposed, StoredBundle, WAITS_ACTIVATION,
    verified,
};
use crate::ids::UserId;
use crate::policy::Effect;
use crate::ports::{Batch, EntryRef};
use crate::records::{Versioned, workspace_row};
use crate::tenancy::{Role, WorkspaceCtx};
use crate::usecases::admin::{AdminError, gone};
use crate::usecases::facts::actor;
use crate::usecases::second_person::{NotSecond, Waiting};

/// What is to come into force.
struct Next {
    state: Versioned<PolicyState>,
    bundle: StoredBundle,
    version: u64,
    signer: String,
}

impl Policies {
    /// Whether the caller may activate bundles; for a request that is bad. Records nothing.
    ///
    /// # Errors
    /// [`AdminError::Denied`].
    pub async fn admit_activation(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<(), PolicyError> {
        let about = self.about(ctx, digest).await?;
        self.admit(ctx, &Act::Activate(about)).await
    }

    /// Proposes a stored bundle, or, as the second person, brings it into force. What is in force
    /// already stays so.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded. [`PolicyError::Unfit`] when
    /// the bundle cannot follow the active one.
    pub async fn activate(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<PolicyActed, PolicyError> {
        let bundle = self.bundle(ctx, digest).await?.value;
        let state = self.state(ctx).await?;
        let act = Act::Activate(About::of(&state.value, &bundle));
        if state.value.active_digest() == Some(digest) && !state.value.revoked.contains_key(digest)
        {
            self.admit(ctx, &act).await?;
            return Ok(PolicyActed::NOTHING);
        }
        let waiting = self.waiting(ctx, WAITS_ACTIVATION).await?;
        let wanted = Proposed::Activate {
            digest: digest.to_owned(),
            previous: state.value.active_digest().map(str::to_owned),
        };
        let waiting = waiting.filter(|it| it.value.what == wanted);
        let asked = self.judge(ctx, &act, waiting.is_some(), None).await?;
        if asked.judgement.effect == Effect::Deny {
            return Err(self.refuse(ctx, asked).await);
        }
        let next = fitting(ctx, state, bundle)?;
        if let Some(waiting) = waiting {
            match self.second(ctx, &waiting.value, next.bundle.by).await? {
                Ok(approver) => return self.put(ctx, &act, next, waiting, approver).await,
                // Nobody can agree with them any more, so this request proposes.
                Err(NotSecond::ProposerGone | NotSecond::Expired) => {}
                Err(why @ NotSecond::Newcomer) => return Err(PolicyError::NotSecond(why)),
                Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                    return Ok(PolicyActed::WAITS);
                }
            }
        }
        let judged = self.judge(ctx, &act, false, None).await?;
        let person = ctx.principal().person();
        let (Effect::Require, Some(by)) = (judged.judgement.effect, person) else {
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

    async fn second(
        &self,
        ctx: &WorkspaceCtx,
        waiting: &PolicyProposal,
        uploader: UserId,
    ) -> Result<Result<String, NotSecond>, PolicyError> {
        let second = Waiting {
            by: waiting.by,
            at: waiting.at,
            proposes: Role::Admin,
            confirms: Role::Owner,
        };
        let now = self.ports.clock.now();
        let confirmed =
            second.confirmed_by(self.directory(), ctx.workspace(), ctx.principal(), now);
        let confirmed = confirmed.await?;
        let person = ctx.principal().person();
        if confirmed.is_ok() && person == Some(uploader) && person != Some(waiting.by) {
            let why = "you uploaded this bundle: another owner activates it, or you propose it and they do";
            return Err(PolicyError::Unfit(why.to_owned()));
        }
        Ok(confirmed)
    }

    async fn put(
        &self,
        ctx: &WorkspaceCtx,
        act: &Act,
        next: Next,
        waiting: Versioned<PolicyProposal>,
        approver: String,
    ) -> Result<PolicyActed, PolicyError> {
        let principal = ctx.principal();
        let hash = Some(waiting.value.action_hash.as_str());
        let judged = self.judge(ctx, act, true, hash).await?;
        let held = waiting.evidence.clone().ok_or(AdminError::Changed)?;
        if !judged.allowed() {
            let refused = self.judge(ctx, act, true, None).await?;
            return Err(self.refuse(ctx, refused).await);
        }
        let mut batch = Batch::of(judged.approved(principal, &held, &approver)?);
        let decision = batch.drafts.len().saturating_sub(1);
        let entry = batch.drafts.len();
        batch.drafts.push(
            activated(ctx, &next, (waiting.value.by, approver.as_str()), &held)
                .cite("decision", decision),
        );
        batch.drafts.push(judged.closing());
        let mut after = next.state.value.clone();
        after.active = Some(ActiveBundle {
            digest: next.bundle.digest.clone(),
            version: next.version,
            previous: after.active.map(|before| before.digest),
            at: self.ports.clock.now(),
            by: waiting.value.by,
            approver,
        });
        let shadowed = |it: &crate::bundles::ShadowBundle| it.digest == next.bundle.digest;
        after.shadow = after.shadow.filter(|it| !shadowed(it));
        let row = replaced(ctx, next.state.version, &after)?;
        let waited = workspace_row(ctx.workspace(), FAMILY, WAITS_ACTIVATION);
        let batch = batch
            .with(row.explained_by(entry))
            .with(gone(waited, waiting.version));
        self.append(ctx, batch).await?;
        Ok(PolicyActed::by(&judged, false))
    }
}

/// A bundle that verifies now and may follow the active one.
fn fitting(
    ctx: &WorkspaceCtx,
    state: Versioned<PolicyState>,
    bundle: StoredBundle,
) -> Result<Next, PolicyError> {
    let unfit = |why: String| PolicyError::Unfit(why);
    let digest = bundle.digest.clone();
    if state.value.revoked.contains_key(&digest) {
        let why = "this bundle was revoked: sign its rules as another version";
        return Err(unfit(why.to_owned()));
    }
    verified(&bundle, &state.value, ctx.workspace(), &digest)
        .map_err(|failure| unfit(format!("{} ({})", failure.why(), failure.rule())))?;
    let read = bundle.bundle().map_err(|error| unfit(error.to_string()))?;
    let manifest = read.manifest();
    let active = state.value.active_version();
    if manifest.version <= active {
        return Err(unfit(format!(
            "it is version {}, and version {active} is active: older rules come back as a newer version",
            manifest.version
        )));
    }
    if manifest.previous.as_deref() != state.value.active_digest() {
        let why = "another bundle became active since this one was signed: sign it again with `previous` \
                   as it is now";
        return Err(unfit(why.to_owned()));
    }
    Ok(Next {
        version: manifest.version,
        signer: About::of(&state.value, &bundle).signer,
        bundle,
        state,
    })
}

/// `policy.activated`.
fn activated(
    ctx: &WorkspaceCtx,
    next: &Next,
    (proposer, approver): (UserId, &str),
    held: &EntryRef,
) -> Draft {
    let digest = next.bundle.digest.as_str();
    let mut facts = vec![
        ("actor", actor(ctx.principal())),
        ("approvals", Json::Array(vec![approver.into()])),
        ("bundle", digest.into()),
        ("layer", "workspace".into()),
        ("loosening", true.into()),
        ("proposed", held.leaf.as_str().into()),
        ("proposed_by", proposer.to_string().into()),
        ("signer", next.signer.as_str().into()),
        ("uploaded_by", next.bundle.by.to_string().into()),
        ("version", Json::uint(next.version)),
    ];
    if let Ok(bundle) = next.bundle.bundle() {
        let statement = String::from_utf8(bundle.statement().canonical()).unwrap_or_default();
        facts.push(("statement", statement.into()));
    }
    if let Some(before) = next.state.value.active_digest() {
        facts.push(("previous", before.into()));
    }
    if let Some(impact) = &next.bundle.impact {
        facts.push(("impact", impact.report.as_str().into()));
    }
    let shadow = next.state.value.shadow.as_ref();
    if let Some(shadow) = shadow.filter(|it| it.digest == digest) {
        facts.push(("shadow_since", Json::uint(shadow.at.as_millis())));
    }
    Draft::new(
        Kind::PolicyActivated,
        counterfoil_evidence::json::object(facts),
    )
}
