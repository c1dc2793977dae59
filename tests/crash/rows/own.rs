//! Acts whose effect is a row of ours: an incident that is ignored, a project that is frozen and thawed.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::held_change::HeldChange;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::Clock as _;
use counterfoil_core::repair::{Action, ActionState};
use serde_json::{Value, json};

use super::super::ask::{Ask, Who};
use super::super::governed::ballot;
use super::super::office::Office;
use super::super::shop::{Shop, Shops};
use super::super::stage::Turn;
use super::{Row, Scene, play_all};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A person ignores, at once.
    Ignore,
    /// A machine asks for it.
    HoldIgnore,
    /// A person agrees to that.
    AgreeToIgnore,
    Freeze,
    AskToThaw,
    Thaw,
    RefuseThaw,
}

const ROWS: [Row<Act>; 7] = [
    Row::new(
        Act::Ignore,
        200,
        "run.open run.decision incident.ignored run.close",
        "incident Ignored, frozen false, 0 change waits, 0 action waits",
    ),
    Row::new(
        Act::HoldIgnore,
        202,
        "run.open run.decision run.close",
        "incident Open, frozen false, 0 change waits, 1 action waits",
    ),
    Row::new(
        Act::AgreeToIgnore,
        200,
        "run.open run.resolution run.decision incident.ignored run.close",
        "incident Ignored, frozen false, 0 change waits, 0 action waits",
    ),
    Row::new(
        Act::Freeze,
        200,
        "run.open run.decision config.changed run.close",
        "incident Open, frozen true, 0 change waits, 0 action waits",
    ),
    Row::new(
        Act::AskToThaw,
        202,
        "run.open run.decision run.close",
        "incident Open, frozen true, 1 change waits, 0 action waits",
    ),
    Row::new(
        Act::Thaw,
        200,
        "run.open run.resolution run.decision config.changed run.close",
        "incident Open, frozen false, 0 change waits, 0 action waits",
    ),
    Row::new(
        Act::RefuseThaw,
        200,
        "run.open run.resolution run.close",
        "incident Open, frozen true, 0 change waits, 0 action waits",
    ),
];

/// A project with an incident.
struct Own {
    shop: Arc<Shop>,
    incident: Incident,
}

/// What a play is about.
enum Thing {
    Incident,
    /// An ignore that waits, with its version.
    Held(Box<Action>, u64),
    /// The project of this version.
    Project(u64),
    /// The change that waits.
    Change(Box<HeldChange>),
}

impl Own {
    fn of_incident(&self, who: Who, what: &str, more: Value) -> Ask {
        let path = format!("/v1/incidents/{}/{what}", self.incident.id);
        let mut body = json!({ "reason": "paid by bank transfer" });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        Ask::post(who, path, body)
    }

    fn ignore(&self, who: Who) -> Ask {
        let ends = self.shop.office.time.clock().now();
        let ends = ends.plus(Duration::from_hours(240));
        self.of_incident(who, "ignore", json!({ "until": ends.to_string() }))
    }

    fn freeze(&self, who: Who, frozen: bool, version: u64) -> Ask {
        let path = format!("/v1/projects/{}", self.shop.office.project.id);
        let body = json!({ "frozen": frozen, "reason": "something is wrong here" });
        Ask::patch(who, path, body).of(version)
    }

    /// Freezes the project, or thaws it, as far as this person can.
    async fn set_frozen(&self, who: Who, frozen: bool) {
        let office = &self.shop.office;
        let (_, version) = office.project_now().await;
        office.does(&self.freeze(who, frozen, version)).await;
    }

    async fn change(&self) -> Option<HeldChange> {
        let changes = self.shop.office.changes().await;
        assert!(changes.len() < 2, "{changes:?}");
        changes.into_iter().next()
    }

    /// The ignore that waits or has waited.
    async fn held(&self) -> (Action, u64) {
        let incident = self.shop.incident(&self.incident).await;
        let action = incident.act.unwrap().action.unwrap().to_string();
        let found = self.shop.office.record::<Action>(&action).await.unwrap();
        (found.value, found.version)
    }
}

impl Scene for Own {
    type Act = Act;
    type Thing = Thing;

    async fn before(&self, act: Act) -> Thing {
        let office = &self.shop.office;
        if matches!(act, Act::AskToThaw | Act::Thaw | Act::RefuseThaw) {
            self.set_frozen(Who::Owner, true).await;
        }
        if matches!(act, Act::Thaw | Act::RefuseThaw) {
            self.set_frozen(Who::Owner, false).await;
        }
        match act {
            Act::Ignore | Act::HoldIgnore => Thing::Incident,
            Act::AgreeToIgnore => {
                office.does(&self.ignore(Who::Ann)).await;
                let (action, version) = self.held().await;
                Thing::Held(Box::new(action), version)
            }
            Act::Freeze | Act::AskToThaw | Act::Thaw => {
                Thing::Project(office.project_now().await.1)
            }
            Act::RefuseThaw => Thing::Change(Box::new(self.change().await.unwrap())),
        }
    }

    fn office<'a>(&'a self, _: &'a Thing) -> &'a Office {
        &self.shop.office
    }

    fn asks(&self, act: Act, thing: &Thing) -> Option<Ask> {
        Some(match (act, thing) {
            (Act::HoldIgnore, _) => self.ignore(Who::Ann),
            (_, Thing::Incident) => self.ignore(Who::Owner),
            (_, Thing::Held(action, version)) => ballot(action, *version, "approve"),
            (Act::Thaw, Thing::Project(version)) => self.freeze(Who::OtherOwner, false, *version),
            (_, Thing::Project(version)) => self.freeze(Who::Owner, act == Act::Freeze, *version),
            (_, Thing::Change(change)) => {
                let path = format!("/v1/changes/{}/reject", change.id);
                let body = json!({ "reason": "it is still wrong here" });
                Ask::post(Who::OtherOwner, path, body)
            }
        })
    }

    async fn is_settled(&self, _: Act, thing: &Thing) -> Option<bool> {
        let Thing::Held(..) = thing else {
            return None;
        };
        Some(self.held().await.0.state == ActionState::Executed)
    }

    async fn looks(&self, _: &Thing) -> String {
        let office = &self.shop.office;
        let state = self.shop.incident(&self.incident).await.state;
        let frozen = office.project_now().await.0.frozen;
        let changes = usize::from(self.change().await.is_some());
        let (actions, _) = office.left().await;
        format!(
            "incident {state:?}, frozen {frozen}, {changes} change waits, {actions} action waits"
        )
    }

    async fn after(&self, act: Act, _: Thing) {
        let office = &self.shop.office;
        if act == Act::HoldIgnore {
            let path = format!("/v1/actions/{}/cancel", self.held().await.0.id);
            office.does(&Ask::post(Who::Ann, path, Value::Null)).await;
        }
        if self.shop.incident(&self.incident).await.state == IncidentState::Ignored {
            let reopen = self.of_incident(Who::Owner, "reopen", json!({}));
            office.does(&reopen).await;
        }
        if office.project_now().await.0.frozen {
            self.set_frozen(Who::Owner, false).await;
            self.set_frozen(Who::OtherOwner, false).await;
        }
    }
}

#[test]
fn whoever_dies_what_changes_a_row_of_ours_happens_once_with_its_decision() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let shops = Shops::of(turn.stage());
        let (shop, incident) = shops.next().await;
        let own = Own { shop, incident };
        let played = play_all(&own, &ROWS).await;
        shops.verify().await;
        eprintln!("{played} plays");
    });
}
