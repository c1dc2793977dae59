//! Wires `repair-approve`.

use std::sync::Arc;

use counterfoil_core::usecases::RepairPorts;
use counterfoil_lambda::config::{self, Var};
use counterfoil_lambda::{Boot, Error};
use counterfoil_postgres::{Network, NetworkError, PgDatabase};
use counterfoil_repair_approve::Service;
use counterfoil_stripe::StripeAccounts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("repair-approve").await?;
    let ports = RepairPorts {
        evidence: boot.evidence()?,
        state: boot.state()?,
        vault: boot.vault()?,
        databases: Arc::new(databases(&boot)?),
        billing: Arc::new(
            StripeAccounts::new(config::stripe_url(), config::stripe_rate())
                .sharing(boot.state()?, boot.clock()),
        ),
        clock: boot.clock(),
        random: boot.random(),
    };
    let service = Service {
        authentication: boot.authentication()?,
        repeats: boot.repeats()?,
        ports,
    };
    let front = counterfoil_repair_approve::router(service.clone());
    boot.run(move |event| counterfoil_repair_approve::handle(service.clone(), front.clone(), event))
        .await
}

/// Databases where the deployment says that they may be.
fn databases(boot: &Boot) -> Result<PgDatabase, NetworkError> {
    let [networks, ports, runtime] =
        [Var::DatabaseNetworks, Var::DatabasePorts, Var::RuntimeApi].map(config::optional);
    let network =
        Network::from_settings(networks.as_deref(), ports.as_deref(), runtime.as_deref())?;
    let databases = PgDatabase::new().within(network);
    Ok(match boot.database_tokens() {
        Some(tokens) => databases.with_tokens(tokens),
        None => databases,
    })
}
