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
