//! Who may, and what a legal hold says to it.

use counterfoil_evidence::hash::Hash;

use super::{Delete, DeletionError, DeletionOf, stream_id};
use crate::deletion::{Deletion, DeletionScope};
use crate::hold::HoldState;
use crate::ids::{DecisionId, ProjectId, WorkspaceId};
use crate::policy::{Approvals, Asking, Place, Question, Rules};
use crate::tenancy::{Principal, Role, Via};
use crate::usecases::governed::{Governed, Judging};

/// The rule that a legal hold is judged by.
const HOLD_RULE: &str = "base.forbid.legal-hold";

/// A legal hold that keeps something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldBy {
    pub(super) hold: String,
    pub(super) reason: String,
}

impl Delete {
    /// Records a refusal and answers with it.
    pub(super) async fn refuse(
        &self,
        stream: Hash,
        principal: &Principal,
        judged: Governed,
        held: Option<HeldBy>,
    ) -> DeletionError {
        let recorded = match judged.batch(principal, None, Vec::new()) {
            Ok(batch) => self.append(stream, batch).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match (recorded, held) {
            (Err(error), _) => error,
            (Ok(()), Some(HeldBy { hold, reason })) if judged.judgement.rule == HOLD_RULE => {
                DeletionError::Held { hold, reason }
            }
            (Ok(()), _) => {
                let decision = Some(judged.decision());
                denied(judged, decision)
            }
        }
    }

    /// The first legal hold that keeps something of it: any hold on a workspace keeps its projects,
    /// and one on a project its workspace.
    pub(super) async fn held(
        &self,
        workspace: WorkspaceId,
        scope: DeletionScope,
    ) -> Result<Option<HeldBy>, DeletionError> {
        let directory = self.directory();
        let concerns = |held: Option<ProjectId>| match (scope.project(), held) {
            (Some(project), Some(held)) => project == held,
            _ => true,
        };
        for hold in directory.holds(workspace).await? {
            let hold = hold.value;
            if hold.state != HoldState::Released && concerns(hold.project) {
                return Ok(Some(HeldBy {
                    hold: hold.id.to_string(),
                    reason: hold.reason,
                }));
            }
        }
        // What the streams say counts, whatever the rows do.
        let projects = directory.projects().await?.into_iter();
        let projects = projects.filter(|it| it.workspace == workspace && concerns(Some(it.id)));
        let mut streams: Vec<String> = projects.map(|project| project.stream).collect();
        if scope.project().is_none() {
            let found = directory.workspace(workspace).await?;
            streams.extend(found.map(|found| found.value.stream));
        }
        for stream in streams {
            let register = self.reader.holds(stream_id(&stream)?).await?;
            if let Some(active) = register.active.into_iter().next() {
                return Ok(Some(HeldBy {
                    hold: active.hold,
                    reason: String::new(),
                }));
            }
        }
        Ok(None)
    }

    /// To keep something is to change a setting.
    pub(super) async fn judge_keeping(
        &self,
        of: DeletionOf<'_>,
    ) -> Result<Governed, DeletionError> {
        let question = Question::ChangeSetting {
            name: "deletion",
            loosening: false,
        };
        let asking = Asking::new(of.principal(), self.clock.now(), self.place(of).await?);
        self.ask(&question, &asking, None).await
    }

    /// Judges a proposal, for owners.
    pub(super) async fn judge_proposal(
        &self,
        of: DeletionOf<'_>,
        held: bool,
    ) -> Result<Governed, DeletionError> {
        let owns = of.principal().role().is_some_and(Role::may_own);
        // Whoever may not do it anyhow is not told that there is a hold.
        let place = self.place(of).await?.held(held && owns);
        let asking = Asking::new(of.principal(), self.clock.now(), place);
        self.ask(&Question::Delete, &asking, None).await
    }

    /// Judges what somebody proposed, approved by whoever asks: admins and owners may approve.
    /// Anybody else is judged as if they proposed it, which they may not. A refusal binds to nothing,
    /// so it has no `action_hash`.
    pub(super) async fn judge_confirmation(
        &self,
        of: DeletionOf<'_>,
        held: bool,
        waiting: &Deletion,
        action_hash: Option<&str>,
    ) -> Result<Governed, DeletionError> {
        let (by, now) = (of.principal(), self.clock.now());
        let Some(role) = by.role().filter(|role| role.may_administer()) else {
            return self.judge_proposal(of, false).await;
        };
        let proposer = proposer(waiting);
        let asking = Asking {
            proposer: &proposer,
            ..Asking::new(by, now, self.place(of).await?.held(held))
        };
        let asking = asking.with(Approvals::one(role));
        self.ask(&Question::Delete, &asking, action_hash).await
    }

    /// Judges what people have proposed and confirmed, under a legal hold.
    pub(super) async fn judge_put_off(
        &self,
        place: Place,
        by: &Principal,
        waiting: &Deletion,
    ) -> Result<Governed, DeletionError> {
        let proposer = proposer(waiting);
        let asking = Asking {
            proposer: &proposer,
            ..Asking::new(by, self.clock.now(), place.held(true))
        };
        let asking = asking.with(Approvals::one(Role::Admin));
        self.ask(&Question::Delete, &asking, None).await
    }

    async fn place(&self, of: DeletionOf<'_>) -> Result<Place, DeletionError> {
        self.place_of(of.workspace(), of.scope()).await
    }

    pub(super) async fn place_of(
        &self,
        workspace: WorkspaceId,
        scope: DeletionScope,
    ) -> Result<Place, DeletionError> {
        let Some(id) = scope.project() else {
            return Ok(Place::workspace(workspace));
        };
        let found = self.directory().project(id).await?;
        Ok(match found {
            Some(project) => Place::project(&project.value),
            None => Place::of(workspace, id),
        })
    }

    async fn ask(
        &self,
        question: &Question,
        asking: &Asking<'_>,
        action_hash: Option<&str>,
    ) -> Result<Governed, DeletionError> {
        let rules = Rules::load(self.state.as_ref(), asking.place.workspace).await?;
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        Ok(judging.judged(&rules, question, asking, action_hash))
    }
}

/// The owner who proposed it, as they were then.
const fn proposer(waiting: &Deletion) -> Principal {
    Principal::User {
        id: waiting.by,
        role: Role::Owner,
        via: Via::Login {
            at: waiting.at,
            second_factor: false,
        },
    }
}

pub(super) fn denied(judged: Governed, decision: Option<DecisionId>) -> DeletionError {
    DeletionError::Denied {
        judgement: judged.judgement,
        decision,
    }
}
