//! [`SealStore`]: one line of seals per stream, and the floor under its writers.

use counterfoil_core::evidence::hash::{Hash, sha256};
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::{
    AppendError, Batch, EvidenceAppend, EvidenceRead, RefusalCause, SealCommit, SealProgress,
    SealStore, SealedState,
};
use counterfoil_core::time::Timestamp;

use super::Sample;

/// A seal of this size and time: the store does not read notes.
fn sealed(size: u64, at: u64) -> SealedState {
    let mut frontier = Frontier::new();
    let mut leaf = Hash::ZERO;
    for n in 0..size {
        leaf = sha256(&n.to_be_bytes());
        frontier.push(leaf);
    }
    let note = format!("note of size {size} at {at}\n— signed\n");
    SealedState {
        seal_hash: sha256(note.as_bytes()),
        note,
        size,
        at,
        leaf,
        frontier,
    }
}

/// Seals follow each other.
pub async fn seals(store: &impl SealStore) {
    let stream = Sample::named("contract: seals").id();
    let commit = async |previous: Option<&SealedState>, seal: &SealedState| {
        let previous = previous.map(|seal| seal.seal_hash);
        store.commit(stream, previous, seal).await.unwrap()
    };
    assert_eq!(store.last(stream).await.unwrap(), None);
    assert!(store.all(stream).await.unwrap().is_empty());

    let first = sealed(9, 1_795_392_000_000);
    let early = commit(Some(&first), &sealed(9, 1_795_392_000_001)).await;
    assert_eq!(early, SealCommit::Lost, "there is nothing to follow");
    assert_eq!(store.last(stream).await.unwrap(), None);
    assert_eq!(commit(None, &first).await, SealCommit::Committed);
    assert_eq!(store.last(stream).await.unwrap(), Some(first.clone()));

    let rival = sealed(9, 1_795_392_000_002);
    assert_eq!(
        commit(None, &rival).await,
        SealCommit::Lost,
        "there is a first one"
    );
    let second = sealed(10, 1_795_392_001_000);
    assert_eq!(commit(Some(&first), &second).await, SealCommit::Committed);
    let rival = sealed(11, 1_795_392_001_001);
    assert_eq!(
        commit(Some(&first), &rival).await,
        SealCommit::Lost,
        "another followed it"
    );

    // The same size again at a later time: a heartbeat.
    let third = sealed(10, 1_795_392_002_000);
    assert_eq!(commit(Some(&second), &third).await, SealCommit::Committed);
    let fourth = sealed(100, 1_795_392_003_000);
    assert_eq!(commit(Some(&third), &fourth).await, SealCommit::Committed);
    assert_eq!(store.last(stream).await.unwrap(), Some(fourth.clone()));
    let all = store.all(stream).await.unwrap();
    assert_eq!(
        all,
        [first, second, third, fourth],
        "oldest first, the lost ones never"
    );

    pages(store, stream, &all).await;

    let other = Sample::named("contract: seals of another stream").id();
    assert_eq!(store.last(other).await.unwrap(), None);
    assert!(store.all(other).await.unwrap().is_empty());
}

/// Seals after one, page by page: the rest, in order, and without the newest one's own row.
async fn pages(store: &impl SealStore, stream: Hash, all: &[SealedState]) {
    for (index, seal) in all.iter().enumerate() {
        let mut found = Vec::new();
        let (mut size, mut at) = (seal.size, seal.at);
        loop {
            let page = store.after(stream, size, at).await.unwrap();
            let Some(last) = page.last() else { break };
            (size, at) = (last.size, last.at);
            found.extend(page);
        }
        assert_eq!(found, all[index + 1..]);
    }
    let first = store.after(stream, 0, 0).await.unwrap();
    assert_eq!(first.first(), all.first());
}

