//! [`State`]: documents, versions, conditions, lists.

use std::time::Duration;

use counterfoil_core::ports::{EntryRef, Expect, PortErrorKind, State, StateKey, StateWrite};
use counterfoil_core::time::Timestamp;
use serde_json::json;

fn key(sk: &str) -> StateKey {
    StateKey {
        pk: "ws_contract#state".to_owned(),
        sk: sk.to_owned(),
    }
}

async fn write(store: &impl State, writes: impl IntoIterator<Item = StateWrite>) -> bool {
    let written = store.write(writes.into_iter().collect()).await;
    written.expect("a write that is possible is answered")
}

async fn version(store: &impl State, sk: &str) -> Option<u64> {
    let stored = store.get(&key(sk)).await.unwrap();
    stored.map(|stored| stored.version)
}

/// Everything about documents, except that they expire.
pub async fn state(store: &impl State) {
    conditions_are_kept(store).await;
    all_writes_happen_or_none(store).await;
    a_document_reads_back_as_it_was_written(store).await;
    a_list_is_whole_and_in_order(store).await;
}

async fn conditions_are_kept(store: &impl State) {
    let create = |n: i64| StateWrite::create(key("c#one"), json!(n));
    let replace = |version, n: i64| StateWrite::replace(key("c#one"), version, json!(n));
    assert_eq!(store.get(&key("c#one")).await.unwrap(), None);
    assert!(
        !write(store, [replace(1, 0)]).await,
        "there is nothing to replace"
    );
    assert!(write(store, [create(1)]).await);
    assert!(!write(store, [create(2)]).await, "it exists");
    assert!(!write(store, [replace(2, 2)]).await, "it has version 1");
    let stored = store.get(&key("c#one")).await.unwrap().unwrap();
    assert_eq!(
        (stored.version, stored.doc, stored.evidence),
        (1, json!(1), None)
    );
    assert_eq!(stored.key, key("c#one"));
    for n in 1..12 {
        assert!(write(store, [replace(n, 3)]).await, "version {n}");
        assert!(!write(store, [replace(n, 4)]).await, "version {n} is gone");
    }
    assert_eq!(version(store, "c#one").await, Some(12));

    let mut careful = StateWrite::delete(key("c#one"));
    careful.expect = Expect::Version(3);
    assert!(
        !write(store, [careful.clone()]).await,
        "it has another version"
    );
    careful.expect = Expect::Version(12);
    assert!(write(store, [careful]).await);
    assert_eq!(version(store, "c#one").await, None);
    assert!(
        write(store, [StateWrite::delete(key("c#one"))]).await,
        "already gone"
    );
    assert!(write(store, [create(5)]).await, "a new document");
    assert_eq!(version(store, "c#one").await, Some(1));

    let mut whatever = create(6);
    whatever.expect = Expect::Anything;
    assert!(
        write(
            store,
            [replace(1, 7), StateWrite::create(key("c#two"), json!(0))]
        )
        .await
    );
    assert!(write(store, [whatever]).await, "the last writer wins");
    let stored = store.get(&key("c#one")).await.unwrap().unwrap();
    assert_eq!(
        (stored.version, stored.doc),
        (1, json!(6)),
        "and begins again"
    );
}

async fn all_writes_happen_or_none(store: &impl State) {
    let create = |n: usize| StateWrite::create(key(&format!("t#{n:03}")), json!(n));
    assert!(write(store, []).await, "nothing to do");
    assert!(write(store, [create(7)]).await);
    assert!(!write(store, (0..10).map(create)).await, "number 7 exists");
    assert_eq!(
        store.list(&key("").pk, "t#").await.unwrap().len(),
        1,
        "none of the others"
    );
    assert!(
        write(store, (100..200).map(create)).await,
        "a hundred at once"
    );
    let refused = store.write((200..301).map(create).collect()).await;
    let refused = refused.expect_err("101 are too many");
    assert_eq!(refused.kind, PortErrorKind::Refused);
    assert_eq!(store.list(&key("").pk, "t#").await.unwrap().len(), 101);
}

