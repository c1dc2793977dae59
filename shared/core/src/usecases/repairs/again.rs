//! Judging an action again before it is carried out: with which approvals, in whose name, what that
//! leaves in the record, and what is in its way.

use counterfoil_evidence::json::{Json, object};

use super::judge::approvals;
use super::refusal::record_refusal;
use super::{ActionError, RepairPorts};
use crate::ids::{DecisionId, RunId, UserId};
use crate::policy::{Asking, Effect, Judgement, Place, Question, Rules};
use crate::records::Project;
use crate::repair::{Action, Overridden, Vote, VoteKind};
use crate::tenancy::{Principal, Role, TenantCtx, Via};
use crate::time::Timestamp;
use crate::usecases::facts::{Decided, actor};

/// What ends an action that was to be carried out, whoever triggers it: nothing where it may happen.
///
/// Where only whoever triggers it is in the way, so that it would happen `as_approved`, in the name of
/// whoever is [`vouching`] for it, they are refused and that is recorded. It takes nobody's approval away:
/// the action stays as it is, for them after another sign-in or for somebody else.
///
/// # Errors
/// [`ActionError::Denied`], recorded.
pub(super) async fn objection(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    (project, action): (&Project, &Action),
    judgement: &Judgement,
    as_approved: impl Future<Output = Result<Judgement, ActionError>> + Send,
) -> Result<Option<Box<Judgement>>, ActionError> {
    if judgement.effect == Effect::Allow {
        return Ok(None);
    }
    // The sweep asks in their name already, and has nobody to ask.
    if matches!(ctx.principal(), Principal::System { .. }) {
        return Ok(Some(Box::new(judgement.clone())));
    }
    let as_approved = as_approved.await?;
    if as_approved.effect != Effect::Allow {
        return Ok(Some(Box::new(as_approved)));
    }
    record_refusal(ports, ctx, project, action, judgement).await?;
    Err(ActionError::Denied(judgement.clone()))
}

/// Judges an action again, with the approvals that it has, as its proposer's and in the request of
/// whoever triggers it. The product's own sweep goes on in the name of the last person who approved.
pub(super) async fn judge_again(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
    (question, now): (&Question, Timestamp),
    trigger: &Principal,
) -> Result<Judgement, ActionError> {
    let roles = ports.roles_of_approvers(ctx, action).await?;
    let broken = ports.broken(ctx, action).await?;
    let last = last_approver(action, broken.as_ref(), &roles);
    let serving = match (trigger, &last) {
        (Principal::System { .. }, Some(person)) => person,
        (principal, _) => principal,
    };
    let proposer = ports.proposer_now(ctx, &action.proposer).await?;
    let asking = Asking {
        proposer: &proposer,
        ..Asking::new(serving, now, Place::project(project))
    };
    let rules = Rules::load(ports.state.as_ref(), ctx.workspace()).await?;
    let ask = |asking: &Asking<'_>| rules.judge(question, asking, ports.clock.as_ref());
    if let Some(broken) = broken {
        // The ladder says what would be missing: a DENY stays one.
        let asking = Asking {
            break_glass: true,
            ..asking
        };
        let judgement = ask(&asking);
        let least = judgement.considered.role.max(action.approver_role());
        let given = approvals(action, &roles, least).count;
        return Ok(judgement.broken_by(broken.by.to_string(), broken.ticket, given));
    }
    // The rules in force may ask for a higher role than those of the proposal did.
    let least = ask(&asking).considered.role.max(action.approver_role());
    Ok(ask(&asking.with(approvals(action, &roles, least))))
}

/// The product itself, as whom an action is judged that nobody triggers.
pub(super) fn sweeper() -> Principal {
    Principal::System {
        duty: "sweep".to_owned(),
    }
}

/// Whoever approved last, broke the glass, or proposed what nobody had to approve: with the second factor
/// that they came with then, and as if they had just signed in. How long ago that was says nothing about
/// the action.
pub(super) fn vouching(action: &Action, now: Timestamp) -> Principal {
    let proposer = &action.proposer;
    let last = (action.votes.iter()).rfind(|vote| vote.kind == VoteKind::Approve);
    let vouched = match (&action.overridden, last) {
        (Some(broken), _) => Some((broken.by, true)),
        (None, Some(vote)) => Some((vote.approver, vote.second_factor)),
        (None, None) => proposer.person().map(|id| (id, proposer.second_factor())),
    };
    vouched.map_or_else(
        || proposer.clone(),
        |(id, second_factor)| Principal::User {
            id,
            role: Role::Approver,
            via: Via::Login {
                at: now,
                second_factor,
            },
        },
    )
}

/// Whoever approved last, or broke the glass, as they came then.
fn last_approver(
    action: &Action,
    broken: Option<&Overridden>,
    roles: &[(UserId, Role)],
) -> Option<Principal> {
    if let Some(broken) = broken {
        return Some(Principal::User {
            id: broken.by,
            role: Role::Owner,
            via: Via::Login {
                at: broken.at,
                second_factor: true,
            },
        });
    }
    let approvals = action.votes.iter();
    let approvals = approvals.filter(|vote| vote.kind == VoteKind::Approve);
    let counts = |vote: &Vote| roles.iter().find(|(id, _)| *id == vote.approver).copied();
    let mut counted = approvals.filter_map(|vote| Some((vote, counts(vote)?)));
    let (vote, (id, role)) = counted.next_back()?;
    Some(Principal::User {
        id,
        role,
        via: Via::Login {
            at: vote.at,
            second_factor: vote.second_factor,
        },
    })
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
