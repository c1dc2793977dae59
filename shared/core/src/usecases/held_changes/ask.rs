//! Asking the rules about a change, while what they are told holds.

use super::{Asked, Changes, HeldError, Wanted};
use crate::policy::{Approvals, Effect, Place};
use crate::records::RecordError;
use crate::usecases::governed::{Governed, Terms};
use crate::usecases::grounds::{Grounds, Rows, as_they_are};

impl Changes<'_> {
    /// Judges what is asked.
    ///
    /// # Errors
    /// [`HeldError::Denied`], which is recorded.
    pub(in crate::usecases) async fn ask(&self, wanted: &Wanted<'_>) -> Result<Asked, HeldError> {
        let grounds = self.standing(wanted).await?;
        let judged = self.judge(wanted, None, None).await?;
        if judged.judgement.effect == Effect::Deny {
            return Err(self.refuse(wanted, judged).await);
        }
        let row = self.directory().held_change(&wanted.row).await?;
        Ok(Asked {
            judged,
            grounds,
            row,
        })
    }

    /// What the answer stands on. Whoever asks, and the place where they do, are still what the question
    /// says.
    async fn standing(&self, wanted: &Wanted<'_>) -> Result<Grounds, HeldError> {
        let state = self.judging.state;
        let Place {
            workspace, project, ..
        } = wanted.place;
        let rows = Rows::of(workspace).asked_in(project);
        let rows = rows.principal(wanted.principal).read(state);
        let grounds = rows.await.map_err(RecordError::from)?;
        let principal = as_they_are(state, workspace, wanted.principal);
        let place = match project {
            Some(project) => {
                let found = self.directory().project(project).await?;
                found.map(|project| Place::project(&project.value))
            }
            None => Some(wanted.place),
        };
        if principal.await?.role() != wanted.principal.role() || place != Some(wanted.place) {
            return Err(HeldError::Changed);
        }
        Ok(grounds)
    }

    pub(super) async fn judge(
        &self,
        wanted: &Wanted<'_>,
        approvals: Option<Approvals>,
        action_hash: Option<&str>,
    ) -> Result<Governed, HeldError> {
        let terms = Terms {
            approvals,
            action_hash,
            ..Terms::default()
        };
        let (judging, question) = (self.judging, &wanted.question);
        let judged = judging.at(wanted.place, wanted.principal, question, terms);
        Ok(Box::pin(judged).await?)
    }

    /// Records a refusal, and answers with it.
    pub(super) async fn refuse(&self, wanted: &Wanted<'_>, judged: Governed) -> HeldError {
        let recorded = async {
            let batch = judged.batch(wanted.principal, None, Vec::new())?;
            self.evidence.append(wanted.stream, batch).await?;
            Ok::<_, HeldError>(())
        };
        match recorded.await {
            Ok(()) => {
                let decision = judged.decision();
                HeldError::Denied(judged.judgement, decision)
            }
            Err(error) => error,
        }
    }
}
