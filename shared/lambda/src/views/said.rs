//! What people say to an action: with their votes, with a use of break-glass, and with its review.

use counterfoil_core::ids::UserId;
use counterfoil_core::records::OverrideUse;
use counterfoil_core::repair::{Overridden, Vote, VoteKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::schema;
use crate::sight::Sight;

open_words! {
    /// A yes or a no.
    pub(crate) VoteWord: "approve", "reject";
}

/// What somebody said to it.
#[derive(Serialize, ToSchema)]
#[schema(as = ActionVote)]
pub(crate) struct Voted {
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = VoteWord)]
    vote: VoteKind,
    #[schema(value_type = schema::Time)]
    at: String,
    /// Their words; `null` once they were erased. Masked as `reason` is.
    reason: Option<String>,
}

impl Voted {
    pub(crate) fn of(vote: &Vote, sight: Sight) -> Self {
        Self {
            by: vote.approver,
            vote: vote.kind,
            at: vote.at.to_string(),
            reason: vote.reason.as_deref().map(|reason| sight.words(reason)),
        }
    }
}

/// That an owner took the place of missing approvals.
#[derive(Serialize, ToSchema)]
#[schema(as = Override)]
pub(crate) struct Broken {
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = schema::Time)]
    at: String,
    /// Where it is written down.
    #[schema(examples("OPS-1042"))]
    ticket: String,
    /// Their words; `null` once they were erased. Masked as the `reason` of the action is.
    reason: Option<String>,
    /// What the reviewer said: shown with the review.
    #[serde(skip)]
    #[schema(ignore)]
    said: Option<String>,
    /// Whether another person has looked at it. Told where an action is read, listed or reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    review: Option<Review>,
}

impl Broken {
    pub(crate) fn of(broken: &Overridden, sight: Sight) -> Self {
        Self {
            by: broken.by,
            at: broken.at.to_string(),
            ticket: broken.ticket.clone(),
            reason: broken.reason.as_deref().map(|words| sight.words(words)),
            said: broken.review.as_deref().map(|words| sight.words(words)),
            review: None,
        }
    }

    /// The same with what is known of its review.
    pub(crate) fn reviewed(&mut self, used: &OverrideUse) {
        self.review = Some(Review::of(used, self.said.take()));
    }
}

/// Whether another person has looked at a use of break-glass.
#[derive(Serialize, ToSchema)]
#[schema(as = OverrideReview)]
pub(crate) struct Review {
    /// Until when somebody does. After that nobody breaks the glass before it is done.
    #[schema(value_type = schema::Time)]
    until: String,
    /// Who did; `null` while nobody has.
    #[schema(value_type = Option<schema::UserId>)]
    by: Option<UserId>,
    #[schema(value_type = Option<schema::Time>)]
    at: Option<String>,
    /// Their words; `null` while nobody has, and once they were erased. Masked as the `reason` of the action
    /// is.
    reason: Option<String>,
}

impl Review {
    fn of(used: &OverrideUse, reason: Option<String>) -> Self {
        Self {
            until: used.reviewed_until().to_string(),
            by: used.reviewed.map(|(person, _)| person),
            at: used.reviewed.map(|(_, at)| at.to_string()),
            reason,
        }
    }
}
