//! Storing the credentials of a project, and taking them away. What comes in never goes out: people
//! see a hint and what the probe said.
//!
//! A credential is probed in clear before it is sealed; one that does not fit is not stored. Each one
//! that is stored is a secret of its own, with the probe's answer in the same transaction, and the one
//! that it replaces is revoked there: another key may be of another account, so nothing that was
//! found out with the old one counts for the new one. The old one's data keys go right after.
//!
//! What if a step fails: before the transaction there is a data key that seals nothing stored; after
//! it there may be data keys that no row needs. [`Secrets::tidy`] destroys both. Sending the same
//! credential again stores it again.

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::credential::{ConnectionKind, findings, stored, take, unanswered};
use super::{ProjectError, Projects, changed, project_target};
use crate::connection::Standing;
use crate::ids::SecretId;
use crate::policy::Question;
use crate::ports::{AppendError, Batch, StateCheck};
use crate::records::{Directory, Missing, Project, Records, Secret, Versioned, WebhookSecret};
use crate::redacted::Redacted;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::connections::{Connections, Probe, Probed};
use crate::usecases::facts::change;
use crate::usecases::governed::{DECISION, Governed, Terms};
use crate::usecases::reconcile::active_mapping;
use crate::usecases::secrets::{Revoke, SecretChange, SecretError, Secrets};
use crate::usecases::vault::VaultError;
use crate::webhook::is_signing_secret;

/// How long the old signing secret is accepted beside the new one: Stripe signs with both for at most
/// 24 hours after a roll.
const OVERLAP: Duration = Duration::from_hours(24);
/// Signing secrets that may be accepted at the same time.
const MOST_SIGNING: usize = 4;

/// A credential that somebody sends.
#[derive(Debug)]
pub struct NewConnection {
    /// Which one.
    pub kind: ConnectionKind,
    /// The credential.
    pub secret: Redacted<String>,
    /// What may be shown of it: the prefix of a key, host and database of a URL.
    pub hint: String,
}

/// A stored credential, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionView {
    /// Which one.
    pub kind: ConnectionKind,
    /// The secret's id.
    pub id: SecretId,
    /// What may be shown of it.
    pub hint: String,
    /// Its version.
    pub version: u64,
    /// When it was sealed; `None` when it was revoked and cannot be used.
    pub added_at: Option<Timestamp>,
    /// What the last probe said; a signing secret has none.
    pub probed: Option<Probed>,
    /// From when on it is not accepted any more.
    pub retire_at: Option<Timestamp>,
}

