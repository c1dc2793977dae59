//! [`EvidenceAppend`] and [`EvidenceRead`]: streams, bytes, batches, and the state they explain.

use std::collections::BTreeSet;

use counterfoil_core::evidence::json::object;
use counterfoil_core::ports::{
    AppendError, Batch, EvidenceAppend, EvidenceRead, Expect, State, StateKey, StateWrite,
    StoredPart,
};
use serde_json::json;

use super::{Sample, recompute};

/// Everything about streams, except runs.
pub async fn evidence(store: &(impl EvidenceAppend + EvidenceRead)) {
    a_stream_begins_with_its_genesis_and_only_once(store).await;
    what_is_written_reads_back_byte_for_byte(store).await;
    a_refused_batch_leaves_nothing(store).await;
    a_reference_inside_a_batch_is_filled_in(store).await;
    ranges_and_single_entries_can_be_read(store).await;
    more_than_a_page_reads_back_whole(store).await;
}

async fn a_stream_begins_with_its_genesis_and_only_once(
    store: &(impl EvidenceAppend + EvidenceRead),
) {
    let sample = Sample::named("contract: genesis");
    let stream = sample.id();
    assert_eq!(store.head(stream).await.unwrap(), None, "nothing is there");
    let early = store
        .append(stream, Batch::of([Sample::seen("early")]))
        .await;
    assert!(matches!(early, Err(AppendError::NoStream)), "{early:?}");
    assert_eq!(
        store.head(stream).await.unwrap(),
        None,
        "nothing came of it"
    );

    let batch = Batch::of([sample.genesis(), Sample::seen("first")]);
    let refs = sample.append(store, batch).await;
    assert_eq!(refs.len(), 2, "one reference per draft");
    let head = store.head(stream).await.unwrap().unwrap();
    assert_eq!((head.size, head.floor), (2, 0));
    assert_eq!(head.prev.to_string(), refs[1].leaf);

    let again = store.append(stream, Batch::of([sample.genesis()])).await;
    assert!(matches!(again, Err(AppendError::Draft(_))), "{again:?}");
    assert_eq!(
        store.head(stream).await.unwrap(),
        Some(head),
        "a stream begins once"
    );
}

async fn what_is_written_reads_back_byte_for_byte(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: bytes", store).await;
    let subject = object([("name", "Zoë \u{1f980} \"quoted\" \\ \u{1} end".into())]);
    let drafts = [
        Sample::seen("with a subject").subject(subject.clone()),
        Sample::seen("without"),
    ];
    let mut refs = sample.append(store, Batch::of(drafts.clone())).await;
    refs.extend(
        sample
            .append(store, Batch::of([Sample::seen("later")]))
            .await,
    );
    for (place, of_entry) in refs.iter().enumerate() {
        assert_eq!(of_entry.stream, sample.id().to_string());
        assert_eq!(of_entry.seq, u64::try_from(place + 1).unwrap(), "in order");
    }

    let entries = store.entries(sample.id(), 0, 4).await.unwrap();
    let (links, root) = recompute(sample.id(), &entries);
    for of_entry in &refs {
        let place = usize::try_from(of_entry.seq).unwrap();
        assert_eq!(
            of_entry.leaf,
            links[place].leaf.to_string(),
            "leaf of {place}"
        );
    }
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert_eq!(head.size, 4);
    assert_eq!((head.prev, head.at), (links[3].leaf, links[3].header.at));
    assert_eq!(
        head.frontier.root(),
        root,
        "the head's tree is that of the entries"
    );

    assert_eq!(
        bytes(entries[1].facts.as_ref()),
        drafts[0].facts.canonical()
    );
    assert_eq!(bytes(entries[1].subject.as_ref()), subject.canonical());
    assert_eq!(
        bytes(entries[2].facts.as_ref()),
        drafts[1].facts.canonical()
    );
    assert_eq!(entries[2].subject, None, "no subject was given");
    let parts = entries
        .iter()
        .flat_map(|entry| [&entry.facts, &entry.subject]);
    let salts: Vec<_> = parts.flatten().map(salt).collect();
    let different: BTreeSet<_> = salts.iter().collect();
    assert_eq!(
        (salts.len(), different.len()),
        (5, 5),
        "every part has its own salt"
    );
}

