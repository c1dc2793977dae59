//! Somebody at a desk who asks for exports, the worker behind it, and an auditor who trusts neither.

use std::collections::BTreeMap;
use std::future::pending;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::{Hash, digest_string};
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::tar;
use counterfoil_core::evidence::verify::{Accepted, Package, Trust, verify};
use counterfoil_core::export::{Export, ExportState, Wanted};
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, ExportRequest, ExportRequests, Objects,
    PortError, PortErrorKind, ReportAbout, ReportDelivery, Reports, SealRequests, SealSigner,
    State, StateKey, StateWrite, Stored,
};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    Announcing, ExportError, Exports, ReplayError, ReplayRuns, Replayed, SealStream, WorkError,
    Worked,
};
use counterfoil_testkit::delivery;
pub(super) use counterfoil_testkit::delivery::manifest;
use counterfoil_testkit::memory::{Mailbox, MemObjects, MemScratch, MemStore, SeededRandom};
use tokio::sync::Notify;

use super::super::world::World;

/// What goes wrong, and at which durable step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The step fails and has not happened.
    Failed,
    /// The step fails, although it has happened.
    Happened,
    /// The worker dies before the step.
    KilledBefore,
    /// The worker dies after the step.
    KilledAfter,
}

/// Counts durable steps and breaks one of them.
#[derive(Debug, Default)]
pub(super) struct Steps {
    plan: Mutex<Option<(usize, Fault)>>,
    count: Mutex<usize>,
    dead: Notify,
}

impl Steps {
    pub(super) fn break_at(&self, step: usize, fault: Fault) {
        *self.count.lock().unwrap() = 0;
        *self.plan.lock().unwrap() = Some((step, fault));
    }

    pub(super) fn count(&self) -> usize {
        *self.count.lock().unwrap()
    }

    /// Whether the planned fault has come about.
    pub(super) fn broken(&self) -> bool {
        self.plan.lock().unwrap().is_none()
    }

    fn next(&self) -> Option<Fault> {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        let mut plan = self.plan.lock().unwrap();
        match *plan {
            Some((step, fault)) if step == *count => {
                *plan = None;
                Some(fault)
            }
            _ => None,
        }
    }

    async fn step<T, E>(
        &self,
        happen: impl Future<Output = Result<T, E>>,
        fail: impl Fn(PortErrorKind) -> E,
    ) -> Result<T, E> {
        match self.next() {
            None => happen.await,
            Some(Fault::Failed) => Err(fail(PortErrorKind::Unavailable)),
            Some(Fault::Happened) => {
                happen.await?;
                Err(fail(PortErrorKind::OutcomeUnknown))
            }
            Some(fault) => {
                if fault == Fault::KilledAfter {
                    happen.await?;
                }
                self.dead.notify_one();
                pending().await
            }
        }
    }
}

/// A port whose durable steps may break.
struct Breaking<P> {
    port: P,
    steps: Arc<Steps>,
}

fn lost(kind: PortErrorKind) -> PortError {
    PortError::new(kind, "a step that was made to fail")
}

fn lost_append(kind: PortErrorKind) -> AppendError {
    match kind {
        PortErrorKind::OutcomeUnknown => AppendError::OutcomeUnknown(lost(kind)),
        _ => AppendError::Unavailable(lost(kind)),
    }
}

#[async_trait]
impl EvidenceAppend for Breaking<Arc<MemStore>> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        self.steps
            .step(self.port.append(stream, batch), lost_append)
            .await
    }
}

#[async_trait]
impl State for Breaking<Arc<MemStore>> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.port.as_ref().get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.port.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.steps.step(self.port.write(writes), lost).await
    }
}

#[async_trait]
impl Objects for Breaking<Arc<MemObjects>> {
    async fn put(&self, key: &str, bytes: Vec<u8>, kind: &str) -> Result<(), PortError> {
        self.steps.step(self.port.put(key, bytes, kind), lost).await
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn Read + Send),
        bytes: u64,
        kind: &str,
    ) -> Result<(), PortError> {
        let put = self.port.put_stream(key, content, bytes, kind);
        self.steps.step(put, lost).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.port.as_ref().get(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.steps.step(self.port.delete(key), lost).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        self.port.keys(prefix).await
    }

    async fn link(&self, key: &str, name: &str, valid: Duration) -> Result<String, PortError> {
        self.port.link(key, name, valid).await
    }
}

