//! What an erasure takes and what it leaves.

use counterfoil_core::cell::Cell;
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::ports::EvidenceRead;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::Action;
use counterfoil_core::run::{Run, RunScope};
use counterfoil_core::usecases::{EraseError, EraseRequest, Seen};

use super::bench::{Bench, CANARY, request};
use crate::world::customer;

#[tokio::test]
async fn nothing_of_an_erased_customer_is_left_and_everything_still_verifies() {
    let bench = Bench::repaired().await;
    bench.verifies().await;
    assert!(bench.everything().contains(CANARY), "the search finds it");
    let before = bench.subjects();
    let erased = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    assert_eq!(erased.erasure.state, ErasureState::Done);
    assert!(!erased.already);
    let text = bench.everything();
    for canary in [CANARY, "\"u1\"", "sub_u1"] {
        let lines = text.lines().filter(|line| line.contains(canary)).count();
        assert_eq!(lines, 0, "{canary}");
    }
    assert!(text.contains("cus_3"), "another customer's data stays");
    bench.verifies().await;
    let after = bench.subjects();
    assert!(after.len() < before.len());
    let gone = before.len() - after.iter().filter(|it| before.contains(it)).count();
    assert_eq!(
        erased.erasure.entries.len(),
        gone,
        "one redact entry for each part that went"
    );
    assert_eq!(bench.world.count("redact"), gone);
}

#[tokio::test]
async fn every_entry_about_a_customer_is_found_by_pseudonym() {
    let bench = Bench::repaired().await;
    let world = &bench.world;
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let pseudonym = world
        .vault
        .pseudonym(&records, &ctx, &world.project, CANARY)
        .await
        .unwrap();
    let found = world.store.by_subject(world.stream(), &pseudonym).await;
    let kinds = world.kinds();
    let mut kinds: Vec<&str> = found
        .unwrap()
        .into_iter()
        .map(|seq| kinds[usize::try_from(seq).unwrap()].as_str())
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "repair.executed",
            "run.decision",
            "run.decision",
            "run.resolution"
        ],
        "proposal, vote, execution and effect"
    );
}

#[tokio::test]
async fn erasing_twice_changes_nothing_and_says_so() {
    let bench = Bench::repaired().await;
    let first = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    let size = bench.entries().len();
    let second = bench
        .erase()
        .customer(&bench.owner, CANARY, &request())
        .await
        .unwrap();
    assert!(second.already);
    assert_eq!(second.erasure.entries, first.erasure.entries);
    assert_eq!(bench.entries().len(), size, "no entry");
}

#[tokio::test]
async fn what_came_after_an_erasure_is_erased_by_the_next_one() {
    let bench = Bench::repaired().await;
    let first = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    // Stripe still knows the customer, and somebody looks.
    bench.check(CANARY).await;
    assert!(bench.everything().contains(CANARY));
    let second = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    assert!(!second.already);
    assert!(second.erasure.entries.starts_with(&first.erasure.entries));
    assert_eq!(
        second.erasure.entries.len(),
        first.erasure.entries.len() + 1,
        "the check's"
    );
    assert!(!bench.everything().contains(CANARY));
    bench.verifies().await;
}

