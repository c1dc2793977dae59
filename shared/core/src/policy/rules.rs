//! The built-in rules. Their SHA-256 is the digest of this very file: what judged an action can be
//! read here, line by line, by whoever holds the digest that a decision cites.
//!
//! Facts are computed by the product, never supplied by a caller.

use serde::{Deserialize, Serialize};

/// The text of this file.
pub const TEXT: &str = include_str!("rules.rs");

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// A person with the role approver, admin or owner.
    Approver,
    /// A person with the role auditor.
    Auditor,
    /// A person with no other role than viewer.
    Viewer,
    /// An API key that may repair.
    RepairKey,
    /// An API key that may read.
    ReadKey,
    /// The schedule, on behalf of an open scan.
    Scheduler,
    /// The product itself.
    System,
}

/// What is known about a repair when it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that a rule names"
)]
pub struct RepairFacts {
    /// Who proposed it, at proposal and at execution alike.
    pub who: Who,
    /// `live` or `test`.
    pub environment: String,
    /// A repair credential is stored.
    pub repairs_enabled: bool,
    /// Rows the plan would touch.
    pub rows: u64,
    /// Every column is repairable in the active mapping.
    pub allowlisted: bool,
    /// A mapped value exists for what was promised, and the finding may be repaired at all.
    pub target_known: bool,
    /// Prices and states behind the promise have rules.
    pub promise_known: bool,
    /// How the customer was matched: `metadata`, `stored_id`, `email`, `ambiguous`; `none` where the
    /// row stands alone, without a customer.
    pub identity: String,
    /// A second look at both sides still differed.
    pub confirmed: bool,
    /// Stripe's mode is the project's.
    pub livemode_matches: bool,
    /// The change takes access away.
    pub revokes: bool,
    /// Another subscription of the customer grants now.
    pub other_live_subscription: bool,
    /// A marker says that access was given by hand.
    pub comped: bool,
    /// A `mass_drift` incident is not acknowledged.
    pub breaker_open: bool,
    /// The money at risk is above the mapping's limit, or in another currency.
    pub amount_exceeded: bool,
    /// Repairs already proposed by this run have reached the mapping's limit.
    pub run_limit_reached: bool,
    /// Distinct people who approved this exact digest.
    pub approvals: u8,
    /// One of them proposed it.
    pub self_approved: bool,
}

/// What is known about a vote when it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that a rule names"
)]
pub struct ApprovalFacts {
    /// Who votes.
    pub who: Who,
    /// The action waits for approvals.
    pub held: bool,
    /// The voter proposed the action.
    pub is_proposer: bool,
    /// The voter has approved it before.
    pub voted_before: bool,
    /// The digest they were shown is the action's.
    pub digest_matches: bool,
    /// Length of the reason in characters.
    pub reason_chars: u64,
    /// Seconds since the person proved who they are.
    pub login_age_s: u64,
}

/// What is known about an export when it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFacts {
    /// Who asks; a key counts as its owner does now.
    pub who: Who,
    /// The person, or the owner of the key, has a role that may export.
    pub role_may_export: bool,
    /// It is about the workspace's own stream, not about the project of the credential.
    pub beyond_project: bool,
}

/// What is known about an erasure when it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseFacts {
    /// Who asks.
    pub who: Who,
    /// The person has a role that may erase.
    pub role_may_erase: bool,
    /// An active legal hold covers something of it.
    pub legal_hold: bool,
    /// Nothing is erased: what is gone already is declared lost.
    pub lost: bool,
}

/// What is known about a legal hold when it is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldFacts {
    /// Who asks.
    pub who: Who,
    /// The person has a role that may place a legal hold.
    pub role_may_hold: bool,
    /// The person came with an approver key.
    pub by_key: bool,
}

/// What is known about an act of a person that a second one must confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedFacts {
    /// Who asks.
    pub who: Who,
    /// The person has a role that may do this.
    pub role_may: bool,
    /// The person came with an approver key.
    pub by_key: bool,
    /// Seconds since the person proved who they are.
    pub login_age_s: u64,
    /// It makes something weaker: a legal hold ends, less is kept, repairs may do more.
    pub loosening: bool,
    /// Distinct people who approved it, without the one who proposed it.
    pub approvals: u8,
}

/// What is known about an act on an incident when it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentFacts {
    /// Who asks.
    pub who: Who,
    /// The state and kind of the incident admit the act.
    pub fits: bool,
    /// Seconds until it would be open again; 0 for an act without an end.
    pub lasts_s: u64,
    /// Length of the reason in characters.
    pub reason_chars: u64,
    /// Seconds since the person proved who they are.
    pub login_age_s: u64,
}

