//! Wires `mcp`.

use std::sync::Arc;

use counterfoil_core::usecases::{AskChecks, GovernedRuns, Incidents, ReadEvidence, ReadRun};
use counterfoil_lambda::{Boot, Error};
use counterfoil_mcp::{Mcp, Others, Place, Tools};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let boot = Boot::start("mcp").await?;
    let (evidence, state, vault) = (boot.recording()?, boot.state()?, boot.vault()?);
    let reader = boot.reader()?;
    let tools = Tools {
        state: state.clone(),
        clock: boot.clock(),
        incidents: Incidents {
            evidence: evidence.clone(),
            state: state.clone(),
            vault: vault.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        evidence: ReadEvidence {
            reader: reader.clone(),
            state: state.clone(),
            vault,
            random: boot.random(),
        },
        governed: GovernedRuns {
            evidence: evidence.clone(),
            state: state.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        repeats: boot.repeats()?,
        runs: ReadRun {
            reader,
            state: state.clone(),
        },
        checks: AskChecks {
            state,
            checks: boot.checks()?,
            scans: boot.scan_requests()?,
            clock: boot.clock(),
            random: boot.random(),
        },
        others: Others {
            repair: boot.proposals()?,
            export: boot.exporter()?,
        },
    };
    let front = counterfoil_mcp::router(Mcp {
        authentication: boot.agents()?,
        place: Place {
            host: boot.public_host(),
            issuer: boot.agent_issuer(),
        },
        tools: Arc::new(tools),
    });
    boot.run(move |event| counterfoil_mcp::handle(front.clone(), event))
        .await
}