fn bytes(part: Option<&StoredPart>) -> Vec<u8> {
    match part {
        Some(StoredPart::Present { bytes, .. }) => bytes.clone(),
        other => panic!("not a stored part: {other:?}"),
    }
}

fn salt(part: &StoredPart) -> [u8; 32] {
    match part {
        StoredPart::Present { salt, .. } => *salt,
        StoredPart::Erased(by) => panic!("erased by {by}"),
    }
}

async fn a_refused_batch_leaves_nothing(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: refusals", store).await;
    let mut wrong = Sample::seen("wrong");
    wrong.facts = object([("result", "no such result".into())]);
    let far = Sample::seen("cites what is not before it").cite("decision", 1);
    let many = (0..50).map(|n| Sample::seen(&n.to_string()));
    for (what, batch) in [
        ("nothing", Batch::default()),
        (
            "wrong facts in the middle",
            Batch::of([Sample::seen("right"), wrong]),
        ),
        ("a cite of itself", Batch::of([Sample::seen("right"), far])),
    ] {
        let refused = store.append(sample.id(), batch).await;
        assert!(
            matches!(refused, Err(AppendError::Draft(_))),
            "{what}: {refused:?}"
        );
    }
    let refused = store.append(sample.id(), Batch::of(many)).await;
    assert!(
        matches!(refused, Err(AppendError::Unavailable(_))),
        "101 items: {refused:?}"
    );
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert_eq!(head.size, 1, "only the genesis is there");
    assert_eq!(store.entries(sample.id(), 0, 100).await.unwrap().len(), 1);
    let many = (0..49).map(|n| Sample::seen(&n.to_string()));
    let refs = sample.append(store, Batch::of(many)).await;
    assert_eq!(
        refs.last().map(|last| last.seq),
        Some(49),
        "99 items are not too many"
    );
}

async fn a_reference_inside_a_batch_is_filled_in(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: cites", store).await;
    let run = "run_cites";
    let batch = Batch::of([
        Sample::open(run),
        Sample::require(run),
        Sample::allow(run, 1),
    ]);
    let refs = sample.append(store, batch).await;
    let entries = store.entries(sample.id(), 0, 4).await.unwrap();
    let (links, _) = recompute(sample.id(), &entries);
    let cited = links[3]
        .facts
        .get("decision")
        .and_then(|leaf| leaf.as_str());
    assert_eq!(cited, Some(refs[1].leaf.as_str()));
}

async fn ranges_and_single_entries_can_be_read(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: reads", store).await;
    let batch = Batch::of((1..12).map(|n| Sample::seen(&n.to_string())));
    sample.append(store, batch).await;
    let seqs = async |from, to| {
        let entries = store.entries(sample.id(), from, to).await.unwrap();
        entries.iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(9, 12).await, [9, 10, 11], "by number, not by digits");
    assert_eq!(seqs(10, 99).await, [10, 11], "as far as the stream goes");
    assert!(seqs(12, 13).await.is_empty() && seqs(5, 5).await.is_empty());
    assert!(
        seqs(5, 4).await.is_empty(),
        "a range that ends before it begins"
    );

    let all = store.entries(sample.id(), 0, 12).await.unwrap();
    let nodes = store.nodes(sample.id(), &[11, 3, 40, 3]).await.unwrap();
    let found: Vec<u64> = nodes.iter().map(|entry| entry.seq).collect();
    assert_eq!(
        found,
        [3, 11],
        "ascending, once each, without what is absent"
    );
    assert_eq!(nodes[0].header, all[3].header);
    assert_eq!(nodes[1].nodes, all[11].nodes);
    assert!(store.nodes(sample.id(), &[]).await.unwrap().is_empty());
    let other = Sample::named("contract: nobody wrote here").id();
    assert!(store.entries(other, 0, 9).await.unwrap().is_empty());
}

async fn more_than_a_page_reads_back_whole(store: &(impl EvidenceAppend + EvidenceRead)) {
    let sample = Sample::begun("contract: pages", store).await;
    let run = "run_pages";
    sample.append(store, Batch::of([Sample::open(run)])).await;
    for part in 0..3 {
        let draft = |n| Sample::seen_with(&format!("{part}/{n}"), 200_000).in_run(run);
        sample.append(store, Batch::of((0..3).map(draft))).await;
    }
    let entries = store.entries(sample.id(), 0, 100).await.unwrap();
    assert_eq!(entries.len(), 11);
    recompute(sample.id(), &entries);
    let of_run = store.run(sample.id(), run).await.unwrap();
    assert_eq!(of_run, entries[1..], "a run reads like the stream");
}

