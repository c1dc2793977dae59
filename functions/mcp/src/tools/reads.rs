//! Tools that look, and the one that asks for a fresh look.

use counterfoil_core::ids::RunId;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::usecases::{IncidentFilter, IncidentOrder, PageOf};
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::{Problem, refusals, views};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Call, Told, Tools, told};

/// Items of one page when nothing else is asked for: a conversation is no place for hundreds.
const USUAL: usize = 25;
/// Items of one page at most.
const MOST: usize = 100;

/// Which incidents.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// Those in this state.
    #[schema(value_type = Option<State>, nullable = false)]
    state: Option<IncidentState>,
    /// Those of this Stripe customer.
    #[schema(nullable = false, examples("cus_NffrFeUfNV2Hib"))]
    customer: Option<String>,
    /// Items at most; 25 where it is left out.
    #[schema(minimum = 1, maximum = 100, nullable = false)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[schema(min_length = 1, max_length = 1024, nullable = false)]
    cursor: Option<String>,
}

/// The states by which incidents are listed.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IncidentStateFilter)]
#[expect(dead_code, reason = "the schema's words for a type of the core")]
enum State {
    Open,
    Repairing,
    Ignored,
    Resolved,
}

/// An incident.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its argument is taken as an id")]
pub(super) struct OfIncident {
    #[schema(value_type = schema::IncidentId)]
    incident_id: String,
}

/// A customer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfCustomer {
    /// Their id in Stripe.
    #[schema(examples("cus_NffrFeUfNV2Hib"))]
    customer: String,
    /// Items at most; 25 where it is left out.
    #[schema(minimum = 1, maximum = 100, nullable = false)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[schema(min_length = 1, max_length = 1024, nullable = false)]
    cursor: Option<String>,
}

/// A run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its argument is taken as an id")]
pub(super) struct OfRun {
    #[schema(value_type = schema::RunId)]
    run_id: String,
}

/// Whom to look at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its key is taken before the rest is read")]
pub(super) struct Check {
    /// One customer, by their id in Stripe; everybody where it is left out.
    #[schema(pattern = "^cus_[A-Za-z0-9_]{1,200}$", nullable = false)]
    customer: Option<String>,
    /// A key of your own: the same key asks for the same run.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// What is left of it when the key is taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    customer: Option<String>,
}

/// No argument besides those that are taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A check that was asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckStarted {
    /// The run that it will be; until it opens there is nothing under its id.
    #[schema(value_type = schema::RunId)]
    run_id: RunId,
    /// It was asked for before with the same key.
    again: bool,
    /// When it is worth looking.
    retry_after_s: u32,
}

fn page(limit: Option<usize>, cursor: Option<&str>) -> Result<PageOf<'_>, Problem> {
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid("/limit", "must be 1 to 100"));
    }
    Ok(PageOf { cursor, limit })
}

/// Nothing but what was taken may be left.
pub(super) fn nothing_else(call: &Call<'_>) -> Result<(), Problem> {
    call.arguments.read::<Nothing>().map(|Nothing {}| ())
}

impl Tools {
    pub(super) async fn incidents_list(&self, call: Call<'_>) -> Told {
        let asked: Listed = call.arguments.read()?;
        let page = page(asked.limit, asked.cursor.as_deref())?;
        let filter = IncidentFilter {
            state: asked.state,
            kind: None,
            customer: asked.customer,
        };
        let order = IncidentOrder::default();
        let found = self.incidents.list(&call.ctx, &filter, order, page).await;
        let found = found.map_err(|error| refusals::incident(&error))?;
        let sight = Sight::of(&call.ctx);
        told(&views::Incidents::of(found, self.clock.now(), sight))
    }

    pub(super) async fn incident_get(&self, mut call: Call<'_>) -> Told {
        let id = call.arguments.text("incident_id")?;
        nothing_else(&call)?;
        let found = self.incidents.get(&call.ctx, &id).await;
        let found = found.map_err(|error| refusals::incident(&error))?;
        let sight = Sight::of(&call.ctx);
        told(&views::Incident::of(&found.value, self.clock.now(), sight))
    }

    pub(super) async fn customer_ledger(&self, call: Call<'_>) -> Told {
        let asked: OfCustomer = call.arguments.read()?;
        let page = page(asked.limit, asked.cursor.as_deref())?;
        let found = self.evidence.ledger(&call.ctx, &asked.customer, page).await;
        let found = found.map_err(|error| refusals::evidence(&error))?;
        told(&views::Ledger::of(found))
    }

    pub(super) async fn run_get(&self, mut call: Call<'_>) -> Told {
        let id = call.arguments.text("run_id")?;
        nothing_else(&call)?;
        let run = self.runs.get(&call.ctx, &id).await;
        let run = run.map_err(|error| refusals::run(&error))?;
        refusals::unless_erased(&run)?;
        told(&views::Run::of(&run))
    }

    pub(super) async fn check_start(&self, mut call: Call<'_>) -> Told {
        let admitted = self.checks.admit(&call.ctx);
        admitted.map_err(|error| refusals::check(&error))?;
        let key = call.arguments.idempotency_key()?;
        let asked: Whom = call.arguments.read()?;
        let project = call.ctx.project().to_string();
        let customer = asked.customer.as_deref();
        let asked = self.checks.ask(&call.ctx, &key, &project, customer).await;
        let asked = asked.map_err(|error| refusals::check(&error))?;
        told(&CheckStarted {
            run_id: asked.run,
            again: asked.again,
            retry_after_s: 10,
        })
    }
}
