//! The use cases, on the ports of the world.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::ports::Random;
use counterfoil_core::usecases::{
    CreateProject, KeepRetention, KnownProjects, ProposeRepair, ReadWebhookHealth, ReceiveWebhook,
    Reconcile, RecordAlarm, RecordWebhookHealth, RepairPorts, SEGMENT, ScanLimits, Scans,
    SealStream, SweepRepairs, Tallies, VoteOnAction,
};
use counterfoil_testkit::memory::{MemDatabases, MemScratch, MemSigner};

use super::World;

impl World {
    pub(crate) const fn create(&self) -> &CreateProject {
        &self.create
    }

    pub(crate) fn random(&self) -> Arc<dyn Random> {
        self.random.clone()
    }

    pub(crate) fn reconcile(&self) -> Reconcile {
        Reconcile {
            evidence: self.store.clone(),
            state: self.store.clone(),
            vault: self.vault.clone(),
            objects: self.objects.clone(),
            checks: self.mail.clone(),
            proposals: self.mail.clone(),
            databases: Arc::new(MemDatabases(self.app.clone())),
            billing: Arc::new(self.billing.clone()),
            clock: Arc::new(self.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn ports(&self) -> RepairPorts {
        RepairPorts {
            evidence: self.store.clone(),
            state: self.store.clone(),
            vault: self.vault.clone(),
            databases: Arc::new(MemDatabases(self.app.clone())),
            billing: Arc::new(self.billing.clone()),
            clock: Arc::new(self.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn propose(&self) -> ProposeRepair {
        ProposeRepair {
            ports: self.ports(),
        }
    }

    pub(crate) fn vote(&self) -> VoteOnAction {
        VoteOnAction {
            ports: self.ports(),
        }
    }

    pub(crate) fn sweep(&self) -> SweepRepairs {
        SweepRepairs {
            ports: self.ports(),
        }
    }

    pub(crate) fn webhook(&self) -> ReceiveWebhook {
        ReceiveWebhook {
            state: self.store.clone(),
            vault: self.vault.clone(),
            checks: self.mail.clone(),
            clock: Arc::new(self.clock.clone()),
            known: KnownProjects::default(),
            tallies: Tallies::new(self.random.bits128()),
            partner: None,
            delay: Duration::from_secs(5),
        }
    }

    pub(crate) fn webhook_health(&self) -> RecordWebhookHealth {
        RecordWebhookHealth {
            evidence: self.store.clone(),
            state: self.store.clone(),
            vault: self.vault.clone(),
            billing: Arc::new(self.billing.clone()),
            checks: self.mail.clone(),
            clock: Arc::new(self.clock.clone()),
        }
    }

    pub(crate) fn read_webhook_health(&self) -> ReadWebhookHealth {
        ReadWebhookHealth {
            state: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
        }
    }

    pub(crate) fn sealer(&self) -> SealStream {
        SealStream {
            evidence: self.store.clone(),
            seals: self.store.clone(),
            signer: self.signer.clone(),
            retiring: None,
            archive: self.archive.clone(),
            clock: Arc::new(self.clock.clone()),
            origin_prefix: "evidence.counterfoil.example/s/".to_owned(),
            budget: Duration::from_mins(1),
            segment: SEGMENT,
        }
    }

    /// The same when `signer` is being retired for `next`.
    pub(crate) fn sealer_with(&self, next: &Arc<MemSigner>) -> SealStream {
        SealStream {
            signer: next.clone(),
            retiring: Some(self.signer.clone()),
            ..self.sealer()
        }
    }

    pub(crate) fn record_alarm(&self) -> RecordAlarm {
        RecordAlarm {
            evidence: self.store.clone(),
            state: self.store.clone(),
        }
    }

    pub(crate) fn scans(&self) -> Scans {
        Scans {
            reconcile: self.reconcile(),
            requests: self.mail.clone(),
            scratch: Arc::new(MemScratch),
            limits: ScanLimits::default(),
        }
    }

    /// The duty that ends what was kept long enough.
    pub(crate) fn retention(&self) -> KeepRetention {
        KeepRetention {
            evidence: self.store.clone(),
            reader: self.store.clone(),
            state: self.store.clone(),
            objects: self.objects.clone(),
            vault: self.vault.clone(),
            clock: Arc::new(self.clock.clone()),
            random: self.random.clone(),
        }
    }
}
