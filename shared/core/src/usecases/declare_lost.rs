//! Declaring a part that is really gone (evidence-format section 8, reason `lost`): otherwise one
//! accident in the store would make every later export impossible. Erases nothing.

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::part::PartName;
use counterfoil_evidence::stream::Draft;

use super::erase::EraseError;
use super::facts::actor;
use super::governed::{DECISION, Governed, Judging, Terms};
use crate::policy::{EvidenceFacts, Question};
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, HoldsWrite, PortError,
    PortErrorKind, Random, Redaction, State, StoredEntry,
};
use crate::records::Directory;
use crate::tenancy::TenantCtx;

/// A part that was declared lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its `redact` entry.
    pub entry: EntryRef,
    /// A legal hold covered it: an alarm, and every later verdict says `violated`.
    pub under_hold: bool,
}

/// Declares parts lost.
#[derive(Clone)]
pub struct DeclareLost {
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

impl std::fmt::Debug for DeclareLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeclareLost")
    }
}

impl DeclareLost {
    /// Whether the caller may know the entry and declare parts lost; records nothing.
    ///
    /// # Errors
    /// [`EraseError::NotFound`], then [`EraseError::Denied`].
    pub async fn admit(&self, ctx: &TenantCtx, seq: u64) -> Result<(), EraseError> {
        self.entry(ctx, seq).await?;
        let judged = self.judge(ctx, seq).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(EraseError::Denied(judged.judgement))
        }
    }

    async fn entry(&self, ctx: &TenantCtx, seq: u64) -> Result<(Hash, StoredEntry), EraseError> {
        let directory = Directory::of(self.state.as_ref());
        let project = directory.project(ctx.project()).await?;
        let stream = project.ok_or(EraseError::NotFound)?.value.stream_id()?;
        let next = seq.saturating_add(1);
        let entries = self.reader.entries(stream, seq, next).await?;
        let stored = entries.into_iter().next().ok_or(EraseError::NotFound)?;
        Ok((stream, stored))
    }

    /// Nothing is erased: what is gone already is declared lost, so a legal hold is no matter.
    async fn judge(&self, ctx: &TenantCtx, seq: u64) -> Result<Governed, EraseError> {
        let question = Question::Erase(EvidenceFacts {
            id: format!("entry:{seq}"),
            extent: "range",
            entries: 1,
            legal_hold: false,
        });
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        Ok(judging.in_project(ctx, &question, Terms::default()).await?)
    }

    /// Declares the `subject` of entry `seq` of the project's stream lost.
    ///
    /// # Errors
    /// [`EraseError::NotLost`] while the part exists, or when there never was one.
    pub async fn declare(&self, ctx: &TenantCtx, seq: u64) -> Result<Lost, EraseError> {
        let (stream, stored) = self.entry(ctx, seq).await?;
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading an entry's header");
        let header = Header::parse(&stored.header, stream).map_err(corrupt)?;
        let judged = self.judge(ctx, seq).await?;
        if !judged.allowed() {
            let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
            batch.drafts.push(judged.closing());
            self.evidence.append(stream, batch).await?;
            return Err(EraseError::Denied(judged.judgement));
        }
        let (None, Some(commit)) = (&stored.subject, header.commitment(PartName::Subject)) else {
            return Err(EraseError::NotLost);
        };
        let holds = self.reader.holds(stream).await?;
        let run = header.run.as_ref().map(|run| run.id.as_str());
        let under_hold = holds
            .active
            .iter()
            .any(|active| active.target.keeps(seq, run));
        let redact = object([
            ("actor", actor(ctx.principal())),
            ("commit", commit.into()),
            ("entry", header.leaf().into()),
            ("part", "subject".into()),
            ("reason", "lost".into()),
            ("seq", Json::uint(seq)),
        ]);
        let mut batch = Batch::of(judged.opened(ctx.principal(), None)?)
            .holds(HoldsWrite::Unchanged(holds.version));
        batch.drafts.push(judged.closing());
        let draft = batch.drafts.len();
        batch
            .drafts
            .push(Draft::new(Kind::Redact, redact).cite("decision", DECISION));
        batch.redactions.push(Redaction {
            draft,
            seq,
            lost: true,
        });
        match self.evidence.append(stream, batch).await {
            Ok(entries) => {
                let entry = entries.into_iter().nth(draft).ok_or(EraseError::Changed)?;
                Ok(Lost { entry, under_hold })
            }
            Err(AppendError::PartChanged { .. }) => Err(EraseError::NotLost),
            Err(AppendError::HoldsChanged) => Err(EraseError::Changed),
            Err(error) => Err(error.into()),
        }
    }
}
