//! Periods: borders, one entry, none at all.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::tar::{TarLimits, read};
use counterfoil_core::export::ExportScope;
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;

use super::desk::{Desk, Fetched, unpack};

/// Times of the stream's entries.
fn times(desk: &Desk) -> Vec<Timestamp> {
    let entries = desk.world.store.stream(desk.world.stream());
    let at = |bytes: &[u8]| {
        let header = Json::parse(bytes).unwrap();
        Timestamp::from_millis(header.get("at").unwrap().as_uint().unwrap())
    };
    entries.iter().map(|entry| at(&entry.header)).collect()
}

async fn period(desk: &Desk, from: Timestamp, to: Timestamp) -> Fetched {
    let fetched = desk.export(ExportScope::Period { from, to }).await;
    let members = unpack(&fetched.bytes);
    let accepted = desk.verify(&members["evidence.tar"]).await.unwrap();
    assert_eq!(accepted.format, "counterfoil.range/1");
    assert_eq!(
        accepted.entries,
        fetched.export.made.as_ref().unwrap().entries
    );
    fetched
}

fn package_json(fetched: &Fetched) -> Json {
    let limits = TarLimits {
        max_bytes: 1 << 20,
        max_files: 9,
    };
    let members = unpack(&fetched.bytes);
    let files = read(&members["evidence.tar"], limits).unwrap();
    Json::parse_document(&files["package.json"]).unwrap()
}

/// What the manifest remarks; the README says it too.
fn remark(fetched: &Fetched) -> String {
    let members = unpack(&fetched.bytes);
    let manifest = Json::parse_document(&members["manifest.json"]).unwrap();
    let remark = manifest.get("remark").unwrap().as_str().unwrap().to_owned();
    let readme = String::from_utf8(members["README.txt"].clone()).unwrap();
    assert!(readme.contains(&remark), "{readme}");
    remark
}

/// A stream that is sealed now and then while hours pass.
async fn hours() -> Desk {
    let desk = Desk::new().await;
    for _ in 0..4 {
        desk.world.clock.advance(Duration::from_hours(1));
        desk.export(ExportScope::Workspace).await;
        desk.world.first_look().await.unwrap();
        desk.world.sealer().seal(desk.world.stream()).await.unwrap();
    }
    desk.world.clock.advance(Duration::from_hours(1));
    desk
}

#[tokio::test]
async fn every_period_holds_exactly_its_entries_and_proves_it() {
    let desk = Box::pin(hours()).await;
    let all = times(&desk);
    let mut borders: Vec<Timestamp> = all.clone();
    borders.dedup();
    borders.push(borders.last().unwrap().plus(Duration::from_millis(1)));
    let mut seen = 0;
    for (index, from) in borders.iter().enumerate() {
        for to in borders.iter().skip(index + 1) {
            let fetched = period(&desk, *from, *to).await;
            let made = fetched.export.made.as_ref().unwrap();
            let inside = all.iter().filter(|at| (*from..*to).contains(at)).count();
            assert_eq!(made.entries, u64::try_from(inside).unwrap());
            let first = all.iter().position(|at| at >= from).unwrap();
            assert_eq!(made.from, u64::try_from(first).unwrap());
            assert!(!made.empty);
            let package = package_json(&fetched);
            assert_eq!(
                package.get("from_at").and_then(Json::as_uint),
                Some(from.as_millis())
            );
            assert!(package.get("after").is_some(), "what comes next is shown");
            seen += 1;
        }
    }
    assert!(seen > 10);
}

#[tokio::test]
async fn a_period_of_one_entry_is_a_package_of_one_entry() {
    let desk = Desk::new().await;
    desk.world.clock.advance(Duration::from_mins(1));
    let from = desk.world.clock.now();
    // The record of a link that is asked for is several entries; a hold is one.
    let id = desk.ask(ExportScope::All).await;
    let _ = id;
    let all = times(&desk);
    let lonely = all.iter().filter(|at| **at >= from).count();
    assert_eq!(lonely, 3);
    desk.world.clock.advance(Duration::from_mins(1));
    desk.deliver().await;
    // `export.issued` stands alone at its moment.
    let issued = desk.world.clock.now();
    desk.world.clock.advance(Duration::from_mins(1));
    let fetched = period(&desk, issued, desk.world.clock.now()).await;
    assert_eq!(fetched.export.made.unwrap().entries, 1);
}

#[tokio::test]
async fn a_period_without_entries_is_proved_empty_by_its_neighbours() {
    let desk = Desk::new().await;
    let last = *times(&desk).last().unwrap();
    let size = u64::try_from(times(&desk).len()).unwrap();
    let from = last.plus(Duration::from_secs(1));
    desk.world.clock.advance(Duration::from_mins(1));
    let to = from.plus(Duration::from_secs(10));
    let fetched = period(&desk, from, to).await;
    let made = fetched.export.made.clone().unwrap();
    assert!(made.empty);
    assert_eq!((made.from, made.to), (size - 1, size + 1));
    let package = package_json(&fetched);
    assert!(
        package.get("from_at").is_none(),
        "no entry is claimed for it"
    );
    let said = remark(&fetched);
    assert!(
        said.contains("the entry before it and the entry after it"),
        "{said}"
    );
}

#[tokio::test]
async fn a_period_before_the_beginning_is_proved_empty_by_the_beginning() {
    let desk = Desk::new().await;
    let (from, to) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
    let fetched = period(&desk, from, to).await;
    let made = fetched.export.made.as_ref().unwrap();
    assert!(made.empty);
    assert_eq!((made.from, made.to), (0, 1));
    let said = remark(&fetched);
    assert!(
        said.contains("before the first entry of the stream"),
        "{said}"
    );
    assert!(!said.contains("consecutive"), "{said}");
}
