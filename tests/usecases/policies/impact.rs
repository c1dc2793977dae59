//! What a bundle would have decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::{Json, object};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::ports::{Batch, Clock as _, EvidenceAppend, State as _, StateWrite};
use counterfoil_core::records::{Directory, Project};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, PolicyError};
use counterfoil_policy::check::scenario::Scenario;

use super::desk::{Desk, PERMIT, STRICT};
use crate::decisions::Counting;
use crate::world::World;

/// Records decisions of an owner as the product does: what was asked, and what the answer was.
async fn decided(desk: &Desk, action: &str, effect: &str, how_many: usize) {
    let said = (effect, "propose", "base.permit.export");
    decided_by(desk, ("User/owner", action), said, how_many).await;
}

async fn decided_by(
    desk: &Desk,
    (principal, action): (&str, &str),
    (effect, phase, rule): (&str, &str, &str),
    how_many: usize,
) {
    recorded(
        desk,
        (principal, action),
        (effect, phase, rule, 0),
        how_many,
    )
    .await;
}

/// One that waits for so many people.
async fn decided_held(desk: &Desk, who: (&str, &str), approvals: u64) {
    let said = ("REQUIRE", "propose", "ws.require.some", approvals);
    recorded(desk, who, said, 1).await;
}

async fn recorded(
    desk: &Desk,
    (principal, action): (&str, &str),
    (effect, phase, rule, approvals): (&str, &str, &str, u64),
    how_many: usize,
) {
    let resource = match action {
        "evidence.export" => "Evidence/ev",
        _ => "Incident/inc",
    };
    let scenario = Scenario {
        principal: principal.to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
        ..Scenario::default()
    };
    let request = Json::parse(scenario.question().unwrap().to_string().as_bytes()).unwrap();
    let digest = digest_string(b"x");
    let stream = desk.bench.workspace.stream.parse().unwrap();
    for number in 0..how_many {
        let run = format!("run_{action}{phase}{rule}{number}").replace(['.', '-'], "");
        let mut facts = vec![
            ("action", Json::from(action)),
            ("action_hash", digest.as_str().into()),
            ("baseline", digest.as_str().into()),
            ("decision", format!("dec_{number}").into()),
            ("effect", effect.into()),
            ("phase", phase.into()),
            ("policy", digest.as_str().into()),
            ("reason", "it was so".into()),
            ("request", request.clone()),
            ("rule", rule.into()),
        ];
        if approvals > 0 {
            facts.push(("approvals", Json::uint(approvals)));
        }
        let facts = object(facts);
        let open = object([
            ("artifact", Json::from(digest.as_str())),
            ("flow", digest.as_str().into()),
            ("inputs", Json::Array(Vec::new())),
            ("policy_bundles", Json::Array(Vec::new())),
        ]);
        let batch = Batch::of([
            Draft::new(Kind::RunOpen, open).in_run(&run),
            Draft::new(Kind::RunDecision, facts).in_run(&run),
        ]);
        desk.bench.store.append(stream, batch).await.unwrap();
    }
}

#[tokio::test]
async fn decisions_that_a_bundle_would_flip_are_counted_and_named() {
    let desk = Desk::new().await;
    decided(&desk, "evidence.export", "ALLOW", 3).await;
    decided(&desk, "repair.execute", "ALLOW", 2).await;
    let digest = desk.stored(STRICT, 1, None).await;
    let ctx = desk.ctx("ann").await;
    let asked = desk.policies();
    let (report, sealed) = asked
        .impact(&ctx, &digest, (None, None), None)
        .await
        .unwrap();
    assert!(report.complete);
    assert_eq!(report.impact.flipped, 3);
    assert_eq!(report.impact.flips[0].after.rules, ["ws.forbid.export"]);
    assert_eq!(report.impact.transitions["allow"]["deny"], 3);
    // Beside those two, the decisions by which the desk was set up.
    assert_eq!(report.impact.transitions["allow"]["allow"], 2 + 2);
    assert_eq!(report.impact.engine_errors, 0);
    assert!(report.sentence.contains("would have denied 3 more"));
    assert_eq!(sealed, digest_string(&report.canonical().unwrap()));
    // The activation cites it, and not one that looked further back.
    let now = Some(desk.bench.clock.now());
    let (_, older) = asked
        .impact(&ctx, &digest, (None, now), None)
        .await
        .unwrap();
    assert_ne!(older, sealed);
    for who in ["ann", "ben"] {
        desk.activate(who, &digest).await.unwrap();
    }
    let entries = desk.bench.entries();
    let activated = entries
        .iter()
        .find(|(kind, _)| *kind == Kind::PolicyActivated);
    let cited = activated.unwrap().1.get("impact").and_then(Json::as_str);
    assert_eq!(cited, Some(sealed.as_str()));
}

