//! Legal holds: set, release, list. A hold on a project is one transaction. A hold on a workspace is
//! set in each of its project streams, then in its own, and released in the reverse order
//! (evidence-format section 8); what a crash leaves half done goes on with the same request.
//!
//! People sign in for this; keys, also those that approve, and machines are denied.

mod release;
mod set;

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

pub use release::Released;
pub use set::NewHold;

use super::facts::actor;
use super::held_changes::from_held;
use super::second_person::NotSecond;
use crate::hold::{HoldState, LegalHold};
use crate::ids::HoldId;
use crate::json::{JsonError, to_json};
use crate::policy::Judgement;
use crate::ports::{
    ActiveHold, AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, HoldTarget,
    Holds, HoldsWrite, PortError, PortErrorKind, Random, State,
};
use crate::records::{Directory, Project, RecordError, Versioned};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::governed::Judging;

/// Attempts when others change the register at the same time.
const ATTEMPTS: u32 = 5;

/// Why a request about a legal hold did not do what it asked.
#[derive(Debug, Error)]
pub enum HoldError {
    /// Absent, or of another tenant: 404.
    #[error("there is no such record")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The same key came with another request: 422.
    #[error("the idempotency key was used for another hold")]
    KeyReused,
    /// The hold is over, or not in force yet: 409.
    #[error("the hold is {state:?}")]
    WrongState {
        /// Where it is.
        state: HoldState,
    },
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
    /// The workspace is being deleted: 409.
    #[error("the workspace is being deleted")]
    Ending,
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Somebody changed what this stands on in the meantime, and nothing was done: 409.
    #[error("the record has changed in the meantime")]
    Changed,
    /// Others were faster again and again. Part of it may be done: 503, and the same request goes on.
    #[error("the record went on changing")]
    Unfinished,
    /// Evidence could not be written: 503. A hold on a workspace goes on with the same request.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

from_held!(HoldError);

/// Legal holds.
#[derive(Clone)]
pub struct LegalHolds {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for LegalHolds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegalHolds")
    }
}