/// What a check keeps of both sides goes with its customer, with every other customer of the row,
/// and with its run.
#[tokio::test]
async fn what_checks_saw_is_erased_with_anybody_in_it() {
    let bench = Bench::new().await;
    let world = &bench.world;
    let cells = [
        ("stripe_customer_id", Cell::Text("cus_other".to_owned())),
        ("plan", Cell::Text("free".to_owned())),
        ("premium", Cell::Bool(false)),
    ];
    world.app.put(Cell::Text("u1".to_owned()), cells);
    world.billing.add_customer(customer("cus_other", "u1"));
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let kept = async || {
        let all = records.list::<Seen>().await.unwrap().into_iter();
        all.filter(|seen| seen.value.state.is_some()).count()
    };
    // The row of cus_1 leads to the other one.
    bench.check("cus_1").await;
    bench.check("cus_2").await;
    assert_eq!(kept().await, 2);
    assert!(
        world.store.dump().contains("cus_other"),
        "the search finds it"
    );
    let erase = bench.erase();
    let erased = erase.customer(&bench.admin, "cus_other", &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    assert_eq!(
        kept().await,
        1,
        "the other one was in what was kept of cus_1"
    );
    assert!(!world.store.dump().contains("cus_other"));
    let run = records.get::<Seen>(&Seen::id_of("cus_2")).await.unwrap();
    let run = run.unwrap().value.run.to_string();
    let erased = erase.run(&bench.admin, &run, &request()).await;
    assert_eq!(erased.unwrap().erasure.state, ErasureState::Done);
    assert_eq!(kept().await, 0);
    bench.verifies().await;
}

#[tokio::test]
async fn an_erased_run_says_by_which_entries() {
    let bench = Bench::repaired().await;
    let world = &bench.world;
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let actions = records.list::<Action>().await.unwrap();
    let run = actions[0].value.follow_up.unwrap().to_string();
    assert!(
        !bench
            .runs()
            .get(&bench.viewer, &run)
            .await
            .unwrap()
            .is_erased()
    );
    let erased = bench
        .erase()
        .run(&bench.admin, &run, &request())
        .await
        .unwrap();
    assert_eq!(erased.erasure.state, ErasureState::Done);
    let view = bench.runs().get(&bench.viewer, &run).await.unwrap();
    assert!(view.is_erased());
    assert_eq!(view.erased_by(), erased.erasure.entries);
    assert!(!view.erased_by().is_empty());
    bench.verifies().await;
    let again = bench.erase().run(&bench.admin, &run, &request()).await;
    assert!(again.unwrap().already);
}

#[tokio::test]
async fn a_check_of_a_customer_goes_with_its_snapshots_and_keys() {
    let bench = Bench::new().await;
    let world = &bench.world;
    world.scan().await;
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let runs = records.list::<Run>().await.unwrap();
    assert!(!runs[0].value.looks.is_empty());
    assert_eq!(runs[0].value.scope, RunScope::Scan);
    let keys = world.objects.all_keys();
    assert!(keys.iter().any(|key| key.starts_with("snapshots/")));
    bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    let keys = world.objects.all_keys();
    assert!(
        !keys.iter().any(|key| key.starts_with("snapshots/")),
        "{keys:?}"
    );
    assert_eq!(world.count("snapshot.pruned"), 1);
    let runs = records.list::<Run>().await.unwrap();
    assert!(runs[0].value.pruned.is_some_and(|pruned| pruned.gone));
    bench.verifies().await;
}

/// By a role that may not, an approver key, and a machine.
const REFUSALS: [&str; 3] = [
    "default-deny",
    "base.forbid.approver-key",
    "base.forbid.machine-admin",
];

#[tokio::test]
async fn who_may_not_erase_is_denied_and_that_is_recorded() {
    let bench = Bench::repaired().await;
    let world = &bench.world;
    for ctx in [
        &world.ann,
        &world.repair_key,
        &world.read_key,
        &bench.auditor,
        &bench.viewer,
    ] {
        let before = world.count("run.decision");
        let refused = bench.erase().customer(ctx, CANARY, &request()).await;
        assert!(
            matches!(&refused, Err(EraseError::Denied(it)) if REFUSALS.contains(&it.rule.as_str())),
            "{ctx:?}: {refused:?}"
        );
        assert_eq!(world.count("run.decision"), before + 1);
    }
    assert_eq!(world.count("redact"), 0);
    bench.verifies().await;
}

#[tokio::test]
async fn the_unknown_and_the_foreign_look_alike() {
    let bench = Bench::repaired().await;
    let stranger = bench.world.another_project().await;
    let size = bench.entries().len();
    let run = {
        let ctx = Directory::system(&bench.world.project, "test");
        let records = Records::of(bench.world.store.as_ref(), &ctx);
        let actions = records.list::<Action>().await.unwrap();
        actions[0].value.binding.run.to_string()
    };
    let erase = bench.erase();
    for (ctx, id) in [
        (&bench.admin, "nobody"),
        (&bench.admin, ""),
        (&stranger, "cus_nobody"),
        (&stranger, CANARY),
    ] {
        let refused = erase.customer(ctx, id, &request()).await;
        assert!(
            matches!(refused, Err(EraseError::NotFound)),
            "{id}: {refused:?}"
        );
    }
    for (ctx, id) in [
        (&bench.admin, "run_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        (&bench.admin, "no run"),
        (&stranger, run.as_str()),
        // Tenancy comes before the role, and before the body.
        (&bench.viewer, "run_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ] {
        let refused = erase.run(ctx, id, &request()).await;
        assert!(
            matches!(refused, Err(EraseError::NotFound)),
            "{id}: {refused:?}"
        );
        let bad = erase.admit_run(ctx, id).await;
        assert!(matches!(bad, Err(EraseError::NotFound)), "{id}: {bad:?}");
    }
    assert_eq!(bench.entries().len(), size, "nothing is recorded of it");
}

#[tokio::test]
async fn what_is_on_its_way_is_not_erased() {
    let bench = Bench::new().await;
    let world = &bench.world;
    world.first_look().await.unwrap();
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let run = records.list::<Run>().await.unwrap()[0].value.id.to_string();
    let open = bench.erase().run(&bench.admin, &run, &request()).await;
    assert!(matches!(open, Err(EraseError::RunOpen)), "{open:?}");
    world.deliver_scans().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world
        .propose()
        .propose(&world.repair_key, &incident, Some("support asked"), false)
        .await
        .unwrap();
    let run = proposed.action.binding.run.to_string();
    let held = bench.erase().run(&bench.admin, &run, &request()).await;
    assert!(matches!(held, Err(EraseError::OpenActions)), "{held:?}");
    let held = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(matches!(held, Err(EraseError::OpenActions)), "{held:?}");
    assert_eq!(world.count("redact"), 0);
}

#[tokio::test]
async fn reasons_are_codes_and_lost_is_reserved() {
    let bench = Bench::repaired().await;
    let long = "x".repeat(65);
    for reason in ["", "Gdpr", "1a", "a b", "ünder", "lost", long.as_str()] {
        let request = EraseRequest {
            reason: reason.to_owned(),
            comment: None,
        };
        let refused = bench.erase().customer(&bench.admin, CANARY, &request).await;
        assert!(
            matches!(
                refused,
                Err(EraseError::Invalid {
                    field: "/reason",
                    ..
                })
            ),
            "{reason}: {refused:?}"
        );
    }
    assert_eq!(bench.world.count("redact"), 0);
}