#[tokio::test]
async fn only_decisions_of_the_time_asked_for_count_and_a_limit_is_said() {
    let desk = Desk::new().await;
    decided(&desk, "evidence.export", "ALLOW", 3).await;
    desk.bench.later(Duration::from_hours(24));
    let day = desk.bench.clock.now();
    decided(&desk, "repair.execute", "ALLOW", 2).await;
    desk.bench.later(Duration::from_secs(1));
    let digest = desk.stored(PERMIT, 1, None).await;
    let ctx = desk.ctx("ann").await;
    let asked = desk.policies();
    let (report, _) = asked
        .impact(&ctx, &digest, (Some(day), None), None)
        .await
        .unwrap();
    assert_eq!((report.impact.judged, report.complete), (2, true));
    let (report, _) = asked
        .impact(&ctx, &digest, (None, None), Some(1))
        .await
        .unwrap();
    // Those of one millisecond are in one report, so that the next one goes on before it.
    assert_eq!(report.impact.judged + report.not_comparable, 2);
    assert_eq!(report.reached, Some(day.as_millis() - 24 * 3_600_000 + 1));
    assert!(!report.complete);
}

/// docs/policies.md, "Impact": 2,000 decisions are the most that one request judges; whoever has more asks on
/// from where it ended.
#[tokio::test]
async fn what_one_report_does_not_reach_the_next_one_does_newest_first_over_all_streams() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    for n in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        world
            .act(&run, "refund.create", &format!("early-{n}"))
            .await;
    }
    // The workspace's own stream has its decisions in between.
    let digest = world.activated("").await;
    for n in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        world.act(&run, "refund.create", &format!("late-{n}")).await;
    }
    let own = world.workspace.stream.parse().unwrap();
    let entries = [world.store.stream(own), world.store.stream(world.stream())].concat();
    let headers = entries.iter().map(|it| Json::parse(&it.header).unwrap());
    let decided =
        headers.filter(|it| it.get("kind").and_then(Json::as_str) == Some("run.decision"));
    let mut times: Vec<u64> = decided
        .map(|it| it.get("at").and_then(Json::as_uint).unwrap())
        .collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    assert!(times.len() > 8, "{times:?}");

    let mut to = None;
    let mut pages = 0;
    loop {
        let report = world.impact(&digest, to, 2).await;
        let left: Vec<u64> = times
            .iter()
            .copied()
            .filter(|at| to.is_none_or(|to| *at < to))
            .collect();
        let looked = report.impact.judged + report.not_comparable;
        // Two, and the others of the same millisecond.
        let last = left.get(1).copied().unwrap_or_default();
        let page = left.iter().filter(|at| **at >= last).count();
        assert_eq!(looked, u64::try_from(page).unwrap());
        assert_eq!(report.reached, left.get(page).map(|at| at + 1));
        assert_eq!(report.complete, report.reached.is_none());
        pages += 1;
        to = report.reached;
        if to.is_none() {
            break;
        }
    }
    assert!(pages > 2, "{pages}");
}

/// What another workspace decided is not looked at, though its rows are in the same table.
#[tokio::test]
async fn decisions_of_another_workspace_are_not_counted() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    world.act(&run, "refund.create", "invoice-1").await;
    let digest = world.activated("").await;
    let looked = async || {
        let report = world.impact(&digest, None, 100).await;
        report.impact.judged + report.not_comparable
    };
    let all = looked().await;
    let directory = Directory::of(world.store.as_ref());
    let found = directory.project(world.project.id).await.unwrap().unwrap();
    let theirs = Project {
        workspace: WorkspaceId::from_bits(77),
        ..found.value
    };
    let key = Directory::project_key(theirs.id);
    let row = serde_json::to_value(&theirs).unwrap();
    let write = StateWrite::replace(key, found.version, row);
    assert!(world.store.write(vec![write]).await.unwrap());
    assert_eq!(looked().await, all - 1);
}

/// An owner broke the glass for what a machine proposed; and what was denied because of the moment.
#[tokio::test]
async fn what_approvals_and_moments_decided_is_no_flip_of_the_same_rules() {
    let desk = Desk::new().await;
    let agent = ("Agent/agent", "repair.execute");
    decided_by(&desk, agent, ("ALLOW", "execute", "break-glass"), 2).await;
    for rule in ["hold-quota", "bundle-revoked", "engine-budget"] {
        decided_by(&desk, agent, ("DENY", "propose", rule), 1).await;
    }
    desk.bench.later(Duration::from_secs(1));
    let same = desk.stored(PERMIT, 1, None).await;
    let none = "@id(\"ws.forbid.repairs\") @why(\"nobody repairs\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource);\n";
    let stricter = desk.stored(&format!("{PERMIT}{none}"), 2, None).await;
    let ctx = desk.ctx("ann").await;
    let asked = desk.policies();
    let (report, _) = asked.impact(&ctx, &same, (None, None), None).await.unwrap();
    assert_eq!(report.impact.flips, Vec::new());
    assert_eq!((report.impact.flipped, report.not_comparable), (0, 3));
    assert!(
        report.sentence.contains("been looser in 0"),
        "{}",
        report.sentence
    );
    // Where the rules deny, breaking the glass would not have helped.
    let (report, _) = asked
        .impact(&ctx, &stricter, (None, None), None)
        .await
        .unwrap();
    assert_eq!((report.impact.flipped, report.not_comparable), (2, 3));
    assert_eq!(report.impact.flips[0].before.rules, ["break-glass"]);
    assert_eq!(report.impact.flips[0].after.rules, ["ws.forbid.repairs"]);
}

