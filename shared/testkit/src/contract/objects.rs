//! [`Objects`] and [`Archive`]: bytes under keys.

use std::time::Duration;

use counterfoil_core::ports::{Archive, Objects, PortErrorKind, PutOnce};

fn noise(len: usize) -> Vec<u8> {
    (0..=255_u8).cycle().take(len).collect()
}

/// The data bucket.
pub async fn objects(store: &impl Objects) {
    let kind = "application/octet-stream";
    assert_eq!(store.get("contract/absent").await.unwrap(), None);
    for (key, bytes) in [
        ("contract/empty", Vec::new()),
        ("contract/a b+c/é.json", noise(1_000)),
        ("contract/large", noise(3_000_000)),
    ] {
        store.put(key, bytes.clone(), kind).await.unwrap();
        // Once more, as after a lost answer.
        store.put(key, bytes.clone(), kind).await.unwrap();
        let stored = store.get(key).await.unwrap();
        assert!(stored == Some(bytes), "{key} reads back as it was put");
    }
    streams(store, kind).await;
    let link = store
        .link("contract/large", "large.bin", Duration::from_mins(5))
        .await
        .unwrap();
    assert!(
        link.contains("contract/large"),
        "a link names its object: {link}"
    );
    deletion(store).await;
}

async fn deletion(store: &impl Objects) {
    for key in ["gone/b/2", "gone/a/1", "gone/a/2"] {
        let put = store.put(key, noise(10), "application/octet-stream");
        put.await.unwrap();
    }
    let keys = async |prefix: &str| store.keys(prefix).await.unwrap();
    assert_eq!(keys("gone/a/").await, ["gone/a/1", "gone/a/2"]);
    assert_eq!(keys("gone/").await.len(), 3);
    store.delete("gone/a/1").await.unwrap();
    // Once more, as after a lost answer.
    store.delete("gone/a/1").await.unwrap();
    assert_eq!(store.get("gone/a/1").await.unwrap(), None);
    assert_eq!(keys("gone/a/").await, ["gone/a/2"]);
    assert!(keys("gone/c/").await.is_empty());
}

/// Objects of any size, in bounded memory: below, at and above the size of a part.
async fn streams(store: &impl Objects, kind: &str) {
    for len in [0, 1_000, 8 << 20, (8 << 20) + 1, 20_000_000] {
        let key = format!("contract/streamed-{len}");
        let bytes = noise(len);
        let size = u64::try_from(len).unwrap();
        for _ in 0..2 {
            let mut content = bytes.as_slice();
            store
                .put_stream(&key, &mut content, size, kind)
                .await
                .unwrap();
        }
        let stored = store.get(&key).await.unwrap();
        assert!(stored == Some(bytes), "{key} reads back as it was put");
    }
    // Content that is not as long as promised is not stored.
    for (len, promised) in [(10, 11), (11, 10), (9 << 20, (9 << 20) + 1)] {
        let bytes = noise(len);
        let put = store
            .put_stream("contract/cut", &mut bytes.as_slice(), promised, kind)
            .await;
        assert_eq!(put.unwrap_err().kind, PortErrorKind::Corrupt);
        assert_eq!(store.get("contract/cut").await.unwrap(), None);
    }
}

/// The locked bucket.
pub async fn archive(store: &impl Archive) {
    let put = async |key: &str, bytes: &[u8]| store.put_once(key, bytes.to_vec()).await.unwrap();
    assert_eq!(store.get("contract/a/1").await.unwrap(), None);
    assert_eq!(put("contract/a/1", b"first").await, PutOnce::Stored);
    assert_eq!(
        put("contract/a/1", b"first").await,
        PutOnce::Stored,
        "the same again"
    );
    assert_eq!(put("contract/a/1", b"other").await, PutOnce::Different);
    assert_eq!(put("contract/a/1", b"").await, PutOnce::Different);
    let stored = store.get("contract/a/1").await.unwrap();
    assert_eq!(
        stored.as_deref(),
        Some(&b"first"[..]),
        "the first one stays"
    );

    for key in [
        "contract/a/3",
        "contract/a/10",
        "contract/a/2",
        "contract/b/1",
        "contract/a",
    ] {
        assert_eq!(put(key, key.as_bytes()).await, PutOnce::Stored);
    }
    let keys = async |prefix: &str, after: &str| store.keys_after(prefix, after).await.unwrap();
    assert_eq!(
        keys("contract/a/", "").await,
        [
            "contract/a/1",
            "contract/a/10",
            "contract/a/2",
            "contract/a/3"
        ],
        "every key of the prefix, in byte order"
    );
    assert_eq!(
        keys("contract/a/", "contract/a/10").await,
        ["contract/a/2", "contract/a/3"],
        "without the one it comes after"
    );
    assert_eq!(keys("contract/a/", "contract/a/11").await.len(), 2);
    assert!(keys("contract/a/", "contract/a/3").await.is_empty());
    assert!(keys("contract/c/", "").await.is_empty());
}
