//! Lists of what is recorded.

use counterfoil_core::evidence::header::Header;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    PageOf, ReadEvidence, ReadEvidenceError, RunFilter, RunStatus, Span,
};
use counterfoil_testkit::memory::SeededRandom;

use super::world::World;

const ALL: PageOf<'static> = PageOf {
    cursor: None,
    limit: 100,
};

fn lists(world: &World) -> ReadEvidence {
    ReadEvidence {
        reader: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        random: std::sync::Arc::new(SeededRandom::new(7)),
    }
}

async fn pages_of_entries(lists: &ReadEvidence, ctx: &TenantCtx, span: Span) -> Vec<u64> {
    let (mut seqs, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = PageOf {
            cursor: cursor.as_deref(),
            limit: 3,
        };
        let page = lists.entries(ctx, span, page).await.unwrap();
        assert!(page.items.len() <= 3);
        seqs.extend(page.items.iter().map(|entry| entry.seq));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return seqs;
        }
    }
}

#[tokio::test]
async fn entries_come_in_order_once_each_with_the_leaf_of_their_header() {
    let world = World::new().await;
    world.scan().await;
    let stored = world.store.stream(world.stream());
    let lists = lists(&world);
    let seqs = pages_of_entries(&lists, &world.ben, Span::default()).await;
    let all: Vec<u64> = stored.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, all);
    let some = Span {
        from: 1,
        to: Some(5),
    };
    assert_eq!(
        pages_of_entries(&lists, &world.ben, some).await,
        [1, 2, 3, 4]
    );
    let page = lists
        .entries(&world.ben, Span::default(), ALL)
        .await
        .unwrap();
    for (entry, stored) in page.items.iter().zip(&stored) {
        let header = Header::parse(&stored.header, world.stream()).unwrap();
        assert_eq!(entry.leaf, header.leaf().to_string());
        assert_eq!(entry.run, header.run.map(|run| run.id));
    }
}

#[tokio::test]
async fn one_entry_has_its_facts_and_a_position_beyond_the_end_is_absent() {
    let world = World::new().await;
    world.scan().await;
    let lists = lists(&world);
    let genesis = lists.entry(&world.ben, 0).await.unwrap();
    assert_eq!(genesis.line.seq, 0);
    assert!(genesis.facts.unwrap().is_object());
    let beyond = lists.entry(&world.ben, 1_000_000).await;
    assert!(
        matches!(beyond, Err(ReadEvidenceError::NotFound)),
        "{beyond:?}"
    );
}

#[tokio::test]
async fn runs_come_newest_first_and_a_cursor_belongs_to_its_filter() {
    let world = World::new().await;
    world.scan().await;
    world.clock.advance(std::time::Duration::from_hours(1));
    world.scan().await;
    let lists = lists(&world);
    let filter = RunFilter::default();
    let all = lists.runs(&world.ben, &filter, ALL).await.unwrap().items;
    assert!(all.len() >= 2, "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0].id() > pair[1].id()));
    let one = PageOf {
        cursor: None,
        limit: 1,
    };
    let first = lists.runs(&world.ben, &filter, one).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    let next = PageOf {
        cursor: Some(&cursor),
        limit: 1,
    };
    let second = lists.runs(&world.ben, &filter, next).await.unwrap();
    assert_eq!(second.items[0].id(), all[1].id());
    let complete = RunFilter {
        status: Some(RunStatus::Complete),
        ..RunFilter::default()
    };
    let elsewhere = lists.runs(&world.ben, &complete, next).await;
    let refused = matches!(
        elsewhere,
        Err(ReadEvidenceError::Invalid {
            field: "/cursor",
            ..
        })
    );
    assert!(refused, "{elsewhere:?}");
    let none = RunFilter {
        purpose: Some("webhook".to_owned()),
        status: None,
    };
    assert_eq!(lists.runs(&world.ben, &none, ALL).await.unwrap().items, []);
}

#[tokio::test]
async fn a_ledger_cites_entries_that_exist_and_of_a_scan_the_line() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await;
    let reason = Some("support asked");
    let propose = world.propose();
    let id = incident.id.to_string();
    propose
        .propose(&world.repair_key, &id, reason, true)
        .await
        .unwrap();
    let ledger = lists(&world)
        .ledger(&world.ben, "cus_1", ALL)
        .await
        .unwrap();
    let stored = world.store.stream(world.stream());
    for row in &ledger.items {
        assert_eq!(row.stream, world.stream().to_string());
        let entry = stored
            .iter()
            .find(|entry| entry.seq == row.entry.seq)
            .unwrap();
        let header = Header::parse(&entry.header, world.stream()).unwrap();
        assert_eq!(row.entry.leaf, header.leaf().to_string());
    }
    let newest_first =
        |pair: &[counterfoil_core::usecases::LedgerRow]| pair[0].entry.seq >= pair[1].entry.seq;
    assert!(ledger.items.windows(2).all(newest_first));
    let kinds: Vec<&str> = ledger
        .items
        .iter()
        .map(|row| row.entry.kind.name())
        .collect();
    assert!(kinds.contains(&"run.decision"), "{kinds:?}");
    assert!(
        ledger
            .items
            .iter()
            .any(|row| row.incident == Some(incident.id))
    );
}

#[tokio::test]
async fn nobody_has_a_ledger_of_somebody_whom_nothing_concerns() {
    let world = World::new().await;
    world.scan().await;
    let nobody = lists(&world).ledger(&world.ben, "cus_nobody", ALL).await;
    assert!(
        matches!(nobody, Err(ReadEvidenceError::NotFound)),
        "{nobody:?}"
    );
}
