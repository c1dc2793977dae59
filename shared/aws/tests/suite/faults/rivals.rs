//! Somebody else is faster while it is not known what became of a write.
//!
//! The proxy stops the writer where it reads back; the rival writes; then the writer goes on. What
//! was held back arrives last.

use std::time::Duration;

use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{
    AppendError, Archive, Batch, EntryRef, EvidenceAppend, EvidenceRead, PutOnce, SealCommit,
    SealStore, State, StateKey, StateWrite, WrappedKeys,
};
use counterfoil_testkit::contract::{Sample, recompute};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use serde_json::json;

use super::subjects::Seal;
use crate::cloud::{Cloud, now};

/// A write whose first attempt meets `fault` and that waits before its first look at `reads`, and a
/// rival who uses the time. Then everything that was held back arrives.
async fn between<T>(
    proxy: &FaultProxy,
    (writes, faults): (&'static str, &[Fault]),
    reads: &'static str,
    write: impl Future<Output = T>,
    rival: impl Future<Output = ()>,
) -> T {
    proxy.plan(writes, faults.iter().copied());
    proxy.plan(reads, [Fault::Wait]);
    let rival = async {
        proxy.somebody_waits().await;
        rival.await;
        proxy.go_on();
    };
    let (written, ()) = soon(async { tokio::join!(write, rival) }).await;
    proxy.release().await.unwrap();
    written
}

/// A writer that does not do what its rival waits for must not hang the test.
async fn soon<T>(done: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, done).await.unwrap()
}

const APPEND: &str = "TransactWriteItems";

/// What became of a batch whose request was held back while `rival` appended another.
async fn appended_after(
    name: &str,
    first: &[Draft],
    batch: Batch,
    rival: Batch,
) -> (Result<Vec<EntryRef>, AppendError>, Vec<String>) {
    let cloud = Cloud::shared();
    let direct = cloud.clients().await;
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.evidence(&cloud.clients_at(&proxy.endpoint()).await);
    let others = cloud.evidence(&direct);
    let sample = Sample::begun(name, &store).await;
    if !first.is_empty() {
        sample.append(&store, Batch::of(first.to_vec())).await;
    }
    let write = store.append(sample.id(), batch);
    let rival = async {
        sample.append(&others, rival).await;
    };
    let held = (APPEND, &[Fault::HoldBack][..]);
    let told = between(&proxy, held, "GetItem", write, rival).await;
    let entries = others.entries(sample.id(), 0, 99).await.unwrap();
    let (links, _) = recompute(sample.id(), &entries);
    if let Ok(refs) = &told {
        for of in refs {
            let link = &links[usize::try_from(of.seq).unwrap()];
            assert_eq!(link.leaf.to_string(), of.leaf);
        }
    }
    let kinds = links.iter().map(|link| {
        let id = Sample::id_of(&link.facts).unwrap_or_default();
        format!("{} {id}", link.header.kind).trim_end().to_owned()
    });
    (told, kinds.collect())
}

#[tokio::test]
async fn an_append_goes_behind_the_rival_and_the_late_request_does_nothing() {
    let ours = Batch::of([Sample::seen("ours")]);
    let rival = Batch::of([Sample::seen("rival")]);
    let (told, kinds) = appended_after("rivals: append", &[], ours, rival).await;
    assert_eq!(told.unwrap()[0].seq, 2);
    let seen = |id: &str| format!("observation.recorded {id}");
    assert_eq!(kinds, ["genesis".to_owned(), seen("rival"), seen("ours")]);
}

#[tokio::test]
async fn a_row_that_the_rival_took_refuses_the_batch_for_good() {
    let key = StateKey {
        pk: "ws_rivals#rows".to_owned(),
        sk: "row#1".to_owned(),
    };
    let create = |who: &str| StateWrite::create(key.clone(), json!(who)).explained_by(0);
    let ours = Batch::of([Sample::seen("ours")]).with(create("ours"));
    let rival = Batch::of([Sample::seen("rival")]).with(create("rival"));
    let (told, kinds) = appended_after("rivals: state", &[], ours, rival).await;
    assert!(
        matches!(told, Err(AppendError::StateChanged { index: 0 })),
        "{told:?}"
    );
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}

