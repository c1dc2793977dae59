//! The writes that are put to the test.

use std::time::Duration;

use async_trait::async_trait;
use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::{DynamoDataKeys, DynamoEvidence, DynamoSeals, DynamoState};
use counterfoil_aws::s3::S3Archive;
use counterfoil_core::evidence::hash::{Hash, sha256};
use counterfoil_core::evidence::stream::Head;
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::{
    AppendError, Archive, Batch, EntryRef, EvidenceAppend, EvidenceRead, PortError, PortErrorKind,
    PutOnce, SealCommit, SealStore, SealedState, State, StateKey, StateWrite, Stored, StoredEntry,
    WrappedKeys,
};
use counterfoil_testkit::contract::{Sample, recompute};
use counterfoil_testkit::http_faults::Fault;
use serde_json::json;

use super::Told;
use crate::cloud::Cloud;

/// One durable write, and a look at what came of it.
#[async_trait]
pub(super) trait Subject: Sized + Send + Sync {
    /// The operation that writes.
    const WRITES: &'static str;
    /// The operation that reads back.
    const READS: &'static str;

    /// A fault in the words of the service.
    fn dialect(fault: Fault) -> Fault {
        fault
    }

    /// Makes everything ready through the proxy, before the weather turns. `short` is for a weather
    /// that does not pass.
    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, short: bool) -> Self;

    /// Writes through the proxy.
    async fn write(&self) -> Told;

    /// What is seen of it, in several reads.
    type Look: PartialEq + Send;

    /// Reads it all.
    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look;

    /// Whether all of it is there, exactly once; panics when it is there in part or twice.
    fn is_whole(&self, look: Self::Look) -> bool;

    /// The same, of what is there now. A write that arrives between two reads is seen in part, so
    /// only what was seen twice counts.
    async fn is_there(&self, cloud: &Cloud, clients: &Clients) -> bool {
        let mut before = self.look(cloud, clients).await;
        loop {
            let now = self.look(cloud, clients).await;
            if now == before {
                return self.is_whole(now);
            }
            before = now;
        }
    }
}

fn told(error: &PortError) -> Told {
    if error.kind == PortErrorKind::OutcomeUnknown {
        Told::Unknown
    } else {
        Told::Nothing
    }
}

fn row(kind: &str, number: usize) -> StateKey {
    StateKey {
        pk: format!("ws_faults#{kind}"),
        sk: format!("row#{number:03}"),
    }
}

/// Two entries with a row of state.
pub(super) struct Append {
    store: DynamoEvidence,
    sample: Sample,
    row: StateKey,
}

#[async_trait]
impl Subject for Append {
    const WRITES: &'static str = "TransactWriteItems";
    const READS: &'static str = "GetItem";

    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, short: bool) -> Self {
        let mut store = cloud.evidence(clients);
        let sample = Sample::begun(&format!("faults: append {number}"), &store).await;
        if short {
            store = store.patience(Duration::from_millis(700));
        }
        let row = row("append", number);
        Self { store, sample, row }
    }

    async fn write(&self) -> Told {
        let create = StateWrite::create(self.row.clone(), json!("appended"));
        let batch = Batch::of([Sample::seen("one"), Sample::seen("two")]);
        let batch = batch.with(create.explained_by(1));
        match self.store.append(self.sample.id(), batch).await {
            Ok(refs) => {
                assert_eq!(refs.iter().map(|of| of.seq).collect::<Vec<_>>(), [1, 2]);
                Told::Written
            }
            Err(AppendError::OutcomeUnknown(_)) => Told::Unknown,
            Err(_) => Told::Nothing,
        }
    }

    type Look = (Vec<StoredEntry>, Option<Head>, Option<Stored>);

    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look {
        let store = cloud.evidence(clients);
        let entries = store.entries(self.sample.id(), 0, 99).await.unwrap();
        let head = store.head(self.sample.id()).await.unwrap();
        let row = cloud.state(clients).get(&self.row).await.unwrap();
        (entries, head, row)
    }

    fn is_whole(&self, (entries, head, row): Self::Look) -> bool {
        let (links, root) = recompute(self.sample.id(), &entries);
        let head = head.unwrap();
        assert_eq!(
            head.frontier.root(),
            root,
            "the head is that of the entries"
        );
        let explained = row.map(|row| row.evidence.unwrap());
        match links.as_slice() {
            [_genesis] => {
                assert_eq!(explained, None, "a row without its entry");
                false
            }
            [_genesis, one, two] => {
                assert_eq!(Sample::id_of(&one.facts), Some("one"));
                let of_two = EntryRef {
                    stream: self.sample.id().to_string(),
                    seq: 2,
                    leaf: two.leaf.to_string(),
                };
                assert_eq!(explained, Some(of_two), "the row cites its entry");
                true
            }
            other => panic!("{} entries", other.len()),
        }
    }
}

/// One row that is created and one that is replaced.
pub(super) struct StateRows {
    store: DynamoState,
    created: StateKey,
    replaced: StateKey,
}

