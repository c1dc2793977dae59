//! The one UPDATE.

mod lost_replies;

use crate::PostgresError;
use counterfoil_core::cell::Cell;
use counterfoil_core::ports::{AppRepairer as _, Applied, PortErrorKind};
use counterfoil_core::repair::RepairPlan;

use crate::tests::support::{Database, cause, list, plan, text, time};

const USERS: &str = "\
CREATE TYPE tier AS ENUM ('free', 'pro', 'team');
CREATE TABLE users (
  id uuid PRIMARY KEY, plan tier NOT NULL, premium boolean, trial timestamptz, local timestamp,
  day date, seats integer CHECK (seats < 100), features text[], note varchar(40), secret text);
INSERT INTO users VALUES
  ('00000000-0000-4000-a000-000000000001', 'free', false, NULL, NULL, NULL, 1, '{}', 'n', 's'),
  ('00000000-0000-4000-a000-000000000002', 'pro', true, '2026-11-23 10:00:00.123456+00',
   'infinity', '2026-11-23', 2, '{a,b}', 'n', 's');";

const COLUMNS: &str = "id,plan,premium,trial,local,day,seats,features,note";
const UPDATED: &str = "plan,premium,trial,local,day,seats,features,note";

fn users(name: &'static str) -> Database {
    let database = Database::with(name, USERS);
    database.make_repair_role("users", COLUMNS, UPDATED);
    database
}

fn key(number: u32) -> Cell {
    text(&format!("00000000-0000-4000-a000-00000000000{number}"))
}

fn to_pro() -> RepairPlan {
    let changes = [
        ("features", list(&[]), list(&["export", "sso,\"x\""])),
        ("plan", text("free"), text("pro")),
        ("premium", Cell::Bool(false), Cell::Bool(true)),
        ("trial", Cell::Null, time("2026-12-01T00:00:00Z")),
    ];
    plan("users", key(1), &changes)
}

