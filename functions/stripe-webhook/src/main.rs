//! Takes deliveries of Stripe: `POST /webhooks/stripe/{project_id}`.

mod handler;

use counterfoil_core::usecases::{KnownProjects, ReceiveWebhook};
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
        delay: config::check_delay(),
    };
    boot.run(move |event| handler::handle(receive.clone(), event))
        .await
}
