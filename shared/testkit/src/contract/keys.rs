//! [`KeyWrapper`] and [`WrappedKeys`]: data keys that open only where they belong.

use std::collections::BTreeMap;

use counterfoil_core::ports::{KeyWrapper, PortErrorKind, WrappedKeys};

fn context(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(owned).collect()
}

/// The key service.
pub async fn data_keys(store: &impl KeyWrapper) {
    let own = context(&[("workspace", "ws_1"), ("purpose", "read"), ("version", "1")]);
    let one = store.generate(&own).await.unwrap();
    let other = store.generate(&own).await.unwrap();
    assert!(
        one.plain.reveal() != other.plain.reveal(),
        "every key is new"
    );
    assert_ne!(one.wrapped, other.wrapped);
    for _ in 0..2 {
        let opened = store.unwrap(&one.wrapped, &own).await.unwrap();
        assert!(
            opened.reveal() == one.plain.reveal(),
            "the key that was made"
        );
    }
    for foreign in [
        context(&[]),
        context(&[("workspace", "ws_1"), ("purpose", "read")]),
        context(&[("workspace", "ws_2"), ("purpose", "read"), ("version", "1")]),
        context(&[
            ("workspace", "ws_1"),
            ("purpose", "repair"),
            ("version", "1"),
        ]),
        context(&[("workspace", "ws_1"), ("purpose", "read"), ("version", "2")]),
        context(&[
            ("workspace", "ws_1"),
            ("purpose", "read"),
            ("version", "1"),
            ("more", ""),
        ]),
    ] {
        let refused = store.unwrap(&one.wrapped, &foreign).await;
        let refused = refused.expect_err("a key opens in its own context only");
        assert_eq!(refused.kind, PortErrorKind::Refused, "{foreign:?}");
    }
    let again = store.wrap(&one.plain, &own).await.unwrap();
    assert_ne!(again, one.wrapped, "wrapped anew");
    for wrapped in [&again, &one.wrapped] {
        let opened = store.unwrap(wrapped, &own).await.unwrap();
        assert!(opened.reveal() == one.plain.reveal(), "the same key");
    }
    let elsewhere = context(&[("workspace", "ws_2")]);
    let refused = store.unwrap(&again, &elsewhere).await;
    let refused = refused.expect_err("it stays where it belongs");
    assert_eq!(refused.kind, PortErrorKind::Refused);
    let refused = store
        .unwrap(b"no wrapped key", &own)
        .await
        .expect_err("made up");
    assert_eq!(refused.kind, PortErrorKind::Refused);
}

/// The table of wrapped keys.
pub async fn wrapped_keys(store: &impl WrappedKeys) {
    let get = async |owner: &str, name: &str| store.get(owner, name).await.unwrap();
    let put =
        async |owner: &str, name: &str, key: &[u8]| store.put(owner, name, key).await.unwrap();
    assert_eq!(get("ws_contract", "one").await, None);
    assert!(put("ws_contract", "one", b"\x00\xffwrapped").await);
    assert_eq!(
        get("ws_contract", "one").await,
        Some(b"\x00\xffwrapped".to_vec())
    );
    assert!(
        !put("ws_contract", "one", b"other").await,
        "the name is taken"
    );
    assert_eq!(
        get("ws_contract", "one").await,
        Some(b"\x00\xffwrapped".to_vec())
    );
    assert_eq!(get("ws_contract", "two").await, None);
    assert_eq!(
        get("ws_other", "one").await,
        None,
        "names belong to their owner"
    );
    assert!(put("ws_other", "one", b"other").await);
    store.shred("ws_contract", "one").await.unwrap();
    store.shred("ws_contract", "one").await.unwrap();
    assert_eq!(get("ws_contract", "one").await, None, "shredded");
    assert_eq!(
        get("ws_other", "one").await,
        Some(b"other".to_vec()),
        "and nothing else"
    );
    assert!(put("ws_contract", "one", b"new").await);
}

/// Replacing wrapped keys, and listing those of an owner.
pub async fn rewrapped_keys(store: &impl WrappedKeys) {
    let owner = "ws_rewrap#prj_1#read";
    let replace = async |name: &str, old: &[u8], new: &[u8]| {
        store.replace(owner, name, old, new).await.unwrap()
    };
    let listed = async |owner: &str| {
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = store.list(owner, &after).await.unwrap();
            let Some(last) = page.last() else {
                return names;
            };
            after.clone_from(&last.name);
            names.extend(page.into_iter().map(|key| (key.name, key.wrapped)));
        }
    };
    assert_eq!(listed(owner).await, []);
    assert!(!replace("key-0", b"old", b"new").await, "nothing is there");
    assert_eq!(store.get(owner, "key-0").await.unwrap(), None);
    for number in (0..7).rev() {
        let name = format!("key-{number}");
        assert!(store.put(owner, &name, &[number]).await.unwrap());
    }
    let neighbours = ["ws_rewrap#prj_1#reader", "ws_rewrap#prj_1"];
    for neighbour in neighbours {
        assert!(store.put(neighbour, "key-1", b"theirs").await.unwrap());
    }
    let named = |number: u8| (format!("key-{number}"), vec![number]);
    assert_eq!(listed(owner).await, (0..7).map(named).collect::<Vec<_>>());
    assert!(
        !replace("key-1", b"other", b"new").await,
        "it holds another"
    );
    assert!(replace("key-1", &[1], b"new").await);
    assert!(!replace("key-1", &[1], b"newer").await, "it moved on");
    assert_eq!(
        store.get(owner, "key-1").await.unwrap(),
        Some(b"new".to_vec())
    );
    store.shred(owner, "key-2").await.unwrap();
    assert!(!replace("key-2", &[2], b"new").await, "destroyed for ever");
    assert_eq!(listed(owner).await.len(), 6);
    for neighbour in neighbours {
        assert_eq!(
            listed(neighbour).await,
            [("key-1".to_owned(), b"theirs".to_vec())]
        );
    }
}
