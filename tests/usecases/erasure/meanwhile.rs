//! An erasure that takes several passes, and what others make while it runs.

use counterfoil_core::erasure::ErasureState;
use counterfoil_core::export::{Export, ExportScope, ExportSeal, ExportState, Made, Progress};
use counterfoil_core::ids::ExportId;
use counterfoil_core::ports::{Clock, State};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::usecases::Erased;

use super::bench::{Bench, CANARY, request};

fn snapshots(bench: &Bench) -> usize {
    let keys = bench.world.objects.all_keys();
    keys.iter()
        .filter(|key| key.starts_with("snapshots/"))
        .count()
}

fn export(bench: &Bench, state: ExportState, scope: ExportScope) -> Export {
    let now = bench.world.clock.now();
    Export {
        id: ExportId::new(now, 5),
        scope,
        inputs: false,
        by: bench.admin.principal().clone(),
        state,
        stream: bench.world.stream().to_string(),
        asked_at: now,
        touched_at: now,
        attempt: 1,
        progress: Progress::default(),
        made: None,
        failure: None,
    }
}

fn made(bench: &Bench, from: u64, to: u64) -> Made {
    let at = bench.world.clock.now();
    let hash = "0".repeat(64);
    Made {
        files: Vec::new(),
        from,
        to,
        entries: to - from,
        empty: false,
        seal: ExportSeal { size: to, at, hash },
        at,
    }
}

/// Writes a version of an export's record; the first one where `version` is 0.
async fn put(bench: &Bench, version: u64, export: &Export) {
    let world = &bench.world;
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let write = match version {
        0 => records.create(export).unwrap(),
        version => records.replace(version, export).unwrap(),
    };
    assert!(world.store.write(vec![write]).await.unwrap());
}

async fn read(bench: &Bench, id: ExportId) -> Export {
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let found = records.get::<Export>(&id.to_string()).await.unwrap();
    found.unwrap().value
}

async fn erase(bench: &Bench) -> Erased {
    let (use_case, request) = (bench.erase(), request());
    let erased = use_case.customer(&bench.admin, CANARY, &request).await;
    erased.unwrap()
}

#[tokio::test]
async fn more_snapshots_than_one_pass_deletes_are_all_gone_when_it_is_done() {
    let bench = Bench::repaired().await;
    for _ in 0..80 {
        bench.world.scan().await;
    }
    assert!(snapshots(&bench) > 64);
    let first = erase(&bench).await;
    assert_eq!(first.erasure.state, ErasureState::Cleaning);
    assert!(first.left > 0);
    while bench.erase().finish().await.unwrap() == 0 {
        assert!(snapshots(&bench) > 0, "nothing is left and it is not done");
    }
    assert_eq!(snapshots(&bench), 0);
    let again = erase(&bench).await;
    assert!(again.already);
}

#[tokio::test]
async fn a_package_that_a_worker_was_building_is_deleted_when_it_is_there() {
    let bench = Bench::repaired().await;
    let mut running = export(&bench, ExportState::Running, ExportScope::All);
    put(&bench, 0, &running).await;
    let first = erase(&bench).await;
    assert_eq!(first.erasure.state, ErasureState::Cleaning);
    assert_eq!(bench.erase().finish().await.unwrap(), 0, "it waits");

    running.state = ExportState::Ready;
    running.made = Some(made(&bench, 0, 40));
    put(&bench, 1, &running).await;
    assert_eq!(bench.erase().finish().await.unwrap(), 1);
    let after = read(&bench, running.id).await;
    assert!(after.made.is_none(), "{after:?}");
    assert_eq!(after.failure.unwrap().code, "erased");
}

#[tokio::test]
async fn a_package_with_inputs_goes_although_no_entry_of_the_customer_is_in_it() {
    for (inputs, gone) in [(false, false), (true, true)] {
        let bench = Bench::repaired().await;
        let now = bench.world.clock.now();
        let scope = ExportScope::Period { from: now, to: now };
        let mut ready = export(&bench, ExportState::Ready, scope);
        ready.id = ExportId::new(now, 6 + u128::from(inputs));
        ready.inputs = inputs;
        // The genesis alone: nobody is in it.
        ready.made = Some(made(&bench, 0, 1));
        put(&bench, 0, &ready).await;
        bench.world.scan().await;
        bench.world.clock.advance(std::time::Duration::from_secs(1));
        erase(&bench).await;
        while bench.erase().finish().await.unwrap() > 0 {}
        assert_eq!(
            read(&bench, ready.id).await.made.is_none(),
            gone,
            "inputs {inputs}"
        );
    }
}

#[tokio::test]
async fn a_customer_that_only_scans_have_read_is_erased_from_what_they_have_read() {
    let bench = Bench::new().await;
    bench.world.set_row("u1", true);
    bench.world.scan().await;
    assert!(bench.world.incidents().await.is_empty(), "nobody differs");
    assert!(snapshots(&bench) > 0);
    let (use_case, request) = (bench.erase(), request());
    let erased = use_case.customer(&bench.admin, "cus_2", &request).await;
    let erased = erased.unwrap();
    assert_eq!(erased.erasure.state, ErasureState::Done);
    assert!(erased.erasure.entries.is_empty(), "no entry names them");
    assert_eq!(snapshots(&bench), 0);
}
