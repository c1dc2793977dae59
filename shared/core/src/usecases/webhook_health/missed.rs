//! The events of a day that did not come: Stripe's list against what is remembered, and a check for
//! every customer that they are about. A gap is closed, not only counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{HealthError, RecordWebhookHealth};
use crate::ports::{Billing, CheckRequest, CreatedRange, PortError, PortErrorKind};
use crate::records::{Project, RecordError, Records};
use crate::sealed::Purpose;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::connections::ended_since;
use crate::usecases::receive_webhook::SeenEvent;
use crate::usecases::reconcile::Seen;
use crate::webhook::{
    CUSTOMER_EVENTS, DayWalk, Event, Hint, MissedCounts, MissedEvents, WhyAbsent, window_of,
};

/// For how long after its end a day waits for Stripe's list. Then it is recorded without.
const PATIENCE: Duration = Duration::from_hours(6);

/// Checks that one day of one project may ask for. Whoever is left over waits for the next scan.
const MOST_CHECKS: u64 = 200;

/// What may lie between Stripe's clock and ours.
const CLOCKS: Duration = Duration::from_secs(2);

/// A customer about whom events are missing: the latest of them.
struct Latest {
    created: Timestamp,
    event: String,
}

impl RecordWebhookHealth {
    /// Lists a day's events, looks each up, and asks for the checks that are due.
    ///
    /// # Errors
    /// When Stripe or the vault may answer later, or state or the queue does not: the day is not to
    /// be recorded yet. Checks that were asked for are asked for again.
    pub(super) async fn missed(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        day: u64,
    ) -> Result<MissedEvents, HealthError> {
        let now = self.clock.now();
        let range = match window_of(day, project.id.made_at(), now) {
            Ok(range) => range,
            Err(why) => return Ok(MissedEvents::Absent(why)),
        };
        let late = now.since(Timestamp::from_secs(range.to)) >= PATIENCE;
        let records = Records::of(self.state.as_ref(), ctx);
        if ended_since(&records, project).await?.is_some() {
            return Ok(MissedEvents::Absent(WhyAbsent::ConnectionEnded));
        }
        let Some(key) = project.stripe_key else {
            return Ok(MissedEvents::Absent(WhyAbsent::KeyUnavailable));
        };
        let key = self.vault.secret(&records, ctx, key, Purpose::Read).await;
        let key = match key {
            Ok(key) => key,
            Err(_) if late => return Ok(MissedEvents::Absent(WhyAbsent::KeyUnavailable)),
            Err(error) => return Err(error.into()),
        };
        let listed = async {
            let account = self.billing.account(&key, project.livemode).await?;
            list(account.as_ref(), range).await
        };
        let (events, complete) = match listed.await {
            Ok(listed) => listed,
            Err(error) => return why(error, late).map(MissedEvents::Absent),
        };
        self.compare(&records, project, events, complete, now)
            .await
            .map(MissedEvents::Counted)
    }

    async fn compare(
        &self,
        records: &Records<'_>,
        project: &Project,
        events: Vec<Event>,
        complete: bool,
        now: Timestamp,
    ) -> Result<MissedCounts, HealthError> {
        let mut counts = MissedCounts {
            complete,
            ..MissedCounts::default()
        };
        let mut customers: BTreeMap<String, Latest> = BTreeMap::new();
        for event in events {
            let Hint::Customer(customer) = event.hint else {
                continue;
            };
            counts.listed = counts.listed.saturating_add(1);
            if records.get::<SeenEvent>(&event.id).await?.is_some() {
                continue;
            }
            counts.missing = counts.missing.saturating_add(1);
            let of_kind = counts.kinds.entry(event.kind).or_default();
            *of_kind = of_kind.saturating_add(1);
            let created = event.created.unwrap_or(now);
            let known = customers.get(&customer);
            if known.is_none_or(|known| known.created < created) {
                let event = event.id;
                customers.insert(customer, Latest { created, event });
            }
        }
        for (customer, latest) in customers {
            if self.was_looked_at(records, &customer, &latest).await? {
                counts.looked = counts.looked.saturating_add(1);
            } else if counts.asked >= MOST_CHECKS {
                counts.left = counts.left.saturating_add(1);
            } else {
                self.ask(project, customer, latest.event, now).await?;
                counts.asked = counts.asked.saturating_add(1);
            }
        }
        Ok(counts)
    }

    /// Whether a complete check has looked at the customer after its latest missing event.
    async fn was_looked_at(
        &self,
        records: &Records<'_>,
        customer: &str,
        latest: &Latest,
    ) -> Result<bool, RecordError> {
        let seen = records.get::<Seen>(&Seen::id_of(customer)).await?;
        Ok(seen.is_some_and(|seen| seen.value.looked_at >= latest.created.plus(CLOCKS)))
    }

    async fn ask(
        &self,
        project: &Project,
        customer: String,
        event: String,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let request = CheckRequest::Customer {
            workspace: project.workspace,
            project: project.id,
            customer,
            reason: "missed-webhook".to_owned(),
            event: Some(event),
            asked_at: Some(now),
        };
        self.checks.send(&request, Duration::ZERO).await
    }
}

/// Stripe's events of a day, each once, as far as the walk goes; and whether these are all.
async fn list(account: &dyn Billing, day: CreatedRange) -> Result<(Vec<Event>, bool), PortError> {
    let mut walk = DayWalk::of(day);
    let mut events = Vec::new();
    let mut ids = BTreeSet::new();
    while let Some((range, cursor)) = walk.page() {
        let page = account.event_page(range, cursor).await?;
        if page.next.is_some() && page.next.as_ref() == cursor {
            let doing = "following the pages of Stripe's events";
            return Err(PortError::new(PortErrorKind::Corrupt, doing));
        }
        for event in page.data {
            if CUSTOMER_EVENTS.contains(&event.kind.as_str()) && ids.insert(event.id.clone()) {
                events.push(event);
            }
        }
        walk.took(page.next);
    }
    Ok((events, walk.is_complete()))
}

/// Why there is no list; an error while it may still come.
fn why(error: PortError, late: bool) -> Result<WhyAbsent, HealthError> {
    match error.kind {
        PortErrorKind::Refused => Ok(WhyAbsent::Refused),
        PortErrorKind::Corrupt => Ok(WhyAbsent::Unreadable),
        PortErrorKind::Unavailable | PortErrorKind::OutcomeUnknown if late => {
            Ok(WhyAbsent::Unavailable)
        }
        PortErrorKind::Unavailable | PortErrorKind::OutcomeUnknown => {
            Err(HealthError::Stripe(error))
        }
    }
}
