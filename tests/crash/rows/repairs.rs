//! Repairs that are rejected, withdrawn, overdue, stale, carried out by an owner alone, taken back, or in
//! a governed run.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{Clock as _, State as _, StateWrite};
use counterfoil_core::records::OverrideUse;
use counterfoil_core::repair::Action;
use counterfoil_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::ask::{Ask, Who};
use super::super::deaths::Deaths;
use super::super::governed::{Opened, ballot};
use super::super::office::Office;
use super::super::shop::{Shop, Shops};
use super::super::stage::Turn;
use super::{Row, Scene, bundles, play_all};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Reject,
    Cancel,
    /// A machine approves, which nobody lets it.
    BadVote,
    /// What waits too long.
    Expire,
    /// The row has changed since the approval.
    ExecuteStale,
    Undo,
    /// Another person looks at what an owner did alone.
    Review,
    Override,
    ExecuteUndo,
    ProposeInRun,
    ExecuteInRun,
}

/// Those whose incident can have the next one, because nothing came of it.
const WITHOUT_EFFECT: [Row<Act>; 7] = [
    Row::new(
        Act::Reject,
        200,
        "run.open run.resolution run.close",
        "Rejected, 1 vote, incident Open, 0 wait, 0 begun, not granted",
    ),
    Row::new(
        Act::Cancel,
        200,
        "run.open run.resolution run.close",
        "Cancelled, 0 vote, incident Open, 0 wait, 0 begun, not granted",
    ),
    Row::new(
        Act::BadVote,
        403,
        "run.open run.decision run.close",
        "Held, 0 vote, incident Repairing, 1 wait, 0 begun, not granted",
    ),
    Row::new(
        Act::ExecuteStale,
        409,
        "observation.recorded run.close",
        "Stale, 1 vote, incident Open, 0 wait, 0 begun, granted",
    ),
    Row::new(
        Act::ProposeInRun,
        201,
        "run.decision",
        "Held, 0 vote, incident Repairing, 1 wait, 0 begun, not granted",
    ),
    Row::new(
        Act::Undo,
        201,
        "run.open run.decision run.close",
        "Held, 0 vote, incident Repairing, 1 wait, 0 begun, granted",
    ),
    Row::new(
        Act::Expire,
        0,
        "run.open run.resolution run.close",
        "Expired, 0 vote, incident Open, 0 wait, 0 begun, not granted",
    ),
];

const OVERRIDE: Row<Act> = Row::new(
    Act::Override,
    200,
    "run.open run.resolution run.decision repair.started repair.executed repair.verified incident.resolved run.close",
    "Verified, 0 vote, 1 use, 0 reviewed, incident Resolved, 0 wait, 0 begun, granted",
)
.unsent(
    "run.open run.resolution run.decision repair.started repair.failed run.close",
    "Failed, 0 vote, 1 use, 0 reviewed, incident Open, 0 wait, 0 begun, not granted",
);

const REVIEW: Row<Act> = Row::new(
    Act::Review,
    200,
    "run.open run.decision observation.recorded run.close",
    "Verified, 0 vote, 1 use, 1 reviewed, incident Resolved, 0 wait, 0 begun, granted",
);

const EXECUTE_UNDO: Row<Act> = Row::new(
    Act::ExecuteUndo,
    200,
    "run.open run.resolution run.decision repair.started repair.executed repair.verified incident.changed run.close",
    "Verified, 1 vote, incident Open, 0 wait, 0 begun, not granted",
)
.unsent(
    "run.open run.resolution run.decision repair.started repair.failed run.close",
    "Failed, 1 vote, incident Resolved, 0 wait, 0 begun, granted",
);

const EXECUTE_IN_RUN: Row<Act> = Row::new(
    Act::ExecuteInRun,
    200,
    "run.resolution repair.started repair.executed repair.verified incident.resolved",
    "Verified, 1 vote, incident Resolved, 0 wait, 0 begun, granted",
)
.unsent(
    "run.resolution repair.started repair.failed",
    "Failed, 1 vote, incident Open, 0 wait, 0 begun, not granted",
);

/// A repair on its way.
struct Thing {
    shop: Arc<Shop>,
    incident: Incident,
    action: Option<(Action, u64)>,
    /// The run that somebody holds open for it.
    run: Option<Opened>,
}

impl Thing {
    /// Proposes the repair, in a run where there is one.
    fn proposal(&self, at_once: bool) -> Ask {
        let (path, body) = match &self.run {
            None => (
                format!("/v1/incidents/{}/repairs", self.incident.id),
                json!({ "reason": "support asked for it", "execute_on_approval": at_once }),
            ),
            Some(run) => (
                run.actions(),
                json!({
                    "type": "repair.execute", "resource": self.incident.id,
                    "reason": "support asked for it", "execute_on_approval": at_once,
                }),
            ),
        };
        Ask::post(Who::Ann, path, body)
    }

