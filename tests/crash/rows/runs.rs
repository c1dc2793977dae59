//! Actions of a governed run that their caller does: how one begins, and how it ends without an effect.

use counterfoil_core::repair::Action;
use serde_json::{Value, json};

use super::super::ask::{Ask, Who};
use super::super::deaths::Deaths;
use super::super::governed::{Opened, ballot, of_run};
use super::super::office::Office;
use super::super::stage::Turn;
use super::super::worker::HOURS;
use super::{Row, Scene, play_all};

#[derive(Debug, Clone, Copy)]
enum Act {
    Reject,
    Cancel,
    Begin,
    Withdraw,
}

const ROWS: [Row<Act>; 4] = [
    Row::new(
        Act::Reject,
        200,
        "run.resolution",
        "Rejected, 1 vote, 0 wait",
    ),
    Row::new(
        Act::Cancel,
        200,
        "run.resolution",
        "Cancelled, 0 vote, 0 wait",
    ),
    Row::new(
        Act::Begin,
        200,
        "observation.recorded",
        "Executing, 1 vote, 0 wait",
    ),
    Row::new(
        Act::Withdraw,
        200,
        "run.action",
        "Cancelled, 1 vote, 0 wait",
    ),
];

struct Runs<'a>(&'a Office);

struct Thing {
    run: Opened,
    action: Action,
    version: u64,
}

impl Thing {
    /// What Ann's key asks for about the action.
    fn ask(&self, what: &str, body: Value) -> Ask {
        let path = format!("/v1/actions/{}/{what}", self.action.id);
        Ask::post(Who::Ann, path, body)
    }
}

impl Scene for Runs<'_> {
    type Act = Act;
    type Thing = Thing;

    async fn before(&self, act: Act) -> Thing {
        let office = self.0;
        let run = Opened::new(office).await;
        let (mut action, mut version, _) = run.propose(office, Deaths::default()).await;
        if matches!(act, Act::Begin | Act::Withdraw) {
            office.does(&ballot(&action, version, "approve")).await;
            (action, version) = of_run(office, &action.id.to_string()).await;
        }
        Thing {
            run,
            action,
            version,
        }
    }

    fn office<'a>(&'a self, _: &'a Thing) -> &'a Office {
        self.0
    }

    fn asks(&self, act: Act, thing: &Thing) -> Option<Ask> {
        Some(match act {
            Act::Reject => ballot(&thing.action, thing.version, "reject"),
            Act::Cancel | Act::Withdraw => thing.ask("cancel", Value::Null),
            Act::Begin => thing.ask("execute", Value::Null),
        })
    }

    async fn is_settled(&self, _: Act, _: &Thing) -> Option<bool> {
        None
    }

    async fn looks(&self, thing: &Thing) -> String {
        let (action, _) = of_run(self.0, &thing.action.id.to_string()).await;
        let (state, votes) = (action.state, action.votes.len());
        let (waits, _) = self.0.left().await;
        format!("{state:?}, {votes} vote, {waits} wait")
    }

    /// A run that was closed with anything open would not be completed.
    async fn after(&self, act: Act, thing: Thing) {
        if matches!(act, Act::Begin) {
            let body = json!({ "status": "executed", "action_digest": thing.action.digest });
            self.0.does(&thing.ask("result", body)).await;
        }
        thing.run.complete(self.0, Deaths::default()).await;
        let (_, close) = thing.run.recorded(self.0).await;
        let counts = ["decisions", "unresolved"].map(|it| close[it].as_u64());
        assert_eq!(counts, [Some(1), Some(0)], "{act:?}: {close}");
        assert_eq!(self.0.left().await, (0, 0), "{act:?}");
    }
}

#[test]
fn whoever_dies_an_action_of_a_run_is_begun_once_or_ends_once() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let office = Office::new(turn.stage(), HOURS).await;
        let played = play_all(&Runs(&office), &ROWS).await;
        office.verifies().await;
        eprintln!("{played} plays");
    });
}
