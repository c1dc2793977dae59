//! Who may, and what a legal hold says to it.

use counterfoil_evidence::hash::Hash;

use super::{Delete, DeletionError, stream_id};
use crate::deletion::DeletionScope;
use crate::hold::HoldState;
use crate::ids::{DecisionId, ProjectId, WorkspaceId};
use crate::policy::{AdminFacts, ConfirmedFacts, Question};
use crate::tenancy::{Principal, Role};
use crate::usecases::governed::{Governed, admin_facts, came, who};

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
    pub(super) fn judge_keeping(&self, principal: &Principal) -> Governed {
        let (by_key, login_age_s) = came(principal, self.clock.now());
        let facts = ConfirmedFacts {
            who: who(principal),
            by_key,
            login_age_s,
            role_may: principal.role().is_some_and(Role::may_administer),
            loosening: false,
            approvals: 0,
        };
        self.ask(Question::ChangeSetting(facts), None)
    }

    /// Judges for somebody who must have at least the role given.
    pub(super) fn judge(
        &self,
        principal: &Principal,
        at_least: Role,
        legal_hold: bool,
        approvals: u8,
        hash: Option<&str>,
    ) -> Governed {
        let role_may = principal.role().is_some_and(|role| role >= at_least);
        let facts = AdminFacts {
            legal_hold,
            approvals,
            ..admin_facts(principal, role_may, self.clock.now())
        };
        self.ask(Question::Delete(facts), hash)
    }

    pub(super) fn ask(&self, question: Question, hash: Option<&str>) -> Governed {
        Governed::judge(question, hash, self.clock.as_ref(), self.random.as_ref())
    }
}

pub(super) fn denied(judged: Governed, decision: Option<DecisionId>) -> DeletionError {
    DeletionError::Denied {
        judgement: judged.judgement,
        decision,
    }
}
