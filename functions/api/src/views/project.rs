//! A project's schedule and the health of its deliveries.

use std::collections::BTreeMap;

use counterfoil_core::connection::Standing;
use counterfoil_core::ids::RunId;
use counterfoil_core::usecases::{ScheduleView, WebhookHealth, WebhookView};
use counterfoil_core::webhook::{self, MissedEvents, Tally, WhyAbsent};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// What something amounts to.
    pub(crate) StandingWord: "ok", "warning", "alarm";
    /// Whether Stripe takes the project's key.
    pub(crate) ConnectionWord: "open", "ended";
    /// Why nothing is known.
    pub(crate) WhyAbsentWord: "before_project", "too_old", "connection_ended", "unavailable", "refused", "unreadable",
        "key_unavailable";
}

/// A check that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    /// The run that it will be. It opens in a moment; until then its address answers 404.
    #[schema(value_type = schema::RunId)]
    pub(crate) run: RunId,
    pub(crate) poll: String,
    /// Where the customer's state will be, where the check is of one.
    pub(crate) state: Option<String>,
}

/// How often a project is scanned.
#[derive(Serialize, ToSchema)]
pub(crate) struct Schedule {
    full_every_hours: u64,
    /// `null` for none.
    incremental_every_hours: Option<u64>,
    /// Transactions of the Stripe account in 30 days, as its owner says.
    transactions: u64,
    allowed_reads_per_30_days: u64,
    /// What it comes to; `null` before the first complete scan.
    measured: Option<MeasuredSchedule>,
}

/// What a schedule comes to.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeasuredSchedule {
    reads_per_30_days: u64,
    full_scan_seconds: u64,
    warning: Option<String>,
}

impl Schedule {
    pub(crate) fn of(found: &ScheduleView) -> Self {
        let setting = &found.setting.value;
        let measured = found.measured.as_ref().map(|it| MeasuredSchedule {
            reads_per_30_days: it.reads,
            full_scan_seconds: it.full_scan.as_secs(),
            warning: it.too_dear.map(|error| error.to_string()),
        });
        Self {
            full_every_hours: setting.full_every_hours,
            incremental_every_hours: setting.incremental_every_hours,
            transactions: setting.transactions,
            allowed_reads_per_30_days: found.allowed,
            measured,
        }
    }
}

/// How deliveries of Stripe do. It names no object of Stripe and no secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookHealth)]
pub(crate) struct Webhooks {
    #[schema(value_type = StandingWord)]
    result: Standing,
    #[schema(value_type = Option<schema::Time>)]
    last_delivery_at: Option<String>,
    seconds_since_last_delivery: Option<u64>,
    connection: Connection,
    /// What came today so far.
    today: Today,
    /// The last day that is in evidence.
    last_recorded_day: Option<RecordedDay>,
}

/// Whether Stripe takes the project's key.
#[derive(Serialize, ToSchema)]
#[schema(as = StripeConnection)]
pub(crate) struct Connection {
    #[schema(value_type = ConnectionWord)]
    state: &'static str,
    #[schema(value_type = Option<schema::Time>)]
    ended_at: Option<String>,
}

/// Deliveries of a day.
#[derive(Serialize, ToSchema)]
pub(crate) struct Today {
    #[schema(format = Date)]
    day: String,
    taken: u64,
    refused: u64,
    /// The longest time between an event and its delivery.
    max_lag_ms: u64,
    /// Those that were taken, by outcome.
    counts: BTreeMap<&'static str, u64>,
    /// Those that were refused, by outcome.
    refused_counts: BTreeMap<&'static str, u64>,
    #[schema(value_type = Option<schema::Time>)]
    stripe_said_ended_at: Option<String>,
}

/// A day that is over.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordedDay {
    #[schema(value_type = StandingWord)]
    result: Standing,
    #[serde(flatten)]
    deliveries: Today,
    missed: Option<Missed>,
}

/// Events of a day that did not come.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Missed {
    /// Stripe's list was compared with what came.
    Counted(MissedCounts),
    /// Nothing is known.
    Absent {
        #[schema(value_type = WhyAbsentWord)]
        absent: WhyAbsent,
    },
}

/// Stripe's list of events against what came.
#[derive(Serialize, ToSchema)]
pub(crate) struct MissedCounts {
    /// Listed events about customers.
    listed: u64,
    /// Those of them that did not come.
    missing: u64,
    /// The same by type.
    kinds: BTreeMap<String, u64>,
    /// The whole day was listed; if not, `missing` is a lower bound.
    complete: bool,
    /// Customers for whom a check was asked.
    asked: u64,
    /// Customers whom a check has looked at since.
    looked: u64,
}

impl MissedCounts {
    fn of(counts: &webhook::MissedCounts) -> Self {
        Self {
            listed: counts.listed,
            missing: counts.missing,
            kinds: counts.kinds.clone(),
            complete: counts.complete,
            asked: counts.asked,
            looked: counts.looked,
        }
    }
}

impl Webhooks {
    pub(crate) fn of(found: &WebhookView) -> Self {
        let seconds = found.last_at.map(|last| found.now.since(last).as_secs());
        Self {
            result: found.standing(),
            last_delivery_at: found.last_at.map(|at| at.to_string()),
            seconds_since_last_delivery: seconds,
            connection: Connection {
                state: match found.ended_at {
                    Some(_) => "ended",
                    None => "open",
                },
                ended_at: found.ended_at.map(|at| at.to_string()),
            },
            today: Today::of(&found.today),
            last_recorded_day: found.recorded.as_ref().map(RecordedDay::of),
        }
    }
}

impl RecordedDay {
    fn of(health: &WebhookHealth) -> Self {
        let missed = health.missed.as_ref().map(|missed| match missed {
            MissedEvents::Counted(counts) => Missed::Counted(MissedCounts::of(counts)),
            MissedEvents::Absent(why) => Missed::Absent { absent: *why },
        });
        Self {
            result: health.standing(),
            deliveries: Today::of(health),
            missed,
        }
    }
}

impl Today {
    fn of(health: &WebhookHealth) -> Self {
        let tally = &health.tally;
        Self {
            day: health.date(),
            taken: tally.total(false),
            refused: tally.total(true),
            max_lag_ms: tally.max_lag_ms,
            counts: counts(tally, false),
            refused_counts: counts(tally, true),
            stripe_said_ended_at: tally.deauthorized_at.map(|at| at.to_string()),
        }
    }
}

fn counts(tally: &Tally, refused: bool) -> BTreeMap<&'static str, u64> {
    let kept = tally.counts.iter();
    let kept = kept.filter(|(outcome, _)| outcome.refused() == refused);
    kept.map(|(outcome, count)| (outcome.name(), *count))
        .collect()
}
