//! Replacing a key: a new one of the same kind; the old one stays valid for a time of grace.

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{Keys, MadeKey, creation, granted};
use crate::idempotency::Once;
use crate::ids::{KeyId, UserId};
use crate::records::{ApiKey, Directory};
use crate::tenancy::WorkspaceCtx;
use crate::usecases::admin::{AdminError, Recorded, acted};
use crate::usecases::facts::{change, target};
use crate::usecases::governed::AdminEffect;

/// Hours for which the old key may stay valid.
const GRACE: std::ops::RangeInclusive<u64> = 0..=72;

impl Keys {
    /// Whether the caller may replace a key; for a request that is bad.
    pub async fn admit_rotation(&self, ctx: &WorkspaceCtx, id: &str) -> Result<(), AdminError> {
        let found = self.get(ctx, id).await?.value;
        let approver = found.approver.map(|person| person.to_string());
        let question = creation(found.capability, approver.as_deref());
        self.ports.admit(ctx, &question).await
    }

    /// Replaces a key that is valid, for owners; a key that approves, for its own person. The new one
    /// is valid as long as the old one was at first, and belongs to whoever asks: they see its secret.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn rotate(
        &self,
        ctx: &WorkspaceCtx,
        id: &str,
        grace_hours: u64,
        once: Option<&Once>,
    ) -> Result<MadeKey, AdminError> {
        let found = self.get(ctx, id).await?;
        let old = &found.value;
        let approver = old.approver.map(|person| person.to_string());
        let question = creation(old.capability, approver.as_deref());
        let judged = self.ports.judge(ctx, &question).await?;
        let now = self.ports.clock.now();
        if judged.allowed() {
            if !GRACE.contains(&grace_hours) {
                return Err(AdminError::Invalid {
                    field: "/grace_hours",
                    rule: "must be 0 to 72 hours",
                });
            }
            if !old.is_valid(now) || old.replaced_by.is_some() {
                let why = "this key is not valid any more, or was replaced before";
                return Err(AdminError::WrongState(why));
            }
        }
        let minted = self.mint(old.live)?;
        let new = ApiKey {
            id: KeyId::new(now, self.ports.random.bits128()),
            handle: minted.handle,
            hash: minted.hash,
            owner: ctx.principal().person().unwrap_or(UserId::from_bits(0)),
            created_at: now,
            expires_at: now.plus(old.expires_at.since(old.created_at)),
            ..old.clone()
        };
        let mut ending = old.clone();
        ending.replaced_by = Some(new.id);
        let grace = now.plus(Duration::from_secs(grace_hours.saturating_mul(3_600)));
        ending.expires_at = ending.expires_at.min(grace);
        let effects = vec![
            AdminEffect {
                draft: granted(ctx.principal(), &new),
                rows: Directory::api_key_writes(&new, None)?.into(),
            },
            AdminEffect {
                draft: ended(ctx, &ending, new.id),
                rows: Directory::api_key_writes(&ending, Some(found.version))?.into(),
            },
        ];
        let id = new.id.to_string();
        let once = once.map(|once| (once, id.as_str()));
        let recorded = self.ports.record(ctx, &judged, None, effects, once);
        match recorded.await? {
            Recorded::Done(entries) => Ok((acted(new, 1, &entries, &judged), minted.secret)),
            Recorded::Again => Err(AdminError::Changed),
        }
    }
}

/// `access.changed` for a key that another one replaces.
fn ended(ctx: &WorkspaceCtx, key: &ApiKey, by: KeyId) -> Draft {
    let more = [
        ("expires_at", Json::uint(key.expires_at.as_millis())),
        ("replaced_by", by.to_string().into()),
    ];
    let facts = change(ctx.principal(), target("api_key", key.id), more);
    Draft::new(Kind::AccessChanged, facts)
}
