//! Runs: sub-chains of a stream, opened once and closed for good.

use counterfoil_core::evidence::hash::{self, Hash};
use counterfoil_core::evidence::header::Header;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{AppendError, Batch, EvidenceAppend, EvidenceRead};

use super::{Sample, recompute};

/// Everything about runs.
pub async fn runs(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: runs", store).await;
    a_run_is_opened_once_and_closed_for_good(store, &sample).await;
    a_run_reads_whole_and_in_order(store, &sample).await;
    let other = Sample::begun("contract: runs of another stream", store).await;
    // The same id in another stream is another run.
    other
        .append(store, Batch::of([Sample::open("run_a")]))
        .await;
    assert_eq!(store.run(other.id(), "run_a").await.unwrap().len(), 1);
}

async fn refused(store: &impl EvidenceAppend, stream: Hash, drafts: Vec<Draft>) -> AppendError {
    let refused = store.append(stream, Batch::of(drafts)).await;
    refused.expect_err("a run's rules are kept")
}

async fn a_run_is_opened_once_and_closed_for_good(
    store: &(impl EvidenceAppend + EvidenceRead),
    sample: &Sample,
) {
    let stream = sample.id();
    let seen = |run: &str| Sample::seen("in a run").in_run(run);
    let conflict = |error: &AppendError, id: &str| matches!(error, AppendError::RunConflict { run } if run == id);

    let unknown = refused(store, stream, vec![seen("run_a")]).await;
    assert!(
        matches!(unknown, AppendError::Draft(_)),
        "not open yet: {unknown:?}"
    );
    assert!(store.run(stream, "run_a").await.unwrap().is_empty());

    sample
        .append(store, Batch::of([Sample::open("run_a"), seen("run_a")]))
        .await;
    let twice = refused(store, stream, vec![Sample::open("run_a")]).await;
    assert!(conflict(&twice, "run_a"), "open: {twice:?}");
    let both = vec![Sample::open("run_b"), Sample::open("run_b")];
    let both = refused(store, stream, both).await;
    assert!(
        matches!(both, AppendError::Draft(_)),
        "twice in a batch: {both:?}"
    );

    sample
        .append(store, Batch::of([Sample::close("run_a", 0)]))
        .await;
    for drafts in [
        vec![seen("run_a")],
        vec![Sample::close("run_a", 0)],
        vec![Sample::open("run_a")],
        vec![Sample::open("run_b"), seen("run_a")],
    ] {
        let closed = refused(store, stream, drafts).await;
        assert!(conflict(&closed, "run_a"), "closed: {closed:?}");
    }
    assert!(
        store.run(stream, "run_b").await.unwrap().is_empty(),
        "nothing of the last batch"
    );
    let head = store.head(stream).await.unwrap().unwrap();
    assert_eq!(head.size, 4, "nothing of the refused ones");
}

async fn a_run_reads_whole_and_in_order(
    store: &(impl EvidenceAppend + EvidenceRead),
    sample: &Sample,
) {
    let seen = |run: &str, n: u32| Sample::seen_with(&format!("{run}/{n}"), 10).in_run(run);
    let batch = Batch::of([
        Sample::open("run_c"),
        Sample::open("run_d"),
        seen("run_c", 0),
    ]);
    sample.append(store, batch).await;
    for n in 1..6 {
        let between = Sample::seen("in no run");
        let batch = Batch::of([seen("run_c", n), between, seen("run_d", n)]);
        sample.append(store, batch).await;
    }
    let batch = Batch::of([
        Sample::close("run_c", 0),
        seen("run_d", 6),
        Sample::close("run_d", 0),
    ]);
    sample.append(store, batch).await;

    let stream = store.entries(sample.id(), 0, 999).await.unwrap();
    recompute(sample.id(), &stream);
    for (run, count) in [("run_c", 8), ("run_d", 8)] {
        let entries = store.run(sample.id(), run).await.unwrap();
        assert_eq!(entries.len(), count, "{run} is whole");
        let mut before = sample.id();
        for (n, entry) in entries.iter().enumerate() {
            let header = Header::parse(&entry.header, sample.id()).unwrap();
            let place = header.run.expect("an entry of a run says so");
            assert_eq!(
                (place.id.as_str(), place.n),
                (run, u64::try_from(n).unwrap())
            );
            assert_eq!(place.prev, before, "{run} is a chain of its own");
            before = hash::leaf(&entry.header);
            assert!(stream.contains(entry), "with its parts");
        }
    }
}