impl LegalHolds {
    fn judging(&self) -> Judging<'_> {
        Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        }
    }

    /// Every hold that concerns the project: its own and those of its workspace, newest first.
    pub async fn list(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<LegalHold>>, HoldError> {
        let mut holds = self.directory().holds(ctx.workspace()).await?;
        holds.retain(|hold| concerns(&hold.value, ctx));
        holds.reverse();
        Ok(holds)
    }

    /// One hold that concerns the project.
    pub async fn find(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<LegalHold>, HoldError> {
        let id: HoldId = id.parse().map_err(|_| HoldError::NotFound)?;
        let found = self.directory().hold(ctx.workspace(), id).await?;
        let found = found.filter(|hold| concerns(&hold.value, ctx));
        found.ok_or(HoldError::NotFound)
    }

    /// Goes on with what a crash left half set or half released, in every workspace; returns how
    /// many holds were finished.
    pub async fn finish(&self) -> Result<usize, HoldError> {
        let mut finished = 0_usize;
        for workspace in self.directory().workspaces().await? {
            for hold in self.directory().holds(workspace.id).await? {
                match hold.value.state {
                    HoldState::Setting => drop(self.spread(hold).await?),
                    HoldState::Releasing => drop(self.withdraw(hold).await?),
                    HoldState::Active | HoldState::Released => continue,
                }
                finished = finished.saturating_add(1);
            }
        }
        Ok(finished)
    }

    fn directory(&self) -> Directory<'_> {
        Directory::of(self.state.as_ref())
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, HoldError> {
        let found = self.directory().project(ctx.project()).await?;
        let project = found.map(|project| project.value);
        project
            .filter(|project| project.workspace == ctx.workspace())
            .ok_or(HoldError::NotFound)
    }

    /// The streams of a workspace's projects, in the order in which a hold is set.
    async fn project_streams(&self, hold: &LegalHold) -> Result<Vec<Hash>, HoldError> {
        let projects = self.directory().projects().await?;
        let of_workspace = projects
            .iter()
            .filter(|project| project.workspace == hold.workspace);
        Ok(of_workspace
            .map(Project::stream_id)
            .collect::<Result<_, _>>()?)
    }

    /// The streams that may hold it: those, and of projects that were deleted just when it was set.
    async fn held_streams(&self, hold: &LegalHold) -> Result<Vec<Hash>, HoldError> {
        let mut streams = self.project_streams(hold).await?;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        for Versioned { value: gone, .. } in self.directory().deleted().await? {
            if gone.workspace == hold.workspace && gone.scope.project().is_some() {
                streams.push(gone.stream.parse().map_err(corrupt)?);
            }
        }
        Ok(streams)
    }

    async fn workspace_stream(&self, hold: &LegalHold) -> Result<Hash, HoldError> {
        let found = self.directory().workspace(hold.workspace).await?;
        let workspace = found.ok_or(HoldError::NotFound)?.value;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        Ok(workspace.stream.parse().map_err(corrupt)?)
    }

    /// Sets or releases a hold in one stream that is not the one of its decision. Done already is
    /// done.
    async fn mirror(&self, stream: Hash, hold: &LegalHold, sets: bool) -> Result<(), HoldError> {
        for _ in 0..ATTEMPTS {
            let holds = self.reader.holds(stream).await?;
            let Some(after) = changed(&holds, hold, sets) else {
                return Ok(());
            };
            let draft = if sets {
                set_draft(hold, &hold.by)?
            } else {
                let by = system("legal-hold");
                release_draft(hold, &by)
            };
            let batch =
                Batch::of([cited(draft, hold.decision.as_ref())]).holds(HoldsWrite::Replace(after));
            match self.evidence.append(stream, batch).await {
                Ok(_) => return Ok(()),
                Err(AppendError::HoldsChanged) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HoldError::Unfinished)
    }
}

fn concerns(hold: &LegalHold, ctx: &TenantCtx) -> bool {
    hold.project.is_none_or(|project| project == ctx.project())
}

fn system(duty: &str) -> Principal {
    Principal::System {
        duty: duty.to_owned(),
    }
}

/// The register after the change, or `None` where it says so already.
pub(super) fn changed(holds: &Holds, hold: &LegalHold, sets: bool) -> Option<Holds> {
    let id = hold.id.to_string();
    let is_set = holds.active.iter().any(|active| active.hold == id);
    if is_set == sets {
        return None;
    }
    let mut active = holds.active.clone();
    if sets {
        active.push(ActiveHold {
            hold: id,
            target: hold.target.clone(),
        });
    } else {
        active.retain(|active| active.hold != id);
    }
    Some(Holds {
        version: holds.version.saturating_add(1),
        active,
    })
}

/// `hold.set`, with the person's words as its erasable part.
pub(super) fn set_draft(hold: &LegalHold, by: &Principal) -> Result<Draft, JsonError> {
    let facts = object([
        ("actor", actor(by)),
        ("hold", hold.id.to_string().into()),
        ("target", to_json(&hold.target)?),
    ]);
    let words = object([("comment", Json::from(hold.reason.as_str()))]);
    Ok(Draft::new(Kind::HoldSet, facts).subject(words))
}

fn release_draft(hold: &LegalHold, by: &Principal) -> Draft {
    let facts = object([("actor", actor(by)), ("hold", hold.id.to_string().into())]);
    Draft::new(Kind::HoldRelease, facts)
}

/// Names the decision behind an entry.
fn cited(mut draft: Draft, decision: Option<&EntryRef>) -> Draft {
    if let (Json::Object(fields), Some(decision)) = (&mut draft.facts, decision) {
        let leaf = Json::from(decision.leaf.as_str());
        fields.insert("decision".to_owned(), leaf);
    }
    draft
}

/// Whether this target may be held.
fn check_target(target: &HoldTarget) -> Result<(), HoldError> {
    let (field, rule) = match target {
        HoldTarget::All { all: false } => ("/target/all", "must be true"),
        HoldTarget::Range { from, to } if from >= to => (
            "/target/to",
            "must be greater than `from`: the range is half open",
        ),
        HoldTarget::Range { to, .. } if *to > counterfoil_evidence::json::MAX_UINT => {
            ("/target/to", "must not be greater than 9007199254740991")
        }
        _ => return Ok(()),
    };
    Err(HoldError::Invalid { field, rule })
}
