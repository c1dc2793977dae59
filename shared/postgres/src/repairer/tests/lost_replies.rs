//! The connection breaks around COMMIT.

use crate::{Network, PgDatabase, PostgresError};
use counterfoil_core::cell::Cell;
use counterfoil_core::ports::{AppRepairer as _, Applied, PortError, PortErrorKind};
use counterfoil_core::repair::RepairPlan;
use counterfoil_testkit::tcp_proxy::{CommitProxy, Loss};

use crate::tests::support::{Database, cause, plan, server, text};

/// A table that counts its updates.
const USERS: &str = "\
CREATE TABLE users (id text PRIMARY KEY, plan text, premium boolean);
INSERT INTO users VALUES ('a', 'free', false);
CREATE SEQUENCE updates;
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN PERFORM nextval('updates'); RETURN NEW; END $$;
CREATE TRIGGER counted AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION counted();";

fn to_pro() -> RepairPlan {
    let changes = [
        ("plan", text("free"), text("pro")),
        ("premium", Cell::Bool(false), Cell::Bool(true)),
    ];
    plan("users", text("a"), &changes)
}

async fn apply_with(name: &'static str, loss: Loss) -> (Database, Result<Applied, PortError>) {
    let database = Database::with(name, USERS);
    database.make_repair_role("users", "id,plan,premium", "plan,premium");
    let proxy = CommitProxy::start(server().port(), loss).await.unwrap();
    let url = database.repair_url_through(proxy.port());
    let repairer = PgDatabase::new()
        .within(Network::loopback())
        .repairer(&url)
        .await
        .unwrap();
    let outcome = repairer.carry_out(&to_pro()).await;
    assert_eq!(proxy.losses(), 1);
    (database, outcome)
}

async fn current(database: &Database) -> Vec<Cell> {
    database
        .repairer()
        .await
        .current(&to_pro())
        .await
        .unwrap()
        .unwrap()
}

fn updates(database: &Database) -> String {
    database.sql("SELECT last_value, is_called FROM updates")
}

#[tokio::test]
async fn a_lost_answer_to_commit_is_unknown_and_the_row_was_changed_once() {
    let (database, outcome) = apply_with("lost_answer", Loss::Answer).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::OutcomeUnknown);
    assert_eq!(cause(&error), PostgresError::CommitUnknown);
    assert_eq!(current(&database).await, [text("pro"), Cell::Bool(true)]);
    // Trying again instead of reading back does no harm either.
    let again = database
        .repairer()
        .await
        .carry_out(&to_pro())
        .await
        .unwrap();
    assert_eq!(again, Applied::Stale);
    assert_eq!(updates(&database), "1|t");
}

#[tokio::test]
async fn a_lost_commit_is_unknown_and_the_row_is_as_before() {
    let (database, outcome) = apply_with("lost_commit", Loss::Commit).await;
    assert_eq!(outcome.unwrap_err().kind, PortErrorKind::OutcomeUnknown);
    assert_eq!(current(&database).await, [text("free"), Cell::Bool(false)]);
    let again = database
        .repairer()
        .await
        .carry_out(&to_pro())
        .await
        .unwrap();
    assert_eq!(again, Applied::Changed);
}

#[tokio::test]
async fn a_connection_that_breaks_before_commit_changed_nothing() {
    let (database, outcome) = apply_with("lost_update", Loss::Update).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Unavailable);
    assert_eq!(cause(&error), PostgresError::Lost);
    assert_eq!(current(&database).await, [text("free"), Cell::Bool(false)]);
    assert_eq!(updates(&database), "1|f");
}
