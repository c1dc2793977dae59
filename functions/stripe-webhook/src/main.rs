//! Takes deliveries of Stripe: `POST /webhooks/stripe/{project_id}`, and events of the event source
//! that the deployment names.

mod handler;

use counterfoil_core::usecases::{KnownProjects, ReceiveWebhook, Tallies};
use counterfoil_core::webhook::PartnerSource;
use counterfoil_lambda::config::{self, Var};
use counterfoil_lambda::{Boot, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("stripe-webhook").await?;
    let receive = ReceiveWebhook {
        state: boot.state()?,
        vault: boot.vault()?,
        checks: boot.checks()?,
        clock: boot.clock(),
        known: KnownProjects::default(),
        tallies: Tallies::new(boot.random().bits128()),
        partner: partner(),
        delay: config::check_delay(),
    };
    boot.run(move |event| handler::handle(receive.clone(), event))
        .await
}

/// The event source of the deployment. Half a setting is none: signed deliveries are taken all the
/// same, and events of the bus end in its dead letters.
fn partner() -> Option<PartnerSource> {
    let source = config::optional(Var::StripeEventSource)?;
    let account = config::optional(Var::StripeEventAccount);
    let project = config::optional(Var::StripeEventProject).and_then(|id| id.parse().ok());
    let (Some(account), Some(project)) = (account, project) else {
        tracing::error!("STRIPE_EVENT_SOURCE is set, and STRIPE_EVENT_PROJECT names no project");
        return None;
    };
    Some(PartnerSource {
        source,
        account,
        project,
    })
}
