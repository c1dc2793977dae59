//! Ports that burn at their point, for the use cases of each function.

use std::sync::Arc;

use counterfoil_api::Api;
use counterfoil_core::ports::{AppDatabase, Clock, EvidenceAppend, State};
use counterfoil_core::usecases::{
    AdminPorts, Connections, CreateProject, GovernedRuns, HeldChanges, Incidents, Policies,
    Projects, Reconcile, RepairPorts, ScanLimits, Scans,
};
use counterfoil_lambda::Boot;
use counterfoil_lambda::boot::recording;
use counterfoil_lambda::http::{Authentication, Repeats, Tokens};
use counterfoil_repair_approve::Service;
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::{Mailbox, MemScratch};

use super::fuse::{Fuse, Fused};
use super::worker::{Later, databases};

/// What the functions are made of.
pub(crate) struct Ports {
    boot: Boot,
    state: Arc<dyn State>,
    evidence: Arc<dyn EvidenceAppend>,
    clock: Arc<dyn Clock>,
    fuse: Arc<Fuse>,
    stripe: String,
}

impl Ports {
    pub(crate) fn of(boot: Boot, fuse: Arc<Fuse>, time: Later, stripe: String) -> Self {
        let state: Arc<dyn State> = Arc::new(Fused::<dyn State> {
            port: boot.state().unwrap(),
            fuse: fuse.clone(),
        });
        let appended = Arc::new(Fused::<dyn EvidenceAppend> {
            port: boot.evidence().unwrap(),
            fuse: fuse.clone(),
        });
        let clock: Arc<dyn Clock> = Arc::new(time);
        Self {
            // What is said before a decision is a step as well.
            evidence: recording(appended, state.clone(), clock.clone()),
            state,
            clock,
            fuse,
            stripe,
            boot,
        }
    }

    fn authentication(&self) -> Authentication {
        Authentication {
            state: self.boot.state().unwrap(),
            clock: self.clock.clone(),
            tokens: Tokens::OfPeople(self.boot.logins().unwrap().unwrap()),
            limit: None,
            leaks: None,
        }
    }

    fn repeats(&self) -> Repeats {
        Repeats {
            state: self.state.clone(),
            clock: self.clock.clone(),
            random: self.boot.random(),
        }
    }

    fn stripe(&self) -> Arc<StripeAccounts> {
        Arc::new(StripeAccounts::new(Some(self.stripe.clone()), None))
    }

    pub(crate) fn repair(&self) -> Service {
        Service {
            agents: self.authentication(),
            authentication: self.authentication(),
            repeats: self.repeats(),
            ports: RepairPorts {
                evidence: self.evidence.clone(),
                state: self.state.clone(),
                vault: self.boot.vault().unwrap(),
                databases: Arc::new(Fused::<dyn AppDatabase> {
                    port: databases(&self.boot),
                    fuse: self.fuse.clone(),
                }),
                billing: self.stripe(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
        }
    }

    /// As it is deployed, but for what the rows of section 15 need.
    pub(crate) fn api(&self) -> Api {
        let wired = counterfoil_api::wire(&self.boot).unwrap();
        let (evidence, state) = (self.evidence.clone(), self.state.clone());
        let admin = AdminPorts {
            evidence: evidence.clone(),
            state: state.clone(),
            clock: self.clock.clone(),
            random: self.boot.random(),
        };
        Api {
            authentication: self.authentication(),
            repeats: self.repeats(),
            governed: GovernedRuns {
                evidence: evidence.clone(),
                state: state.clone(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
            incidents: Incidents {
                evidence: evidence.clone(),
                state: state.clone(),
                clock: self.clock.clone(),
                ..wired.incidents
            },
            projects: Projects {
                create: CreateProject {
                    evidence,
                    state,
                    clock: self.clock.clone(),
                    ..wired.projects.create
                },
                ..wired.projects
            },
            policies: Policies {
                ports: admin.clone(),
                ..wired.policies
            },
            changes: HeldChanges { ports: admin },
            ..wired
        }
    }

    pub(crate) fn scans(&self) -> Scans {
        let mail = Arc::new(Mailbox::default());
        Scans {
            reconcile: Reconcile {
                evidence: self.evidence.clone(),
                state: self.state.clone(),
                vault: self.boot.vault().unwrap(),
                objects: self.boot.objects().unwrap(),
                checks: mail.clone(),
                proposals: mail.clone(),
                databases: databases(&self.boot),
                billing: self.stripe(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
            requests: mail,
            scratch: Arc::new(MemScratch),
            limits: ScanLimits::default(),
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        Connections {
            evidence: self.evidence.clone(),
            state: self.state.clone(),
            vault: self.boot.vault().unwrap(),
            keys: self.stripe(),
            roles: databases(&self.boot),
            clock: self.clock.clone(),
        }
    }
}