/// What else a run of the sealer begins with: the place of an earlier one, a refusal, the time.
pub async fn starts(store: &impl SealStore) {
    let stream = Sample::named("contract: starts").id();
    let start = async || store.start(stream).await.unwrap();
    let nothing = start().await;
    assert_eq!(
        (nothing.last, nothing.progress, nothing.refused),
        (None, None, None)
    );
    assert_eq!(nothing.refusals, 0);
    assert!(nothing.store_time.is_some(), "the store says its time");

    let seal = sealed(9, 1_795_392_000_777);
    store.commit(stream, None, &seal).await.unwrap();
    let ahead = sealed(12, 1);
    let mut place = SealProgress {
        base: None,
        size: ahead.size,
        leaf: ahead.leaf,
        frontier: ahead.frontier,
        rotated: false,
    };
    store.keep_progress(stream, &place).await.unwrap();
    assert_eq!(start().await.progress.as_ref(), Some(&place));
    place.base = Some(seal.seal_hash);
    place.rotated = true;
    store.keep_progress(stream, &place).await.unwrap();
    let found = start().await;
    assert_eq!(
        found.progress.as_ref(),
        Some(&place),
        "the last writer wins"
    );
    assert_eq!(found.last, Some(seal.clone()));

    let at = Timestamp::from_millis(1_795_392_000_000);
    let refuse = async |cause| store.refuse(stream, cause, at).await.unwrap();
    for cause in RefusalCause::ALL {
        refuse(*cause).await;
        refuse(RefusalCause::Clock).await;
        let seen = start().await;
        assert_eq!(seen.refused, Some(*cause), "the first cause stays");
        let lift = async || store.lift(stream, seen.refusals, at).await.unwrap();
        assert!(lift().await);
        assert_eq!(start().await.refused, None);
        assert!(lift().await, "again, after a lost reply");
        assert_eq!(start().await.refusals, seen.refusals);
    }
    refuse(RefusalCause::Rollback).await;
    refused_again(store, stream).await;
    let found = start().await;
    assert_eq!(found.last, store.last(stream).await.unwrap());
    assert_eq!(
        store.all(stream).await.unwrap(),
        [seal],
        "none of it is a seal"
    );
    let other = Sample::named("contract: starts of another stream").id();
    assert_eq!(store.start(other).await.unwrap().refused, None);
}

/// Nobody lifts a refusal that came after what they looked at: neither a second one, nor the first
/// one of a stream that was looked at before.
async fn refused_again(store: &impl SealStore, stream: Hash) {
    let at = Timestamp::from_millis(1_795_392_000_000);
    let calm = Sample::named("contract: refused for the first time").id();
    for (stream, cause) in [
        (stream, RefusalCause::Rollback),
        (calm, RefusalCause::ItemChanged),
    ] {
        let seen = store.start(stream).await.unwrap().refusals;
        let again = RefusalCause::ItemChanged;
        store.refuse(stream, again, at).await.unwrap();
        assert!(!store.lift(stream, seen, at).await.unwrap());
        let found = store.start(stream).await.unwrap();
        assert_eq!(found.refused, Some(cause));
        assert!(found.refusals > seen);
    }
}

/// The floor only rises, and no later entry is older than it.
pub async fn floors(store: &(impl EvidenceAppend + EvidenceRead), seals: &impl SealStore) {
    let nobody = Sample::named("contract: floors of nothing").id();
    assert_eq!(
        seals.raise_floor(nobody, u64::MAX >> 12).await.unwrap(),
        None
    );
    assert_eq!(
        store.head(nobody).await.unwrap(),
        None,
        "a floor makes no stream"
    );

    let sample = Sample::begun("contract: floors", store).await;
    let before = store.head(sample.id()).await.unwrap().unwrap();
    let raise = async |at| seals.raise_floor(sample.id(), at).await.unwrap();
    assert_eq!(
        raise(before.at - 1).await,
        None,
        "older than the newest entry"
    );
    let raised = raise(before.at).await.expect("as old as the newest entry");
    assert_eq!(raised.floor, before.at);
    assert_eq!(
        (raised.size, raised.prev, raised.at, raised.frontier),
        (before.size, before.prev, before.at, before.frontier),
        "nothing else moves"
    );
    assert_eq!(raise(before.at).await, None, "already there");
    let ahead = before.at + 60_000;
    assert_eq!(raise(ahead).await.map(|head| head.floor), Some(ahead));
    assert_eq!(raise(ahead - 1).await, None, "it never falls");
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert_eq!((head.floor, head.at), (ahead, before.at));

    sample
        .append(store, Batch::of([Sample::seen("above")]))
        .await;
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert!(head.at >= ahead, "an entry is not below the floor");
    assert_eq!((head.size, head.floor), (2, ahead));

    // A floor that is minutes ahead of the clock means that a clock is wrong.
    assert!(raise(before.at + 600_000).await.is_some());
    let refused = store
        .append(sample.id(), Batch::of([Sample::seen("bound")]))
        .await;
    assert!(matches!(refused, Err(AppendError::Clock)), "{refused:?}");
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert_eq!(head.size, 2, "nothing is bound to a wrong time");
}
