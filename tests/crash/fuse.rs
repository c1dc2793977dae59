//! Ports that count what is durable, and kill their process at one of the steps.

use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::policy::Permit;
use counterfoil_core::ports::{
    AppDatabase, AppInspector, AppRepairer, AppendError, Applied, Batch, EntryRef, EvidenceAppend,
    PortError, State, StateKey, StateWrite, Stored,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::RepairPlan;
use serde::{Deserialize, Serialize};

/// On which side of a step a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Side {
    Before,
    After,
}

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Counted from 1.
    pub(crate) step: u32,
    pub(crate) side: Side,
}

/// Counts what is durable, and ends the process at its point.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    point: Option<Point>,
    /// Whether each step is said at once: who is killed says nothing afterwards.
    tells: bool,
    steps: Mutex<Vec<String>>,
}

/// What a line about a step begins with.
pub(crate) const STEP: &str = "step: ";

impl Fuse {
    /// Of a process that tells its steps and dies at the point, if there is one.
    pub(crate) fn at(point: Option<Point>) -> Arc<Self> {
        Arc::new(Self {
            point,
            tells: true,
            steps: Mutex::default(),
        })
    }

    /// What was done so far.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.steps.lock().unwrap().clone()
    }

    async fn around<T>(&self, what: &str, step: impl Future<Output = T>) -> T {
        let number = {
            let mut steps = self.steps.lock().unwrap();
            steps.push(what.to_owned());
            u32::try_from(steps.len()).unwrap()
        };
        if self.tells {
            say(&format!("{STEP}{what}"));
        }
        self.burn(number, Side::Before);
        let done = step.await;
        self.burn(number, Side::After);
        done
    }

    fn burn(&self, step: u32, side: Side) {
        if self.point != Some(Point { step, side }) {
            return;
        }
        kill(std::process::id());
        panic!("not killed");
    }
}

/// Ends a process at once (SIGKILL).
pub(crate) fn kill(process: u32) {
    let process = process.to_string();
    Command::new("kill")
        .args(["-9", &process])
        .status()
        .unwrap();
}

/// Prints a line that the parent reads even if this process is killed at once.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// A port behind the fuse.
pub(crate) struct Fused<T: ?Sized> {
    pub(crate) port: Arc<T>,
    pub(crate) fuse: Arc<Fuse>,
}

#[async_trait]
impl EvidenceAppend for Fused<dyn EvidenceAppend> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let kinds = batch.drafts.iter().map(|draft| draft.kind.name());
        let what = kinds.collect::<Vec<_>>().join(" ");
        self.fuse
            .around(&what, self.port.append(stream, batch))
            .await
    }
}

#[async_trait]
impl State for Fused<dyn State> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.port.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.port.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        // Once an hour the first sweep notes that it looked for overdue reviews: no row's step.
        if writes.iter().all(|write| write.key.sk == "reviews") {
            return self.port.write(writes).await;
        }
        let family = |write: &StateWrite| {
            let key = format!("{}/{}", write.key.pk, write.key.sk);
            let known = [
                "idempotency",
                "sweep",
                "INC",
                "inc_",
                "BUDGET",
                "budget",
                "rate",
            ];
            let found = known.iter().find(|it| key.contains(**it));
            found.map_or_else(|| "other".to_owned(), |it| (*it).to_owned())
        };
        let mut families: Vec<String> = writes.iter().map(family).collect();
        families.dedup();
        let what = format!("row {}", families.join(" "));
        self.fuse.around(&what, self.port.write(writes)).await
    }
}

#[async_trait]
impl AppDatabase for Fused<dyn AppDatabase> {
    async fn inspect(&self, url: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError> {
        self.port.inspect(url).await
    }

    async fn repair(&self, url: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError> {
        let port: Arc<dyn AppRepairer> = Arc::from(self.port.repair(url).await?);
        let fuse = self.fuse.clone();
        Ok(Box::new(Fused { port, fuse }))
    }
}

#[async_trait]
impl AppRepairer for Fused<dyn AppRepairer> {
    async fn apply(&self, permit: Permit) -> Result<Applied, PortError> {
        self.fuse.around("UPDATE", self.port.apply(permit)).await
    }

    async fn current(&self, plan: &RepairPlan) -> Result<Option<Vec<Cell>>, PortError> {
        self.port.current(plan).await
    }
}
