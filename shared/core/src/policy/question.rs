//! What can be judged: one variant for each action of the policy schema, with the facts that rules
//! may read. Facts are computed by the product; of all of them a caller supplies only the kind and the
//! parameters of an action of their own run.

use crate::ids::UserId;
use crate::money::Money;
use crate::tenancy::Role;

/// One thing to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// May this repair be executed? Judged together with whether it may be proposed.
    Repair(Box<RepairFacts>),
    /// May this action of a governed run happen?
    RunAction(RunActionFacts),
    /// May this incident be ignored for a time?
    Ignore {
        /// The incident.
        incident: IncidentFacts,
        /// Length of the reason in characters.
        reason_chars: u64,
        /// Seconds until it would be open again.
        lasts_s: u64,
    },
    /// May this incident be opened again before that time is over?
    Reopen(IncidentFacts),
    /// May repairs be armed again after a mass drift?
    ResetBreaker,
    /// May this vote count?
    Vote(VoteFacts),
    /// May the missing approvals of this action be replaced by breaking the glass?
    Override(OverrideFacts),
    /// May this use of break-glass be acknowledged?
    Review {
        /// What was overridden.
        on: HeldFacts,
        /// Whoever reviews it used it.
        own: bool,
        /// Length of the reason in characters.
        reason_chars: u64,
    },
    /// May this bundle become the active one?
    ActivatePolicy(BundleFacts),
    /// May this bundle be revoked?
    RevokePolicy(BundleFacts),
    /// May a key be registered that signs bundles?
    RegisterPolicyKey,
    /// May a credential be stored, replaced or given up?
    PutSecret {
        /// `stripe_key`, `webhook_secret`, `pg_read`, `pg_repair`.
        kind: &'static str,
    },
    /// May an API key be made or replaced?
    CreateKey {
        /// `read`, `repair`, or `approver` for one that speaks as a person.
        capability: &'static str,
        /// The person it speaks as.
        speaks_for: Option<UserId>,
    },
    /// May an API key be revoked?
    RevokeKey {
        /// As for making one.
        capability: &'static str,
        /// It belongs to whoever asks, or speaks as them.
        own: bool,
    },
    /// May somebody be invited, get another role or leave?
    ChangeMember {
        /// It is about whoever asks.
        own: bool,
        /// The workspace would have no owner left.
        removes_last_owner: bool,
        /// The role they would have; `None` when they leave.
        to: Option<Role>,
    },
    /// May a setting be changed?
    ChangeSetting {
        /// Its name.
        name: &'static str,
        /// It makes something weaker: less is kept, repairs may do more.
        loosening: bool,
    },
    /// May this legal hold be set?
    SetHold,
    /// May this legal hold be released?
    ReleaseHold,
    /// May this evidence be exported?
    Export(EvidenceFacts),
    /// May these contents be erased?
    Erase(EvidenceFacts),
    /// May a project or a workspace be deleted?
    Delete,
}

impl Question {
    /// The action's name in the schema and in evidence.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Repair(_) => "repair.execute",
            Self::RunAction(_) => "run.action",
            Self::Ignore { .. } => "incident.ignore",
            Self::Reopen(_) => "incident.reopen",
            Self::ResetBreaker => "breaker.reset",
            Self::Vote(facts) if facts.approves => "approval.give",
            Self::Vote(_) => "approval.reject",
            Self::Override(_) => "override.use",
            Self::Review { .. } => "override.review",
            Self::ActivatePolicy(_) => "policy.activate",
            Self::RevokePolicy(_) => "policy.revoke",
            Self::RegisterPolicyKey => "policy_key.register",
            Self::PutSecret { .. } => "secret.put",
            Self::CreateKey { .. } => "key.create",
            Self::RevokeKey { .. } => "key.revoke",
            Self::ChangeMember { .. } => "member.change",
            Self::ChangeSetting { .. } => "settings.change",
            Self::SetHold => "legal_hold.set",
            Self::ReleaseHold => "legal_hold.release",
            Self::Export(_) => "evidence.export",
            Self::Erase(_) => "evidence.erase",
            Self::Delete => "scope.delete",
        }
    }
}

/// What is known about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFacts {
    /// Its id.
    pub id: String,
    /// The kind of its finding.
    pub kind: &'static str,
    /// Money at risk per month, where an amount is known.
    pub at_risk: Option<Money>,
    /// Seconds since it opened.
    pub age_s: u64,
    /// Pseudonym of the customer, or of the row where no customer belongs to it.
    pub customer: String,
    /// A legal hold covers its entries.
    pub legal_hold: bool,
}