    /// What somebody asks for about the action.
    fn ask(&self, who: Who, what: &str, body: Value) -> Ask {
        let path = format!("/v1/actions/{}/{what}", self.action.as_ref().unwrap().0.id);
        Ask::post(who, path, body)
    }

    fn vote(&self, vote: &str) -> Ask {
        let (action, version) = self.action.as_ref().unwrap();
        ballot(action, *version, vote)
    }

    fn undo(&self) -> Ask {
        let body = json!({ "reason": "it was mapped wrongly", "execute_on_approval": true });
        self.ask(Who::Ann, "undo", body)
    }

    fn break_glass(&self) -> Ask {
        let (action, version) = self.action.as_ref().unwrap();
        let body = json!({
            "reason": "nobody else answers, the customer waits", "ticket": "OPS-1042",
            "action_digest": action.digest,
        });
        self.ask(Who::Owner, "override", body).of(*version)
    }

    /// Does something that leaves another action, or another version of it.
    async fn does(&mut self, ask: &Ask) {
        self.shop.office.does(ask).await;
        self.action = Some(self.shop.action(&self.incident).await);
    }
}

/// Incidents, and which of them the next play of an act can have again.
struct Repairs {
    shops: Shops,
    again: Mutex<Option<(Act, Arc<Shop>, Incident)>>,
}

impl Repairs {
    fn of(turn: &Turn) -> Self {
        Self {
            shops: Shops::of(turn.stage()),
            again: Mutex::default(),
        }
    }

    async fn next(&self, act: Act) -> Thing {
        let again = self.again.lock().await.take();
        let again = again.filter(|(of, shop, _)| *of == act && !shop.office.time.is_over());
        let (shop, incident) = match again {
            Some((_, shop, incident)) => (shop, incident),
            None => self.shops.next().await,
        };
        Thing {
            shop,
            incident,
            action: None,
            run: None,
        }
    }
}

/// Three uses of break-glass in a month are allowed: those so far were a month ago, and were looked at.
async fn a_month_ago(office: &Office) {
    let month = Duration::from_hours(24 * 31);
    let mut rows = Vec::new();
    for row in office.rows_of_workspace("override").await {
        let mut used: OverrideUse = serde_json::from_value(row.doc).unwrap();
        let now = office.time.clock().now();
        if used.counts(now) {
            let at = now.as_millis() - u64::try_from(month.as_millis()).unwrap();
            used.at = Timestamp::from_millis(at);
            used.reviewed = Some((office.people[1], now));
            rows.push(StateWrite::replace(row.key, row.version, json!(used)));
        }
    }
    if !rows.is_empty() {
        let boot = &office.stage.boot;
        let state = boot.state().unwrap();
        assert!(state.write(rows).await.unwrap());
    }
}

impl Scene for Repairs {
    type Act = Act;
    type Thing = Thing;

    async fn before(&self, act: Act) -> Thing {
        let mut thing = self.next(act).await;
        let shop = thing.shop.clone();
        let office = &shop.office;
        match act {
            Act::Expire => bundles::hold_short(office).await,
            Act::Review | Act::Override => a_month_ago(office).await,
            Act::ExecuteStale => shop.set_row(&thing.incident, false),
            Act::ProposeInRun | Act::ExecuteInRun => thing.run = Some(Opened::new(office).await),
            _ => {}
        }
        if act == Act::ProposeInRun {
            return thing;
        }
        let is = shop.incident(&thing.incident).await;
        if is.state == IncidentState::Open {
            let at_once = act != Act::ExecuteStale;
            thing.does(&thing.proposal(at_once)).await;
        } else {
            // What an undo was withdrawn from.
            let undo = shop.action(&thing.incident).await.0.undo.unwrap();
            let of = office.record::<Action>(&undo.of.to_string()).await.unwrap();
            thing.action = Some((of.value, of.version));
            return thing;
        }
        match act {
            Act::Expire => office.time.pass_minutes(61),
            Act::Review => thing.does(&thing.break_glass()).await,
            Act::ExecuteStale => {
                thing.does(&thing.vote("approve")).await;
                shop.set_row(&thing.incident, true);
            }
            Act::Undo => thing.does(&thing.vote("approve")).await,
            Act::ExecuteUndo => {
                thing.does(&thing.vote("approve")).await;
                thing.does(&thing.undo()).await;
            }
            _ => {}
        }
        thing
    }

