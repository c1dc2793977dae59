//! What an action that is judged again leaves in the record, and what only a fresh sign-in mends.

use counterfoil_evidence::json::{Json, object};

use super::{ActionError, RepairPorts};
use crate::ids::{DecisionId, RunId, UserId};
use crate::policy::{Effect, Judgement, fresh_within};
use crate::repair::Action;
use crate::tenancy::{Principal, Role, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::facts::{Decided, actor};

/// Whether nothing is wrong but the sign-in of whoever triggers it: the action stays as it is, for
/// them after another sign-in or for somebody else. The sweep has nobody to ask.
pub(super) fn only_the_sign_in(ctx: &TenantCtx, judgement: &Judgement) -> bool {
    let by_people = !matches!(ctx.principal(), Principal::System { .. });
    by_people && judgement.effect == Effect::Deny && fresh_within(&judgement.rule).is_some()
}

/// A further decision about an action, in a run, with what there is to say of it besides.
pub(super) fn decided_again(
    ports: &RepairPorts,
    action: &Action,
    judgement: &Judgement,
    (run, more): (RunId, Vec<(&'static str, Json)>),
) -> Result<Json, ActionError> {
    let now = ports.clock.now();
    let decided = Decided {
        id: DecisionId::new(now, ports.random.bits128()),
        run,
        act: action.id,
        action_hash: &action.digest,
        judgement,
        principal: &action.proposer,
        at: now,
        hold: None,
        more,
    };
    Ok(decided.facts()?)
}

/// Who had something carried out, on whose approvals; of a person also the digest that they were shown,
/// and when they proved who they are.
pub(super) fn carried_out(
    ctx: &TenantCtx,
    digest: Option<&str>,
    roles: &[(UserId, Role)],
    now: Timestamp,
) -> Vec<(&'static str, Json)> {
    let considered = roles.iter().map(|(id, role)| {
        object([
            ("approver", Json::from(id.to_string())),
            ("role", role.name().into()),
        ])
    });
    let mut said = vec![
        ("approvals_considered", Json::Array(considered.collect())),
        ("triggered_by", actor(ctx.principal())),
    ];
    if let (Principal::User { via, .. }, Some(digest)) = (ctx.principal(), digest) {
        let age = u64::try_from(via.age(now).as_millis()).unwrap_or(u64::MAX);
        let auth_time = now.as_millis().saturating_sub(age);
        let confirmed = object([
            ("action_digest", Json::from(digest)),
            ("auth_time", Json::uint(auth_time)),
        ]);
        said.push(("confirmation", confirmed));
    }
    said
}
