//! A run of fifty actions leaves fifty decisions in its package.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::verify::{Package, verify};
use counterfoil_core::export::ExportScope;
use counterfoil_core::governed_run::{Report, RunState};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{
    Glass, NewRepair, RecordedRun, SWEEP_AFTER, VoteOnAction, replay_run,
};
use counterfoil_testkit::memory::ApplyFault;

use super::super::repairs::keys::revoke;
use super::super::repairs::standing::{broken, needing};
use super::super::repairs::unread::{Leaving, begun_in_run, now};
use super::super::world::World;
use super::desk::Desk;

/// Facts of a package's entries.
#[derive(Default)]
struct Told {
    opens: Vec<Json>,
    decisions: Vec<Json>,
    resolutions: Vec<Json>,
    closes: Vec<Json>,
}

impl Told {
    fn of(package: &[u8]) -> Self {
        let package = Json::parse(package).unwrap();
        let Some(Json::Array(entries)) = package.get("entries") else {
            panic!("no entries")
        };
        let mut told = Self::default();
        for entry in entries {
            let kind = entry.get("h").unwrap().get("kind").unwrap().as_str();
            let list = match kind.unwrap() {
                "run.open" => &mut told.opens,
                "run.decision" => &mut told.decisions,
                "run.resolution" => &mut told.resolutions,
                "run.close" => &mut told.closes,
                _ => continue,
            };
            let facts = entry.get("p").unwrap().get("facts").unwrap();
            list.push(facts.get("d").unwrap().clone());
        }
        told
    }
}

#[tokio::test]
async fn a_run_of_fifty_actions_leaves_fifty_decisions_in_its_package() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    for n in 0..50 {
        let kind = if n % 5 == 0 {
            "refund.create"
        } else {
            "mail.send"
        };
        let stopped = n % 10 == 7;
        world.freeze(stopped).await;
        let action = world.act(&run, kind, &format!("target-{n}")).await.value;
        assert_eq!(action.state == ActionState::Denied, stopped);
        if stopped {
            continue;
        }
        if action.state == ActionState::Held {
            let vote = if n % 10 == 0 {
                VoteKind::Approve
            } else {
                VoteKind::Reject
            };
            let state = world.answer(&world.ben, &action, vote).await.unwrap();
            if state == ActionState::Rejected {
                continue;
            }
        }
        world.report(&action, Report::Executed).await.unwrap();
    }
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!(ended.state, RunState::Completed);

    let desk = Desk::of(world);
    let run_id = run.parse().unwrap();
    let fetched = desk.export(ExportScope::Run { run_id }).await;
    let trust = desk.trust(desk.world.stream()).await;
    let accepted = verify(Package::of_file(&fetched.bytes), &trust)
        .result
        .unwrap();
    // run.open, 50 decisions, 10 resolutions, 40 results, run.close.
    assert_eq!(accepted.entries, 102);
    assert!(accepted.governance.values().all(|it| it.name() == "clean"));
    let told = Told::of(&fetched.bytes);
    assert_eq!(told.decisions.len(), 50);
    let [open] = told.opens.as_slice() else {
        panic!("one run")
    };
    let recorded = RecordedRun {
        id: &run,
        open,
        decisions: &told.decisions,
        resolutions: &told.resolutions,
        close: &told.closes[0],
    };
    let replayed = replay_run(&recorded, &|_| None).await.unwrap();
    assert_eq!((replayed.decisions, replayed.votes), (50, 10));
    assert_eq!(replayed.not_checked, Vec::<String>::new());
    let close = &told.closes[0];
    let count = |name: &str| close.get(name).and_then(Json::as_uint).unwrap();
    let counts = [
        "decisions",
        "allow",
        "require",
        "deny",
        "unresolved",
        "overrides",
    ]
    .map(count);
    assert_eq!(counts, [50, 35, 10, 5, 0, 0]);
}

/// One owner is not two people: what ends after that is no act under the decision that asked for two.
#[tokio::test]
async fn the_package_of_a_run_verifies_whose_overridden_repair_was_not_begun() {
    let world = World::new().await;
    let two = "@id(\"ws.require.two\") @why(\"two look\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 2 };\n";
    world.under(two).await;
    world.scan().await;
    let run = world.open_run().await;
    let new = NewRepair {
        incident: world.incident().await.id.to_string(),
        reason: None,
        execute_on_approval: true,
        seq: None,
    };
    let propose = world.propose();
    let proposed = propose.propose_in_run(&world.repair_key, &run, &new).await;
    let action = proposed.unwrap().action;
    assert_eq!(action.approvals, 2);
    let owner = world.sign_in("Ben").await;
    let glass = Glass {
        digest: &action.digest,
        reason: "nobody else answers and they are locked out",
        ticket: "OPS-7",
        version: 1,
    };
    let (votes, id) = (world.vote(), action.id.to_string());
    let broken = Box::pin(votes.override_approvals(&owner, &id, &glass, &|| {})).await;
    world.billing.cancel_all("cus_1");
    let ended = votes.carry_out(&owner, broken.unwrap()).await.unwrap();
    assert_eq!(ended.action.value.state, ActionState::Stale);
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!(ended.tally.unresolved, 1);

    let desk = Desk::of(world);
    let run_id = run.parse().unwrap();
    let fetched = desk.export(ExportScope::Run { run_id }).await;
    let trust = desk.trust(desk.world.stream()).await;
    let accepted = verify(Package::of_file(&fetched.bytes), &trust)
        .result
        .unwrap();
    assert_eq!(accepted.governance[&run].name(), "overridden");
}

