//! An erasure that takes several passes, and what others make while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::export::{Export, ExportScope, ExportSeal, ExportState, Made, Progress};
use counterfoil_core::ids::ExportId;
use counterfoil_core::ports::{Clock, Objects, PortError, State};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::{Run, RunStep};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{Erase, EraseError, Erased, LegalHolds, NewHold};

use super::bench::{ALL, Bench, CANARY, request};

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
        bench.world.clock.advance(Duration::from_secs(1));
        erase(&bench).await;
        while bench.erase().finish().await.unwrap() > 0 {}
        assert_eq!(
            read(&bench, ready.id).await.made.is_none(),
            gone,
            "inputs {inputs}"
        );
    }
}

/// Objects; while the `left`-th of them is deleted, somebody sets a hold.
struct Interrupted {
    inner: Arc<dyn Objects>,
    left: AtomicU32,
    holds: LegalHolds,
    by: TenantCtx,
}

#[async_trait]
impl Objects for Interrupted {
    async fn put(&self, key: &str, bytes: Vec<u8>, kind: &str) -> Result<(), PortError> {
        self.inner.put(key, bytes, kind).await
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn std::io::Read + Send),
        bytes: u64,
        kind: &str,
    ) -> Result<(), PortError> {
        self.inner.put_stream(key, content, bytes, kind).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.inner.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let new = NewHold {
                idempotency_key: "meanwhile".to_owned(),
                workspace: false,
                target: ALL,
                reason: "litigation against the shop".to_owned(),
            };
            self.holds.set(&self.by, &new).await.unwrap();
        }
        self.inner.delete(key).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        self.inner.keys(prefix).await
    }

    async fn link(&self, key: &str, name: &str, valid: Duration) -> Result<String, PortError> {
        self.inner.link(key, name, valid).await
    }
}

/// An erasure during which a hold is set while object number `at` is deleted.
async fn interrupted(bench: &Bench, at: u32) -> Result<Erased, EraseError> {
    let erase = Erase {
        objects: Arc::new(Interrupted {
            inner: bench.world.objects.clone(),
            left: AtomicU32::new(at),
            holds: bench.holds(),
            by: bench.admin.clone(),
        }),
        ..bench.erase()
    };
    erase.customer(&bench.admin, CANARY, &request()).await
}

#[tokio::test]
async fn a_hold_that_is_set_while_snapshots_are_deleted_keeps_the_next_one() {
    let bench = Bench::repaired().await;
    for _ in 0..3 {
        bench.world.scan().await;
    }
    let before = snapshots(&bench);
    let stopped = interrupted(&bench, 1).await;
    let Err(EraseError::Held { reason, .. }) = stopped else {
        panic!("{stopped:?}");
    };
    assert_eq!(reason, "litigation against the shop");
    let left = snapshots(&bench);
    assert!(left > 0 && left < before, "{left} of {before}");
    assert!(bench.world.store.dump().contains(CANARY), "records stay");
    assert_eq!(bench.erase().finish().await.unwrap(), 0, "the duty waits");
    let enforced = bench.retention().enforce().await.unwrap();
    assert!(enforced.held > 0, "{enforced:?}");
    assert_eq!(snapshots(&bench), left, "retention keeps them as well");
}

#[tokio::test]
async fn a_hold_that_is_set_while_packages_are_deleted_keeps_the_next_one() {
    let bench = Bench::repaired().await;
    let mut ids = Vec::new();
    let objects = snapshots(&bench);
    for number in [21, 22] {
        let mut ready = export(&bench, ExportState::Ready, ExportScope::All);
        ready.id = ExportId::new(bench.world.clock.now(), number);
        ready.made = Some(made(&bench, 0, 40));
        put(&bench, 0, &ready).await;
        put_file(&bench, ready.id).await;
        ids.push(ready.id);
    }
    let at = u32::try_from(objects + 1).unwrap();
    let stopped = interrupted(&bench, at).await;
    assert!(
        matches!(stopped, Err(EraseError::Held { .. })),
        "{stopped:?}"
    );
    assert!(read(&bench, ids[0]).await.made.is_none());
    assert!(read(&bench, ids[1]).await.made.is_some(), "the next one");
    assert_eq!(files(&bench, ids[1]), 1);
}

