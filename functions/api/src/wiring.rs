//! What the routes and the duty may do, on the adapters of a deployment.

use std::sync::Arc;

use counterfoil_core::budget::REQUESTS_PER_SECOND;
use counterfoil_core::usecases::{
    AdminPorts, AskChecks, Connections, CreateProject, DeclareLost, Delete, Erase, GovernedRuns,
    HeldChanges, Incidents, Invitations, KeepRetention, KeepSchedule, Keys, LegalHolds, Members,
    Policies, Projects, ReadCustomers, ReadEvidence, ReadRun, ReadWebhookHealth, Secrets,
    Workspaces,
};
use counterfoil_lambda::{Boot, Error, config};
use counterfoil_postgres::PgDatabase;
use counterfoil_stripe::StripeAccounts;

use crate::api::Api;

/// The use cases of this function.
///
/// # Errors
/// When a setting is missing.
pub fn wire(boot: &Boot) -> Result<Api, Error> {
    let (evidence, state) = (boot.recording()?, boot.state()?);
    let reader = boot.reader()?;
    let (objects, vault) = (boot.objects()?, boot.vault()?);
    let ports = admin_ports(boot)?;
    Ok(Api {
        workspaces: Workspaces {
            ports: ports.clone(),
            signer: boot.signer()?,
        },
        members: Members {
            ports: ports.clone(),
        },
        invitations: Invitations {
            ports: ports.clone(),
        },
        policies: Policies {
            ports: ports.clone(),
            reader: reader.clone(),
        },
        changes: HeldChanges {
            ports: ports.clone(),
        },
        keys: Keys { ports },
        authentication: boot.authentication()?,
        repeats: boot.repeats()?,
        sign_in: boot.sign_in_place(),
        projects: Projects {
            create: create_project(boot)?,
            reader: reader.clone(),
        },
        connections: connections(boot)?,
        erase: erase(boot)?,
        delete: delete(boot)?,
        incidents: Incidents {
            evidence: evidence.clone(),
            state: state.clone(),
            vault: vault.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        holds: LegalHolds {
            evidence: evidence.clone(),
            reader: reader.clone(),
            state: state.clone(),
            clock: boot.clock(),
            random: boot.random(),
        },
        secrets: Secrets {
            evidence: evidence.clone(),
            state: state.clone(),
            vault: vault.clone(),
            clock: boot.clock(),
        },
        retention: KeepRetention {
            evidence: evidence.clone(),
            reader: reader.clone(),
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
            reader: reader.clone(),
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
        evidence: read_evidence(boot)?,
        governed: governed(boot)?,
        runs: ReadRun { reader, state },
    })
}

fn erase(boot: &Boot) -> Result<Erase, Error> {
    Ok(Erase {
        evidence: boot.recording()?,
        reader: boot.reader()?,
        state: boot.state()?,
        objects: boot.objects()?,
        vault: boot.vault()?,
        clock: boot.clock(),
        random: boot.random(),
    })
}

fn governed(boot: &Boot) -> Result<GovernedRuns, Error> {
    Ok(GovernedRuns {
        evidence: boot.recording()?,
        state: boot.state()?,
        clock: boot.clock(),
        random: boot.random(),
    })
}

fn delete(boot: &Boot) -> Result<Delete, Error> {
    Ok(Delete {
        evidence: boot.recording()?,
        reader: boot.reader()?,
        state: boot.state()?,
        objects: boot.objects()?,
        vault: boot.vault()?,
        clock: boot.clock(),
        random: boot.random(),
    })
}

fn read_evidence(boot: &Boot) -> Result<ReadEvidence, Error> {
    Ok(ReadEvidence {
        reader: boot.reader()?,
        state: boot.state()?,
        vault: boot.vault()?,
        random: boot.random(),
    })
}

fn admin_ports(boot: &Boot) -> Result<AdminPorts, Error> {
    Ok(AdminPorts {
        evidence: boot.recording()?,
        state: boot.state()?,
        clock: boot.clock(),
        random: boot.random(),
    })
}

fn create_project(boot: &Boot) -> Result<CreateProject, Error> {
    Ok(CreateProject {
        evidence: boot.recording()?,
        state: boot.state()?,
        vault: boot.vault()?,
        signer: boot.signer()?,
        clock: boot.clock(),
        random: boot.random(),
    })
}

fn connections(boot: &Boot) -> Result<Connections, Error> {
    // Some twenty reads when a person stores a key: they need no share of the scans' budget.
    let stripe = StripeAccounts::new(config::stripe_url(), config::stripe_rate());
    Ok(Connections {
        evidence: boot.recording()?,
        state: boot.state()?,
        vault: boot.vault()?,
        keys: Arc::new(stripe),
        roles: Arc::new(PgDatabase::of_deployment(
            config::database_places(),
            boot.database_tokens(),
        )?),
        clock: boot.clock(),
    })
}
