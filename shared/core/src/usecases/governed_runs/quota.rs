//! How many actions may wait for approvals: as many as people could read in time.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::step::Waiting;
use crate::governed_run::{HOLD_QUOTA, HOLDS_PER_PROJECT, HOLDS_PER_PROPOSER};
use crate::ids::ActionId;
use crate::policy::{Effect, Judgement};
use crate::ports::StateWrite;
use crate::records::{Record, RecordError, Records, RunAction};
use crate::repair::{Action, ActionState};
use crate::tenancy::TenantCtx;

/// Rows that are read at the same time.
const AT_ONCE: usize = 16;

const QUOTA_REASON: &str =
    "Too many actions wait for approvals already: a person could not read them in time.";

/// Actions that wait for approvals, and whose each is. Every proposal that is to wait is counted by it
/// and writes it in its own transaction, so two cannot both take the last place. What waits no more is
/// left out when the next one is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldActions {
    held: BTreeMap<ActionId, String>,
}

/// There is one for each project.
impl Record for HeldActions {
    const FAMILY: &'static str = "held";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

impl HeldActions {
    const ID: &'static str = "actions";
}

/// What a proposal that is to wait is counted by.
#[derive(Debug)]
pub(in crate::usecases) struct Quota {
    now: HeldActions,
    /// 0 before the first.
    version: u64,
}

impl Quota {
    /// Reads it, and then what waits: so nothing began to wait in between that is not counted.
    async fn read(records: &Records<'_>) -> Result<Self, RecordError> {
        let before = records.get::<HeldActions>(HeldActions::ID).await?;
        let version = before.as_ref().map_or(0, |row| row.version);
        let waiting = records.list::<Waiting>().await?.into_iter();
        let waiting = waiting.map(|row| row.value).filter(|it| it.held);
        let mut held: BTreeMap<_, _> = waiting.map(|it| (it.id, it.proposer)).collect();
        let mut gone = before.map(|row| row.value.held).unwrap_or_default();
        gone.retain(|id, _| !held.contains_key(id));
        let looked = stream::iter(gone).map(async |(id, proposer)| {
            let waits = still_waits(records, id).await?;
            Ok::<_, RecordError>(waits.then_some((id, proposer)))
        });
        let still: Vec<_> = looked.buffer_unordered(AT_ONCE).try_collect().await?;
        held.extend(still.into_iter().flatten());
        Ok(Self {
            now: HeldActions { held },
            version,
        })
    }

    /// Whether nobody can be asked for one more approval.
    fn is_full_for(&self, proposer: &str) -> bool {
        let own = self.now.held.values().filter(|it| *it == proposer).count();
        self.now.held.len() >= HOLDS_PER_PROJECT || own >= HOLDS_PER_PROPOSER
    }

    /// The write that goes with an action which is to wait. Where the row is another one by then, it is
    /// counted again.
    pub(in crate::usecases) fn taking(
        self,
        records: &Records<'_>,
        action: &Action,
    ) -> Result<StateWrite, RecordError> {
        let Self { mut now, version } = self;
        now.held.insert(action.id, action.proposer.account());
        match version {
            0 => records.create(&now),
            version => records.replace(version, &now),
        }
    }
}

/// What the rules say, where a place is left: a REQUIRE that nobody could look at in time is a DENY. With
/// what the caller's proposal was counted by, where it is to wait.
pub(in crate::usecases) async fn within(
    records: &Records<'_>,
    ctx: &TenantCtx,
    judgement: Judgement,
) -> Result<(Judgement, Option<Quota>), RecordError> {
    if judgement.effect != Effect::Require {
        return Ok((judgement, None));
    }
    let quota = Quota::read(records).await?;
    if quota.is_full_for(&ctx.principal().account()) {
        let denied = judgement.denied_by(HOLD_QUOTA, QUOTA_REASON.to_owned());
        return Ok((denied, None));
    }
    Ok((judgement, Some(quota)))
}

/// Whether an action waits that no row says so of: a transaction is not seen at once in all of its rows.
async fn still_waits(records: &Records<'_>, id: ActionId) -> Result<bool, RecordError> {
    let id = id.to_string();
    let waits = |state| state == ActionState::Held;
    if let Some(action) = records.get::<Action>(&id).await? {
        return Ok(waits(action.value.state));
    }
    let in_run = records.get::<RunAction>(&id).await?;
    Ok(in_run.is_none_or(|action| waits(action.into_action().value.state)))
}