async fn put_file(bench: &Bench, id: ExportId) {
    let key = format!("exports/{}/{id}/1/package.tar", bench.world.project.id);
    let put = bench.world.objects.put(&key, vec![1], "application/x-tar");
    put.await.unwrap();
}

fn files(bench: &Bench, id: ExportId) -> usize {
    let keys = bench.world.objects.all_keys();
    keys.iter()
        .filter(|key| key.contains(&id.to_string()))
        .count()
}

#[tokio::test]
async fn what_a_dead_worker_has_left_goes_and_the_erasure_ends() {
    for gave_up in [false, true] {
        let bench = Bench::repaired().await;
        let mut running = export(&bench, ExportState::Running, ExportScope::All);
        put(&bench, 0, &running).await;
        assert_eq!(erase(&bench).await.left, 1);
        put_file(&bench, running.id).await;
        if gave_up {
            running.state = ExportState::Failed;
            put(&bench, 1, &running).await;
        } else {
            assert_eq!(bench.erase().finish().await.unwrap(), 0, "it may live");
            bench.world.clock.advance(Duration::from_mins(31));
        }
        assert_eq!(bench.erase().finish().await.unwrap(), 1);
        assert_eq!(files(&bench, running.id), 0);
        let after = read(&bench, running.id).await;
        assert_eq!(after.state, ExportState::Failed);
    }
}

#[tokio::test]
async fn inputs_that_are_collected_between_two_passes_go_as_well() {
    for ready in [false, true] {
        let bench = Bench::repaired().await;
        for _ in 0..80 {
            bench.world.scan().await;
        }
        let first = erase(&bench).await;
        assert!(first.left > 0);
        bench.world.clock.advance(Duration::from_secs(1));
        let now = bench.world.clock.now();
        let scope = ExportScope::Period { from: now, to: now };
        let mut late = export(&bench, ExportState::Running, scope);
        late.inputs = true;
        put(&bench, 0, &late).await;
        late.state = ExportState::Ready;
        late.made = Some(made(&bench, 0, 1));
        if ready {
            put(&bench, 1, &late).await;
        } else {
            assert_eq!(bench.erase().finish().await.unwrap(), 0, "it waits");
            put(&bench, 1, &late).await;
        }
        assert_eq!(bench.erase().finish().await.unwrap(), 1);
        assert!(read(&bench, late.id).await.made.is_none());
        assert_eq!(snapshots(&bench), 0);
    }
}

#[tokio::test]
async fn a_scan_that_is_running_is_waited_for() {
    let bench = Bench::repaired().await;
    // A difference, so that it waits for its second look.
    bench.world.add_user("u7", "cus_7", false);
    bench.world.first_look().await.unwrap();
    let first = erase(&bench).await;
    assert_eq!(first.erasure.state, ErasureState::Cleaning);
    assert!(first.left > 0);
    assert_eq!(bench.erase().finish().await.unwrap(), 0, "it waits");
    bench.world.deliver_scans().await;
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let runs = records.list::<Run>().await.unwrap();
    assert!(runs.iter().all(|run| run.value.step == RunStep::Done));
    assert!(snapshots(&bench) > 0, "it has stored what it read");
    assert_eq!(bench.erase().finish().await.unwrap(), 1);
    assert_eq!(snapshots(&bench), 0);
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

#[tokio::test]
async fn a_scan_that_began_later_is_not_waited_for_and_keeps_what_it_has_read() {
    let bench = Bench::repaired().await;
    let mut running = export(&bench, ExportState::Running, ExportScope::All);
    put(&bench, 0, &running).await;
    assert_eq!(erase(&bench).await.left, 1);
    bench.world.clock.advance(Duration::from_secs(1));
    bench.world.add_user("u7", "cus_7", false);
    bench.world.first_look().await.unwrap();
    running.state = ExportState::Failed;
    put(&bench, 1, &running).await;
    assert_eq!(bench.erase().finish().await.unwrap(), 1);
    bench.world.deliver_scans().await;
    assert!(snapshots(&bench) > 0);
}

#[tokio::test]
async fn an_id_of_another_form_is_erased_where_a_record_names_it() {
    let bench = Bench::new().await;
    let world = &bench.world;
    world.set_row("u1", true);
    world.add_user("u8", "legacy-8", false);
    world.scan().await;
    let erase = bench.erase();
    let erased = erase.customer(&bench.admin, "legacy-8", &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    assert!(!bench.everything().contains("legacy-8"));
}
