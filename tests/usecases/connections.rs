//! Probes of credentials: what becomes evidence, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::connection::{
    KeyReport, ReadAnswer, RepairScope, RoleReport, Standing, TriedRead,
};
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::ProjectId;
use counterfoil_core::ports::{CheckRequest, Clock, KeyProbe, PortError, PortErrorKind, RoleProbe};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::run::RunResult;
use counterfoil_core::usecases::{ConnectionError, Connections, Probed, Received, WebhookView};

use crate::webhooks::send;
use crate::world::{WEBHOOK_SECRET, World};

/// Both other sides, with answers that a test can change.
#[derive(Default)]
struct Sides {
    broader: Mutex<bool>,
    writable: Mutex<Vec<String>>,
    failing: Mutex<Option<PortErrorKind>>,
}

impl Sides {
    fn fail(&self) -> Result<(), PortError> {
        match *self.failing.lock().unwrap() {
            Some(kind) => Err(PortError::caused(kind, "asking", "the key was revoked")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl KeyProbe for Sides {
    async fn probe_key(&self, key: &Redacted<String>, _: bool) -> Result<KeyReport, PortError> {
        assert!(key.reveal().starts_with("rk_"));
        self.fail()?;
        let read = |what: &str, answer| TriedRead {
            what: what.to_owned(),
            answer,
        };
        let permission = "rak_balance_read".to_owned();
        let balance = if *self.broader.lock().unwrap() {
            ReadAnswer::Allowed
        } else {
            ReadAnswer::Refused { permission }
        };
        Ok(KeyReport {
            needed: vec![read("customers", ReadAnswer::Allowed)],
            useful: Vec::new(),
            excess: vec![read("the balance", balance)],
        })
    }
}

#[async_trait]
impl RoleProbe for Sides {
    async fn probe_reading_role(&self, _: &Redacted<String>) -> Result<RoleReport, PortError> {
        let refused = self.writable.lock().unwrap().clone();
        Ok(RoleReport {
            refused,
            ..RoleReport::default()
        })
    }

    async fn probe_repair_role(
        &self,
        _: &Redacted<String>,
        scope: RepairScope<'_>,
    ) -> Result<RoleReport, PortError> {
        Ok(RoleReport {
            missing: scope.columns.to_vec(),
            ..RoleReport::default()
        })
    }
}

fn connections(world: &World, sides: &Arc<Sides>) -> Connections {
    Connections {
        evidence: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        keys: sides.clone(),
        roles: sides.clone(),
        clock: Arc::new(world.clock.clone()),
    }
}

const OBSERVED: &str = "observation.recorded";

#[tokio::test]
async fn an_answer_is_recorded_when_it_is_new_and_at_least_weekly() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    let first = connections.probe(&world.project).await.unwrap();
    assert_eq!((first.standing, first.recorded), (Standing::Ok, 2));
    assert_eq!(world.count(OBSERVED), 2);

    world.clock.advance(Duration::from_hours(24));
    let same = connections.probe(&world.project).await.unwrap();
    assert_eq!(same.recorded, 0);

    *sides.broader.lock().unwrap() = true;
    let broader = connections.probe(&world.project).await.unwrap();
    assert_eq!((broader.standing, broader.recorded), (Standing::Warning, 1));

    *sides.writable.lock().unwrap() = vec!["this role can write public.users: UPDATE".to_owned()];
    let writable = connections.probe(&world.project).await.unwrap();
    assert_eq!((writable.standing, writable.recorded), (Standing::Alarm, 1));

    world.clock.advance(Duration::from_hours(24 * 7));
    let weekly = connections.probe(&world.project).await.unwrap();
    assert_eq!(weekly.recorded, 2);
    assert_eq!(world.count(OBSERVED), 6);
}

#[tokio::test]
async fn a_key_that_is_refused_is_an_alarm_and_the_other_side_is_asked_all_the_same() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    *sides.failing.lock().unwrap() = Some(PortErrorKind::Refused);
    let summary = connections(&world, &sides)
        .probe(&world.project)
        .await
        .unwrap();
    assert_eq!((summary.standing, summary.recorded), (Standing::Alarm, 2));
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let id = world.project.stripe_key.unwrap().to_string();
    let probed = records.get::<Probed>(&id).await.unwrap().unwrap().value;
    assert_eq!(probed.sentences, ["the key was revoked"]);
    assert_eq!(probed.at, world.clock.now());
}

#[tokio::test]
async fn silence_is_no_answer() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    *sides.failing.lock().unwrap() = Some(PortErrorKind::Unavailable);
    let connections = connections(&world, &sides);
    let error = connections.probe(&world.project).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Port(_)), "{error}");
    assert_eq!(world.count(OBSERVED), 1);
    *sides.failing.lock().unwrap() = None;
    assert_eq!(connections.probe(&world.project).await.unwrap().recorded, 1);
}

#[tokio::test]
async fn an_answer_that_was_not_recorded_is_recorded_by_the_next_probe() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    world.store.appends_left(Some(1));
    let error = connections.probe(&world.project).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Evidence(_)), "{error}");
    world.store.appends_left(None);
    assert_eq!(connections.probe(&world.project).await.unwrap().recorded, 1);
    assert_eq!(world.count(OBSERVED), 2);
}

#[tokio::test]
async fn every_project_is_probed_although_one_fails() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    world.another_project().await;
    let results = connections(&world, &sides).probe_all().await.unwrap();
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|(_, result)| result.is_ok()));
}

