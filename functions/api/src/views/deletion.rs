//! What becomes of a project or a workspace.

use counterfoil_core::deletion;
use counterfoil_core::ids::UserId;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// `none`: it stays. `proposed`: a second person may confirm it. `confirmed`: it goes when it is
    /// due. `put_off`: a legal hold keeps it; it goes when that is released. `carrying`: it is being
    /// deleted, and nothing stops that any more.
    pub(crate) DeletionWord: "none", "proposed", "confirmed", "put_off", "carrying";
}

/// A deletion that waits. Until it is carried out everything works on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deletion {
    #[schema(value_type = DeletionWord)]
    state: &'static str,
    #[schema(value_type = Option<schema::UserId>)]
    proposed_by: Option<UserId>,
    #[schema(value_type = Option<schema::Time>)]
    proposed_at: Option<String>,
    /// In the words of whoever proposed it. Addresses and ids of Stripe in them are masked for viewers.
    reason: Option<String>,
    /// Until when it can be confirmed.
    #[schema(value_type = Option<schema::Time>)]
    lapses_at: Option<String>,
    #[schema(value_type = Option<schema::UserId>)]
    confirmed_by: Option<UserId>,
    #[schema(value_type = Option<schema::Time>)]
    confirmed_at: Option<String>,
    /// When it is carried out, by the hour.
    #[schema(value_type = Option<schema::Time>)]
    due_at: Option<String>,
}

/// What becomes of a project: by itself, and with its workspace.
#[derive(Default)]
pub(crate) struct Endings {
    pub(crate) own: Option<Deletion>,
    pub(crate) of_workspace: Option<Deletion>,
}

impl Deletion {
    pub(crate) const fn none() -> Self {
        Self {
            state: "none",
            proposed_by: None,
            proposed_at: None,
            reason: None,
            lapses_at: None,
            confirmed_by: None,
            confirmed_at: None,
            due_at: None,
        }
    }

    pub(crate) fn of(waiting: &deletion::Deletion, sight: Sight) -> Self {
        let confirmed = waiting.confirmed.as_ref();
        let state = match (confirmed, waiting.put_off_at) {
            _ if waiting.carrying_since.is_some() => "carrying",
            (None, _) => "proposed",
            (Some(_), None) => "confirmed",
            (Some(_), Some(_)) => "put_off",
        };
        Self {
            state,
            proposed_by: Some(waiting.by),
            proposed_at: Some(waiting.at.to_string()),
            reason: Some(sight.words(&waiting.reason)),
            lapses_at: confirmed.is_none().then(|| waiting.lapses_at().to_string()),
            confirmed_by: confirmed.map(|confirmed| confirmed.by),
            confirmed_at: confirmed.map(|confirmed| confirmed.at.to_string()),
            due_at: confirmed.map(|confirmed| confirmed.due_at.to_string()),
        }
    }
}
