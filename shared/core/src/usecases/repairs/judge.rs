//! The facts that policy sees about a repair and about a vote.

use crate::ids::UserId;
use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::policy::{
    Approvals, BlastFacts, ChangeFacts, HeldFacts, Question, RepairFacts, StandingFacts, VoteFacts,
};
use crate::reconcile::findings::named;
use crate::reconcile::{Finding, FindingKind, Identity, Symbol};
use crate::repair::{Action, ActionState, Meaning, RepairPlan, VoteKind};
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
    /// What that means.
    pub(super) meaning: &'a Meaning,
    /// It takes back what another repair wrote: what both sides say of that now.
    pub(super) undoes: Option<Looked>,
    /// The customer's pseudonym.
    pub(super) customer: String,
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
    let change = change(&repair, around.artifact);
    let certain = standing(repair.incident, repair.meaning.identity);
    Question::Repair(Box::new(RepairFacts {
        incident: incident_facts(repair.incident, repair.customer, now),
        change,
        // Whoever takes something back says that it was wrong; that what was written is still there is
        // the statement's own condition.
        standing: match repair.undoes {
            None => certain,
            Some(looked) => StandingFacts {
                confirmed: true,
                kept: looked.kept,
                other_live_subscription: looked
                    .other_live_subscription
                    .unwrap_or(finding.other_live_subscription),
                ..certain
            },
        },
        blast: BlastFacts {
            amount_exceeded,
            ..around.blast
        },
    }))
}

/// What the repair of a difference means, as a run has seen it last.
pub(super) fn meaning(finding: &Finding) -> Meaning {
    let nothing_to_write = finding.not_repairable.is_some() || finding.changes.is_empty();
    let meaning = seen(finding);
    if nothing_to_write {
        return Meaning {
            to: UNMAPPED.to_owned(),
            ..meaning
        };
    }
    meaning
}

/// What taking a repair back means that was proposed before it was kept what that one meant: as far as
/// the difference says that a run has seen last.
pub(super) fn meaning_back(finding: &Finding) -> Meaning {
    seen(finding).reversed()
}

fn seen(finding: &Finding) -> Meaning {
    Meaning {
        from: symbol(&named(finding.field, &finding.actual)),
        to: symbol(&named(finding.field, &finding.expected)),
        identity: finding.identity,
    }
}

fn change(repair: &Repair<'_>, artifact: &Artifact) -> ChangeFacts {
    let (finding, plan) = (&repair.incident.finding, repair.plan);
    let repairable = artifact.repairable_columns();
    let columns: Vec<&str> = plan.changes.iter().map(|it| it.column.as_str()).collect();
    let (gives, takes) = match repair.undoes {
        None => ("grant", "revoke"),
        Some(_) => ("revoke", "grant"),
    };
    ChangeFacts {
        table: format!("{}.{}", plan.schema, plan.table),
        column: columns.join("+"),
        key_column: plan.key_column.clone(),
        value_kind: finding.field.map_or("none", |field| field.name()),
        from: repair.meaning.from.clone(),
        to: repair.meaning.to.clone(),
        direction: match finding.kind {
            FindingKind::AccessWithoutPayment => takes,
            FindingKind::PaidNoAccess => gives,
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

fn standing(incident: &Incident, identity: Option<Identity>) -> StandingFacts {
    let finding = &incident.finding;
    StandingFacts {
        mapped: finding.kind != FindingKind::UnmappedPrice,
        identity: identity.map_or("none", Identity::name),
        promise_known: finding.kind != FindingKind::UnknownState,
        backing: finding.backing.name(),
        other_live_subscription: finding.other_live_subscription,
        confirmed: incident.is_confirmed() && incident.state != IncidentState::Resolved,
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