#[async_trait]
impl ExportRequests for Breaking<Arc<Mailbox>> {
    async fn send(&self, request: &ExportRequest) -> Result<(), PortError> {
        self.steps
            .step(ExportRequests::send(self.port.as_ref(), request), lost)
            .await
    }
}

/// Seals at once, as `archive` does when it is asked.
pub(super) struct SealNow(pub(super) SealStream);

#[async_trait]
impl SealRequests for SealNow {
    async fn seal(&self, stream: Hash) -> Result<(), PortError> {
        match self.0.seal(stream).await {
            Ok(_) => Ok(()),
            Err(error) => Err(PortError::caused(
                PortErrorKind::Unavailable,
                "sealing",
                error,
            )),
        }
    }
}

#[async_trait]
impl SealRequests for Breaking<SealNow> {
    async fn seal(&self, stream: Hash) -> Result<(), PortError> {
        self.steps.step(self.port.seal(stream), lost).await
    }
}

/// A report that says which export it is of.
struct Plain;

impl Reports for Plain {
    fn run(&self, _: &[u8], _: &Trust, about: &ReportAbout) -> Result<Vec<u8>, PortError> {
        Ok(format!("%PDF run {}", about.export).into_bytes())
    }

    fn delivery(&self, delivery: &ReportDelivery<'_>) -> Result<Vec<u8>, PortError> {
        let kinds: u64 = delivery.kinds.values().sum();
        assert_eq!(kinds, delivery.accepted.entries);
        Ok(format!("%PDF delivery {}", delivery.about.export).into_bytes())
    }
}

/// The desk.
pub(super) struct Desk {
    pub(super) world: World,
    pub(super) exports: Exports,
    pub(super) steps: Arc<Steps>,
}

/// A package as it was fetched.
pub(super) struct Fetched {
    pub(super) export: Export,
    pub(super) bytes: Vec<u8>,
}

impl Desk {
    /// A shop in which a difference was found, approved and repaired.
    pub(super) async fn new() -> Self {
        let world = World::new().await;
        world.scan().await;
        Self::of(world)
    }

    pub(super) fn of(world: World) -> Self {
        let steps = Arc::new(Steps::default());
        let store = || {
            Arc::new(Breaking {
                port: world.store.clone(),
                steps: steps.clone(),
            })
        };
        let exports = Exports {
            evidence: Arc::new(Announcing::new(
                store(),
                world.store.clone(),
                Arc::new(world.clock.clone()),
            )),
            reader: world.store.clone(),
            seals: world.store.clone(),
            signer: world.signer.clone(),
            retiring: None,
            sealer: Arc::new(Breaking {
                port: SealNow(world.sealer()),
                steps: steps.clone(),
            }),
            state: store(),
            vault: world.vault.clone(),
            objects: Arc::new(Breaking {
                port: world.objects.clone(),
                steps: steps.clone(),
            }),
            scratch: Arc::new(MemScratch),
            reports: Arc::new(Plain),
            queue: Arc::new(Breaking {
                port: world.mail.clone(),
                steps: steps.clone(),
            }),
            clock: Arc::new(world.clock.clone()),
            random: Arc::new(SeededRandom::new(77)),
            origin_prefix: "evidence.counterfoil.example/s/".to_owned(),
        };
        Self {
            world,
            exports,
            steps,
        }
    }

    /// Asks as the owner, who signs in; returns the export's id.
    pub(super) async fn ask(&self, wanted: impl Into<Wanted> + Send) -> String {
        let owner = Box::pin(self.world.sign_in("Ben")).await;
        Box::pin(self.ask_as(&owner, wanted)).await.unwrap()
    }

    pub(super) async fn ask_as(
        &self,
        ctx: &TenantCtx,
        wanted: impl Into<Wanted> + Send,
    ) -> Result<String, ExportError> {
        let accepted = self.exports.create(ctx, wanted, None).await?;
        assert!(accepted.not_sent.is_none());
        Ok(accepted.export.value.id.to_string())
    }

