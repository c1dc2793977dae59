//! What goes when a project or a workspace is gone. Every step may be done again.

use std::time::Duration;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::part::PartName;
use counterfoil_evidence::stream::Draft;

use super::carry::duty;
use super::{Delete, DeletionError, stream_id};
use crate::deletion::{Deleted, DeletionScope};
use crate::inventory::{families_of_a_project, families_of_a_workspace, kinds_of_objects};
use crate::ports::{
    Batch, HoldsWrite, PortError, PortErrorKind, Redaction, StateWrite, StoredEntry, StoredPart,
};
use crate::records::{ApiKey, Directory, Invitation, Records, Versioned};
use crate::tenancy::{Tenant, TenantCtx, WorkspaceCtx};
use crate::time::Timestamp;
use crate::usecases::facts::actor;
use crate::usecases::limit_rate::LimitRate;
use crate::usecases::logins::leaving;

/// How long a worker that began before the end may still write: longer than any function runs.
const SETTLED: Duration = Duration::from_mins(30);
/// How long one turn works; the function ends after five minutes.
const WORKS: Duration = Duration::from_mins(2);
/// Redactions in one transaction: 1 head, 1 record, 1 register, and 3 for each: 3 + 3 x 32 = 99.
const PARTS: usize = 32;
/// Entries that are looked at together.
const PAGE: u64 = 100;
/// Rows that one transaction deletes.
const ROWS: usize = 90;

/// One removal at work.
struct Work {
    row: Versioned<Deleted>,
    ctx: WorkspaceCtx,
    until: Timestamp,
}