/// What is known about an administrative act when it is judged: people, keys, secrets, deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that a rule names"
)]
pub struct AdminFacts {
    /// Who asks.
    pub who: Who,
    /// The person has a role that may do this.
    pub role_may: bool,
    /// The person came with an approver key.
    pub by_key: bool,
    /// Seconds since the person proved who they are.
    pub login_age_s: u64,
    /// It is about the person themselves.
    pub own: bool,
    /// The workspace would have no owner left.
    pub last_owner: bool,
    /// An active legal hold covers something of it.
    pub legal_hold: bool,
    /// Distinct people who approved it, without the one who proposed it.
    pub approvals: u8,
}

/// What is known about an API key that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// As about every administrative act; `own` says that the key speaks as whoever asks.
    #[serde(flatten)]
    pub admin: AdminFacts,
    /// It speaks as a person.
    pub approver: bool,
    /// The person signed in with a second factor.
    pub second_factor: bool,
}

/// One thing to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "facts")]
pub enum Question {
    /// May this repair be executed?
    #[serde(rename = "repair.execute")]
    Repair(RepairFacts),
    /// May this person approve?
    #[serde(rename = "approval.give")]
    Approve(ApprovalFacts),
    /// May this person reject?
    #[serde(rename = "approval.reject")]
    Reject(ApprovalFacts),
    /// May this evidence be exported?
    #[serde(rename = "evidence.export")]
    Export(ExportFacts),
    /// May these contents be erased?
    #[serde(rename = "evidence.erase")]
    Erase(EraseFacts),
    /// May this legal hold be set?
    #[serde(rename = "legal_hold.set")]
    SetHold(HoldFacts),
    /// May this legal hold be released?
    #[serde(rename = "legal_hold.release")]
    ReleaseHold(ConfirmedFacts),
    /// May this setting be changed?
    #[serde(rename = "settings.change")]
    ChangeSetting(ConfirmedFacts),
    /// May this incident be ignored for a time?
    #[serde(rename = "incident.ignore")]
    Ignore(IncidentFacts),
    /// May this incident be opened again before that time is over?
    #[serde(rename = "incident.reopen")]
    Reopen(IncidentFacts),
    /// May repairs be armed again after a mass drift?
    #[serde(rename = "breaker.reset")]
    ResetBreaker(IncidentFacts),
    /// May somebody be invited, get another role or leave?
    #[serde(rename = "member.change")]
    ChangeMember(AdminFacts),
    /// May somebody leave by themselves?
    #[serde(rename = "member.leave")]
    Leave(AdminFacts),
    /// May an API key be made or replaced?
    #[serde(rename = "key.create")]
    CreateKey(KeyFacts),
    /// May an API key be revoked?
    #[serde(rename = "key.revoke")]
    RevokeKey(AdminFacts),
    /// May a credential be stored, replaced or given up?
    #[serde(rename = "secret.put")]
    PutSecret(AdminFacts),
    /// May projects be created, and their settings and mappings be changed?
    #[serde(rename = "project.configure")]
    Configure(AdminFacts),
    /// May a project or a workspace be deleted?
    #[serde(rename = "scope.delete")]
    Delete(AdminFacts),
}

impl Question {
    /// The action's name in evidence.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Repair(_) => "repair.execute",
            Self::Approve(_) => "approval.give",
            Self::Reject(_) => "approval.reject",
            Self::Export(_) => "evidence.export",
            Self::Erase(_) => "evidence.erase",
            Self::SetHold(_) => "legal_hold.set",
            Self::ReleaseHold(_) => "legal_hold.release",
            Self::ChangeSetting(_) => "settings.change",
            Self::Ignore(_) => "incident.ignore",
            Self::Reopen(_) => "incident.reopen",
            Self::ResetBreaker(_) => "breaker.reset",
            Self::ChangeMember(_) => "member.change",
            Self::Leave(_) => "member.leave",
            Self::CreateKey(_) => "key.create",
            Self::RevokeKey(_) => "key.revoke",
            Self::PutSecret(_) => "secret.put",
            Self::Configure(_) => "project.configure",
            Self::Delete(_) => "scope.delete",
        }
    }
}

/// What a rule says when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Part of the ceiling: without one, nothing is allowed.
    Permit,
    /// One approval by another person.
    Require,
    /// No.
    Deny,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// What it says.
    pub verdict: Verdict,
    /// One sentence for people.
    pub why: &'static str,
    /// Whether it applies.
    pub applies: fn(&Question) -> bool,
}

macro_rules! rule {
    ($id:literal, $verdict:ident, $why:literal, $question:pat => $when:expr) => {
        Rule {
            id: $id,
            verdict: Verdict::$verdict,
            why: $why,
            applies: |question| match question {
                $question => $when,
                _ => false,
            },
        }
    };
}