    /// Delivers every message that waits.
    pub(super) async fn deliver(&self) -> Vec<Result<Worked, WorkError>> {
        let mut worked = Vec::new();
        for request in self.world.mail.take_exports() {
            worked.push(self.exports.work(&request).await);
        }
        worked
    }

    /// Works on a message until it is done or the worker dies.
    pub(super) async fn work_or_die(&self, request: &ExportRequest) {
        tokio::select! {
            biased;
            () = self.steps.dead.notified() => {}
            worked = self.exports.work(request) => drop(worked),
        }
    }

    pub(super) async fn find(&self, id: &str) -> Export {
        let found = self.exports.find(&self.world.ben, id).await.unwrap();
        found.value
    }

    /// Asks, lets the worker work, and fetches.
    pub(super) async fn export(&self, wanted: impl Into<Wanted> + Send) -> Fetched {
        let id = self.ask(wanted).await;
        for worked in self.deliver().await {
            assert_eq!(worked.unwrap(), Worked::Ready);
        }
        self.fetch(&id).await
    }

    /// Follows a link; the bytes are those that the record speaks of.
    pub(super) async fn fetch(&self, id: &str) -> Fetched {
        let export = self.find(id).await;
        assert_eq!(export.state, ExportState::Ready, "{:?}", export.failure);
        let bytes = self.fetch_part(id, "package").await;
        Fetched { export, bytes }
    }

    pub(super) async fn fetch_part(&self, id: &str, part: &str) -> Vec<u8> {
        let owner = Box::pin(self.world.sign_in("Ben")).await;
        let fetched = self.exports.download(&owner, id, part).await;
        let fetched = fetched.unwrap();
        let object = fetched.url.strip_prefix("memory:").unwrap();
        let (object, query) = object.split_once('?').unwrap();
        assert_eq!(query, "seconds=300");
        let bytes = Objects::get(self.world.objects.as_ref(), object).await;
        let bytes = bytes.unwrap().unwrap();
        assert_eq!(fetched.file.digest, digest_string(&bytes));
        assert_eq!(fetched.file.bytes, u64::try_from(bytes.len()).unwrap());
        bytes
    }

    pub(super) async fn trust(&self, stream: Hash) -> Trust {
        Trust::new(self.world.signer.key().await.unwrap(), stream)
    }

    /// Derives every run of a delivery again.
    pub(super) async fn replay(
        &self,
        members: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Replayed, ReplayError> {
        let trust = self.trust(self.world.stream()).await;
        self.replay_trusting(members, &trust).await
    }

    pub(super) async fn replay_trusting(
        &self,
        members: &BTreeMap<String, Vec<u8>>,
        trust: &Trust,
    ) -> Result<Replayed, ReplayError> {
        let files = tar::read(&members["evidence.tar"], trust.limits).unwrap();
        let lines = |name: &str| {
            let text = String::from_utf8(files[name].clone()).unwrap();
            let lines = text
                .lines()
                .map(|line| Json::parse(line.as_bytes()).unwrap());
            lines.collect::<Vec<_>>()
        };
        let parts = lines("parts.jsonl");
        let kept = |name: &str| {
            let beside = members.get(name);
            beside
                .or_else(|| members.get(&format!("inputs/{name}")))
                .cloned()
        };
        let mut runs = ReplayRuns::telling(&kept, trust);
        for header in lines("headers.jsonl") {
            let facts = parts.iter().find(|part| {
                part.get("seq") == header.get("seq")
                    && part.get("part").and_then(Json::as_str) == Some("facts")
            });
            let facts = facts.unwrap().get("d").unwrap();
            runs.take(&header, facts).await?;
        }
        Ok(runs.finish())
    }

    /// The workspace's own stream.
    pub(super) fn workspace_stream(&self) -> Hash {
        self.world.workspace.stream.parse().unwrap()
    }

    /// What an auditor's verifier says to a package.
    pub(super) async fn verify(&self, bytes: &[u8]) -> Result<Accepted, String> {
        let trust = self.trust(self.world.stream()).await;
        let verdict = verify(Package::of_file(bytes), &trust);
        verdict.result.map_err(|fault| fault.code.name().to_owned())
    }
}

/// The members of an outer archive.
pub(super) fn unpack(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    delivery::unpack(archive).unwrap()
}
