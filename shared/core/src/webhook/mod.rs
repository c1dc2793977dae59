//! Stripe webhooks: who sent this, and which customer should be looked at.
//!
//! The payload is a hint and nothing more: no state in it is ever used, so neither order nor
//! repetition nor the API version of an event matters.

mod event;
mod kinds;
mod missed;
mod partner;
mod signature;
mod tally;

pub use event::{Event, EventError, Hint, event_of, read_event};
pub use kinds::{Consequence, KINDS, Named, consequence};
pub use missed::{CUSTOMER_EVENTS, DayWalk, MissedCounts, MissedEvents, WhyAbsent, window_of};
pub use partner::{PartnerError, PartnerSource, partner_event};
pub use signature::{SignatureError, TOLERANCE, is_signing_secret, verify};
pub use tally::{Outcome, Tally, day_of};