impl Projects {
    /// Whether the caller may store credentials. It comes before what they sent.
    ///
    /// # Errors
    /// [`ProjectError::Denied`]; only a request that is tried is recorded.
    pub async fn admit_secret(&self, ctx: &TenantCtx) -> Result<(), ProjectError> {
        let judged = self.judge_secret(ctx, ConnectionKind::Stripe).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(ProjectError::Denied(judged.judgement))
        }
    }

    /// The stored credentials of the caller's project.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn connections(&self, ctx: &TenantCtx) -> Result<Vec<ConnectionView>, ProjectError> {
        let project = self.project(ctx).await?.value;
        let records = Records::of(self.state(), ctx);
        let mut views = Vec::new();
        for (kind, id, retire_at) in stored(&project) {
            let Some(secret) = records.get::<Secret>(&id.to_string()).await? else {
                continue;
            };
            let probed = records.get::<Probed>(&id.to_string()).await?;
            let current = secret.value.current().ok();
            views.push(ConnectionView {
                kind,
                id,
                added_at: current.map(|version| version.sealed_at),
                version: secret.value.version,
                probed: probed.map(|probed| probed.value),
                hint: secret.value.hint,
                retire_at,
            });
        }
        Ok(views)
    }

    /// Probes a credential and stores it in the place of the one before, in a project of the version
    /// given.
    ///
    /// # Errors
    /// [`ProjectError::Refused`] with what the probe found, [`ProjectError::Changed`] when the project
    /// has another version by now, [`ProjectError::Repairing`] for another repair credential while the one
    /// of now may still read back what a repair did: nothing is stored then.
    pub async fn connect(
        &self,
        ctx: &TenantCtx,
        new: &NewConnection,
        version: u64,
        connections: &Connections,
    ) -> Result<ConnectionView, ProjectError> {
        let before = self.project(ctx).await?;
        let judged = self.judge_secret(ctx, new.kind).await?;
        if !judged.allowed() {
            let stream = before.value.stream_id()?;
            return Err(self.refused(stream, ctx.principal(), judged).await);
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        let unneeded = self.is_unneeded(ctx, new.kind).await?;
        let probe = self.probe(ctx, &before.value, new, connections).await?;
        let secrets = self.secrets();
        let value = new.secret.reveal().as_bytes();
        let created = secrets.created(ctx, new.kind.purpose(), &new.hint, value);
        let created = created.await?;
        let id = created.secret.id;
        let mut after = before.value.clone();
        let gone = self.put(&mut after, new.kind, id)?;
        let mut changes = vec![created];
        changes.extend(revoked(&secrets, ctx, gone).await?);
        let probed = probe.map(|probe| (id, probe));
        let kind = (new.kind, unneeded);
        let settled = self.settle(ctx, &judged, &before, &after, kind, changes, probed);
        settled.await?;
        let all = self.connections(ctx).await?;
        // Gone already only when somebody has replaced it meanwhile.
        let ours = all.into_iter().find(|view| view.id == id);
        ours.ok_or(ProjectError::Changed)
    }

    /// Takes a credential of a project of the version given away: what was sealed of it opens nowhere
    /// any more, in no copy.
    ///
    /// # Errors
    /// [`ProjectError::NotFound`] when there is none; [`ProjectError::Changed`] as above;
    /// [`ProjectError::Repairing`] for the repair credential, while what a repair did is not known yet and
    /// nobody has failed to read it back: that is done with this credential.
    pub async fn disconnect(
        &self,
        ctx: &TenantCtx,
        kind: ConnectionKind,
        version: u64,
    ) -> Result<(), ProjectError> {
        let before = self.project(ctx).await?;
        let judged = self.judge_secret(ctx, kind).await?;
        if !judged.allowed() {
            let stream = before.value.stream_id()?;
            return Err(self.refused(stream, ctx.principal(), judged).await);
        }
        let mut after = before.value.clone();
        let gone = take(&mut after, kind);
        if gone.is_empty() {
            return Err(ProjectError::NotFound);
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        let unneeded = self.is_unneeded(ctx, kind).await?;
        let changes = revoked(&self.secrets(), ctx, gone).await?;
        let kind = (kind, unneeded);
        let settled = self.settle(ctx, &judged, &before, &after, kind, changes, None);
        settled.await
    }

    /// What a credential may do; a signing secret cannot be asked.
    async fn probe(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        new: &NewConnection,
        connections: &Connections,
    ) -> Result<Option<Probe>, ProjectError> {
        let (kind, secret) = (new.kind, &new.secret);
        let answer = match kind {
            ConnectionKind::Stripe => {
                let report = connections.stripe_key(secret, project.livemode);
                report.await.map(Probe::Key)
            }
            ConnectionKind::Database => {
                let report = connections.reading_role(secret).await;
                report.map(Probe::ReadingRole)
            }
            ConnectionKind::Repair => {
                if project.mapping.is_none() {
                    return Err(ProjectError::Incomplete(Missing::Mapping));
                }
                let records = Records::of(self.state(), ctx);
                let artifact = active_mapping(&records, project).await?;
                let report = connections.repair_role(secret, &artifact).await;
                report.map(Probe::RepairRole)
            }
            ConnectionKind::Webhook if is_signing_secret(secret.reveal()) => return Ok(None),
            ConnectionKind::Webhook => {
                return Err(ProjectError::Invalid {
                    field: "/secret",
                    rule: "must be whsec_ and characters without spaces: copy it from the \
                           endpoint's page in Stripe"
                        .to_owned(),
                });
            }
        };
        match answer {
            Ok(probe) if probe.standing() == Standing::Alarm => {
                Err(ProjectError::Refused(findings(&probe)))
            }
            Ok(probe) => Ok(Some(probe)),
            Err(error) => Err(unanswered(kind, error)),
        }
    }

    /// The place of a new secret in the project; returns the secrets that it drives out.
    fn put(
        &self,
        project: &mut Project,
        kind: ConnectionKind,
        id: SecretId,
    ) -> Result<Vec<SecretId>, ProjectError> {
        let place = match kind {
            ConnectionKind::Stripe => &mut project.stripe_key,
            ConnectionKind::Database => &mut project.read_database,
            ConnectionKind::Repair => &mut project.repair_database,
            ConnectionKind::Webhook => return self.put_signing(project, id),
        };
        Ok(place.replace(id).into_iter().collect())
    }

    /// Beside the signing secrets of before, which end when Stripe stops to sign with them.
    fn put_signing(
        &self,
        project: &mut Project,
        id: SecretId,
    ) -> Result<Vec<SecretId>, ProjectError> {
        let now = self.clock().now();
        let is_over = |secret: &WebhookSecret| secret.retire_at.is_some_and(|end| end <= now);
        let known = std::mem::take(&mut project.webhook_secrets).into_iter();
        let (over, mut kept): (Vec<_>, Vec<_>) = known.partition(is_over);
        if kept.len() >= MOST_SIGNING {
            return Err(ProjectError::Invalid {
                field: "/secret",
                rule: format!(
                    "would be accepted beside {MOST_SIGNING} others: wait until one of them is \
                     retired, or take them all away"
                ),
            });
        }
        for old in &mut kept {
            old.retire_at.get_or_insert(now.plus(OVERLAP));
        }
        kept.push(WebhookSecret::new(id, now));
        project.webhook_secrets = kept;
        Ok(over.into_iter().map(|secret| secret.id).collect())
    }

    /// The transaction: the decision, each secret, the probe, the project. Then the data keys go.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing that the transaction holds"
    )]
    async fn settle(
        &self,
        ctx: &TenantCtx,
        judged: &Governed,
        before: &Versioned<Project>,
        after: &Project,
        (kind, unneeded): (ConnectionKind, Option<StateCheck>),
        changes: Vec<SecretChange>,
        probed: Option<(SecretId, Probe)>,
    ) -> Result<(), ProjectError> {
        let principal = ctx.principal();
        let mut batch = Batch::of(judged.opened(principal, None)?);
        for change in &changes {
            let mut change = change.clone();
            let drafts = change.drafts.into_iter();
            change.drafts = drafts.map(|it| it.cite("decision", DECISION)).collect();
            batch = change.into_batch(batch);
        }
        if let Some((id, probe)) = probed {
            let row = Probed {
                id,
                at: self.clock().now(),
                standing: probe.standing(),
                sentences: probe.sentences(),
            };
            let write = Records::of(self.state(), ctx).create(&row)?;
            let entry = batch.drafts.len();
            batch = batch.with(write.explained_by(entry));
            let draft = Connections::draft(&probe, id, principal);
            batch.drafts.push(draft.cite("decision", DECISION));
        }
        let connection = [("connection", Json::from(kind.name()))];
        let facts = change(principal, project_target(after.id), connection);
        let key = Directory::project_key(after.id);
        let write = Directory::write(key, Some(before.version), after)?;
        let entry = batch.drafts.len();
        batch = batch.with(write.explained_by(entry));
        let draft = Draft::new(Kind::ConfigChanged, facts);
        batch.drafts.push(draft.cite("decision", DECISION));
        batch.drafts.push(judged.closing());
        let begun = batch.state.len().saturating_add(batch.checks.len());
        batch.checks.extend(unneeded);
        let stream = before.value.stream_id()?;
        match self.create.evidence.append(stream, batch).await {
            Ok(_) => {}
            // A repair has begun since it was asked.
            Err(AppendError::StateChanged { index }) if index == begun => {
                return Err(ProjectError::Repairing);
            }
            Err(error @ AppendError::OutcomeUnknown(_)) => {
                // The row holds the new secret's id, which nobody else can have written.
                if self.project(ctx).await?.value != *after {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(changed(error)),
        }
        let secrets = self.secrets();
        for change in &changes {
            secrets.finish(ctx, change).await?;
        }
        Ok(())
    }

    fn secrets(&self) -> Secrets {
        Secrets {
            evidence: self.create.evidence.clone(),
            state: self.create.state.clone(),
            vault: self.create.vault.clone(),
            clock: self.create.clock.clone(),
        }
    }

    async fn judge_secret(
        &self,
        ctx: &TenantCtx,
        kind: ConnectionKind,
    ) -> Result<Governed, ProjectError> {
        let kind = match kind {
            ConnectionKind::Stripe => "stripe_key",
            ConnectionKind::Webhook => "webhook_secret",
            ConnectionKind::Database => "pg_read",
            ConnectionKind::Repair => "pg_repair",
        };
        let question = Question::PutSecret { kind };
        let judging = self.judging();
        Ok(judging.in_project(ctx, &question, Terms::default()).await?)
    }
}

/// Plans to revoke each secret; one that is gone or revoked already needs nothing.
async fn revoked(
    secrets: &Secrets,
    ctx: &TenantCtx,
    gone: Vec<SecretId>,
) -> Result<Vec<SecretChange>, ProjectError> {
    let mut changes = Vec::new();
    for id in gone {
        match secrets.revoked(ctx, id, Revoke::All).await {
            Ok(change) => changes.push(change),
            Err(SecretError::Version(_) | SecretError::Vault(VaultError::NoSecret)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(changes)
}
