//! A bundle comes into force: proposed by one person, carried out by another one's request.
//!
//! The second person is an owner, because nothing here proves that a bundle allows nothing new. They
//! are neither whoever proposed it nor whoever uploaded it; alone in a workspace, the same person a day
//! later. The pointer moves only from the bundle that the signed statement names, and only to a higher
//! version.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde_json::json;

use super::judge::{About, Act};
use super::{Policies, PolicyActed, PolicyError, replaced};
use crate::bundles::{ActiveBundle, PolicyState, StoredBundle, verified};
use crate::held_change::{HeldChange, POLICY};
use crate::ids::UserId;
use crate::ports::EntryRef;
use crate::records::Versioned;
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::AdminError;
use crate::usecases::facts::actor;
use crate::usecases::held_changes::{Happens, Settled, Wanted};

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
        let (changes, uploader) = (self.changes(), bundle.by);
        let mut wanted = self.wanted(ctx, POLICY, &act).await?;
        wanted.value = json!({ "bundle": digest, "instead_of": state.value.active_digest() });
        wanted.never = Some(uploader);
        let asked = changes.ask(&wanted).await?;
        let next = fitting(ctx, state, bundle)?;
        match changes.settle(&wanted, asked).await? {
            Settled::Waits(decision) => Ok(PolicyActed::waiting(decision)),
            Settled::Happens(happens) => self.put(ctx, &wanted, &happens, &next).await,
        }
    }

    async fn put(
        &self,
        ctx: &WorkspaceCtx,
        wanted: &Wanted<'_>,
        happens: &Happens,
        next: &Next,
    ) -> Result<PolicyActed, PolicyError> {
        let agreed = happens.agreed.as_ref().ok_or(AdminError::Changed)?;
        let (held, approver) = (&agreed.change, &agreed.approver);
        let mut after = next.state.value.clone();
        after.active = Some(ActiveBundle {
            digest: next.bundle.digest.clone(),
            version: next.version,
            previous: after.active.map(|before| before.digest),
            at: self.ports.clock.now(),
            by: held.by,
            approver: approver.clone(),
        });
        let shadowed = |it: &crate::bundles::ShadowBundle| it.digest == next.bundle.digest;
        after.shadow = after.shadow.filter(|it| !shadowed(it));
        let row = replaced(ctx, next.state.version, &after)?;
        let draft = activated(
            ctx,
            next,
            (held.by, &approvers(held, approver)),
            &agreed.decision,
        );
        self.changes()
            .carry_out(wanted, happens, draft, [row])
            .await?;
        Ok(PolicyActed::by(&happens.judged))
    }
}

/// Everybody who agreed, in order.
fn approvers(held: &HeldChange, last: &str) -> Vec<String> {
    let earlier = held.given.iter().map(|given| given.by.to_string());
    earlier.chain([last.to_owned()]).collect()
}

/// How much higher the version of a bundle may be than that of the active one: a date to the second fits.
/// The numbers have an end, at 2^53, and after the last one nothing could ever be activated.
const LONGEST_STEP: u64 = 100_000_000_000_000;

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
    if manifest.version > active.saturating_add(LONGEST_STEP) {
        return Err(unfit(format!(
            "it is version {}, and version {active} is active: versions only go up, so a step of more than \
             {LONGEST_STEP} could leave none for later ones",
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
    (proposer, approvers): (UserId, &[String]),
    held: &EntryRef,
) -> Draft {
    let digest = next.bundle.digest.as_str();
    let mut facts = vec![
        ("actor", actor(ctx.principal())),
        (
            "approvals",
            Json::Array(approvers.iter().map(|it| it.as_str().into()).collect()),
        ),
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
