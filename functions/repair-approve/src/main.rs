//! Wires `repair-approve`.

use std::sync::Arc;

use counterfoil_core::usecases::RepairPorts;
use counterfoil_lambda::{Boot, Error, config};
use counterfoil_postgres::PgDatabase;
use counterfoil_repair_approve::Service;
use counterfoil_stripe::StripeAccounts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("repair-approve").await?;
    let ports = RepairPorts {
        evidence: boot.recording()?,
        state: boot.state()?,
        vault: boot.vault()?,
        databases: Arc::new(PgDatabase::of_deployment(
            config::database_places(),
            boot.database_tokens(),
        )?),
        billing: Arc::new(
            StripeAccounts::new(config::stripe_url(), config::stripe_rate())
                .sharing(boot.state()?, boot.clock()),
        ),
        clock: boot.clock(),
        random: boot.random(),
    };
    let service = Service {
        authentication: boot.authentication()?,
        agents: boot.agents()?,
        repeats: boot.repeats()?,
        ports,
    };
    let front = counterfoil_repair_approve::router(service.clone());
    boot.run(move |event| counterfoil_repair_approve::handle(service.clone(), front.clone(), event))
        .await
}