/// Topics of the observations so far, in order.
fn topics(world: &World) -> Vec<String> {
    let facts = world.facts(OBSERVED);
    let topic = |facts: &Json| facts.get("topic").unwrap().as_str().unwrap().to_owned();
    facts.iter().map(topic).collect()
}

fn refuse(sides: &Sides, refuse: bool) {
    *sides.failing.lock().unwrap() = refuse.then_some(PortErrorKind::Refused);
}

#[tokio::test]
async fn a_connection_ends_when_stripe_refuses_the_key_and_is_restored_when_it_accepts_it_again() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    let id = world.project.id;
    for (refused, recorded) in [(false, 1), (true, 1), (true, 0), (false, 1), (true, 1)] {
        refuse(&sides, refused);
        let summary = connections.probe_key(id).await.unwrap().unwrap();
        assert_eq!(summary.recorded, recorded);
    }
    let key = "probe.stripe_key";
    let ended = "connection.ended";
    assert_eq!(
        topics(&world),
        [key, ended, key, "connection.restored", key, ended, key]
    );
    let nobody = ProjectId::from_bits(7);
    assert!(connections.probe_key(nobody).await.unwrap().is_none());
}

#[tokio::test]
async fn a_connection_whose_end_could_not_be_recorded_has_not_ended_yet() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    refuse(&sides, true);
    world.store.appends_left(Some(0));
    connections.probe_key(world.project.id).await.unwrap_err();
    assert!(health(&world).await.ended_at.is_none());
    world.store.appends_left(None);
    connections.probe_key(world.project.id).await.unwrap();
    assert!(health(&world).await.ended_at.is_some());
}

async fn health(world: &World) -> WebhookView {
    let read = world.read_webhook_health();
    read.get(&world.read_key).await.unwrap().unwrap()
}

/// Stripe says that a connection ended, and the queue brings what that asks for.
async fn say_ended(world: &World, connections: &Connections) {
    let said = r#"{"id":"evt_1","type":"account.application.deauthorized","livemode":true,"data":{"object":{"id":"ca_1","object":"application"}}}"#;
    let receive = world.webhook();
    let received = send(world, &receive, WEBHOOK_SECRET, said).await.unwrap();
    assert_eq!(received, Received::Queued);
    let (request, _) = world.mail.take_checks().remove(0);
    let CheckRequest::Connection { project, .. } = request else {
        panic!("{request:?}");
    };
    connections.probe_key(project).await.unwrap();
}

#[tokio::test]
async fn that_stripe_said_so_ends_nothing_while_stripe_accepts_the_key() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    say_ended(&world, &connections).await;
    let health = health(&world).await;
    assert_eq!(
        (health.ended_at, health.standing()),
        (None, Standing::Alarm)
    );
    assert_eq!(topics(&world), ["probe.stripe_key"]);
}

/// How the run of a check of this customer ended.
async fn check(world: &World) -> String {
    let request = world.check_of("cus_1", "webhook");
    let run = world.reconcile().handle(&request).await.unwrap().unwrap();
    assert_eq!(run.result, Some(RunResult::Partial));
    let close = world.facts("run.close").pop().unwrap();
    close.get("result").unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_run_of_an_ended_connection_says_so_and_another_refusal_does_not() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    world.billing.refuse(true);
    assert_eq!(check(&world).await, "source-refused");
    refuse(&sides, true);
    say_ended(&world, &connections).await;
    assert_eq!(check(&world).await, "connection-ended");
    assert!(world.incidents().await.is_empty());
    // Nobody is asked for the owner of a subscription, and the message does not come again.
    let request = CheckRequest::Subscription {
        workspace: world.workspace.id,
        project: world.project.id,
        subscription: "sub_u1".to_owned(),
        event: None,
        asked_at: world.clock.now(),
    };
    let left = world.reconcile().handle(&request).await.unwrap();
    assert!(left.is_none());
    // A scan ends alike, and tries nothing again.
    for result in world.first_look().await.unwrap() {
        result.unwrap();
    }
    assert!(world.mail.take_scans().is_empty());
    let close = world.facts("run.close").pop().unwrap();
    assert_eq!(
        close.get("result").unwrap().as_str(),
        Some("connection-ended")
    );

    refuse(&sides, false);
    world.billing.refuse(false);
    connections.probe(&world.project).await.unwrap();
    assert!(health(&world).await.ended_at.is_none());
    world.deliver_checks().await;
    world.scan().await;
    assert_eq!(world.incident().await.finding.subject, "u1");
}

#[tokio::test]
async fn a_day_of_an_ended_connection_asks_stripe_nothing_and_is_an_alarm() {
    let world = World::new().await;
    let sides = Arc::new(Sides::default());
    let connections = connections(&world, &sides);
    refuse(&sides, true);
    connections.probe_key(world.project.id).await.unwrap();
    // Stripe would answer: nobody asks.
    world.clock.advance(Duration::from_hours(25));
    world.webhook_health().record(&world.project).await.unwrap();
    let facts = world.facts(OBSERVED).pop().unwrap();
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(str::to_owned);
    let absent = facts.get("missed").and_then(|missed| missed.get("absent"));
    assert_eq!(text(absent).as_deref(), Some("connection_ended"));
    assert_eq!(text(facts.get("result")).as_deref(), Some("alarm"));
}
