//! A new project without connections.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects, changed, name, project_target, workspace_stream};
use crate::idempotency::Once;
use crate::ids::ProjectId;
use crate::policy::Place;
use crate::ports::{Batch, Holds, HoldsWrite};
use crate::records::{Directory, Project, Records, Versioned};
use crate::sealed::Purpose;
use crate::tenancy::{TenantCtx, WorkspaceCtx};
use crate::usecases::facts::change;
use crate::usecases::governed::DECISION;
use crate::usecases::holds::{changed as held, set_draft};
use crate::usecases::secrets::{SecretStep, secret_draft};

/// A project to make.
#[derive(Debug, Clone)]
pub struct NewEmptyProject {
    /// Its name.
    pub name: String,
    /// Whether its Stripe account is live.
    pub livemode: bool,
}

impl Projects {
    /// Makes a project: its stream, the decision, the key of its pseudonyms and its row in one
    /// transaction, with `once`, the memory of the request. A legal hold on the workspace holds it
    /// from its first entry on.
    ///
    /// # Errors
    /// [`ProjectError::Denied`] when policy refuses, which is recorded in the workspace's stream.
    pub async fn make(
        &self,
        ctx: &WorkspaceCtx,
        new: &NewEmptyProject,
        once: &Once,
    ) -> Result<Versioned<Project>, ProjectError> {
        let principal = ctx.principal();
        let place = Place::workspace(ctx.workspace());
        let judged = self.judge_setting(place, principal, "project").await?;
        if !judged.allowed() {
            let stream = workspace_stream(self.directory(), ctx).await?;
            return Err(self.refused(stream, principal, judged).await);
        }
        let name = name(&new.name)?;
        let id = ProjectId::new(self.clock().now(), self.create.random.bits128());
        let tenant = TenantCtx::new(ctx.workspace(), id, principal.clone());
        let (stream, genesis) = self.create.stream(&id.to_string()).await?;
        let random = self.create.random.bytes32();
        let secret = self
            .create
            .sealed(&tenant, Purpose::Pseudonym, "", &random)
            .await?;
        let project = Project {
            id,
            workspace: ctx.workspace(),
            name,
            livemode: new.livemode,
            stream: stream.to_string(),
            mapping: None,
            stripe_key: None,
            read_database: None,
            repair_database: None,
            webhook_secrets: Vec::new(),
            pseudonym_key: secret.id,
            auto_propose: false,
            frozen: false,
        };
        let mut batch = Batch::of([genesis]);
        batch.drafts.extend(judged.opened(principal, None)?);
        let decision = DECISION.saturating_add(1);
        let facts = change(
            principal,
            project_target(id),
            [("livemode", project.livemode.into())],
        );
        let made = batch.drafts.len();
        let draft = Draft::new(Kind::ConfigChanged, facts).cite("decision", decision);
        batch.drafts.push(draft);
        batch = batch
            .with(Directory::write(Directory::project_key(id), None, &project)?.explained_by(made))
            .with(once.done(&id).explained_by(made));
        let draft = secret_draft(principal, &secret, secret.version, SecretStep::Created);
        let sealed = batch.drafts.len();
        batch.drafts.push(draft.cite("decision", decision));
        let records = Records::of(self.state(), &tenant);
        batch = batch.with(records.create(&secret)?.explained_by(sealed));
        batch.drafts.push(judged.closing());
        let holds = self.create.holds_of(&project).await?;
        let mut register = Holds::default();
        for hold in &holds {
            batch.drafts.push(set_draft(hold, &hold.by)?);
            register = held(&register, hold, true).unwrap_or(register);
        }
        if !holds.is_empty() {
            register.version = 1;
            batch = batch.holds(HoldsWrite::Replace(register.clone()));
        }
        let appended = self.create.evidence.append(stream, batch).await;
        let entries = appended.map_err(changed)?;
        let late = self.create.hold_late(&project, stream, &holds, register);
        late.await?;
        Ok(Versioned {
            value: project,
            version: 1,
            evidence: entries.get(made).cloned(),
        })
    }
}
