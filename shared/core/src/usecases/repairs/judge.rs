//! The facts that policy sees about a repair and about a vote.

use crate::ids::UserId;
use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::policy::{
    Approvals, BlastFacts, ChangeFacts, HeldFacts, Question, RepairFacts, StandingFacts, VoteFacts,
};
use crate::reconcile::findings::named;
use crate::reconcile::{Finding, FindingKind, Identity, Symbol};
use crate::repair::{Action, ActionState, RepairPlan, VoteKind};
use crate::tenancy::Role;
use crate::time::Timestamp;
use crate::usecases::incidents::incident_facts;

/// What surrounds a repair when it is judged.
pub(super) struct Surroundings<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) blast: BlastFacts,
}

/// What rules read where the mapping has no name for something.
const UNMAPPED: &str = "unmapped";

/// What both sides say now of what would be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    /// The row grants what was promised.
    pub(super) kept: bool,
    /// Another subscription grants; `None` where nothing differs that could say so.
    pub(super) other_live_subscription: Option<bool>,
}

/// A repair, as policy is asked about it.
pub(super) struct Repair<'a> {
    pub(super) incident: &'a Incident,
    pub(super) plan: &'a RepairPlan,
    /// It takes back what another repair wrote: what both sides say of that now.
    pub(super) undoes: Option<Looked>,
    /// The customer's pseudonym.
    pub(super) customer: Option<String>,
    /// Repairs that its run has taken before it.
    pub(super) earlier: u64,
}

/// The question about a repair.
pub(super) fn repair_question(
    repair: Repair<'_>,
    around: &Surroundings<'_>,
    now: Timestamp,
) -> Question {
    let finding = &repair.incident.finding;
    let limit = around.artifact.max_amount_at_risk();
    let amount_exceeded = limit.is_some_and(|limit| {
        let mut amounts = finding.amounts();
        amounts.any(|risk| risk.currency != limit.currency || risk.minor > limit.minor)
    });
    let forth = change(finding, repair.plan, around.artifact);
    Question::Repair(Box::new(RepairFacts {
        incident: incident_facts(repair.incident, repair.customer, now),
        change: if repair.undoes.is_some() {
            back(forth)
        } else {
            forth
        },
        // Whoever takes something back says that it was wrong; that what was written is still there is
        // the statement's own condition.
        standing: match repair.undoes {
            None => standing(repair.incident),
            Some(looked) => StandingFacts {
                confirmed: true,
                kept: looked.kept,
                other_live_subscription: looked
                    .other_live_subscription
                    .unwrap_or(finding.other_live_subscription),
                ..standing(repair.incident)
            },
        },
        blast: BlastFacts {
            amount_exceeded,
            ..around.blast
        },
    }))
}

/// The same change, taken back.
fn back(forth: ChangeFacts) -> ChangeFacts {
    ChangeFacts {
        from: forth.to,
        to: forth.from,
        direction: match forth.direction {
            "grant" => "revoke",
            "revoke" => "grant",
            other => other,
        },
        ..forth
    }
}

fn change(finding: &Finding, plan: &RepairPlan, artifact: &Artifact) -> ChangeFacts {
    let repairable = artifact.repairable_columns();
    let columns: Vec<&str> = plan.changes.iter().map(|it| it.column.as_str()).collect();
    let nothing_to_write = finding.not_repairable.is_some() || finding.changes.is_empty();
    ChangeFacts {
        table: format!("{}.{}", plan.schema, plan.table),
        column: columns.join("+"),
        key_column: plan.key_column.clone(),
        value_kind: finding.field.map_or("none", |field| field.name()),
        from: symbol(&named(finding.field, &finding.actual)),
        to: if nothing_to_write {
            UNMAPPED.to_owned()
        } else {
            symbol(&named(finding.field, &finding.expected))
        },
        direction: match finding.kind {
            FindingKind::AccessWithoutPayment => "revoke",
            FindingKind::PaidNoAccess => "grant",
            _ => "change",
        },
        rows: u64::from(!plan.changes.is_empty()),
        allowlisted: columns
            .iter()
            .all(|column| repairable.iter().any(|it| it == column)),
    }
}

/// A name of the mapping. Rules compare it, so it is short and never a value of a row.
fn symbol(symbol: &Symbol) -> String {
    symbol.text().chars().take(128).collect()
}

fn standing(incident: &Incident) -> StandingFacts {
    let finding = &incident.finding;
    StandingFacts {
        mapped: finding.kind != FindingKind::UnmappedPrice,
        identity: finding.identity.map_or("none", Identity::name),
        promise_known: finding.kind != FindingKind::UnknownState,
        backing: finding.backing.name(),
        other_live_subscription: finding.other_live_subscription,
        // An incident opens only after both sides were read again.
        confirmed: incident.state != IncidentState::Resolved,
        livemode_matches: finding.kind != FindingKind::TestModeBacking,
        kept: false,
    }
}

/// The approvals that an action has. `roles` are those that its approvers have now, and only those with
/// `least` or more count.
pub(super) fn approvals(action: &Action, roles: &[(UserId, Role)], least: Role) -> Approvals {
    let people: Vec<_> = action
        .approvers()
        .into_iter()
        .filter_map(|person| {
            let found = roles.iter().find(|(id, _)| *id == person);
            found.filter(|(_, role)| *role >= least).copied()
        })
        .collect();
    let proposers = action.proposer.proposers();
    let owners = action.proposer.owners();
    let mut held: Vec<Role> = people.iter().map(|(_, role)| *role).collect();
    held.sort_unstable();
    held.dedup();
    Approvals {
        count: u8::try_from(people.len()).unwrap_or(u8::MAX),
        roles: held,
        by_proposer: people.iter().any(|(id, _)| proposers.contains(id)),
        by_owner: people.iter().any(|(id, _)| owners.contains(id)),
    }
}

/// What policy knows about an action that people decide on.
pub(super) fn held_facts(action: &Action) -> HeldFacts {
    HeldFacts {
        id: action.id.to_string(),
        kind: action.binding.kind.clone(),
        // Only what waits can be approved; what came of the others is no REQUIRE any more.
        effect: match action.state {
            ActionState::Held => "REQUIRE",
            ActionState::Allowed | ActionState::Approved => "ALLOW",
            _ => "DENY",
        },
        machine: action.proposer.person().is_none(),
        proposers: action.proposer.proposers(),
        owners: action.proposer.owners(),
        approvers: action.approvers(),
    }
}

/// The question about a vote on `action`.
pub(super) fn vote_question(
    action: &Action,
    kind: VoteKind,
    digest: &str,
    reason: &str,
) -> Question {
    Question::Vote(VoteFacts {
        approves: kind == VoteKind::Approve,
        on: held_facts(action),
        reason_chars: u64::try_from(reason.trim().chars().count()).unwrap_or(u64::MAX),
        digest_matches: digest == action.digest,
    })
}