#[tokio::test]
async fn the_named_columns_of_the_one_row_are_changed() {
    let database = users("changed");
    let repairer = database.repairer().await;
    let plan = to_pro();
    assert_eq!(repairer.carry_out(&plan).await.unwrap(), Applied::Changed);
    let row = database.sql("SELECT plan, premium, trial, seats, features FROM users ORDER BY id");
    let mut lines = row.lines();
    assert_eq!(
        lines.next(),
        Some(r#"pro|t|2026-12-01 00:00:00+00|1|{export,"sso,\"x\""}"#)
    );
    assert_eq!(
        lines.next(),
        Some("pro|t|2026-11-23 10:00:00.123456+00|2|{a,b}")
    );
    let after: Vec<Cell> = plan
        .changes
        .iter()
        .map(|change| change.after.clone())
        .collect();
    assert_eq!(repairer.current(&plan).await.unwrap(), Some(after));

    assert_eq!(repairer.carry_out(&plan).await.unwrap(), Applied::Stale);
    let undo = plan.reversed();
    assert_eq!(repairer.carry_out(&undo).await.unwrap(), Applied::Changed);
    assert_eq!(repairer.carry_out(&undo).await.unwrap(), Applied::Stale);
}

#[tokio::test]
async fn any_before_value_that_changed_makes_it_stale() {
    let database = users("stale");
    let repairer = database.repairer().await;
    for change in [
        "plan = 'team'",
        "premium = NULL",
        "trial = now()",
        "features = '{x}'",
    ] {
        database.sql(&format!("UPDATE users SET {change}"));
        assert_eq!(
            repairer.carry_out(&to_pro()).await.unwrap(),
            Applied::Stale,
            "{change}"
        );
        database
            .sql("UPDATE users SET plan = 'free', premium = false, trial = NULL, features = '{}'");
    }
    let nobody = plan(
        "users",
        key(9),
        &[("premium", Cell::Null, Cell::Bool(true))],
    );
    assert_eq!(repairer.carry_out(&nobody).await.unwrap(), Applied::Stale);
    assert_eq!(repairer.current(&nobody).await.unwrap(), None);
}

#[tokio::test]
async fn times_are_compared_as_precisely_as_they_are_read() {
    let database = users("times");
    let repairer = database.repairer().await;
    let forever = Cell::Time(counterfoil_core::time::Timestamp::from_millis(
        9_007_199_254_740_991,
    ));
    let changes = [
        (
            "day",
            time("2026-11-23T00:00:00Z"),
            time("2026-11-24T15:00:00Z"),
        ),
        ("local", forever.clone(), time("2026-11-25T00:00:00.5Z")),
        ("trial", time("2026-11-23T10:00:00.123Z"), Cell::Null),
    ];
    let plan = plan("users", key(2), &changes);
    let before: Vec<Cell> = plan
        .changes
        .iter()
        .map(|change| change.before.clone())
        .collect();
    assert_eq!(repairer.current(&plan).await.unwrap(), Some(before));
    assert_eq!(repairer.carry_out(&plan).await.unwrap(), Applied::Changed);
    let row = "SELECT day, local, trial FROM users WHERE plan = 'pro'";
    assert_eq!(database.sql(row), "2026-11-24|2026-11-25 00:00:00.5|");
    let back =
        crate::tests::support::plan("users", key(2), &[("local", changes[1].2.clone(), forever)]);
    assert_eq!(repairer.carry_out(&back).await.unwrap(), Applied::Changed);
    assert_eq!(database.sql(row), "2026-11-24|infinity|");
}

#[tokio::test]
async fn a_key_of_several_rows_changes_none_of_them() {
    let database = Database::with(
        "several",
        "CREATE TABLE users (id text, plan text); INSERT INTO users VALUES ('a', 'free'), ('a', 'free')",
    );
    database.make_repair_role("users", "id,plan", "plan");
    let repairer = database.repairer().await;
    let plan = plan("users", text("a"), &[("plan", text("free"), text("pro"))]);
    assert_eq!(
        repairer.carry_out(&plan).await.unwrap(),
        Applied::NotOneRow(2)
    );
    assert_eq!(database.sql("SELECT DISTINCT plan FROM users"), "free");
    let error = repairer.current(&plan).await.unwrap_err();
    assert!(matches!(cause(&error), PostgresError::NotUnique { .. }));
}

#[tokio::test]
async fn a_column_that_was_not_granted_is_not_written() {
    let database = users("not_granted");
    let repairer = database.repairer().await;
    let secret = plan("users", key(1), &[("secret", text("s"), text("t"))]);
    let error = repairer.carry_out(&secret).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Refused);
    assert_eq!(
        cause(&error),
        PostgresError::Denied {
            table: "public.users".to_owned()
        }
    );
    assert_eq!(database.sql("SELECT DISTINCT secret FROM users"), "s");
}

#[tokio::test]
async fn what_is_no_ordinary_table_is_not_repaired() {
    let database = Database::with(
        "not_tables",
        "CREATE TABLE base (id text PRIMARY KEY, plan text); INSERT INTO base VALUES ('a', 'free'); \
         CREATE VIEW seen AS SELECT * FROM base; \
         CREATE TABLE parts (id text, plan text) PARTITION BY LIST (id); \
         CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); \
         INSERT INTO parts VALUES ('a', 'free')",
    );
    database.make_repair_role("base", "id,plan", "plan");
    database.sql("GRANT SELECT, UPDATE ON seen, parts TO not_tables_repair");
    let repairer = database.repairer().await;
    for (table, expected) in [("seen", "a view"), ("parts", "a partitioned table")] {
        let plan = plan(table, text("a"), &[("plan", text("free"), text("pro"))]);
        let error = repairer.carry_out(&plan).await.unwrap_err();
        let PostgresError::NotATable { what, .. } = cause(&error) else {
            panic!("{error:?}")
        };
        assert_eq!(what, expected);
    }
    assert_eq!(
        database.sql("SELECT plan FROM base UNION SELECT plan FROM parts"),
        "free"
    );
}

#[tokio::test]
async fn a_row_that_the_role_does_not_see_is_not_changed() {
    let database = users("hidden_row");
    database.sql("ALTER TABLE users ENABLE ROW LEVEL SECURITY");
    let repairer = database.repairer().await;
    assert_eq!(repairer.carry_out(&to_pro()).await.unwrap(), Applied::Stale);
    assert_eq!(
        database.sql("SELECT plan FROM users ORDER BY id LIMIT 1"),
        "free"
    );
}