/// A batch changes state and stream, or neither.
pub async fn evidence_with_state(store: &(impl EvidenceAppend + EvidenceRead), state: &impl State) {
    let sample = Sample::begun("contract: state", store).await;
    let key = |id: &str| StateKey {
        pk: "ws_contract#evidence".to_owned(),
        sk: format!("sample#{id}"),
    };
    let create = |id: &str, n: i64| StateWrite::create(key(id), json!({ "n": n }));

    let batch = Batch::of([Sample::seen("a"), Sample::seen("b")])
        .with(create("one", 1).explained_by(1))
        .with(create("two", 2).explained_by(0))
        .with(create("unexplained", 3));
    let refs = sample.append(store, batch).await;
    let one = state.get(&key("one")).await.unwrap().unwrap();
    assert_eq!((one.version, &one.doc), (1, &json!({ "n": 1 })));
    assert_eq!(
        one.evidence.as_ref(),
        Some(&refs[1]),
        "explained by its entry"
    );
    let two = state.get(&key("two")).await.unwrap().unwrap();
    assert_eq!(two.evidence.as_ref(), Some(&refs[0]));
    let plain = state.get(&key("unexplained")).await.unwrap().unwrap();
    assert_eq!(plain.evidence, None);

    for (what, index, batch) in [
        (
            "it exists",
            1,
            Batch::default()
                .with(create("new", 1))
                .with(create("one", 9)),
        ),
        (
            "it has another version",
            0,
            Batch::default()
                .with(StateWrite::replace(key("one"), 7, json!(9)))
                .with(create("new", 1)),
        ),
        (
            "it does not exist",
            1,
            Batch::default()
                .with(StateWrite::delete(key("two")))
                .with(StateWrite::replace(key("absent"), 1, json!(9))),
        ),
        (
            "what must be as it was has another version",
            2,
            Batch::default()
                .with(create("new", 1))
                .provided(key("two"), Expect::Version(1))
                .provided(key("one"), Expect::Version(7)),
        ),
        (
            "what must be absent is there",
            0,
            Batch::default().provided(key("one"), Expect::Absent),
        ),
    ] {
        let batch = Batch {
            drafts: vec![Sample::seen("never")],
            ..batch
        };
        let changed = store.append(sample.id(), batch).await;
        let Err(AppendError::StateChanged { index: at }) = changed else {
            panic!("{what}: {changed:?}");
        };
        assert_eq!(at, index, "{what}: which condition");
    }
    let new = state.get(&key("new")).await.unwrap();
    assert_eq!(new, None, "nothing was written");
    assert_eq!(state.get(&key("one")).await.unwrap(), Some(one));
    assert_eq!(state.get(&key("two")).await.unwrap(), Some(two));
    let head = store.head(sample.id()).await.unwrap().unwrap();
    assert_eq!(head.size, 3, "no entry either");

    let batch = Batch::of([Sample::seen("c")])
        .with(StateWrite::replace(key("one"), 1, json!("changed")).explained_by(0))
        .with(create("cites", 4).citing(refs[0].clone()))
        .with(StateWrite::delete(key("two")).explained_by(0))
        .provided(key("unexplained"), Expect::Version(1))
        .provided(key("absent"), Expect::Absent);
    let later = sample.append(store, batch).await;
    let one = state.get(&key("one")).await.unwrap().unwrap();
    assert_eq!((one.version, one.doc), (2, json!("changed")));
    assert_eq!(
        one.evidence.as_ref(),
        Some(&later[0]),
        "the newest version's entry"
    );
    let cites = state.get(&key("cites")).await.unwrap().unwrap();
    assert_eq!(
        cites.evidence.as_ref(),
        Some(&refs[0]),
        "an entry that was there"
    );
    assert_eq!(state.get(&key("two")).await.unwrap(), None, "deleted");
    let entries = store.entries(sample.id(), 0, 9).await.unwrap();
    recompute(sample.id(), &entries);
}
