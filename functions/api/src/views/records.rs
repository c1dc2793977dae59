//! Erasures, holds, the retention setting.

use counterfoil_core::erasure::{ErasureScope, ErasureState};
use counterfoil_core::held_change::HeldChange;
use counterfoil_core::hold::{HoldState, LegalHold};
use counterfoil_core::ids::{HoldId, RunId, UserId};
use counterfoil_core::ports::HoldTarget;
use counterfoil_core::retention::Retention;
use counterfoil_core::usecases::{Erased, Lost};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::views::Entry;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// How far an erasure is.
    pub(crate) ErasureStateWord: "redacting", "cleaning", "done";
    /// Where a legal hold is in its life.
    pub(crate) HoldStateWord: "setting", "active", "releasing", "released";
    /// What a legal hold reaches.
    pub(crate) HoldScopeWord: "project", "workspace";
    /// What somebody is.
    pub(crate) PrincipalType: "user", "api_key", "scheduler", "system";
}

/// An erasure.
#[derive(Serialize, ToSchema)]
pub(crate) struct Erasure {
    of: ErasedOf,
    #[schema(value_type = ErasureStateWord)]
    state: ErasureState,
    reason: String,
    #[schema(value_type = schema::Time)]
    asked_at: String,
    /// The decision that allowed it.
    decision: Option<Entry>,
    erased: ErasedCounts,
    /// It had been asked for before.
    already: bool,
    /// Parts and objects that are left: send the same request again.
    left: u64,
}

/// What is erased: a run, or a customer.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasedOf {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RunId>)]
    run: Option<RunId>,
    /// The pseudonym under which evidence knew the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_pseudonym: Option<String>,
}

/// What is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasedCounts {
    parts: u64,
    /// Positions of the `redact` entries.
    entries: Vec<u64>,
    objects: u64,
}

impl Erasure {
    pub(crate) fn of(erased: &Erased) -> Self {
        let erasure = &erased.erasure;
        let (run, customer_pseudonym) = match &erasure.scope {
            ErasureScope::Run { run } => (Some(*run), None),
            ErasureScope::Customer { pseudonym, .. } => (None, Some(pseudonym.clone())),
        };
        Self {
            of: ErasedOf {
                run,
                customer_pseudonym,
            },
            state: erasure.state,
            reason: erasure.reason.clone(),
            asked_at: erasure.at.to_string(),
            decision: erasure.decision.as_ref().map(Entry::of),
            erased: ErasedCounts {
                parts: u64::try_from(erasure.entries.len()).unwrap_or(u64::MAX),
                entries: erasure.entries.clone(),
                objects: erasure.objects,
            },
            already: erased.already,
            left: erased.left,
        }
    }
}

/// An entry whose contents are gone without a decision.
#[derive(Serialize, ToSchema)]
pub(crate) struct LostPart {
    entry: Entry,
    /// A legal hold covered it.
    under_hold: bool,
}

impl LostPart {
    pub(crate) fn of(lost: &Lost) -> Self {
        Self {
            entry: Entry::of(&lost.entry),
            under_hold: lost.under_hold,
        }
    }
}

/// Legal holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Holds {
    pub(crate) items: Vec<Hold>,
    /// Always `null`: they come in one page.
    pub(crate) next_cursor: Option<String>,
}

/// A legal hold.
#[derive(Serialize, ToSchema)]
pub(crate) struct Hold {
    #[schema(value_type = schema::HoldId)]
    id: HoldId,
    #[schema(value_type = HoldScopeWord)]
    scope: &'static str,
    #[schema(value_type = HeldTarget)]
    target: HoldTarget,
    /// Their words. Addresses and ids of Stripe in them are masked for viewers.
    reason: String,
    set_by: Somebody,
    #[schema(value_type = schema::Time)]
    set_at: String,
    #[schema(value_type = HoldStateWord)]
    state: HoldState,
    /// A release that waits for a second owner.
    release: Option<ProposedRelease>,
}

/// Who did something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Somebody {
    #[serde(rename = "type")]
    #[schema(value_type = PrincipalType)]
    kind: &'static str,
    id: String,
}

/// A release that waits for a second owner.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProposedRelease {
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
    #[schema(value_type = schema::Time)]
    proposed_at: String,
}

/// What a legal hold keeps.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document's words for a type of the core")]
pub(crate) enum HeldTarget {
    /// Everything.
    All {
        /// Always `true`.
        #[schema(value_type = schema::True)]
        all: bool,
    },
    /// One run.
    Run {
        #[schema(value_type = schema::RunId)]
        run: String,
    },
    /// The entries from `from` up to, not including, `to`.
    Range { from: u64, to: u64 },
}

impl Hold {
    pub(crate) fn of(hold: &LegalHold, waits: Option<&HeldChange>, sight: Sight) -> Self {
        let release = waits.map(|waits| ProposedRelease {
            proposed_by: waits.by,
            proposed_at: waits.at.to_string(),
        });
        let scope = match hold.project {
            Some(_) => "project",
            None => "workspace",
        };
        Self {
            id: hold.id,
            scope,
            target: hold.target.clone(),
            reason: sight.words(&hold.reason),
            set_by: Somebody {
                kind: hold.by.kind(),
                id: hold.by.id(),
            },
            set_at: hold.set_at.to_string(),
            state: hold.state,
            release,
        }
    }
}

/// How long snapshots are kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetentionSetting {
    snapshot_days: u64,
    /// A shorter window that waits for a second person.
    proposed: Option<ProposedWindow>,
}

/// A shorter window that waits for a second person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProposedWindow {
    snapshot_days: u64,
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
}

impl RetentionSetting {
    pub(crate) fn of(setting: &Retention, waits: Option<&HeldChange>) -> Self {
        let proposed = waits.and_then(|waits| {
            Some(ProposedWindow {
                snapshot_days: waits.value.get("snapshot_days")?.as_u64()?,
                proposed_by: waits.by,
            })
        });
        Self {
            snapshot_days: setting.snapshot_days,
            proposed,
        }
    }
}