#[tokio::test]
async fn a_run_that_the_rival_opened_or_closed_refuses_the_batch_for_good() {
    let open = || Batch::of([Sample::open("run_1")]);
    let (told, kinds) = appended_after("rivals: open", &[], open(), open()).await;
    assert!(
        matches!(told, Err(AppendError::RunConflict { .. })),
        "{told:?}"
    );
    assert_eq!(kinds, ["genesis", "run.open"]);

    let first = [Sample::open("run_1")];
    let ours = Batch::of([Sample::seen("ours").in_run("run_1")]);
    let close = Batch::of([Sample::close("run_1", 0)]);
    let (told, kinds) = appended_after("rivals: close", &first, ours, close).await;
    assert!(
        matches!(told, Err(AppendError::RunConflict { .. })),
        "{told:?}"
    );
    assert_eq!(kinds, ["genesis", "run.open", "run.close"]);
}

#[tokio::test]
async fn a_floor_that_rises_meanwhile_kills_the_late_request() {
    let cloud = Cloud::shared();
    let direct = cloud.clients().await;
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.evidence(&cloud.clients_at(&proxy.endpoint()).await);
    let sample = Sample::begun("rivals: floor", &store).await;
    let floor = now().as_millis() + 60_000;
    let rival = async {
        let seals = cloud.seals(&direct);
        assert!(
            seals
                .raise_floor(sample.id(), floor)
                .await
                .unwrap()
                .is_some()
        );
    };
    let write = store.append(sample.id(), Batch::of([Sample::seen("ours")]));
    let held = (APPEND, &[Fault::HoldBack][..]);
    let told = between(&proxy, held, "GetItem", write, rival).await;
    assert_eq!(told.unwrap()[0].seq, 1);
    let entries = store.entries(sample.id(), 0, 9).await.unwrap();
    let (links, _) = recompute(sample.id(), &entries);
    assert_eq!(links.len(), 2);
    assert!(links[1].header.at >= floor, "built again above the floor");
}

#[tokio::test]
async fn a_state_write_that_the_rival_beat_is_not_written_later() {
    let cloud = Cloud::shared();
    let direct = cloud.state(&cloud.clients().await);
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.state(&cloud.clients_at(&proxy.endpoint()).await);
    let key = StateKey {
        pk: "ws_rivals#state".to_owned(),
        sk: "row#1".to_owned(),
    };
    let create = || vec![StateWrite::create(key.clone(), json!("the same"))];
    // Both write the same document: only one of them may believe that it was first.
    proxy.plan(APPEND, [Fault::HoldBack, Fault::Wait]);
    let rival = async {
        proxy.somebody_waits().await;
        assert!(direct.write(create()).await.unwrap());
        proxy.go_on();
    };
    let (told, ()) = soon(async { tokio::join!(store.write(create()), rival) }).await;
    assert!(!told.unwrap(), "the rival was first");
    proxy.release().await.unwrap();
    let stored = direct.get(&key).await.unwrap().unwrap();
    assert_eq!(stored.version, 1);
}

