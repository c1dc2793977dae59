//! Who may ask for what, and what a request says.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::export::{ExportScope, ExportState};
use counterfoil_core::ids::RunId;
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{ExportError, Worked};

use super::desk::Desk;

/// The first closed run of the stream.
pub(super) async fn some_run(desk: &Desk) -> RunId {
    let ctx = counterfoil_core::records::Directory::system(&desk.world.project, "test");
    let records = counterfoil_core::records::Records::of(desk.world.store.as_ref(), &ctx);
    let runs = records.list::<counterfoil_core::run::Run>().await.unwrap();
    runs[0].value.id
}

#[tokio::test]
async fn a_request_is_judged_recorded_and_queued() {
    let desk = Desk::new().await;
    let before = desk.world.kinds().len();
    let id = desk.ask(ExportScope::All).await;
    assert_eq!(
        desk.world.kinds()[before..],
        ["run.open", "run.decision", "run.close"]
    );
    let export = desk.find(&id).await;
    assert_eq!(export.state, ExportState::Queued);
    assert_eq!((export.progress.done, export.progress.of), (0, None));
    let messages = desk.world.mail.take_exports();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].export, export.id);
    assert_eq!(messages[0].project, desk.world.project.id);
}

/// Nobody can give the approval that such a rule asks for, so it is a refusal like any other.
#[tokio::test]
async fn an_export_that_rules_hold_is_refused_and_its_run_counts_what_was_decided() {
    let desk = Desk::new().await;
    let holds = "@id(\"ws.require.export\") @why(\"two look at it\") @role(\"owner\")\nforbid (principal, action == CF::Action::\"evidence.export\", resource) unless { context.base.approvals.count >= 1 };";
    desk.world.under(holds).await;
    let before = desk.world.kinds().len();
    let refused = desk.ask_as(&desk.world.ben, ExportScope::All).await;
    let Err(ExportError::Denied { judgement, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(judgement.rule, "ws.require.export");
    let recorded = ["run.open", "run.decision", "run.close"];
    assert_eq!(desk.world.kinds()[before..], recorded);
    let closes = desk.world.facts("run.close");
    let close = closes.last().unwrap();
    let counts = ["allow", "require", "deny", "unresolved"];
    let counts = counts.map(|name| close.get(name).and_then(Json::as_uint).unwrap());
    assert_eq!(counts, [0, 1, 0, 1]);
    assert!(desk.world.mail.take_exports().is_empty());
}

#[tokio::test]
async fn whoever_may_not_export_is_refused_and_the_refusal_is_recorded() {
    let desk = Desk::new().await;
    // Ann is an approver: no export. Her keys count as she does.
    for ctx in [
        &desk.world.ann,
        &desk.world.repair_key,
        &desk.world.read_key,
    ] {
        let before = desk.world.kinds().len();
        let refused = desk.ask_as(ctx, ExportScope::All).await;
        assert!(matches!(refused, Err(ExportError::Denied { .. })));
        assert_eq!(desk.world.kinds()[before..].len(), 3);
        assert!(desk.world.mail.take_exports().is_empty());
    }
    // What else is wrong with a request is for those who may export.
    let now = desk.world.clock.now();
    let empty = ExportScope::Period { from: now, to: now };
    let refused = desk.ask_as(&desk.world.ann, empty.clone()).await;
    assert!(
        matches!(refused, Err(ExportError::Refused(_))),
        "{refused:?}"
    );
    let told = desk.ask_as(&desk.world.ben, empty).await;
    assert!(matches!(told, Err(ExportError::Period { .. })), "{told:?}");
    let id = desk.ask(ExportScope::All).await;
    desk.deliver().await;
    let refused = desk.exports.download(&desk.world.ann, &id, "package").await;
    assert!(matches!(refused, Err(ExportError::Denied { .. })));
    assert_eq!(
        desk.world.count("observation.recorded"),
        0,
        "no link, no download"
    );
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_yours_are_alike() {
    let desk = Desk::new().await;
    let run = some_run(&desk).await;
    let mine = desk.ask(ExportScope::Run { run_id: run }).await;
    let other = desk.world.another_project().await;
    let before = desk.world.kinds().len();
    let absent = RunId::new(desk.world.clock.now(), 7);
    let customer = |customer: &str| ExportScope::Customer {
        customer: customer.to_owned(),
    };
    for (ctx, scope) in [
        (&other, ExportScope::Run { run_id: run }),
        (&desk.world.ben, ExportScope::Run { run_id: absent }),
        (&other, customer("cus_1")),
        (&desk.world.ben, customer("cus_nobody")),
    ] {
        let refused = desk.ask_as(ctx, scope).await;
        assert!(matches!(refused, Err(ExportError::NotFound)));
    }
    for id in [mine.as_str(), "exp_nonsense"] {
        let found = desk.exports.find(&other, id).await;
        assert!(matches!(found, Err(ExportError::NotFound)));
        let link = desk.exports.download(&other, id, "package").await;
        assert!(matches!(link, Err(ExportError::NotFound)));
    }
    assert_eq!(desk.world.kinds().len(), before, "and nothing was recorded");
}

#[tokio::test]
async fn a_period_that_cannot_be_is_refused_with_the_field() {
    let desk = Desk::new().await;
    let now = desk.world.clock.now();
    let later = now.plus(Duration::from_secs(1));
    let period = |from, to| ExportScope::Period { from, to };
    for (scope, word) in [
        (period(now, now), "same moment"),
        (period(now, Timestamp::from_secs(5)), "before"),
        (period(now, later), "future"),
    ] {
        let refused = desk.ask_as(&desk.world.ben, scope).await;
        let Err(ExportError::Period { field, rule }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(field, "to");
        assert!(rule.contains(word), "{rule}");
    }
}

#[tokio::test]
async fn the_same_request_twice_is_two_exports_unless_a_key_makes_it_one() {
    let desk = Desk::new().await;
    let one = desk.ask(ExportScope::All).await;
    let two = desk.ask(ExportScope::All).await;
    assert_ne!(one, two);
    let ben = &desk.world.ben;
    let keyed =
        async |scope: ExportScope, key: &str| desk.exports.create(ben, scope, Some(key)).await;
    let first = keyed(ExportScope::All, "k1").await.unwrap();
    let again = keyed(ExportScope::All, "k1").await.unwrap();
    assert_eq!(first.export.value.id, again.export.value.id);
    assert!(first.decision.is_some() && again.decision.is_none());
    let other = keyed(ExportScope::Workspace, "k1").await;
    assert!(matches!(other, Err(ExportError::KeyReused)));
    let (a, b) = tokio::join!(keyed(ExportScope::All, "k2"), keyed(ExportScope::All, "k2"));
    assert_eq!(a.unwrap().export.value.id, b.unwrap().export.value.id);
    desk.world.clock.advance(Duration::from_hours(25));
    let fresh = keyed(ExportScope::All, "k1").await.unwrap();
    assert_ne!(fresh.export.value.id, first.export.value.id);
}

#[tokio::test]
async fn a_download_waits_for_the_package_and_ends_with_its_time() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    let ben = &desk.world.ben;
    let early = desk.exports.download(ben, &id, "package").await;
    assert!(matches!(early, Err(ExportError::NotReady)));
    assert_eq!(desk.deliver().await.remove(0).unwrap(), Worked::Ready);
    desk.fetch(&id).await;
    desk.fetch(&id).await;
    assert_eq!(
        desk.world.count("observation.recorded"),
        2,
        "each link is recorded"
    );
    assert!(desk.fetch_part(&id, "report").await.starts_with(b"%PDF"));
    desk.world.clock.advance(Duration::from_hours(24 * 7));
    let late = desk.exports.download(ben, &id, "package").await;
    assert!(matches!(late, Err(ExportError::Expired)));
}

#[tokio::test]
async fn an_export_that_nobody_works_on_is_queued_again_by_whoever_looks() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    assert_eq!(
        desk.world.mail.take_exports().len(),
        1,
        "and the message is lost"
    );
    desk.find(&id).await;
    assert!(desk.world.mail.take_exports().is_empty(), "not at once");
    desk.world.clock.advance(Duration::from_mins(2));
    desk.find(&id).await;
    desk.find(&id).await;
    let messages = desk.world.mail.take_exports();
    assert_eq!(messages.len(), 1, "once");
    assert_eq!(
        desk.exports.work(&messages[0]).await.unwrap(),
        Worked::Ready
    );
}

/// docs/policies.md: evidence of the workspace is in no project, whichever one it is asked for through.
#[tokio::test]
async fn an_export_of_the_workspace_is_judged_as_one_of_the_workspace() {
    let desk = Desk::new().await;
    let rule = "@id(\"ws.forbid.whole\") @why(\"not of the whole workspace\")\nforbid (principal, action == CF::Action::\"evidence.export\", resource) when { context.base.scope.environment == \"none\" };\n";
    desk.world.under(rule).await;
    desk.ask(ExportScope::All).await;
    let ben = desk.world.sign_in("Ben").await;
    let refused = desk.ask_as(&ben, ExportScope::Workspace).await.unwrap_err();
    let denied = matches!(&refused, ExportError::Denied { judgement, .. } if judgement.rule == "ws.forbid.whole");
    assert!(denied, "{refused:?}");
}

#[tokio::test]
async fn only_people_reach_beyond_the_project_of_their_key() {
    let desk = Desk::new().await;
    // Ben acts by an approver key here.
    let by_key = desk.ask_as(&desk.world.ben, ExportScope::Workspace).await;
    let denied = matches!(&by_key, Err(ExportError::Denied { judgement, .. }) if judgement.rule == "base.forbid.key-beyond-project");
    assert!(denied, "{by_key:?}");
    let fetched = desk.export(ExportScope::Workspace).await;
    assert_eq!(fetched.export.stream, desk.world.workspace.stream);
    let members = super::desk::unpack(&fetched.bytes);
    let stream = desk.world.workspace.stream.parse().unwrap();
    let trust = desk.trust(stream).await;
    let package = counterfoil_core::evidence::verify::Package::Tar(&members["evidence.tar"]);
    let verdict = counterfoil_core::evidence::verify::verify(package, &trust);
    assert!(verdict.is_accepted(), "{}", verdict.first_line());
    let entries = desk.world.store.stream(stream);
    let last = String::from_utf8(entries.last().unwrap().header.clone()).unwrap();
    assert!(last.contains("observation.recorded"), "{last}");
}
