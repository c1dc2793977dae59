//! Takes deliveries of Stripe: `POST /webhooks/stripe/{project_id}`.

mod handler;

use counterfoil_core::usecases::ReceiveWebhook;
use counterfoil_lambda::{Boot, Error, config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("stripe-webhook").await?;
    let receive = ReceiveWebhook {
        state: boot.state()?,
        vault: boot.vault()?,
        checks: boot.checks()?,
        clock: boot.clock(),
        delay: config::check_delay(),
    };
    boot.run(move |event| handler::handle(receive.clone(), event))
        .await
}
