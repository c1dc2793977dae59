//! Takes deliveries of Stripe: `POST /webhooks/stripe/{project_id}`.

mod handler;

use counterfoil_core::usecases::{KnownProjects, ReceiveWebhook, Tallies};
use counterfoil_lambda::{Boot, Error, config};

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
        // No parameter of the template names an event source yet.
        partner: None,
        delay: config::check_delay(),
    };
    boot.run(move |event| handler::handle(receive.clone(), event))
        .await
}
