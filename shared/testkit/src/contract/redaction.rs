//! Erasure and the register of legal holds: what a batch removes, and what stops it.

use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{
    ActiveHold, AppendError, Batch, EntryRef, EvidenceAppend, EvidenceRead, HoldTarget, Holds,
    HoldsWrite, Redaction, StoredPart,
};

use super::{Sample, recompute};

/// Everything about redactions, holds and the index of subjects.
pub async fn redactions(store: &(impl EvidenceAppend + EvidenceRead)) {
    a_redaction_removes_a_subject_and_nothing_else(store).await;
    a_part_is_redacted_once(store).await;
    lost_is_no_way_round_an_existing_part(store).await;
    the_register_of_holds_changes_with_its_entries(store).await;
    a_changed_register_stops_a_redaction(store).await;
    as_many_as_a_transaction_holds(store).await;
}

fn about(id: &str, pseudonym: &str) -> Draft {
    Sample::seen_with(id, 20).about(Some(pseudonym.to_owned()))
}

/// Waits for the index, which may lag.
async fn indexed(store: &impl EvidenceRead, sample: &Sample, who: &str, expected: &[u64]) {
    for _ in 0..100 {
        let found = store.by_subject(sample.id(), who).await.unwrap();
        if found == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let found = store.by_subject(sample.id(), who).await.unwrap();
    assert_eq!(found, expected, "entries about {who}");
}

async fn redacting(
    store: &impl EvidenceRead,
    sample: &Sample,
    refs: &[EntryRef],
    lost: bool,
) -> Batch {
    let mut batch = Batch::default();
    for of in refs {
        let stored = store.entries(sample.id(), of.seq, of.seq + 1).await;
        let draft = batch.drafts.len();
        batch.drafts.push(Sample::redact(of, &stored.unwrap()[0]));
        batch.redactions.push(Redaction {
            draft,
            seq: of.seq,
            lost,
        });
    }
    batch
}

async fn a_redaction_removes_a_subject_and_nothing_else(
    store: &(impl EvidenceAppend + EvidenceRead),
) {
    let sample = Sample::begun("contract: redaction", store).await;
    let batch = Batch::of([
        about("a", "ann"),
        about("b", "ben"),
        about("c", "ann"),
        Sample::seen("d").about(Some("ann".to_owned())),
    ]);
    let refs = sample.append(store, batch).await;
    // An entry without a subject is about nobody.
    indexed(store, &sample, "ann", &[1, 3]).await;
    indexed(store, &sample, "ben", &[2]).await;
    indexed(store, &sample, "nobody", &[]).await;
    let other = Sample::begun("contract: redaction elsewhere", store).await;
    indexed(store, &other, "ann", &[]).await;

    let before = store.entries(sample.id(), 0, 9).await.unwrap();
    let batch = redacting(store, &sample, &[refs[0].clone(), refs[2].clone()], false).await;
    let by = sample.append(store, batch).await;
    let after = store.entries(sample.id(), 0, 9).await.unwrap();
    assert_eq!(after[1].subject, Some(StoredPart::Erased(by[0].seq)));
    assert_eq!(after[3].subject, Some(StoredPart::Erased(by[1].seq)));
    assert_eq!(after[2], before[2], "another person's entry");
    for seq in [1, 3] {
        assert_eq!(after[seq].header, before[seq].header, "the header of {seq}");
        assert_eq!(after[seq].facts, before[seq].facts, "the facts of {seq}");
    }
    recompute(sample.id(), &after);
    indexed(store, &sample, "ann", &[]).await;
    indexed(store, &sample, "ben", &[2]).await;
}

async fn a_part_is_redacted_once(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: redacted once", store).await;
    let refs = sample
        .append(store, Batch::of([about("a", "ann"), about("b", "ann")]))
        .await;
    let one = redacting(store, &sample, &refs[..1], false).await;
    let both = redacting(store, &sample, &[refs[1].clone(), refs[0].clone()], false).await;
    sample.append(store, one.clone()).await;
    let again = store.append(sample.id(), one).await;
    assert!(
        matches!(again, Err(AppendError::PartChanged { index: 0 })),
        "{again:?}"
    );
    let half = store.append(sample.id(), both).await;
    assert!(
        matches!(half, Err(AppendError::PartChanged { index: 1 })),
        "{half:?}"
    );
    let entries = store.entries(sample.id(), 0, 9).await.unwrap();
    assert_eq!(entries.len(), 4, "one redact entry");
    assert!(
        matches!(entries[2].subject, Some(StoredPart::Present { .. })),
        "all or nothing"
    );
}

async fn lost_is_no_way_round_an_existing_part(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: lost", store).await;
    let refs = sample.append(store, Batch::of([about("a", "ann")])).await;
    let batch = redacting(store, &sample, &refs, true).await;
    let refused = store.append(sample.id(), batch.clone()).await;
    assert!(
        matches!(refused, Err(AppendError::PartChanged { index: 0 })),
        "{refused:?}"
    );
    let erased = redacting(store, &sample, &refs, false).await;
    sample.append(store, erased).await;
    let refused = store.append(sample.id(), batch).await;
    assert!(
        matches!(refused, Err(AppendError::PartChanged { index: 0 })),
        "an erased part is not lost: {refused:?}"
    );
}

fn held(id: &str, target: HoldTarget) -> ActiveHold {
    ActiveHold {
        hold: id.to_owned(),
        target,
    }
}

async fn the_register_of_holds_changes_with_its_entries(
    store: &(impl EvidenceAppend + EvidenceRead),
) {
    let sample = Sample::begun("contract: holds", store).await;
    assert_eq!(store.holds(sample.id()).await.unwrap(), Holds::default());
    let all = held("hld_1", HoldTarget::All { all: true });
    let range = held("hld_2", HoldTarget::Range { from: 1, to: 4 });
    let run = held(
        "hld_3",
        HoldTarget::Run {
            run: "run_1".to_owned(),
        },
    );
    let one = Holds {
        version: 1,
        active: vec![all.clone()],
    };
    let set =
        |holds: &Holds| Batch::of([Sample::seen("hold")]).holds(HoldsWrite::Replace(holds.clone()));
    sample.append(store, set(&one)).await;
    assert_eq!(store.holds(sample.id()).await.unwrap(), one);
    let again = store.append(sample.id(), set(&one)).await;
    assert!(matches!(again, Err(AppendError::HoldsChanged)), "{again:?}");
    let three = Holds {
        version: 2,
        active: vec![all, range, run],
    };
    sample.append(store, set(&three)).await;
    assert_eq!(store.holds(sample.id()).await.unwrap(), three);
    let skipped = Holds {
        version: 4,
        ..three.clone()
    };
    let skipped = store.append(sample.id(), set(&skipped)).await;
    assert!(
        matches!(skipped, Err(AppendError::HoldsChanged)),
        "{skipped:?}"
    );
    let none = Holds {
        version: 3,
        active: Vec::new(),
    };
    sample.append(store, set(&none)).await;
    assert_eq!(store.holds(sample.id()).await.unwrap(), none);
    assert_eq!(
        store.head(sample.id()).await.unwrap().unwrap().size,
        4,
        "one entry per change"
    );
}

async fn a_changed_register_stops_a_redaction(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: holds stop", store).await;
    let refs = sample.append(store, Batch::of([about("a", "ann")])).await;
    let batch = redacting(store, &sample, &refs, false).await;
    let judged = batch.clone().holds(HoldsWrite::Unchanged(0));
    let holds = Holds {
        version: 1,
        active: vec![held("hld_1", HoldTarget::All { all: true })],
    };
    let set = Batch::of([Sample::seen("hold")]).holds(HoldsWrite::Replace(holds));
    sample.append(store, set).await;
    let stopped = store.append(sample.id(), judged).await;
    assert!(
        matches!(stopped, Err(AppendError::HoldsChanged)),
        "{stopped:?}"
    );
    let entries = store.entries(sample.id(), 0, 9).await.unwrap();
    assert_eq!(entries.len(), 3, "no redact entry");
    assert!(matches!(
        entries[1].subject,
        Some(StoredPart::Present { .. })
    ));
    let judged = batch.holds(HoldsWrite::Unchanged(1));
    sample.append(store, judged).await;
}

async fn as_many_as_a_transaction_holds(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: many redactions", store).await;
    let drafts = (0..33).map(|n| about(&n.to_string(), "ann"));
    let refs = sample.append(store, Batch::of(drafts)).await;
    let many = redacting(store, &sample, &refs, false).await;
    let refused = store
        .append(sample.id(), many.holds(HoldsWrite::Unchanged(0)))
        .await;
    assert!(
        matches!(refused, Err(AppendError::Unavailable(_))),
        "1 + 3 x 33 + 1 items: {refused:?}"
    );
    let most = redacting(store, &sample, &refs[..32], false).await;
    sample
        .append(store, most.holds(HoldsWrite::Unchanged(0)))
        .await;
    indexed(store, &sample, "ann", &[33]).await;
}
