//! Whoever decides first under another baseline says so before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::export::ExportScope;
use counterfoil_core::policy::baseline_digest;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind, State, StateKey,
    StateWrite, Stored, StoredPart,
};
use counterfoil_core::usecases::{Announced, Announcing, ExportError};
use counterfoil_testkit::memory::MemStore;

use super::desk::Desk;

/// Counts reads of the row, of which the first finds nothing if it is `late`; refuses what is written
/// to one stream.
struct Watched {
    store: Arc<MemStore>,
    late: bool,
    reads: AtomicUsize,
    refuses: Option<Hash>,
}

impl Watched {
    fn new(desk: &Desk) -> Self {
        Self {
            store: desk.world.store.clone(),
            late: false,
            reads: AtomicUsize::new(0),
            refuses: None,
        }
    }
}

#[async_trait]
impl State for Watched {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let first = key.pk.ends_with("#baseline") && self.reads.fetch_add(1, Ordering::SeqCst) == 0;
        if first && self.late {
            return Ok(None);
        }
        self.store.as_ref().get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.store.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.store.write(writes).await
    }
}

#[async_trait]
impl EvidenceAppend for Watched {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if self.refuses == Some(stream) {
            let error = PortError::new(PortErrorKind::Unavailable, "a table that is not there");
            return Err(AppendError::Unavailable(error));
        }
        self.store.append(stream, batch).await
    }
}

/// The desk of another process.
fn process(desk: &mut Desk) -> Arc<Watched> {
    let watched = Watched::new(desk);
    process_with(desk, watched)
}

fn process_with(desk: &mut Desk, watched: Watched) -> Arc<Watched> {
    let watched = Arc::new(watched);
    let clock = Arc::new(desk.world.clock.clone());
    let announcing = Announcing::new(watched.clone(), watched.clone(), clock);
    desk.exports.evidence = Arc::new(announcing);
    watched
}

/// Facts of what the workspace's stream says of baselines.
fn told(desk: &Desk) -> Vec<Json> {
    let entries = desk.world.store.stream(desk.workspace_stream());
    let facts = entries.into_iter().filter_map(|entry| {
        let header = Json::parse(&entry.header).unwrap();
        let activated = header.get("kind").and_then(Json::as_str) == Some("policy.activated");
        match entry.facts {
            Some(StoredPart::Present { bytes, .. }) if activated => Json::parse(&bytes).ok(),
            _ => None,
        }
    });
    facts.collect()
}

fn row(desk: &Desk) -> StateKey {
    StateKey {
        pk: format!("{}#{}", desk.world.workspace.id, Announced::FAMILY),
        sk: "state".to_owned(),
    }
}

#[tokio::test]
async fn the_first_decision_under_a_baseline_says_so_before_and_the_next_ones_do_not() {
    let mut desk = Desk::new().await;
    let watched = process(&mut desk);
    assert_eq!(told(&desk), Vec::<Json>::new(), "so far nobody has decided");
    let decided = desk.world.count("run.decision");
    desk.ask(ExportScope::All).await;
    assert_eq!(desk.world.count("run.decision"), decided + 1);
    let entries = told(&desk);
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    let text = |name: &str| entry.get(name).and_then(Json::as_str);
    assert_eq!(text("layer"), Some("baseline"));
    assert_eq!(text("bundle"), Some(baseline_digest()));
    assert_eq!(text("previous"), None);
    // Once it is known, nothing is read any more.
    desk.ask(ExportScope::All).await;
    desk.ask(ExportScope::All).await;
    assert_eq!(watched.reads.load(Ordering::SeqCst), 1);
    // Another process reads the row once.
    let other = process(&mut desk);
    desk.ask(ExportScope::All).await;
    desk.ask(ExportScope::All).await;
    assert_eq!(other.reads.load(Ordering::SeqCst), 1);
    assert_eq!(told(&desk).len(), 1);
}

#[tokio::test]
async fn an_upgrade_names_the_baseline_that_it_replaced() {
    let mut desk = Desk::new().await;
    let older = Announced {
        digest: format!("sha256:{}", "1".repeat(64)),
        at: counterfoil_core::ports::Clock::now(&desk.world.clock),
    };
    let older_row = StateWrite::create(row(&desk), serde_json::to_value(&older).unwrap());
    assert!(desk.world.store.write(vec![older_row]).await.unwrap());
    process(&mut desk);
    desk.ask(ExportScope::All).await;
    let entries = told(&desk);
    let previous = entries[0].get("previous").and_then(Json::as_str);
    assert_eq!((entries.len(), previous), (1, Some(older.digest.as_str())));
    let found = desk.world.store.as_ref().get(&row(&desk)).await.unwrap();
    assert_eq!(found.unwrap().doc["digest"], baseline_digest());
}

#[tokio::test]
async fn of_two_who_are_first_one_says_it_and_both_decide() {
    let mut desk = Desk::new().await;
    process(&mut desk);
    desk.ask(ExportScope::All).await;
    let late = Watched {
        late: true,
        ..Watched::new(&desk)
    };
    let late = process_with(&mut desk, late);
    desk.ask(ExportScope::All).await;
    assert_eq!(late.reads.load(Ordering::SeqCst), 2, "it looked again");
    assert_eq!(told(&desk).len(), 1);
}

#[tokio::test]
async fn where_it_cannot_be_said_nothing_is_decided_and_asking_stays_possible() {
    let mut desk = Desk::new().await;
    let refusing = Watched {
        refuses: Some(desk.workspace_stream()),
        ..Watched::new(&desk)
    };
    process_with(&mut desk, refusing);
    let before = desk.world.kinds();
    let refused = desk.ask_as(&desk.world.ben, ExportScope::All).await;
    let unavailable = matches!(
        refused,
        Err(ExportError::Evidence(AppendError::Unavailable(_)))
    );
    assert!(unavailable, "{refused:?}");
    assert_eq!(desk.world.kinds(), before);
    assert_eq!(desk.world.mail.take_exports().len(), 0);
    // Only asked: nothing is recorded, so nothing is said before.
    desk.exports.admit(&desk.world.ben).await.unwrap();

    process(&mut desk);
    desk.ask(ExportScope::All).await;
    assert_eq!(told(&desk).len(), 1);
}
