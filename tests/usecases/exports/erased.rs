//! Exports of a stream in which personal data was erased, or is held.

use std::time::Duration;

use counterfoil_core::evidence::json::{Json, object};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::package::tar::{TarLimits, read};
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::export::ExportScope;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{Batch, Clock, EvidenceAppend, Redaction, StoredEntry, StoredPart};
use counterfoil_core::time::Timestamp;

use super::desk::{Desk, Fetched, manifest, unpack};

/// Proposes the repair of what is open: the decision has personal data.
async fn propose(desk: &Desk) {
    for incident in desk.world.incidents().await {
        if incident.state == IncidentState::Open {
            let id = incident.id.to_string();
            let words = Some("support asked for it");
            let propose = desk.world.propose();
            let proposed = propose
                .propose(&desk.world.repair_key, &id, words, true)
                .await;
            proposed.unwrap();
        }
    }
}

/// Entries whose personal data is still there.
fn with_subject(desk: &Desk) -> Vec<StoredEntry> {
    let mut entries = desk.world.store.stream(desk.world.stream());
    entries.retain(|entry| matches!(entry.subject, Some(StoredPart::Present { .. })));
    entries
}

/// Erases the personal data of an entry, as evidence-format section 18 has it.
async fn erase(desk: &Desk, entry: &StoredEntry) {
    let header = Json::parse(&entry.header).unwrap();
    let commit = header.get("parts").unwrap().get("subject").unwrap().clone();
    let facts = object([
        ("commit", commit),
        ("entry", entry.nodes[0].into()),
        ("part", "subject".into()),
        ("reason", "request".into()),
        ("seq", Json::uint(entry.seq)),
    ]);
    let mut batch = Batch::of([Draft::new(Kind::Redact, facts)]);
    batch.redactions.push(Redaction {
        draft: 0,
        seq: entry.seq,
        lost: false,
    });
    let store = &desk.world.store;
    store.append(desk.world.stream(), batch).await.unwrap();
}

fn parts(fetched: &Fetched) -> String {
    let limits = TarLimits {
        max_bytes: 1 << 20,
        max_files: 9,
    };
    let members = unpack(&fetched.bytes);
    let files = read(&members["evidence.tar"], limits).unwrap();
    String::from_utf8(files["parts.jsonl"].clone()).unwrap()
}

async fn accepted(desk: &Desk, fetched: &Fetched) -> String {
    let members = unpack(&fetched.bytes);
    let verdict = desk.verify(&members["evidence.tar"]).await.unwrap();
    assert!(manifest(&members).is_some());
    verdict.format.to_owned()
}

#[tokio::test]
async fn what_was_erased_is_named_by_the_entry_that_erased_it() {
    let desk = Desk::new().await;
    propose(&desk).await;
    let entry = with_subject(&desk).remove(0);
    erase(&desk, &entry).await;
    let by = desk.world.kinds().len() - 1;
    let fetched = desk.export(ExportScope::All).await;
    assert_eq!(accepted(&desk, &fetched).await, "counterfoil.export/1");
    let line = format!("{{\"part\":\"subject\",\"seq\":{},\"x\":{by}}}", entry.seq);
    assert!(parts(&fetched).contains(&line), "{line}");
    let members = unpack(&fetched.bytes);
    let index = String::from_utf8(members["index.csv"].clone()).unwrap();
    assert_eq!(index.matches(",erased\r\n").count(), 1);
}

/// A period that ends before the erasure, with a seal in between; returns it and its first entry.
async fn erased_later(desk: &Desk) -> (Timestamp, Timestamp) {
    desk.world.clock.advance(Duration::from_mins(1));
    let from = desk.world.clock.now();
    desk.world.set_row("u2", false);
    desk.world.scan().await;
    propose(desk).await;
    desk.world.clock.advance(Duration::from_mins(1));
    let to = desk.world.clock.now();
    desk.export(ExportScope::All).await;
    desk.world.clock.advance(Duration::from_mins(1));
    (from, to)
}

#[tokio::test]
async fn a_period_whose_data_was_erased_under_a_later_seal_is_still_complete() {
    let desk = Desk::new().await;
    let (from, to) = erased_later(&desk).await;
    let inside = with_subject(&desk).into_iter().filter(|entry| {
        let header = Json::parse(&entry.header).unwrap();
        let at = header.get("at").unwrap().as_uint().unwrap();
        (from.as_millis()..to.as_millis()).contains(&at)
    });
    let entry = inside.into_iter().next().expect("an entry with a subject");
    desk.export(ExportScope::All).await;
    erase(&desk, &entry).await;
    let fetched = desk.export(ExportScope::Period { from, to }).await;
    assert_eq!(accepted(&desk, &fetched).await, "counterfoil.range/1");
    assert!(parts(&fetched).contains("\"x\":"));
}

#[tokio::test]
async fn the_first_period_grows_when_its_data_was_erased_under_a_later_seal() {
    let desk = Desk::new().await;
    propose(&desk).await;
    let to = desk.world.clock.now().plus(Duration::from_millis(1));
    erased_later(&desk).await;
    erase(&desk, &with_subject(&desk).remove(0)).await;
    let from = Timestamp::from_millis(0);
    let fetched = desk.export(ExportScope::Period { from, to }).await;
    assert_eq!(accepted(&desk, &fetched).await, "counterfoil.export/1");
    let members = unpack(&fetched.bytes);
    let readme = String::from_utf8(members["README.txt"].clone()).unwrap();
    assert!(readme.contains("more than was asked for"));
}

#[tokio::test]
async fn exports_work_under_a_legal_hold() {
    let desk = Desk::new().await;
    let facts = object([
        ("hold", "case-7".into()),
        ("target", object([("all", true.into())])),
    ]);
    let batch = Batch::of([Draft::new(Kind::HoldSet, facts)]);
    let store = &desk.world.store;
    store.append(desk.world.stream(), batch).await.unwrap();
    let fetched = desk.export(ExportScope::All).await;
    let members = unpack(&fetched.bytes);
    let verdict = desk.verify(&members["evidence.tar"]).await.unwrap();
    assert_eq!(verdict.holds, ["case-7"]);
    let customer = "cus_1".to_owned();
    desk.export(ExportScope::Customer { customer }).await;
}
