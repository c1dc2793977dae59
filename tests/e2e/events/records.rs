//! Evidence: exported, and sealed.

use counterfoil_core::ports::SealStore;
use serde_json::json;

use super::super::stage::wait;
use super::real::Real;
use super::{EXPORT, RUN};

pub(super) async fn exports(real: &Real<'_>, run: &str) {
    // The approver of the files may not export; the owner may.
    let ada = real.tenant.ada.as_str();
    let ben: &str = &real.tenant.ben;
    let (status, _) = real.http("export", "create", &[(RUN, run)]).await;
    assert_eq!(status, 403);
    let owned = |name, more: &[(&'static str, &str)]| {
        let mut event = real.event("export", name, more);
        event["headers"]["authorization"] = json!(format!("Bearer {ada}"));
        assert_ne!(ada, ben);
        event
    };
    let (status, made) = real
        .answered("export", &owned("create", &[(RUN, run)]))
        .await;
    assert_eq!(status, 202, "{made}");
    let id = [(EXPORT, made["id"].as_str().unwrap())];
    // The queue may have brought it already; then the message finds nothing to do, or a worker.
    real.other("export", "request", &id).await;
    let read = wait("the export", async || {
        let (status, read) = real.answered("export", &owned("read", &id)).await;
        assert_eq!(status, 200, "{read}");
        (read["state"] == "ready").then_some(read)
    });
    let read = read.await;
    let (status, link) = real.answered("export", &owned("download", &id)).await;
    assert_eq!(status, 200, "{link}");
    let fetched = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(
        fetched.bytes().await.unwrap().len(),
        usize::try_from(read["bytes"].as_u64().unwrap()).unwrap()
    );
}

pub(super) async fn sealing(real: &Real<'_>) {
    let stream = real.tenant.project.stream_id().unwrap();
    let seals = real.stack.boot.seals().unwrap();
    for name in ["entries-appended", "seal", "seal-stream"] {
        let size = real.stack.entries(&real.tenant).await.len();
        // The table's own stream may have sealed it before; then there is nothing new.
        let answer = real.other("archive", name, &[]).await;
        assert!(answer["sealed"].is_array(), "{name}: {answer}");
        let sealed = seals.last(stream).await.unwrap().unwrap().size;
        assert!(usize::try_from(sealed).unwrap() >= size, "{name}");
    }
    for name in ["entry-changed", "entry-removed"] {
        let answer = real.other("archive", name, &[]).await;
        let refused = json!([{ "stream": stream.to_string(), "cause": "item_changed" }]);
        assert_eq!(answer["refused"], refused, "{name}: {answer}");
    }
    // Nothing was changed in truth, and so the refusal can be lifted.
    let answer = real.other("archive", "recheck", &[]).await;
    assert!(answer["intact"]["sealed"].is_u64(), "{answer}");
    let answer = real.other("archive", "seal-stream", &[]).await;
    assert!(answer["sealed"].is_array(), "{answer}");
}
