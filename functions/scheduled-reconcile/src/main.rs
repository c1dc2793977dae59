//! Wires `scheduled-reconcile`.

use std::sync::Arc;

use counterfoil_core::usecases::{Connections, Reconcile, RecordWebhookHealth, ScanLimits, Scans};
use counterfoil_lambda::{Boot, Error, config};
use counterfoil_postgres::PgDatabase;
use counterfoil_stripe::StripeAccounts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("scheduled-reconcile").await?;
    let databases = Arc::new(PgDatabase::of_deployment(
        config::database_places(),
        boot.database_tokens(),
    )?);
    let stripe = Arc::new(
        StripeAccounts::new(config::stripe_url(), config::stripe_rate())
            .sharing(boot.state()?, boot.clock()),
    );
    let connections = Connections {
        evidence: boot.recording()?,
        state: boot.state()?,
        vault: boot.vault()?,
        keys: stripe.clone(),
        roles: databases.clone(),
        clock: boot.clock(),
    };
    let reconcile = Reconcile {
        evidence: boot.recording()?,
        state: boot.state()?,
        vault: boot.vault()?,
        objects: boot.objects()?,
        checks: boot.checks()?,
        proposals: boot.proposals()?,
        databases,
        billing: stripe,
        clock: boot.clock(),
        random: boot.random(),
    };
    let health = RecordWebhookHealth {
        evidence: reconcile.evidence.clone(),
        state: reconcile.state.clone(),
        vault: reconcile.vault.clone(),
        billing: reconcile.billing.clone(),
        checks: reconcile.checks.clone(),
        clock: reconcile.clock.clone(),
    };
    let limits = ScanLimits::default();
    let scans = Scans {
        reconcile,
        requests: boot.scan_requests()?,
        scratch: boot.scratch(),
        limits: ScanLimits {
            hand_over: config::scan_hand_over().unwrap_or(limits.hand_over),
            ..limits
        },
    };
    boot.run(move |event| {
        let (scans, health) = (scans.clone(), health.clone());
        let connections = connections.clone();
        async move {
            // Boxed: whole runs are in it.
            let answer = Box::pin(counterfoil_scheduled_reconcile::handle(
                scans,
                connections,
                &event,
            ))
            .await;
            // After the scans: nobody waits for it.
            counterfoil_scheduled_reconcile::on_schedule(&health, &event).await;
            answer
        }
    })
    .await
}