#[tokio::test]
async fn a_constraint_of_the_app_has_the_last_word_and_shows_no_value() {
    let database = users("constrained");
    let repairer = database.repairer().await;
    let plan = plan("users", key(1), &[("seats", Cell::Int(1), Cell::Int(123))]);
    let error = repairer.carry_out(&plan).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Refused);
    let shown = cause(&error).to_string();
    assert!(
        shown.contains("users_seats_check") && !shown.contains("123"),
        "{shown}"
    );
    assert_eq!(
        database.sql("SELECT seats FROM users ORDER BY id LIMIT 1"),
        "1"
    );
}

#[tokio::test]
async fn a_deferred_constraint_refuses_at_commit_and_nothing_is_changed() {
    let database = users("deferred");
    database.sql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END $$; \
         CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let error = database
        .repairer()
        .await
        .carry_out(&to_pro())
        .await
        .unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Refused);
    assert!(matches!(cause(&error), PostgresError::Rejected { .. }));
    assert_eq!(
        database.sql("SELECT plan FROM users ORDER BY id LIMIT 1"),
        "free"
    );
}

#[tokio::test]
async fn values_that_look_like_sql_are_values() {
    let database = users("inert");
    let repairer = database.repairer().await;
    let attack = "x'; DROP TABLE users; --";
    let there = plan("users", key(1), &[("note", text("n"), text(attack))]);
    assert_eq!(repairer.carry_out(&there).await.unwrap(), Applied::Changed);
    let back = there.reversed();
    assert_eq!(
        repairer.current(&back).await.unwrap(),
        Some(vec![text(attack)])
    );
    assert_eq!(repairer.carry_out(&back).await.unwrap(), Applied::Changed);

    let by_key = plan(
        "users",
        text("' OR true --"),
        &[("note", text("n"), text("x"))],
    );
    let error = repairer.carry_out(&by_key).await.unwrap_err();
    assert!(matches!(cause(&error), PostgresError::WrongValue { .. }));
    let by_name = plan(
        "users",
        key(1),
        &[("note\" = \"secret", text("n"), text("x"))],
    );
    let error = repairer.carry_out(&by_name).await.unwrap_err();
    assert!(matches!(cause(&error), PostgresError::Name { .. }));

    let statements = database.statements(&database.repair_role());
    let updates: Vec<&String> = statements
        .iter()
        .filter(|it| it.starts_with("UPDATE"))
        .collect();
    assert_eq!(updates.len(), 2);
    assert!(
        statements.iter().all(|statement| !statement.contains('\'')),
        "{statements:?}"
    );
}

#[tokio::test]
async fn a_row_that_another_session_holds_is_given_up_in_time() {
    let database = users("locked_row");
    let name = database.name;
    let holding = tokio::task::spawn_blocking(move || {
        let hold = "BEGIN; SELECT 1 FROM users FOR UPDATE; SELECT pg_sleep(60)";
        crate::tests::support::server().sql(name, hold)
    });
    let holder = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                  AND datname = current_database()";
    while database.sql(&format!("SELECT count(*) {holder}")) == "0" {
        assert!(!holding.is_finished());
    }
    let error = database
        .repairer()
        .await
        .carry_out(&to_pro())
        .await
        .unwrap_err();
    assert_eq!(cause(&error), PostgresError::Timeout);
    assert_eq!(error.kind, PortErrorKind::Unavailable);
    database.sql(&format!("SELECT pg_terminate_backend(pid) {holder}"));
    assert!(holding.await.unwrap().is_err());
    assert_eq!(
        database.sql("SELECT plan FROM users ORDER BY id LIMIT 1"),
        "free"
    );
}

#[tokio::test]
async fn the_row_is_read_after_a_commit_that_is_still_on_its_way() {
    let database = users("on_its_way");
    let name = database.name;
    let committing = tokio::task::spawn_blocking(move || {
        let slowly = "BEGIN; UPDATE users SET premium = true; SELECT pg_sleep(1); COMMIT";
        crate::tests::support::server().sql(name, slowly)
    });
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                    AND datname = current_database()";
    while database.sql(sleeping) == "0" {
        assert!(!committing.is_finished());
    }
    let plan = plan(
        "users",
        key(1),
        &[("premium", Cell::Bool(false), Cell::Bool(true))],
    );
    let read = database.repairer().await.current(&plan).await.unwrap();
    assert_eq!(read, Some(vec![Cell::Bool(true)]));
    committing.await.unwrap().unwrap();
}