/// What is known about a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairFacts {
    /// What it repairs.
    pub incident: IncidentFacts,
    /// What it would write.
    pub change: ChangeFacts,
    /// How certain it is.
    pub standing: StandingFacts,
    /// How much is repaired already.
    pub blast: BlastFacts,
}

/// What a repair would write, in names of the mapping and never in values of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFacts {
    /// `schema.table`.
    pub table: String,
    /// The columns, sorted, joined by `+` where there are several.
    pub column: String,
    /// The primary key's column.
    pub key_column: String,
    /// `plan`, `premium`, `trial`, `seats`, `features`.
    pub value_kind: &'static str,
    /// What the app grants, as the mapping calls it; `unmapped` where it has no name for it.
    pub from: String,
    /// What was promised, as the mapping calls it; `unmapped` where there is nothing to write.
    pub to: String,
    /// `grant`, `revoke`, `change`.
    pub direction: &'static str,
    /// Rows that the plan would touch.
    pub rows: u64,
    /// Every column is on the allowlist of the active mapping.
    pub allowlisted: bool,
}

/// How certain it is that the customer, the promise and the difference are what they seem.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that a rule names"
)]
pub struct StandingFacts {
    /// Prices and columns have rules.
    pub mapped: bool,
    /// `metadata`, `stored_id`, `email`, `ambiguous`; `none` where no customer belongs to the row.
    pub identity: &'static str,
    /// Stripe's state has a rule.
    pub promise_known: bool,
    /// `subscription`, `comp`, `none`.
    pub backing: &'static str,
    /// Another subscription of the customer grants now.
    pub other_live_subscription: bool,
    /// A second look at both sides still differed.
    pub confirmed: bool,
    /// Stripe's mode is the project's.
    pub livemode_matches: bool,
    /// It takes back what the customer was promised, as both sides say now.
    pub kept: bool,
}

/// How much is repaired already, and how much may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlastFacts {
    /// Repairs executed or executing in this run.
    pub run: u64,
    /// At most.
    pub run_max: u64,
    /// In the last 60 minutes.
    pub hour: u64,
    /// At most.
    pub hour_max: u64,
    /// In the last 24 hours.
    pub day: u64,
    /// At most.
    pub day_max: u64,
    /// More money is at risk than the mapping's limit, or in another currency.
    pub amount_exceeded: bool,
    /// Share of checked customers that differ, in 1/1000, in the run behind the incident.
    pub drift_permille: u64,
    /// At most.
    pub drift_permille_max: u64,
    /// A mass drift is not acknowledged.
    pub breaker_open: bool,
}

/// What is known about an action of a governed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunActionFacts {
    /// What names it among actions: its id, or that of its proposal.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The flow has registered this kind.
    pub registered: bool,
    /// The registration, not the caller, says that it destroys.
    pub destructive: bool,
    /// Money that it moves.
    pub amount: Option<Money>,
    /// What it is done to: an opaque reference, at most 128 characters.
    pub target: Option<String>,
    /// How much is done already.
    pub blast: BlastFacts,
}

/// What is known about an action that waits, for whoever votes on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFacts {
    /// Its id.
    pub id: String,
    /// Its kind, for example `repair.execute`.
    pub kind: String,
    /// `REQUIRE` while it waits; what it became otherwise.
    pub effect: &'static str,
    /// A machine proposed it.
    pub machine: bool,
    /// People who proposed it.
    pub proposers: Vec<UserId>,
    /// Owners of the key or agent that proposed it.
    pub owners: Vec<UserId>,
    /// People whose approval counts already.
    pub approvers: Vec<UserId>,
}

/// What is known about a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteFacts {
    /// Yes or no.
    pub approves: bool,
    /// On what.
    pub on: HeldFacts,
    /// Length of the reason in characters.
    pub reason_chars: u64,
    /// The digest they were shown is the action's.
    pub digest_matches: bool,
}

/// What is known about breaking the glass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideFacts {
    /// For what.
    pub on: HeldFacts,
    /// Length of the reason in characters.
    pub reason_chars: u64,
    /// A ticket is named.
    pub ticket: bool,
    /// Uses in this workspace within 30 days.
    pub last_30d: u64,
    /// Uses whose review is overdue.
    pub overdue_reviews: u64,
}

/// What is known about a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFacts {
    /// Its digest.
    pub digest: String,
    /// Its version.
    pub version: u64,
    /// It is not proved to allow nothing new.
    pub loosening: bool,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
}

/// What is known about evidence that is to be exported or erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFacts {
    /// What names it: a run, an export's scope, a customer's pseudonym.
    pub id: String,
    /// `run`, `range`, `all`.
    pub extent: &'static str,
    /// Entries, as far as they are counted.
    pub entries: u64,
    /// A legal hold covers any of it.
    pub legal_hold: bool,
}
