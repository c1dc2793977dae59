//! Making a stored mapping the active one. Runs at work keep theirs.
//!
//! One that lets repairs do more than the active one needs a second person: the first proposes, and
//! another one who asks for the same confirms. What if a step fails: the REQUIRE decision may be
//! recorded without its proposal, which then is made anew; the activation itself is one transaction.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects, changed, project_target};
use crate::mapping::Artifact;
use crate::policy::{Effect, Question};
use crate::ports::{Batch, PortError, PortErrorKind};
use crate::records::{Directory, Mapping, Project, ProposedActivation, Versioned};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::facts::change;
use crate::usecases::governed::{DECISION, Governed, Terms, approved_by};
use crate::usecases::second_person::{NotSecond, Waiting};

/// What became of a request to activate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activation {
    /// Waits for a second person.
    Held(Versioned<Project>),
    /// In force.
    Done(Versioned<Project>),
}

/// What is asked for, and who has agreed.
struct Asked<'a> {
    hash: &'a str,
    loosening: bool,
    waiting: Option<Box<ProposedActivation>>,
    approver: String,
}

impl Projects {
    /// Whether the caller may activate mappings. It comes before what they sent.
    ///
    /// # Errors
    /// [`ProjectError::Denied`]; only a request that is tried is recorded.
    pub async fn admit_activation(&self, ctx: &TenantCtx) -> Result<(), ProjectError> {
        let judged = self.judge_activation(ctx, false, 0, None).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(ProjectError::Denied(judged.judgement))
        }
    }

    /// Makes a stored mapping the active one of a project of the version given. Where it lets repairs
    /// do more, the first person proposes that, and another one who sends the same confirms it.
    /// Sending what is done or proposed already does nothing.
    ///
    /// # Errors
    /// [`ProjectError::Changed`] when the project has another version by now.
    pub async fn activate(
        &self,
        ctx: &TenantCtx,
        hash: &str,
        version: u64,
    ) -> Result<Activation, ProjectError> {
        let before = self.project(ctx).await?;
        let wanted = artifact(&self.mapping(ctx, hash).await?.value)?;
        let active = match &before.value.mapping {
            Some(active) => Some(artifact(&self.mapping(ctx, active).await?.value)?),
            None => None,
        };
        let loosening = active.is_some_and(|active| wanted.loosens(&active));
        let mut waiting = before.value.proposed.clone().filter(|it| {
            let same = it.hash == hash && it.instead_of == before.value.mapping;
            same && loosening
        });
        let mut approver = ctx.principal().id();
        if let Some(proposed) = &waiting
            && self
                .judge_activation(ctx, loosening, 1, None)
                .await?
                .allowed()
        {
            match self.second(ctx, proposed).await? {
                Ok(counts_as) => approver = counts_as,
                // Nobody can agree with them any more, so this request proposes.
                Err(NotSecond::ProposerGone | NotSecond::Expired) => waiting = None,
                Err(why @ NotSecond::Newcomer) => return Err(ProjectError::NotSecond(why)),
                Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                    return Ok(Activation::Held(before));
                }
            }
        }
        let approvals = u8::from(waiting.is_some());
        let held = waiting.as_ref().map(|it| it.action_hash.as_str());
        let judged = self
            .judge_activation(ctx, loosening, approvals, held)
            .await?;
        if judged.judgement.effect == Effect::Deny {
            // A refused approval is a decision of its own, with a hash of its own.
            let refused = self
                .judge_activation(ctx, loosening, approvals, None)
                .await?;
            let stream = before.value.stream_id()?;
            return Err(self.refused(stream, ctx.principal(), refused).await);
        }
        if before.value.mapping.as_deref() == Some(hash) {
            return Ok(Activation::Done(before));
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        let asked = Asked {
            hash,
            loosening,
            waiting,
            approver,
        };
        if judged.allowed() {
            self.put_active(ctx, before, &judged, &asked).await
        } else {
            self.hold_activation(ctx, before, &judged, &asked).await
        }
    }

    async fn second(
        &self,
        ctx: &TenantCtx,
        proposed: &ProposedActivation,
    ) -> Result<Result<String, NotSecond>, ProjectError> {
        let second = Waiting {
            by: proposed.by,
            at: proposed.at,
            proposes: Role::Admin,
            confirms: Role::Admin,
        };
        let (directory, now) = (self.directory(), self.clock().now());
        let confirmed = second.confirmed_by(directory, ctx.workspace(), ctx.principal(), now);
        Ok(confirmed.await?)
    }

    async fn put_active(
        &self,
        ctx: &TenantCtx,
        before: Versioned<Project>,
        judged: &Governed,
        asked: &Asked<'_>,
    ) -> Result<Activation, ProjectError> {
        let principal = ctx.principal();
        let drafts = match &asked.waiting {
            Some(waiting) => judged.approved(principal, &waiting.decision, &asked.approver)?,
            None => judged.opened(principal, None)?,
        };
        let mut batch = Batch::of(drafts);
        let decision = batch.drafts.len().saturating_sub(1);
        let entry = batch.drafts.len();
        let mut hashes = vec![
            ("loosening", Json::from(asked.loosening)),
            ("mapping", Json::from(asked.hash)),
        ];
        if let Some(earlier) = &before.value.mapping {
            hashes.push(("mapping_before", Json::from(earlier.as_str())));
        }
        let facts = change(principal, project_target(before.value.id), hashes);
        let draft = Draft::new(Kind::ConfigChanged, facts).cite("decision", decision);
        batch.drafts.extend([draft, judged.closing()]);
        let stream = before.value.stream_id()?;
        let after = Project {
            mapping: Some(asked.hash.to_owned()),
            proposed: None,
            ..before.value
        };
        let key = Directory::project_key(after.id);
        let row = Directory::write(key, Some(before.version), &after)?;
        let batch = batch.with(row.explained_by(entry));
        let appended = self.create.evidence.append(stream, batch).await;
        let entries = appended.map_err(changed)?;
        Ok(Activation::Done(Versioned {
            value: after,
            version: before.version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        }))
    }

    async fn hold_activation(
        &self,
        ctx: &TenantCtx,
        before: Versioned<Project>,
        judged: &Governed,
        asked: &Asked<'_>,
    ) -> Result<Activation, ProjectError> {
        let stream: Hash = before.value.stream_id()?;
        let by = ctx.principal().person().ok_or(ProjectError::Changed)?;
        let batch = judged.batch(ctx.principal(), None, Vec::new())?;
        let entries = self.create.evidence.append(stream, batch).await?;
        let decision = entries
            .get(DECISION)
            .cloned()
            .ok_or(ProjectError::Changed)?;
        let after = Project {
            proposed: Some(Box::new(ProposedActivation {
                hash: asked.hash.to_owned(),
                instead_of: before.value.mapping.clone(),
                by,
                at: self.clock().now(),
                decision: decision.clone(),
                action_hash: judged.action_hash.clone(),
            })),
            ..before.value
        };
        let key = Directory::project_key(after.id);
        let row = Directory::write(key, Some(before.version), &after)?;
        let row = row.citing(decision.clone());
        if !self.state().write(vec![row]).await? {
            return Err(ProjectError::Changed);
        }
        Ok(Activation::Held(Versioned {
            value: after,
            version: before.version.saturating_add(1),
            evidence: Some(decision),
        }))
    }

    async fn judge_activation(
        &self,
        ctx: &TenantCtx,
        loosening: bool,
        approvals: u8,
        action_hash: Option<&str>,
    ) -> Result<Governed, ProjectError> {
        let question = Question::ChangeSetting {
            name: "active_mapping",
            loosening,
        };
        let terms = Terms {
            approvals: approved_by(ctx.principal(), approvals),
            action_hash,
            ..Terms::default()
        };
        Ok(self.judging().in_project(ctx, &question, terms).await?)
    }
}

fn artifact(stored: &Mapping) -> Result<Artifact, PortError> {
    let corrupt = |error| {
        let reading = "reading a stored mapping";
        PortError::caused(PortErrorKind::Corrupt, reading, error)
    };
    Artifact::from_json(stored.artifact.as_bytes()).map_err(corrupt)
}
