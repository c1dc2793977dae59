//! What people and their programs ask of a project's evidence: runs, erasure, legal holds,
//! retention. Its hourly duty finishes what was begun and gives up snapshots past their window.

mod answer;
mod api;
mod customers;
mod handler;
mod incidents;
mod routes;
mod schedule;
mod webhooks;

use counterfoil_core::budget::REQUESTS_PER_SECOND;
use counterfoil_core::usecases::{
    AskChecks, DeclareLost, Erase, Incidents, KeepRetention, KeepSchedule, LegalHolds,
    ReadCustomers, ReadRun, ReadWebhookHealth,
};
use counterfoil_lambda::{Boot, Error, config};

use api::Api;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("api").await?;
    let (evidence, state) = (boot.evidence()?, boot.state()?);
    let (objects, vault) = (boot.objects()?, boot.vault()?);
    let api = Api {
        erase: Erase {
            evidence: evidence.clone(),
            reader: evidence.clone(),
            state: state.clone(),
            objects: objects.clone(),
            vault: vault.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        incidents: Incidents {
            evidence: evidence.clone(),
            state: state.clone(),
            vault: vault.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        holds: LegalHolds {
            evidence: evidence.clone(),
            reader: evidence.clone(),
            state: state.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        retention: KeepRetention {
            evidence: evidence.clone(),
            reader: evidence.clone(),
            state: state.clone(),
            objects,
            vault,
            clock: boot.clock(),
            random: boot.random(),
        },
        schedule: KeepSchedule {
            evidence: evidence.clone(),
            state: state.clone(),
            clock: boot.clock(),
            random: boot.random(),
            rate: config::stripe_rate().unwrap_or(REQUESTS_PER_SECOND).into(),
        },
        lost: DeclareLost {
            evidence: evidence.clone(),
            reader: evidence.clone(),
            state: state.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        customers: ReadCustomers {
            state: state.clone(),
            clock: boot.clock(),
        },
        checks: AskChecks {
            state: state.clone(),
            checks: boot.checks()?,
            scans: boot.scan_requests()?,
            clock: boot.clock(),
            random: boot.random(),
        },
        webhooks: ReadWebhookHealth {
            state: state.clone(),
            clock: boot.clock(),
        },
        runs: ReadRun {
            reader: evidence,
            state,
        },
    };
    boot.run(move |event| handler::handle(api.clone(), event))
        .await
}