#[async_trait]
impl Subject for StateRows {
    const WRITES: &'static str = "TransactWriteItems";
    const READS: &'static str = "GetItem";

    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, _: bool) -> Self {
        let store = cloud.state(clients);
        let replaced = row("replaced", number);
        let old = StateWrite::create(replaced.clone(), json!("old"));
        assert!(store.write(vec![old]).await.unwrap());
        let created = row("created", number);
        Self {
            store,
            created,
            replaced,
        }
    }

    async fn write(&self) -> Told {
        let writes = vec![
            StateWrite::create(self.created.clone(), json!("new")),
            StateWrite::replace(self.replaced.clone(), 1, json!("new")),
        ];
        match self.store.write(writes).await {
            Ok(true) => Told::Written,
            Ok(false) => Told::Nothing,
            Err(error) => told(&error),
        }
    }

    type Look = (Option<Stored>, Option<Stored>);

    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look {
        let store = cloud.state(clients);
        let created = store.get(&self.created).await.unwrap();
        (created, store.get(&self.replaced).await.unwrap())
    }

    fn is_whole(&self, (created, replaced): Self::Look) -> bool {
        let replaced = replaced.unwrap();
        match (created.map(|row| row.version), replaced.version) {
            (None, 1) => false,
            (Some(1), 2) => true,
            other => panic!("written in part or twice: {other:?}"),
        }
    }
}

/// A seal on top of another.
pub(super) struct Seal {
    store: DynamoSeals,
    stream: Hash,
    first: SealedState,
    second: SealedState,
}

impl Seal {
    pub(crate) fn at(stream: Hash, size: u64, at: u64) -> SealedState {
        let mut frontier = Frontier::new();
        for _ in 0..size {
            frontier.push(stream);
        }
        let note = format!("{stream} {size} {at}\n");
        SealedState {
            seal_hash: sha256(note.as_bytes()),
            note,
            size,
            at,
            leaf: stream,
            frontier,
        }
    }
}

#[async_trait]
impl Subject for Seal {
    const WRITES: &'static str = "TransactWriteItems";
    const READS: &'static str = "GetItem";

    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, _: bool) -> Self {
        let store = cloud.seals(clients);
        let stream = Sample::named(&format!("faults: seal {number}")).id();
        let (first, second) = (Self::at(stream, 1, 1_000), Self::at(stream, 2, 2_000));
        let committed = store.commit(stream, None, &first).await.unwrap();
        assert_eq!(committed, SealCommit::Committed);
        Self {
            store,
            stream,
            first,
            second,
        }
    }

    async fn write(&self) -> Told {
        let previous = Some(self.first.seal_hash);
        match self.store.commit(self.stream, previous, &self.second).await {
            Ok(SealCommit::Committed) => Told::Written,
            Ok(SealCommit::Lost) => Told::Nothing,
            Err(error) => told(&error),
        }
    }

    type Look = (Vec<SealedState>, Option<SealedState>);

    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look {
        let store = cloud.seals(clients);
        let all = store.all(self.stream).await.unwrap();
        (all, store.last(self.stream).await.unwrap())
    }

    fn is_whole(&self, (all, last): Self::Look) -> bool {
        assert_eq!(last.as_ref(), all.last());
        if all == [self.first.clone()] {
            return false;
        }
        assert_eq!(all, [self.first.clone(), self.second.clone()]);
        true
    }
}

/// A wrapped data key.
pub(super) struct DataKey {
    store: DynamoDataKeys,
    name: String,
}

#[async_trait]
impl Subject for DataKey {
    const WRITES: &'static str = "PutItem";
    const READS: &'static str = "GetItem";

    fn dialect(fault: Fault) -> Fault {
        match fault {
            Fault::CONFLICT => Fault::Answer(400, "TransactionConflictException"),
            other => other,
        }
    }

    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, _: bool) -> Self {
        Self {
            store: cloud.data_keys(clients),
            name: format!("faults-{number}"),
        }
    }

    async fn write(&self) -> Told {
        match self.store.put("ws_faults", &self.name, b"wrapped").await {
            Ok(true) => Told::Written,
            Ok(false) => panic!("nobody else wrote this key"),
            Err(error) => told(&error),
        }
    }

    type Look = Option<Vec<u8>>;

    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look {
        let stored = cloud.data_keys(clients).get("ws_faults", &self.name).await;
        stored.unwrap()
    }

    fn is_whole(&self, stored: Self::Look) -> bool {
        assert!(stored.as_ref().is_none_or(|bytes| bytes == b"wrapped"));
        stored.is_some()
    }
}

/// An object in the locked bucket.
pub(super) struct Archived {
    store: S3Archive,
    bucket: String,
    key: String,
}

#[async_trait]
impl Subject for Archived {
    const WRITES: &'static str = "PUT ";
    const READS: &'static str = "GET ";

    fn dialect(fault: Fault) -> Fault {
        match fault {
            Fault::CONFLICT => Fault::CONDITIONAL,
            Fault::DENIED => Fault::Answer(403, "AccessDenied"),
            Fault::Answer(..) => Fault::SLOW_DOWN,
            other => other,
        }
    }

    async fn prepare(cloud: &Cloud, clients: &Clients, number: usize, _: bool) -> Self {
        Self {
            store: cloud.archive(clients),
            bucket: cloud.setting("LOCKED_BUCKET"),
            key: format!("faults/{number}.note"),
        }
    }

    async fn write(&self) -> Told {
        match self.store.put_once(&self.key, b"a note\n".to_vec()).await {
            Ok(PutOnce::Stored) => Told::Written,
            Ok(PutOnce::Different) => panic!("nobody else wrote this object"),
            Err(error) => told(&error),
        }
    }

    type Look = (usize, Option<Vec<u8>>);

    async fn look(&self, cloud: &Cloud, clients: &Clients) -> Self::Look {
        let listed = clients.s3.list_object_versions().bucket(&self.bucket);
        let listed = listed.prefix(&self.key).send().await.unwrap();
        let stored = cloud.archive(clients).get(&self.key).await.unwrap();
        (listed.versions().len(), stored)
    }

    fn is_whole(&self, (versions, stored): Self::Look) -> bool {
        assert!(versions <= 1, "{versions} versions");
        assert_eq!(stored.is_some(), versions == 1);
        stored.is_some()
    }
}