/// An action that was carried out has two decisions. Under rules that ask for one more person it would
/// have been held once, and denied never.
#[tokio::test]
async fn what_was_carried_out_and_would_have_waited_is_no_denial() {
    let desk = Desk::new().await;
    let owner = ("User/owner", "repair.execute");
    for phase in ["propose", "execute"] {
        decided_by(&desk, owner, ("ALLOW", phase, "base.permit.owner"), 1).await;
        desk.bench.later(Duration::from_secs(1));
    }
    let one = "@id(\"ws.require.one\") @why(\"somebody looks\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 1 };\n";
    let none = "@id(\"ws.forbid.repairs\") @why(\"nobody repairs\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource);\n";
    let ctx = desk.ctx("ann").await;
    for (version, rules, denied, held) in [(1, one, 0, 1), (2, none, 2, 0)] {
        let digest = desk
            .stored(&format!("{PERMIT}{rules}"), version, None)
            .await;
        let asked = desk.policies();
        let report = asked.impact(&ctx, &digest, (None, None), None).await;
        let report = report.unwrap().0;
        assert_eq!(report.impact.flipped, denied + held);
        let said = format!("denied {denied} more, asked for more approvals in {held}");
        assert!(report.sentence.contains(&said), "{}", report.sentence);
    }
}

/// Two people instead of one are more approvals; one instead of two is looser.
#[tokio::test]
async fn another_number_of_approvals_is_said() {
    let desk = Desk::new().await;
    let agent = ("Agent/agent", "repair.execute");
    let asks = |count: u8| {
        format!(
            "{PERMIT}@id(\"ws.require.some\") @why(\"somebody looks\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless {{ context.base.approvals.count >= {count} }};\n"
        )
    };
    decided_held(&desk, agent, 2).await;
    desk.bench.later(Duration::from_secs(1));
    let ctx = desk.ctx("ann").await;
    for (version, count, more, looser) in [(1, 3, 1, 0), (2, 2, 0, 0), (3, 1, 0, 1)] {
        let digest = desk.stored(&asks(count), version, None).await;
        let asked = desk.policies();
        let report = asked.impact(&ctx, &digest, (None, None), None).await;
        let report = report.unwrap().0;
        let said = format!("asked for more approvals in {more}, and been looser in {looser}");
        assert!(report.sentence.contains(&said), "{}", report.sentence);
    }
}

#[tokio::test]
async fn what_is_newer_than_asked_for_is_not_even_read() {
    let desk = Desk::new().await;
    decided(&desk, "evidence.export", "ALLOW", 3).await;
    desk.bench.later(Duration::from_hours(24));
    let day = desk.bench.clock.now();
    decided(&desk, "repair.execute", "ALLOW", 1_500).await;
    desk.bench.later(Duration::from_secs(1));
    let digest = desk.stored(STRICT, 1, None).await;
    let ctx = desk.ctx("ann").await;
    let counting = Arc::new(Counting {
        inner: desk.bench.store.clone(),
        reads: AtomicU32::new(0),
    });
    let mut asked = desk.policies();
    asked.reader = counting.clone();
    let (report, _) = asked
        .impact(&ctx, &digest, (None, Some(day)), None)
        .await
        .unwrap();
    assert_eq!((report.impact.flipped, report.complete), (3, true));
    // The head, a search over 3,000 entries, and one page; a page holds 250.
    let reads = counting.reads.load(Ordering::Relaxed);
    assert!(reads < 10, "{reads}");
}

#[tokio::test]
async fn auditors_may_ask_and_viewers_may_not() {
    let desk = Desk::new().await;
    desk.bench.join("aud", Role::Auditor).await;
    desk.bench.join("vic", Role::Viewer).await;
    let digest = desk.stored(PERMIT, 1, None).await;
    let ctx = desk.ctx("aud").await;
    let asked = desk.policies();
    let done = asked.impact(&ctx, &digest, (None, None), None).await;
    assert!(done.is_ok());
    let ctx = desk.ctx("vic").await;
    let done = asked.impact(&ctx, &digest, (None, None), None).await;
    assert!(matches!(
        done,
        Err(PolicyError::Admin(AdminError::NotForRole))
    ));
}
