//! Which rules are in force: proposed by one owner, agreed to by another, and stopped by one.

use serde_json::Value;

use super::super::ask::{Ask, Who};
use super::super::office::Office;
use super::super::stage::Turn;
use super::super::worker::HOURS;
use super::{Row, Scene, bundles, play_all};

#[derive(Debug, Clone, Copy)]
enum Act {
    Propose,
    Agree,
    Revoke,
}

const ROWS: [Row<Act>; 3] = [
    Row::new(
        Act::Propose,
        202,
        "run.open run.decision run.close",
        "stored, 1 change waits",
    ),
    Row::new(
        Act::Agree,
        200,
        "run.open run.resolution run.decision policy.activated run.close",
        "active, 0 change waits",
    ),
    Row::new(
        Act::Revoke,
        200,
        "run.open run.decision policy.revoked run.close",
        "active, revoked, 0 change waits",
    ),
];

struct Rules(Office);

impl Rules {
    fn ask(&self, who: Who, digest: &str, what: &str) -> Ask {
        let workspace = self.0.workspace.id;
        let path = format!("/v1/workspaces/{workspace}/policy-bundles/{digest}/{what}");
        Ask::post(who, path, Value::Null)
    }
}

impl Scene for Rules {
    type Act = Act;
    /// The digest of a bundle.
    type Thing = String;

    async fn before(&self, act: Act) -> String {
        let digest = bundles::store(&self.0).await;
        let proposed = self.ask(Who::Owner, &digest, "activate");
        let agreed = self.ask(Who::OtherOwner, &digest, "activate");
        let done: &[Ask] = match act {
            Act::Propose => &[],
            Act::Agree => &[proposed],
            Act::Revoke => &[proposed, agreed],
        };
        for ask in done {
            self.0.does(ask).await;
        }
        digest
    }

    fn office<'a>(&'a self, _: &'a String) -> &'a Office {
        &self.0
    }

    fn asks(&self, act: Act, digest: &String) -> Option<Ask> {
        Some(match act {
            Act::Propose => self.ask(Who::Owner, digest, "activate"),
            Act::Agree => self.ask(Who::OtherOwner, digest, "activate"),
            Act::Revoke => self.ask(Who::Owner, digest, "revoke"),
        })
    }

    async fn is_settled(&self, _: Act, _: &String) -> Option<bool> {
        None
    }

    async fn looks(&self, digest: &String) -> String {
        let (state, _) = bundles::state(&self.0).await;
        let is = if state.active_digest() == Some(digest) {
            "active"
        } else {
            "stored"
        };
        let revoked = if state.revoked.contains_key(digest) {
            ", revoked"
        } else {
            ""
        };
        let waits = self.0.rows_of_workspace("change").await.len();
        format!("{is}{revoked}, {waits} change waits")
    }

    async fn after(&self, _: Act, _: String) {}
}

#[test]
fn whoever_dies_rules_come_into_force_once_by_two_people_and_are_stopped_once_by_one() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let rules = Rules(Office::new(turn.stage(), HOURS).await);
        let played = play_all(&rules, &ROWS).await;
        rules.0.verifies().await;
        eprintln!("{played} plays");
    });
}