async fn a_document_reads_back_as_it_was_written(store: &impl State) {
    let doc = json!({
        "text": "Zoë \u{1f980} \"quoted\" \\ \u{1}\n",
        "numbers": [0, -1, 9_007_199_254_740_993_u64, i64::MIN, u64::MAX],
        "nothing": null, "empty": "", "list": [], "object": {},
        "deep": [[[[{ "a": [true, false] }]]]],
    });
    let entry = EntryRef {
        stream: "5".repeat(64),
        seq: (1 << 53) - 1,
        leaf: "a".repeat(64),
    };
    let citing = StateWrite::create(key("d#doc"), doc.clone()).citing(entry.clone());
    assert!(write(store, [citing]).await);
    let stored = store.get(&key("d#doc")).await.unwrap().unwrap();
    assert_eq!((&stored.doc, stored.evidence), (&doc, Some(entry)));
    assert!(write(store, [StateWrite::replace(key("d#doc"), 1, doc)]).await);
    let stored = store.get(&key("d#doc")).await.unwrap().unwrap();
    assert_eq!(stored.evidence, None, "nothing explains the new version");
}

async fn a_list_is_whole_and_in_order(store: &impl State) {
    // 2 MB in all: more than one page.
    let big = "x".repeat(100_000);
    let row = |n: usize| StateWrite::create(key(&format!("l#{n:02}")), json!([n, big]));
    for n in (0..20).rev() {
        assert!(write(store, [row(n)]).await);
    }
    let around = ["l", "l$", "l!", "k#99", "m#00"].map(|sk| StateWrite::create(key(sk), json!(0)));
    assert!(write(store, around).await);
    let mut elsewhere = row(0);
    elsewhere.key.pk.push_str("ment");
    assert!(write(store, [elsewhere]).await);

    let rows = store.list(&key("").pk, "l#").await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.key.sk.clone()).collect();
    let expected: Vec<_> = (0..20).map(|n| format!("l#{n:02}")).collect();
    assert_eq!(
        found, expected,
        "every document of the prefix, ascending, and no other"
    );
    for (n, row) in rows.iter().enumerate() {
        assert_eq!((row.version, &row.doc), (1, &json!([n, big])));
    }
    assert_eq!(store.list(&key("").pk, "l#1").await.unwrap().len(), 10);
    let whole = store.list(&key("").pk, "").await.unwrap();
    let keys: Vec<_> = whole.iter().map(|row| row.key.clone()).collect();
    for from in ["", "l", "l#05", "l#055", "l#19", "m", "z"] {
        let rows = store.list_from(&key("").pk, from).await.unwrap();
        let found: Vec<_> = rows.into_iter().map(|row| row.key).collect();
        let rest = keys.iter().filter(|key| key.sk.as_str() >= from).cloned();
        assert_eq!(found, rest.collect::<Vec<_>>(), "from {from:?} on");
    }
    for most in [1, 10, keys.len() + 1] {
        let first = store.first(&key("").pk, most).await.unwrap();
        assert_eq!(first, keys[..most.min(keys.len())], "the first {most}");
    }
    assert!(whole.len() >= rows.len(), "the whole partition");
    assert!(
        store
            .list(&key("").pk, "nothing#")
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.list("ws_contract", "l#").await.unwrap().is_empty());
}

/// A document past its time is absent, although nobody removed it. `now` is the store's time.
pub async fn expiry(store: &impl State, now: Timestamp) {
    let minute = Duration::from_mins(1);
    let past = Timestamp::from_millis(now.as_millis().saturating_sub(60_000));
    let gone = StateWrite::create(key("e#gone"), json!("old"));
    let kept = StateWrite::create(key("e#kept"), json!("kept"));
    assert!(
        write(
            store,
            [
                gone.clone().until(past),
                kept.clone().until(now.plus(minute))
            ]
        )
        .await
    );
    assert_eq!(store.get(&key("e#gone")).await.unwrap(), None);
    assert_eq!(version(store, "e#kept").await, Some(1));
    let rows = store.list(&key("").pk, "e#").await.unwrap();
    assert_eq!(rows.len(), 1, "lists leave it out as well");
    assert!(!write(store, [kept.clone()]).await, "it is still there");
    assert!(write(store, [gone.clone()]).await, "its place is free");
    let stored = store.get(&key("e#gone")).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.doc), (1, json!("old")));
    assert!(!write(store, [gone]).await, "and taken now");
    let for_ever = StateWrite::replace(key("e#kept"), 1, json!("for ever"));
    assert!(write(store, [for_ever]).await);
    assert_eq!(version(store, "e#kept").await, Some(2));
}