    fn office<'a>(&'a self, thing: &'a Thing) -> &'a Office {
        &thing.shop.office
    }

    fn asks(&self, act: Act, thing: &Thing) -> Option<Ask> {
        let digest = thing.action.as_ref().map(|(action, _)| &action.digest);
        Some(match act {
            Act::Expire => return None,
            Act::Reject => thing.vote("reject"),
            Act::ExecuteUndo | Act::ExecuteInRun => thing.vote("approve"),
            Act::BadVote => thing.vote("approve").by(Who::Ann),
            Act::Cancel => thing.ask(Who::Ann, "cancel", Value::Null),
            Act::ExecuteStale => thing.ask(Who::Ann, "execute", json!({ "action_digest": digest })),
            Act::Undo => thing.undo(),
            Act::Override => thing.break_glass(),
            Act::Review => {
                let body = json!({ "reason": "looked at the ticket" });
                thing.ask(Who::OtherOwner, "override/review", body)
            }
            Act::ProposeInRun => thing.proposal(true),
        })
    }

    async fn is_settled(&self, act: Act, thing: &Thing) -> Option<bool> {
        let held = [Act::BadVote, Act::Undo, Act::ProposeInRun].contains(&act);
        let (action, _) = thing.shop.action(&thing.incident).await;
        Some(held || action.state.is_terminal())
    }

    fn updates(&self, thing: &Thing) -> usize {
        thing.shop.updates()
    }

    async fn looks(&self, thing: &Thing) -> String {
        let (shop, office) = (&thing.shop, &thing.shop.office);
        let (action, _) = shop.action(&thing.incident).await;
        let incident = shop.incident(&thing.incident).await.state;
        let (waits, begun) = office.left().await;
        let (state, votes) = (action.state, action.votes.len());
        let uses = office.rows_of_workspace("override").await.into_iter();
        let uses = uses.map(|row| serde_json::from_value::<OverrideUse>(row.doc).unwrap());
        let uses: Vec<OverrideUse> = uses.filter(|used| used.id == action.id).collect();
        let glass = if action.overridden.is_some() {
            let reviewed = uses.iter().filter(|used| used.reviewed.is_some()).count();
            format!("{} use, {reviewed} reviewed, ", uses.len())
        } else {
            assert_eq!(uses, [], "{action:?}");
            String::new()
        };
        let granted = if shop.granted(&thing.incident) {
            "granted"
        } else {
            "not granted"
        };
        format!(
            "{state:?}, {votes} vote, {glass}incident {incident:?}, {waits} wait, {begun} begun, {granted}"
        )
    }

    async fn after(&self, act: Act, mut thing: Thing) {
        if matches!(act, Act::BadVote | Act::Undo | Act::ProposeInRun) {
            thing.action = Some(thing.shop.action(&thing.incident).await);
            let cancel = thing.ask(Who::Ann, "cancel", Value::Null);
            thing.does(&cancel).await;
        }
        let office = &thing.shop.office;
        if let Some(run) = &thing.run {
            run.complete(office, Deaths::default()).await;
            let (_, close) = run.recorded(office).await;
            let counts = ["decisions", "unresolved"].map(|it| close[it].as_u64());
            assert_eq!(counts, [Some(1), Some(0)], "{act:?}: {close}");
        }
        let is = thing.shop.incident(&thing.incident).await.state;
        if is == IncidentState::Open || act == Act::Undo {
            let again = (act, thing.shop, thing.incident);
            *self.again.lock().await = Some(again);
        }
    }
}

/// Plays a table in shops of its own.
fn played(rows: &[Row<Act>]) {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let repairs = Repairs::of(&turn);
        let played = Box::pin(play_all(&repairs, rows)).await;
        repairs.shops.verify().await;
        eprintln!("{played} plays");
    });
}

#[test]
fn whoever_dies_a_repair_that_comes_to_nothing_ends_once_and_gives_its_incident_back() {
    played(&WITHOUT_EFFECT);
}

#[test]
fn whoever_dies_an_owner_alone_changes_the_row_once_at_most() {
    played(&[OVERRIDE]);
}

#[test]
fn whoever_dies_what_an_owner_did_alone_is_looked_at_once() {
    played(&[REVIEW]);
}

#[test]
fn whoever_dies_an_undo_changes_the_row_once_at_most() {
    played(&[EXECUTE_UNDO]);
}

#[test]
fn whoever_dies_a_repair_in_a_run_changes_the_row_once_at_most() {
    played(&[EXECUTE_IN_RUN]);
}
