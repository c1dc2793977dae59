//! Probes of credentials: what becomes evidence, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::connection::{
    KeyReport, ReadAnswer, RepairScope, RoleReport, Standing, TriedRead,
};
use counterfoil_core::ports::{Clock, KeyProbe, PortError, PortErrorKind, RoleProbe};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::{ConnectionError, Connections, Probed};

use crate::world::World;

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
    let id = world.project.stripe_key.to_string();
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
