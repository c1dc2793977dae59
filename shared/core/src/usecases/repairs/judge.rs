//! The facts that policy sees about a repair and about a vote.

use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::policy::{ApprovalFacts, Question, RepairFacts};
use crate::reconcile::{Backing, FindingKind, Identity};
use crate::records::Project;
use crate::repair::{Action, ActionState, RepairPlan};
use crate::tenancy::Principal;
use crate::time::Timestamp;
use crate::usecases::governed::{came, who};

/// What surrounds a repair when it is judged.
pub(super) struct Surroundings<'a> {
    pub(super) project: &'a Project,
    pub(super) artifact: &'a Artifact,
    pub(super) breaker_open: bool,
    pub(super) run_limit_reached: bool,
}

/// The question about a repair of `incident` by `plan`.
pub(super) fn repair_question(
    proposer: &Principal,
    incident: &Incident,
    plan: &RepairPlan,
    around: &Surroundings<'_>,
    approvals: &[crate::ids::UserId],
) -> Question {
    let finding = &incident.finding;
    let repairable = around.artifact.repairable_columns();
    let limit = around.artifact.max_amount_at_risk();
    let amount_exceeded = limit.is_some_and(|limit| {
        let mut amounts = finding.amounts();
        amounts.any(|risk| risk.currency != limit.currency || risk.minor > limit.minor)
    });
    Question::Repair(RepairFacts {
        who: who(proposer),
        environment: if around.project.livemode {
            "live"
        } else {
            "test"
        }
        .to_owned(),
        repairs_enabled: around.project.repair_database.is_some(),
        rows: u64::from(!plan.changes.is_empty()),
        allowlisted: plan
            .changes
            .iter()
            .all(|change| repairable.contains(&change.column)),
        target_known: finding.not_repairable.is_none() && !finding.changes.is_empty(),
        promise_known: !matches!(
            finding.kind,
            FindingKind::UnmappedPrice | FindingKind::UnknownState
        ),
        identity: finding.identity.map_or("none", Identity::name).to_owned(),
        // An incident opens only after both sides were read again.
        confirmed: incident.state != IncidentState::Resolved,
        livemode_matches: finding.kind != FindingKind::TestModeBacking,
        revokes: finding.kind == FindingKind::AccessWithoutPayment,
        other_live_subscription: finding.other_live_subscription,
        comped: finding.backing == Backing::Comp,
        breaker_open: around.breaker_open,
        amount_exceeded,
        run_limit_reached: around.run_limit_reached,
        approvals: u8::try_from(approvals.len()).unwrap_or(u8::MAX),
        self_approved: proposer
            .person()
            .is_some_and(|person| approvals.contains(&person)),
    })
}

/// What is known about a vote of `principal` on `action`.
pub(super) fn approval_facts(
    principal: &Principal,
    action: &Action,
    digest: &str,
    reason: &str,
    now: Timestamp,
) -> ApprovalFacts {
    let person = principal.person();
    ApprovalFacts {
        who: who(principal),
        held: action.state == ActionState::Held,
        is_proposer: person.is_some() && person == action.proposing_person(),
        voted_before: person.is_some_and(|person| action.approvers().contains(&person)),
        digest_matches: digest == action.digest,
        reason_chars: u64::try_from(reason.trim().chars().count()).unwrap_or(u64::MAX),
        login_age_s: came(principal, now).1,
    }
}
