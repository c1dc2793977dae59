//! Repairs as governed actions: propose, approve, reject, execute, verify. The only function that
//! can open the repair credential.

mod answer;
mod handler;
mod routes;

use std::sync::Arc;

use counterfoil_core::usecases::RepairPorts;
use counterfoil_lambda::{Boot, Error, config};
use counterfoil_postgres::PgDatabase;
use counterfoil_stripe::StripeAccounts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("repair-approve").await?;
    let ports = RepairPorts {
        evidence: boot.evidence()?,
        state: boot.state()?,
        vault: boot.vault()?,
        databases: Arc::new(PgDatabase::new()),
        billing: Arc::new(
            StripeAccounts::new(config::stripe_url(), config::stripe_rate())
                .sharing(boot.state()?, boot.clock()),
        ),
        clock: boot.clock(),
        random: boot.random(),
    };
    boot.run(move |event| handler::handle(ports.clone(), event))
        .await
}
