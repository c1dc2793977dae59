//! An UPDATE that may have been sent, and a row that cannot be read: the database is another one by now, its
//! role is gone, or the credential was taken away.
//!
//! That the row was not read is noted, and from then on nobody is kept from connecting another credential.
//! What it would read proves nothing, because it may lead to another database. So where it was replaced, or
//! where a day is over, the action ends, and the record says that nobody knows: the run has no result for
//! what it began, which every verifier sees. Nothing is sent here.

use std::time::Duration;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::settle::{ended, read_back, record};
use super::{ActionError, RepairPorts};
use crate::records::{Project, Unfinished, Unread, Versioned};
use crate::repair::{Action, ActionState, OUTCOME_UNKNOWN};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{actor, target};

/// How long it is tried to read back what an UPDATE did.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// Settles what may have been sent: by reading the row, or by saying that nobody knows.
pub(super) async fn settle(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
) -> Result<Versioned<Action>, ActionError> {
    let id = action.value.id.to_string();
    let found = ports.records(ctx).get::<Unfinished>(&id).await?;
    let begun = found.ok_or(ActionError::Changed)?;
    let before = begun.value.unread;
    if before.is_some_and(|unread| unread.with != project.repair_database) {
        return nobody_knows(ports, ctx, project, action).await;
    }
    let unread = match read_back(ports, ctx, project, &action.value).await {
        Ok(outcome) => return record(ports, ctx, project, action, outcome).await,
        Err(unread) => unread,
    };
    let now = ports.clock.now();
    // Of one attempt it is not known whether it is about the row: a sweep that was away for a day comes back.
    match before {
        Some(_) if now.since(begun.value.since) >= TRIED_FOR => {
            nobody_knows(ports, ctx, project, action).await
        }
        Some(_) => Err(unread),
        None => {
            let unread_since = Unread {
                since: now,
                with: project.repair_database,
            };
            note(ports, ctx, begun, unread_since).await?;
            Err(unread)
        }
    }
}

/// Whoever has settled it meanwhile has taken the row away, and there is nothing to note.
async fn note(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    begun: Versioned<Unfinished>,
    unread: Unread,
) -> Result<(), ActionError> {
    let noted = Unfinished {
        unread: Some(unread),
        ..begun.value
    };
    let mut write = ports.records(ctx).replace(begun.version, &noted)?;
    write.cites = begun.evidence;
    ports.state.write(vec![write]).await?;
    Ok(())
}

async fn nobody_knows(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
) -> Result<Versioned<Action>, ActionError> {
    let facts = [
        ("actor", actor(ctx.principal())),
        ("code", OUTCOME_UNKNOWN.into()),
        ("result", "warning".into()),
        ("target", target("action", action.value.id)),
        ("topic", "action.outcome_unknown".into()),
    ];
    let said = Draft::new(Kind::ObservationRecorded, object(facts));
    let (end, how) = ((ActionState::Failed, OUTCOME_UNKNOWN), (said, "aborted"));
    ended(ports, ctx, project, action, end, how).await
}