impl Delete {
    /// Goes on with every removal that is not whole; how many are whole now.
    ///
    /// # Errors
    /// The first failure, after every one had its turn.
    pub(super) async fn remove_all(&self) -> Result<u64, DeletionError> {
        let (mut whole, mut failed) = (0_u64, None);
        let until = self.clock.now().plus(WORKS);
        let mut left = self.directory().deleted().await?;
        left.retain(|row| row.value.done_at.is_none());
        for row in in_turn(left, self.clock.now()) {
            let ctx = WorkspaceCtx::new(row.value.workspace, duty());
            match self.remove(Work { row, ctx, until }).await {
                Ok(true) => whole = whole.saturating_add(1),
                Ok(false) => {}
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(whole), Err)
    }

    /// Removes what there is: data keys, objects, rows, and the personal parts of entries. It is whole
    /// when a turn that began after the last worker can have lived left nothing.
    async fn remove(&self, mut work: Work) -> Result<bool, DeletionError> {
        let began = self.clock.now();
        let mut more = match work.row.value.scope {
            DeletionScope::Project(id) => {
                let workspace = work.row.value.workspace;
                let ctx = TenantCtx::new(workspace, id, duty());
                let keys = self.vault.shred_project(&ctx).await?;
                let of = &mut work.row.value;
                of.keys = of.keys.saturating_add(keys);
                self.keys_of(&mut work).await?
                    || self.objects_of(&mut work, &ctx).await?
                    || self
                        .rows_of(&mut work, &ctx, families_of_a_project())
                        .await?
            }
            DeletionScope::Workspace(id) => {
                // Somebody may have made one while the workspace ended.
                if let Some(decision) = work.row.value.decision.clone() {
                    self.strike_projects(id, &decision, None).await?;
                }
                let ctx = work.ctx.clone();
                self.keys_of(&mut work).await?
                    || self.people_of(&mut work).await?
                    || self
                        .rows_of(&mut work, &ctx, families_of_a_workspace())
                        .await?
            }
        };
        self.save(&mut work).await?;
        more = more || self.parts_of(&mut work).await?;
        let settled = began.since(work.row.value.at) >= SETTLED;
        if more || !settled {
            return Ok(false);
        }
        work.row.value.done_at = Some(self.clock.now());
        self.save(&mut work).await?;
        Ok(true)
    }

    /// API keys, with the rows that say when they were used. `true` when time is up.
    async fn keys_of(&self, work: &mut Work) -> Result<bool, DeletionError> {
        let ctx = work.ctx.clone();
        let records = Records::of(self.state.as_ref(), &ctx);
        let only = work.row.value.scope.project();
        for Versioned { value: key, .. } in records.list::<ApiKey>().await? {
            if only.is_some() && key.project != only {
                continue;
            }
            let mut rows = Vec::from(Directory::api_key_gone(&key));
            let used = LimitRate::key(key.workspace, &key.id.to_string());
            rows.push(StateWrite::delete(used));
            if self.delete_rows(work, rows).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Members with what is left of their sign-in, and invitations.
    async fn people_of(&self, work: &mut Work) -> Result<bool, DeletionError> {
        let workspace = work.ctx.workspace();
        for member in self.directory().members(workspace).await? {
            let mut rows = match &member.login {
                Some(login) => leaving(self.directory(), login, workspace).await?,
                None => Vec::new(),
            };
            let key = Directory::member_key(workspace, member.id);
            rows.push(StateWrite::delete(key));
            if self.delete_rows(work, rows).await? {
                return Ok(true);
            }
        }
        let ctx = work.ctx.clone();
        let records = Records::of(self.state.as_ref(), &ctx);
        for Versioned { value: open, .. } in records.list::<Invitation>().await? {
            let listed = records.key::<Invitation>(&open.id.to_string());
            let by_token = Directory::invitation_key(&open.hash);
            let rows = [listed, by_token].map(StateWrite::delete);
            if self.delete_rows(work, rows.into()).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn objects_of(&self, work: &mut Work, ctx: &TenantCtx) -> Result<bool, DeletionError> {
        for kind in kinds_of_objects() {
            let prefix = format!("{kind}/{}/", ctx.project());
            // A list of keys ends after the first thousand.
            loop {
                let listed = self.objects.keys(&prefix).await?;
                if listed.is_empty() {
                    break;
                }
                for key in &listed {
                    self.objects.delete(key).await?;
                    let of = &mut work.row.value;
                    of.objects = of.objects.saturating_add(1);
                    if self.is_late(work) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    async fn rows_of(
        &self,
        work: &mut Work,
        tenant: &impl Tenant,
        families: impl Iterator<Item = &'static str> + Send,
    ) -> Result<bool, DeletionError> {
        for family in families {
            let partition = format!("{}#{family}", tenant.partition());
            loop {
                let some = self.state.first(&partition, ROWS).await?;
                if some.is_empty() {
                    break;
                }
                let rows = some.into_iter().map(StateWrite::delete).collect();
                if self.delete_rows(work, rows).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Deletes rows in one transaction. `true` when time is up.
    async fn delete_rows(
        &self,
        work: &mut Work,
        rows: Vec<StateWrite>,
    ) -> Result<bool, DeletionError> {
        let deleted = rows.iter().filter(|row| row.doc.is_none()).count();
        let of = &mut work.row.value;
        let deleted = u64::try_from(deleted).unwrap_or(u64::MAX);
        of.rows = of.rows.saturating_add(deleted);
        self.save_with(work, rows).await?;
        Ok(self.is_late(work))
    }

    /// Erases the personal parts of the entries that were not looked at yet. `true` when some are left.
    async fn parts_of(&self, work: &mut Work) -> Result<bool, DeletionError> {
        let stream = stream_id(&work.row.value.stream)?;
        loop {
            let from = work.row.value.next;
            let to = from.saturating_add(PAGE);
            let page = self.reader.entries(stream, from, to).await?;
            let Some(last) = page.last() else {
                return Ok(false);
            };
            let mut next = last.seq.saturating_add(1);
            let mut targets = Vec::new();
            for entry in &page {
                let Some(target) = target(entry, stream)? else {
                    continue;
                };
                if targets.len() == PARTS {
                    next = entry.seq;
                    break;
                }
                targets.push(target);
            }
            work.row.value.next = next;
            if targets.is_empty() {
                self.save(work).await?;
            } else {
                self.redact(work, stream, &targets).await?;
            }
            if self.is_late(work) {
                return Ok(true);
            }
        }
    }

    async fn redact(
        &self,
        work: &mut Work,
        stream: Hash,
        targets: &[Target],
    ) -> Result<(), DeletionError> {
        let register = self.reader.holds(stream).await?;
        if let Some(active) = register.active.first() {
            return Err(DeletionError::Held {
                hold: active.hold.clone(),
                reason: String::new(),
            });
        }
        let mut batch = Batch::default().holds(HoldsWrite::Unchanged(register.version));
        for target in targets {
            batch.redactions.push(Redaction {
                draft: batch.drafts.len(),
                seq: target.seq,
                lost: false,
            });
            batch.drafts.push(target.draft(&work.row.value));
        }
        let of = &mut work.row.value;
        let parts = u64::try_from(targets.len()).unwrap_or(u64::MAX);
        of.parts = of.parts.saturating_add(parts);
        let key = Directory::deleted_key(of.scope);
        let write = Directory::write(key, Some(work.row.version), of)?;
        let entries = self
            .append(stream, batch.with(write.explained_by(0)))
            .await?;
        work.row.version = work.row.version.saturating_add(1);
        work.row.evidence = entries.into_iter().next();
        Ok(())
    }

    async fn save(&self, work: &mut Work) -> Result<(), DeletionError> {
        self.save_with(work, Vec::new()).await
    }

    /// Saves how far it is in the transaction of what was done.
    async fn save_with(
        &self,
        work: &mut Work,
        mut rows: Vec<StateWrite>,
    ) -> Result<(), DeletionError> {
        let key = Directory::deleted_key(work.row.value.scope);
        let mut write = Directory::write(key, Some(work.row.version), &work.row.value)?;
        write.cites.clone_from(&work.row.evidence);
        rows.push(write);
        if !self.state.write(rows).await? {
            return Err(DeletionError::Changed);
        }
        work.row.version = work.row.version.saturating_add(1);
        Ok(())
    }

    fn is_late(&self, work: &Work) -> bool {
        self.clock.now() >= work.until
    }
}

/// With another one first in every hour: a large one must not keep the others waiting for ever.
fn in_turn<T>(mut left: Vec<T>, now: Timestamp) -> Vec<T> {
    let hours = usize::try_from(now.as_secs() / 3_600).unwrap_or(0);
    if let Some(first) = hours.checked_rem(left.len()) {
        left.rotate_left(first);
    }
    left
}

/// An entry whose personal part goes.
struct Target {
    seq: u64,
    leaf: Hash,
    commit: Hash,
}

impl Target {
    fn draft(&self, of: &Deleted) -> Draft {
        let mut fields = vec![
            ("actor", actor(&duty())),
            ("commit", self.commit.into()),
            ("entry", self.leaf.into()),
            ("part", "subject".into()),
            (
                "reason",
                format!("{}_deleted", of.scope.kind()).as_str().into(),
            ),
            ("seq", Json::uint(self.seq)),
        ];
        if let Some(decision) = &of.decision {
            fields.push(("decision", decision.leaf.as_str().into()));
        }
        Draft::new(Kind::Redact, object(fields))
    }
}

fn target(entry: &StoredEntry, stream: Hash) -> Result<Option<Target>, PortError> {
    let Some(StoredPart::Present { .. }) = &entry.subject else {
        return Ok(None);
    };
    let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading an entry's header");
    let header = Header::parse(&entry.header, stream).map_err(corrupt)?;
    Ok(header.commitment(PartName::Subject).map(|commit| Target {
        seq: entry.seq,
        leaf: header.leaf(),
        commit,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_removal_is_the_first_one_in_some_hour() {
        let first = |hour: u64| {
            let now = Timestamp::from_millis(hour * 3_600_000 + 1);
            in_turn(vec!["a", "b", "c"], now).first().copied()
        };
        let firsts: Vec<_> = (0..4).filter_map(first).collect();
        assert_eq!(firsts, ["a", "b", "c", "a"]);
        assert!(in_turn(Vec::<u8>::new(), Timestamp::from_millis(1)).is_empty());
    }
}