/// Whoever hears the alarm reviews at once, also where nobody knows yet what became of the UPDATE: what is
/// recorded of it later cites its own decision.
#[tokio::test]
async fn the_package_of_a_repair_verifies_that_was_reviewed_before_it_was_settled() {
    for (fault, state, ended) in [
        (
            ApplyFault::LostReply,
            ActionState::Executing,
            ActionState::Verified,
        ),
        (
            ApplyFault::LostCommit,
            ActionState::Executing,
            ActionState::Failed,
        ),
        (
            ApplyFault::ThenUnreadable,
            ActionState::Executed,
            ActionState::Verified,
        ),
    ] {
        let world = World::new().await;
        world.join("Dora", Role::Auditor).await;
        world.scan().await;
        let incident = world.incident().await.id.to_string();
        let propose = world.propose();
        let reason = Some("support asked");
        let proposed = propose
            .propose(&world.repair_key, &incident, reason, true)
            .await;
        let action = proposed.unwrap().action;
        let owner = world.sign_in("Ben").await;
        let approved = broken(&world.vote(), &owner, &action, 1).await.unwrap();
        world.app.fail_next(fault);
        let database = Leaving::after(&world, 1);
        let ports = database.ports(&world);
        drop(VoteOnAction { ports }.carry_out(&owner, approved).await);
        assert_eq!(now(&world, &action).await.state, state);
        let auditor = world.sign_in("Dora").await;
        let (votes, id) = (world.vote(), action.id.to_string());
        let seen = votes
            .review(&auditor, &id, "the customer was locked out")
            .await;
        assert_eq!(seen.unwrap().value.state, state);
        database.is_back();
        world.app.unreadable(false);
        world.clock.advance(SWEEP_AFTER);
        assert_eq!(database.swept(&world).await.finished, 1);
        let settled = now(&world, &action).await;
        assert_eq!(settled.state, ended);
        assert!(settled.overridden.unwrap().review.is_some());

        let desk = Desk::of(world);
        let run_id = settled.follow_up.unwrap();
        let fetched = desk.export(ExportScope::Run { run_id }).await;
        let accepted = desk.verify(&fetched.bytes).await.unwrap();
        assert_eq!(
            accepted.governance[&run_id.to_string()].name(),
            "overridden"
        );
        desk.export(ExportScope::All).await;
    }
}

/// What was recorded stays recorded: a run counts what its entries say, whoever of them counts by now.
#[tokio::test]
async fn the_package_of_a_run_verifies_in_which_an_approval_was_taken_back() {
    for (needed, by_glass) in [(2, false), (3, true)] {
        let world = World::new().await;
        world.register().await;
        world.join("Dora", Role::Owner).await;
        world.under(&needing("run.action", needed)).await;
        let run = world.open_run().await;
        let action = world.act(&run, "refund.create", "invoice-1").await.value;
        assert_eq!(action.approvals, needed);
        let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
        assert_eq!(state.unwrap(), ActionState::Held);
        revoke(&world, &world.ben).await;
        let state = world.answer(&world.ann, &action, VoteKind::Approve).await;
        assert_eq!(state.unwrap(), ActionState::Held);
        let dora = world.sign_in("Dora").await;
        let state = if by_glass {
            broken(&world.vote(), &dora, &action, 3)
                .await
                .map(|it| it.value.state)
        } else {
            world.answer(&dora, &action, VoteKind::Approve).await
        };
        assert_eq!(state.unwrap(), ActionState::Approved);
        world.report(&action, Report::Executed).await.unwrap();
        let ended = world.complete_run(&run).await.unwrap();
        assert_eq!(ended.tally.unresolved, 0);

        let desk = Desk::of(world);
        let run_id = run.parse().unwrap();
        let fetched = desk.export(ExportScope::Run { run_id }).await;
        let trust = desk.trust(desk.world.stream()).await;
        let accepted = verify(Package::of_file(&fetched.bytes), &trust)
            .result
            .unwrap();
        let said = if by_glass { "overridden" } else { "clean" };
        assert_eq!(accepted.governance[&run].name(), said);
    }
}

/// docs/evidence-format.md, section 9: what was begun and has no result makes its run unresolved, though every
/// decision in it was answered.
#[tokio::test]
async fn the_package_of_a_run_says_that_nobody_knows_what_became_of_its_repair() {
    let (world, run, _, database) = begun_in_run(ApplyFault::LostReply).await;
    for later in [1, 24] {
        world.clock.advance(Duration::from_hours(later));
        database.swept(&world).await;
    }
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!(ended.tally.unresolved, 0);

    let desk = Desk::of(world);
    let run_id = run.parse().unwrap();
    let fetched = desk.export(ExportScope::Run { run_id }).await;
    let accepted = desk.verify(&fetched.bytes).await.unwrap();
    assert_eq!(accepted.governance[&run].name(), "unresolved");
}