#[tokio::test]
async fn a_state_write_that_fails_its_own_condition_knows_its_rows() {
    let cloud = Cloud::shared();
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.state(&cloud.clients_at(&proxy.endpoint()).await);
    let create = |sk: &str| {
        let key = StateKey {
            pk: "ws_rivals#own".to_owned(),
            sk: sk.to_owned(),
        };
        vec![StateWrite::create(key, json!("ours"))]
    };
    // As where the token of the first attempt is forgotten already.
    proxy.plan(APPEND, [Fault::DropReply, Fault::CONDITION]);
    assert!(store.write(create("row#1")).await.unwrap());
    // A conflict in between takes no doubt away.
    proxy.plan(
        APPEND,
        [Fault::DropReply, Fault::CONFLICT, Fault::CONDITION],
    );
    assert!(store.write(create("row#2")).await.unwrap());
    proxy.plan(APPEND, [Fault::CONDITION]);
    assert!(
        !store.write(create("row#3")).await.unwrap(),
        "no doubt at all"
    );
}

#[tokio::test]
async fn a_seal_is_lost_to_the_rival_or_lies_under_it() {
    let cloud = Cloud::shared();
    let direct = cloud.seals(&cloud.clients().await);
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.seals(&cloud.clients_at(&proxy.endpoint()).await);

    let stream = Sample::named("rivals: seal lost").id();
    let (ours, theirs) = (Seal::at(stream, 1, 1_000), Seal::at(stream, 1, 1_001));
    let rival = async {
        let committed = direct.commit(stream, None, &theirs).await.unwrap();
        assert_eq!(committed, SealCommit::Committed);
    };
    let write = store.commit(stream, None, &ours);
    let told = between(
        &proxy,
        (APPEND, &[Fault::HoldBack]),
        "GetItem",
        write,
        rival,
    )
    .await;
    assert_eq!(told.unwrap(), SealCommit::Lost);
    assert_eq!(direct.all(stream).await.unwrap(), [theirs]);

    let stream = Sample::named("rivals: seal covered").id();
    let (ours, theirs) = (Seal::at(stream, 1, 1_000), Seal::at(stream, 2, 2_000));
    let rival = async {
        let committed = direct.commit(stream, Some(ours.seal_hash), &theirs).await;
        assert_eq!(committed.unwrap(), SealCommit::Committed);
    };
    let write = store.commit(stream, None, &ours);
    let told = between(
        &proxy,
        (APPEND, &[Fault::DropReply]),
        "GetItem",
        write,
        rival,
    )
    .await;
    assert_eq!(told.unwrap(), SealCommit::Committed, "ours is in the line");
    assert_eq!(direct.all(stream).await.unwrap(), [ours, theirs]);
}

#[tokio::test]
async fn a_key_and_an_object_that_the_rival_stored_stay() {
    let cloud = Cloud::shared();
    let clients = cloud.clients().await;
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let proxied = cloud.clients_at(&proxy.endpoint()).await;

    let (keys, theirs) = (cloud.data_keys(&proxied), cloud.data_keys(&clients));
    let rival = async { assert!(theirs.put("ws_rivals", "key", b"rival").await.unwrap()) };
    let write = keys.put("ws_rivals", "key", b"ours");
    let told = between(
        &proxy,
        ("PutItem", &[Fault::HoldBack]),
        "GetItem",
        write,
        rival,
    )
    .await;
    assert!(!told.unwrap(), "the name is taken");
    let stored = theirs.get("ws_rivals", "key").await.unwrap();
    assert_eq!(stored.as_deref(), Some(&b"rival"[..]));

    let (archive, theirs) = (cloud.archive(&proxied), cloud.archive(&clients));
    for (key, bytes, expected) in [
        ("rivals/other", &b"rival"[..], PutOnce::Different),
        ("rivals/same", b"ours", PutOnce::Stored),
    ] {
        let rival = async {
            let stored = theirs.put_once(key, bytes.to_vec()).await.unwrap();
            assert_eq!(stored, PutOnce::Stored);
        };
        let write = archive.put_once(key, b"ours".to_vec());
        let told = between(&proxy, ("PUT ", &[Fault::HoldBack]), "GET ", write, rival).await;
        assert_eq!(told.unwrap(), expected, "{key}");
        assert_eq!(theirs.get(key).await.unwrap().as_deref(), Some(bytes));
    }
}