use Question::{
    Approve, ChangeMember, ChangeSetting, Configure, CreateKey, Delete, Erase, Export, Ignore,
    Leave, PutSecret, Reject, ReleaseHold, Reopen, Repair, ResetBreaker, RevokeKey, SetHold,
};

/// Every rule, in the order in which they are asked.
pub const RULES: &[Rule] = &[
    rule!("base.permit.human-operate", Permit, "Approvers may propose repairs, and carry them out once a second person has approved.",
        Repair(f) => f.who == Who::Approver),
    rule!("base.permit.key-operate", Permit, "Repair keys may propose repairs, and carry them out once a person has approved.",
        Repair(f) => f.who == Who::RepairKey),
    rule!("base.permit.scheduler-operate", Permit, "What the schedule proposes may be carried out once a person has approved it.",
        Repair(f) => f.who == Who::Scheduler),
    rule!("base.permit.approve", Permit, "Approvers may approve and reject.",
        Approve(f) | Reject(f) => f.who == Who::Approver),
    rule!("base.permit.export", Permit, "Auditors, admins and owners may export evidence.",
        Export(f) => f.role_may_export),
    rule!("base.permit.admin-erase", Permit, "Admins and owners may erase contents.",
        Erase(f) => f.role_may_erase),
    rule!("base.permit.hold", Permit, "Auditors, admins and owners may place a legal hold.",
        SetHold(f) => f.role_may_hold),
    rule!("base.permit.owner-release", Permit, "Owners may release a legal hold.",
        ReleaseHold(f) => f.role_may),
    rule!("base.permit.admin-settings", Permit, "Admins and owners may change settings.",
        ChangeSetting(f) => f.role_may),
    rule!("base.permit.human-incident", Permit, "Approvers may ignore incidents, open them again, and acknowledge a mass drift.",
        Ignore(f) | Reopen(f) | ResetBreaker(f) => f.who == Who::Approver),
    rule!("base.permit.admin", Permit, "Admins and owners may store credentials, revoke keys, and configure projects.",
        PutSecret(f) | RevokeKey(f) | Configure(f) => f.role_may),
    rule!("base.permit.owner", Permit, "Owners may change who is a member, make API keys, and delete.",
        ChangeMember(f) | CreateKey(KeyFacts { admin: f, .. }) | Delete(f) => f.role_may),
    rule!("base.permit.leave", Permit, "Whoever is a member may leave.",
        Leave(f) => f.role_may),
    rule!("base.forbid.machine-admin", Deny, "Keys and schedules do not administer: a person signs in for this.",
        ChangeMember(f) | Leave(f) | CreateKey(KeyFacts { admin: f, .. }) | RevokeKey(f) | PutSecret(f) | Configure(f) | Delete(f) => f.by_key || matches!(f.who, Who::RepairKey | Who::ReadKey | Who::Scheduler)),
    rule!("base.forbid.approver-key", Deny, "An approver key does not do this: a person signs in for it.",
        ChangeSetting(ConfirmedFacts { by_key, .. }) | ReleaseHold(ConfirmedFacts { by_key, .. }) | SetHold(HoldFacts { by_key, .. }) => *by_key),
    rule!("base.forbid.stale-login-admin", Deny, "The sign-in is older than 5 minutes: sign in again.",
        ChangeMember(AdminFacts { login_age_s, .. }) | Leave(AdminFacts { login_age_s, .. })
        | CreateKey(KeyFacts { admin: AdminFacts { login_age_s, .. }, .. }) | Delete(AdminFacts { login_age_s, .. })
        | ReleaseHold(ConfirmedFacts { login_age_s, .. }) | ResetBreaker(IncidentFacts { login_age_s, .. }) => *login_age_s > 300),
    rule!("base.forbid.stale-login-live", Deny, "The sign-in is older than 15 minutes: sign in again.",
        Approve(f) => f.login_age_s > 900),
    rule!("base.forbid.own-role", Deny, "Nobody changes their own role.",
        ChangeMember(f) => f.own),
    rule!("base.forbid.last-owner", Deny, "A workspace keeps at least one owner.",
        ChangeMember(f) | Leave(f) => f.last_owner),
    rule!("base.forbid.key-of-another", Deny, "Nobody makes a key that speaks as somebody else.",
        CreateKey(f) => f.approver && !f.admin.own),
    rule!("base.forbid.no-second-factor", Deny, "A key that approves is made with a second factor: sign in with one.",
        CreateKey(f) => f.approver && !f.second_factor),
    // Whoever may not do it anyhow is not told that there is a hold.
    rule!("base.forbid.legal-hold", Deny, "A legal hold keeps this.",
        Delete(f) => f.legal_hold && f.role_may),
    rule!("base.forbid.incident-state", Deny, "The incident is not in a state for this.",
        Ignore(f) | Reopen(f) | ResetBreaker(f) => !f.fits),
    rule!("base.forbid.ignore-long", Deny, "An incident is ignored for at most 180 days.",
        Ignore(f) => f.lasts_s == 0 || f.lasts_s > 15_552_000),
    rule!("base.forbid.incident-reason", Deny, "The reason must have at least 10 characters.",
        Ignore(f) | Reopen(f) | ResetBreaker(f) => f.reason_chars < 10),
    rule!("base.forbid.legal-hold-evidence", Deny, "A legal hold keeps this evidence.",
        Erase(f) => f.legal_hold && f.role_may_erase && !f.lost),
    rule!("base.forbid.multi-row", Deny, "A repair touches exactly one row.",
        Repair(f) => f.rows != 1),
    rule!("base.forbid.unlisted-column", Deny, "The mapping does not allow writing this column.",
        Repair(f) => !f.allowlisted),
    rule!("base.forbid.repairs-off", Deny, "No repair credential is stored: this project is read-only.",
        Repair(f) => !f.repairs_enabled),
    rule!("base.forbid.no-target", Deny, "There is no mapped value to write.",
        Repair(f) => !f.target_known),
    rule!("base.forbid.unknown", Deny, "A price or state behind this promise has no rule: map it first.",
        Repair(f) => !f.promise_known),
    rule!("base.forbid.identity", Deny, "The customer was matched by e-mail only or ambiguously.",
        Repair(f) => f.identity == "email" || f.identity == "ambiguous"),
    rule!("base.forbid.unconfirmed", Deny, "A second look has not confirmed the difference.",
        Repair(f) => !f.confirmed),
    rule!("base.forbid.wrong-mode", Deny, "A test object stands behind a live row, or the reverse.",
        Repair(f) => !f.livemode_matches),
    rule!("base.forbid.revoke-other-live", Deny, "Another subscription of this customer grants access now.",
        Repair(f) => f.revokes && f.other_live_subscription),
    rule!("base.forbid.revoke-comp", Deny, "A marker says that this access was given by hand.",
        Repair(f) => f.revokes && f.comped),
    rule!("base.forbid.breaker", Deny, "Too many customers differ at once: a person must acknowledge that first.",
        Repair(f) => f.breaker_open && f.who != Who::Approver),
    rule!("base.forbid.blast-run", Deny, "This run has reached its limit of repairs.",
        Repair(f) => f.run_limit_reached),
    rule!("base.forbid.blast-amount", Deny, "More money is at risk than machines may move.",
        Repair(f) => f.amount_exceeded && f.who != Who::Approver),
    rule!("base.forbid.self-approved", Deny, "An approval by a proposer does not count.",
        Repair(f) => f.self_approved),
    rule!("base.forbid.machine-approves", Deny, "Only people approve, never plain keys or schedules.",
        Approve(f) | Reject(f) => matches!(f.who, Who::RepairKey | Who::ReadKey | Who::Scheduler | Who::System)),
    rule!("base.forbid.not-held", Deny, "Only an action that waits for approval can be voted on.",
        Approve(f) | Reject(f) => !f.held),
    rule!("base.forbid.proposer-approves", Deny, "Whoever proposed an action cannot approve it.",
        Approve(f) => f.is_proposer),
    rule!("base.forbid.approves-twice", Deny, "Approvals count distinct people.",
        Approve(f) => f.voted_before),
    rule!("base.forbid.approval-form", Deny, "The digest shown must be the action's, and the reason at least 10 characters.",
        Approve(f) | Reject(f) => !f.digest_matches || f.reason_chars < 10),
    rule!("base.forbid.key-beyond-project", Deny, "A key of one project does not reach the records of the workspace.",
        Export(f) => f.beyond_project && matches!(f.who, Who::RepairKey | Who::ReadKey)),
    rule!("base.require.machine-live", Require, "What a machine proposes needs a person's approval.",
        Repair(f) => matches!(f.who, Who::RepairKey | Who::Scheduler) && f.approvals == 0),
    rule!("base.require.legal-release", Require, "A legal hold is released by two people.",
        ReleaseHold(f) => f.approvals == 0),
    rule!("base.require.settings-loosen", Require, "Keeping less, or letting repairs do more, needs a second person.",
        ChangeSetting(f) => f.loosening && f.approvals == 0),
    rule!("base.require.delete", Require, "A deletion needs a second person.",
        Delete(f) => f.approvals == 0),
    rule!("base.require.four-eyes", Require, "A repair needs the approval of a second person.",
        Repair(f) => f.who == Who::Approver && f.approvals == 0),
];
