//! Uploading: everything is checked, and nothing is stored unless all of it is right.

use std::collections::BTreeMap;

use counterfoil_evidence::json::Json;
use counterfoil_policy::check::{Checked, Claim, Finding};

use super::suspect::is_suspect;
use super::{Policies, PolicyError, administrator, observed, replaced};
use crate::bundles::{LARGEST_ROW, PolicyState, StoredBundle, StoredLine};
use crate::ports::Batch;
use crate::records::{Directory, Versioned};
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::{AdminError, gone};

/// A bundle as somebody sends it.
#[derive(Debug, Clone, Copy)]
pub struct NewBundle<'a> {
    /// Text of `manifest.json`.
    pub manifest: &'a str,
    /// Text of `signature.json`.
    pub signature: &'a str,
    /// Every other file, by path.
    pub files: &'a BTreeMap<String, String>,
}

/// A stored bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    /// The bundle.
    pub bundle: StoredBundle,
    /// What is to be looked at.
    pub warnings: Vec<Finding>,
    /// It was not there before.
    pub new: bool,
}

impl Policies {
    /// Whether the caller may upload, shadow, and ask for impacts.
    ///
    /// # Errors
    /// [`AdminError::NotAPerson`], [`AdminError::NotForRole`].
    pub fn admit_upload(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        administrator(ctx.principal()).map(drop)
    }

    /// Stores a bundle that could be the next one. One that is stored already stays as it is.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`] with everything that is wrong.
    pub async fn upload(
        &self,
        ctx: &WorkspaceCtx,
        new: NewBundle<'_>,
    ) -> Result<Uploaded, PolicyError> {
        let by = administrator(ctx.principal())?;
        let state = self.state(ctx).await?;
        let checked = checked(ctx, &state.value, new)?;
        let digest = checked.bundle.digest().to_owned();
        let directory = self.directory();
        let known = directory.policy_bundle(ctx.workspace(), &digest);
        if let Some(known) = known.await?
            && state.value.stored.contains_key(&digest)
        {
            return Ok(Uploaded {
                bundle: known.value,
                warnings: checked.warnings,
                new: false,
            });
        }
        let at = self.ports.clock.now();
        let bundle = StoredBundle {
            digest,
            manifest: new.manifest.to_owned(),
            envelope: checked.envelope,
            files: new.files.clone(),
            by,
            at,
            impact: None,
        };
        let version = checked.bundle.manifest().version;
        self.store(ctx, &state, &bundle, version).await?;
        Ok(Uploaded {
            bundle,
            warnings: checked.warnings,
            new: true,
        })
    }

    async fn store(
        &self,
        ctx: &WorkspaceCtx,
        state: &Versioned<PolicyState>,
        bundle: &StoredBundle,
        version: u64,
    ) -> Result<(), PolicyError> {
        let mut after = state.value.clone();
        let line = StoredLine {
            version,
            at: bundle.at,
            by: bundle.by,
        };
        let dropped = self.gives_way(ctx, &state.value).await?;
        if let Some(draft) = &dropped {
            after.stored.remove(&draft.digest);
        }
        after.stored.insert(bundle.digest.clone(), line);
        let key = StoredBundle::key(ctx.workspace(), &bundle.digest);
        let row = Directory::write(key, None, bundle)?;
        let bytes = row.doc.as_ref().map_or(0, |doc| doc.to_string().len());
        if bytes > LARGEST_ROW {
            let detail =
                format!("it would take {bytes} bytes to store, and at most {LARGEST_ROW} can be");
            let help = "join rules, or take scenarios away that show the same";
            let finding = Finding::whole("", detail, help);
            return Err(PolicyError::Invalid(vec![finding]));
        }
        let mut more = vec![("version", Json::uint(version))];
        more.extend(
            dropped
                .iter()
                .map(|it| ("dropped", it.digest.as_str().into())),
        );
        let seen = observed("policy.uploaded", ctx, &bundle.digest, more);
        let mut batch = Batch::of([seen])
            .with(row.explained_by(0))
            .with(replaced(ctx, state.version, &after)?.explained_by(0));
        if let Some(draft) = dropped.and_then(|it| it.row) {
            let key = StoredBundle::key(ctx.workspace(), &draft.value.digest);
            batch = batch.with(gone(key, draft.version));
        }
        self.append(ctx, batch).await?;
        Ok(())
    }
}

fn checked(
    ctx: &WorkspaceCtx,
    state: &PolicyState,
    new: NewBundle<'_>,
) -> Result<Checked, PolicyError> {
    let workspace = ctx.workspace().to_string();
    let claim = Claim {
        manifest: new.manifest,
        signature: new.signature,
        files: new.files,
        workspace: &workspace,
        keys: &state.public_keys(),
        active_version: state.active_version(),
        active: state.active_digest(),
    };
    let checked = match claim.check() {
        Ok(checked) if !state.revoked.contains_key(checked.bundle.digest()) => return Ok(checked),
        checked => checked,
    };
    let refused = checked.map_or_else(PolicyError::Invalid, |_| {
        let why = "this bundle was revoked: sign its rules as another version";
        PolicyError::Unfit(why.to_owned())
    });
    Err(if is_suspect(&claim, state) {
        PolicyError::Suspect(Box::new(refused))
    } else {
        refused
    })
}
