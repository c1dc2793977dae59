//! The transactions that remove parts: each `redact` entry together with the removal it records,
//! and with the register of legal holds that was judged.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::find::{Found, Target};
use super::{ATTEMPTS, Erase, EraseError, Work, settled};
use crate::erasure::{Erasure, ErasureState};
use crate::ports::{AppendError, Batch, Holds, HoldsWrite, Redaction};
use crate::records::{Records, Versioned};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::actor;
use crate::usecases::governed::{DECISION, Governed};

/// Redactions beside the decision: 1 head, 3 entries and their parts, 1 run, 1 record, 1 register,
/// and 3 for each: 10 + 3 x 30 = 100.
const BESIDE: usize = 30;
/// Redactions in a transaction of their own: 1 head, 1 record, 1 register, and 3 for each:
/// 3 + 3 x 32 = 99.
const ALONE: usize = 32;

impl Erase {
    /// The decision, the record of the erasure, and the first redactions, in one transaction.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing the transaction holds"
    )]
    pub(super) async fn decide(
        &self,
        ctx: &TenantCtx,
        stream: Hash,
        judged: &Governed,
        comment: Option<&str>,
        mut erasure: Erasure,
        known: Option<u64>,
        found: &Found,
        holds: &Holds,
    ) -> Result<Versioned<Erasure>, EraseError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let mut batch = Batch::of(judged.opened(ctx.principal(), comment)?)
            .holds(HoldsWrite::Unchanged(holds.version));
        batch.drafts.push(judged.closing());
        for target in found.targets.values().take(BESIDE) {
            let draft = redaction(target, ctx.principal(), &erasure.reason, None);
            add(&mut batch, target, draft.cite("decision", DECISION));
        }
        erasure.appended = u64::try_from(batch.redactions.len()).unwrap_or(u64::MAX);
        let write = match known {
            Some(version) => records.replace(version, &erasure)?,
            None => records.create(&erasure)?,
        };
        let batch = batch.with(write.explained_by(DECISION));
        let entries = match self.evidence.append(stream, batch).await {
            Ok(entries) => entries,
            // A hold was set, or somebody erased the same at the same moment: judge again.
            Err(
                AppendError::HoldsChanged
                | AppendError::PartChanged { .. }
                | AppendError::StateChanged { .. },
            ) => return Err(EraseError::Changed),
            Err(error) => return Err(error.into()),
        };
        let version = known.map_or(1, |version| version.saturating_add(1));
        Ok(settled(Versioned {
            value: erasure,
            version,
            evidence: entries.get(DECISION).cloned(),
        }))
    }

    /// Redacts what is left, batch by batch, and moves the erasure on.
    pub(super) async fn redact(&self, work: &mut Work<'_>) -> Result<(), EraseError> {
        let mut conflicts = 0_u32;
        loop {
            let scope = work.erasure.value.scope.clone();
            let found = self.find(work.ctx, work.project, &scope).await?;
            let holds = self.reader.holds(work.stream).await?;
            if let Some(held) = self.held(work.project, work.stream, &holds, &found).await? {
                return Err(held);
            }
            if found.targets.is_empty() {
                // Whoever collected before this may have what is gone now.
                let exports = self.collected_meanwhile(work, |_| true).await?;
                work.erasure.value.exports.extend(exports);
                work.erasure.value.state = ErasureState::Cleaning;
                return self.save(work).await;
            }
            match self.redact_some(work, &found, &holds).await {
                Ok(()) => conflicts = 0,
                Err(EraseError::Evidence(
                    AppendError::HoldsChanged | AppendError::PartChanged { .. },
                )) if conflicts < ATTEMPTS => conflicts = conflicts.saturating_add(1),
                Err(EraseError::Evidence(AppendError::StateChanged { .. })) => {
                    return Err(EraseError::Changed);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn redact_some(
        &self,
        work: &mut Work<'_>,
        found: &Found,
        holds: &Holds,
    ) -> Result<(), EraseError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let mut batch = Batch::default().holds(HoldsWrite::Unchanged(holds.version));
        let erasure = &work.erasure.value;
        let decision = erasure.decision.as_ref().map(|it| it.leaf.as_str());
        for target in found.targets.values().take(ALONE) {
            let draft = redaction(target, &erasure.by, &erasure.reason, decision);
            add(&mut batch, target, draft);
        }
        let mut after = erasure.clone();
        after.appended = u64::try_from(batch.redactions.len()).unwrap_or(u64::MAX);
        let write = records.replace(work.erasure.version, &after)?;
        let entries = self
            .evidence
            .append(work.stream, batch.with(write.explained_by(0)))
            .await?;
        work.erasure = settled(Versioned {
            value: after,
            version: work.erasure.version.saturating_add(1),
            evidence: entries.into_iter().next(),
        });
        Ok(())
    }

    /// Writes how far the erasure is.
    pub(super) async fn save(&self, work: &mut Work<'_>) -> Result<(), EraseError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let erasure = &mut work.erasure;
        let mut write = records.replace(erasure.version, &erasure.value)?;
        write.cites.clone_from(&erasure.value.decision);
        if !self.state.write(vec![write]).await? {
            return Err(EraseError::Changed);
        }
        erasure.version = erasure.version.saturating_add(1);
        erasure.evidence.clone_from(&erasure.value.decision);
        Ok(())
    }
}

/// The `redact` entry of a target.
pub(super) fn redaction(
    target: &Target,
    by: &Principal,
    reason: &str,
    decision: Option<&str>,
) -> Draft {
    let mut fields = vec![
        ("actor", actor(by)),
        ("commit", target.commit.into()),
        ("entry", target.leaf.into()),
        ("part", "subject".into()),
        ("reason", reason.into()),
        ("seq", Json::uint(target.seq)),
    ];
    if let Some(decision) = decision {
        fields.push(("decision", decision.into()));
    }
    Draft::new(Kind::Redact, object(fields))
}

fn add(batch: &mut Batch, target: &Target, draft: Draft) {
    batch.redactions.push(Redaction {
        draft: batch.drafts.len(),
        seq: target.seq,
        lost: false,
    });
    batch.drafts.push(draft);
}
