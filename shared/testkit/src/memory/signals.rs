//! A clock that is set, randomness from a seed, and a mailbox for messages to other functions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use counterfoil_core::evidence::hash::{Hash, sha256};
use counterfoil_core::ids::{IncidentId, ProjectId, RunId};
use counterfoil_core::ports::{
    CheckRequest, Checks, Clock, ExportRequest, ExportRequests, PortError, Proposals, Random,
    ScanRequest, ScanRequests, SealRequests,
};
use counterfoil_core::time::Timestamp;

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SetClock(Arc<AtomicU64>);

impl SetClock {
    /// A clock at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Moves back.
    pub fn turn_back(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_sub(millis, Ordering::SeqCst);
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the adapter of the Clock port"
)]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// Different bytes at every call, the same ones for the same seed.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    calls: AtomicU64,
}

impl SeededRandom {
    /// A source for `seed`.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            calls: AtomicU64::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn bytes32(&self) -> [u8; 32] {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        *sha256(format!("{}/{call}", self.seed).as_bytes()).as_bytes()
    }
}

/// Keeps what was sent to other functions.
#[derive(Debug, Default)]
pub struct Mailbox {
    checks: Mutex<Vec<(CheckRequest, Duration)>>,
    scans: Mutex<Vec<(ScanRequest, Duration)>>,
    proposals: Mutex<Vec<(ProjectId, RunId, IncidentId)>>,
    seals: Mutex<Vec<Hash>>,
    exports: Mutex<Vec<ExportRequest>>,
}

impl Mailbox {
    /// Takes every check that was sent.
    pub fn take_checks(&self) -> Vec<(CheckRequest, Duration)> {
        std::mem::take(&mut *lock(&self.checks))
    }

    /// Takes every piece of a scan's work that was asked for.
    pub fn take_scans(&self) -> Vec<(ScanRequest, Duration)> {
        std::mem::take(&mut *lock(&self.scans))
    }

    /// Takes every export that was asked for.
    pub fn take_exports(&self) -> Vec<ExportRequest> {
        std::mem::take(&mut *lock(&self.exports))
    }

    /// Takes every proposal that was asked for.
    pub fn take_proposals(&self) -> Vec<(ProjectId, RunId, IncidentId)> {
        std::mem::take(&mut *lock(&self.proposals))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[async_trait]
impl Checks for Mailbox {
    async fn send(&self, request: &CheckRequest, delay: Duration) -> Result<(), PortError> {
        lock(&self.checks).push((request.clone(), delay));
        Ok(())
    }
}

#[async_trait]
impl ScanRequests for Mailbox {
    async fn send(&self, request: &ScanRequest, delay: Duration) -> Result<(), PortError> {
        lock(&self.scans).push((*request, delay));
        Ok(())
    }
}

#[async_trait]
impl Proposals for Mailbox {
    async fn propose(
        &self,
        project: ProjectId,
        run: RunId,
        incident: IncidentId,
    ) -> Result<(), PortError> {
        lock(&self.proposals).push((project, run, incident));
        Ok(())
    }
}

#[async_trait]
impl ExportRequests for Mailbox {
    async fn send(&self, request: &ExportRequest) -> Result<(), PortError> {
        lock(&self.exports).push(*request);
        Ok(())
    }
}

#[async_trait]
impl SealRequests for Mailbox {
    async fn seal(&self, stream: Hash) -> Result<(), PortError> {
        lock(&self.seals).push(stream);
        Ok(())
    }
}
