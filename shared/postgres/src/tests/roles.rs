//! The probe: every way to write is given to a role that the product's script made, and is found out.

use crate::{Network, PgDatabase};
use counterfoil_core::connection::{RepairScope, RoleReport, Standing};
use counterfoil_core::ports::RoleProbe;

use crate::tests::support::Database;

const TABLES: &str = "\
CREATE TABLE users (id int PRIMARY KEY, plan text, email text); \
CREATE TABLE orders (id serial PRIMARY KEY, sum int); \
CREATE TABLE parts (id int, sum int) PARTITION BY RANGE (id); \
CREATE VIEW open_orders AS SELECT * FROM orders; \
CREATE MATERIALIZED VIEW sums AS SELECT sum FROM orders; \
CREATE SCHEMA billing; CREATE TABLE billing.\"Odd name\" (id int); \
CREATE FUNCTION bump() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'UPDATE users SET plan = NULL; SELECT 1'; \
REVOKE ALL ON FUNCTION bump() FROM PUBLIC; \
CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'";

fn probe() -> PgDatabase {
    PgDatabase::new().within(Network::loopback())
}

async fn reading(database: &Database) -> RoleReport {
    let url = database.url(&database.reading_role());
    probe().probe_reading_role(&url).await.unwrap()
}

/// What makes a role able to write, the sentence that must name it, and how to take it back.
const REFUSED: [(&str, &str, &str); 27] = [
    (
        "GRANT UPDATE (sum) ON orders TO {role}",
        "this role can write public.orders: UPDATE (sum)",
        "REVOKE UPDATE (sum) ON orders FROM {role}",
    ),
    (
        "GRANT UPDATE ON orders TO {role}",
        "this role can write public.orders: UPDATE (id, sum)",
        "REVOKE UPDATE ON orders FROM {role}",
    ),
    (
        "GRANT INSERT (plan) ON users TO {role}",
        "this role can write public.users: INSERT",
        "REVOKE INSERT (plan) ON users FROM {role}",
    ),
    (
        "GRANT INSERT ON users TO {role}",
        "this role can write public.users: INSERT",
        "REVOKE INSERT ON users FROM {role}",
    ),
    (
        "GRANT DELETE ON users TO {role}",
        "this role can write public.users: DELETE",
        "REVOKE DELETE ON users FROM {role}",
    ),
    (
        "GRANT TRUNCATE ON users TO {role}",
        "this role can write public.users: TRUNCATE",
        "REVOKE TRUNCATE ON users FROM {role}",
    ),
    (
        "GRANT TRIGGER ON users TO {role}",
        "this role can write public.users: TRIGGER",
        "REVOKE TRIGGER ON users FROM {role}",
    ),
    (
        "GRANT UPDATE ON users TO PUBLIC",
        "this role can write public.users: UPDATE (id, plan, email)",
        "REVOKE UPDATE ON users FROM PUBLIC",
    ),
    (
        "GRANT INSERT ON open_orders TO {role}",
        "this role can write public.open_orders: INSERT",
        "REVOKE INSERT ON open_orders FROM {role}",
    ),
    (
        "GRANT DELETE ON parts TO {role}",
        "this role can write public.parts: DELETE",
        "REVOKE DELETE ON parts FROM {role}",
    ),
    (
        "GRANT UPDATE ON billing.\"Odd name\" TO {role}",
        "this role can write billing.Odd name: UPDATE (id)",
        "REVOKE UPDATE ON billing.\"Odd name\" FROM {role}",
    ),
    (
        "ALTER TABLE users OWNER TO {role}",
        "public.users: INSERT, UPDATE (id, plan, email), DELETE, TRUNCATE, TRIGGER, ownership",
        "ALTER TABLE users OWNER TO CURRENT_USER",
    ),
    (
        "ALTER TABLE users OWNER TO {role}; SET ROLE {role}; REVOKE ALL ON users FROM {role}; RESET ROLE",
        "this role can write public.users: ownership",
        "ALTER TABLE users OWNER TO CURRENT_USER",
    ),
    (
        "ALTER MATERIALIZED VIEW sums OWNER TO {role}",
        "public.sums: ",
        "ALTER MATERIALIZED VIEW sums OWNER TO CURRENT_USER",
    ),
    (
        "CREATE ROLE {role}_group; GRANT UPDATE ON users TO {role}_group; GRANT {role}_group TO {role}",
        "this role can write public.users: UPDATE",
        "DROP OWNED BY {role}_group; DROP ROLE {role}_group",
    ),
    (
        "CREATE ROLE {role}_a; CREATE ROLE {role}_b; GRANT DELETE ON orders TO {role}_b; \
         GRANT {role}_b TO {role}_a; GRANT {role}_a TO {role}",
        "this role can write public.orders: DELETE",
        "DROP OWNED BY {role}_b; DROP ROLE {role}_a; DROP ROLE {role}_b",
    ),
    (
        "GRANT pg_write_all_data TO {role}",
        "it is a member of pg_write_all_data",
        "REVOKE pg_write_all_data FROM {role}",
    ),
    (
        "GRANT pg_write_server_files TO {role}",
        "it is a member of pg_write_server_files",
        "REVOKE pg_write_server_files FROM {role}",
    ),
    (
        "GRANT pg_execute_server_program TO {role}",
        "it is a member of pg_execute_server_program",
        "REVOKE pg_execute_server_program FROM {role}",
    ),
    (
        "ALTER ROLE {role} SUPERUSER",
        "the role {role}, which has SUPERUSER",
        "ALTER ROLE {role} NOSUPERUSER",
    ),
    (
        "ALTER ROLE {role} BYPASSRLS",
        "the role {role}, which has BYPASSRLS",
        "ALTER ROLE {role} NOBYPASSRLS",
    ),
    (
        "ALTER ROLE {role} CREATEROLE",
        "the role {role}, which has CREATEROLE",
        "ALTER ROLE {role} NOCREATEROLE",
    ),
    (
        "ALTER ROLE {role} CREATEDB",
        "the role {role}, which has CREATEDB",
        "ALTER ROLE {role} NOCREATEDB",
    ),
    (
        "ALTER ROLE {role} REPLICATION",
        "the role {role}, which has REPLICATION",
        "ALTER ROLE {role} NOREPLICATION",
    ),
    (
        "ALTER SCHEMA billing OWNER TO {role}",
        "it owns the schema billing",
        "ALTER SCHEMA billing OWNER TO CURRENT_USER",
    ),
    (
        "ALTER FUNCTION harmless() OWNER TO {role}",
        "it owns the function harmless() and can replace it",
        "ALTER FUNCTION harmless() OWNER TO CURRENT_USER",
    ),
    (
        "SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO {role}",
        "it owns 1 large objects",
        "SELECT lo_unlink(4711)",
    ),
];

/// What is only told.
const TOLD: [(&str, &str, &str); 5] = [
    (
        "GRANT USAGE ON SEQUENCE orders_id_seq TO {role}",
        "the sequence public.orders_id_seq",
        "REVOKE USAGE ON SEQUENCE orders_id_seq FROM {role}",
    ),
    (
        "GRANT UPDATE ON SEQUENCE orders_id_seq TO {role}",
        "the sequence public.orders_id_seq",
        "REVOKE UPDATE ON SEQUENCE orders_id_seq FROM {role}",
    ),
    (
        "GRANT CREATE ON SCHEMA billing TO {role}",
        "create objects in the schema billing",
        "REVOKE CREATE ON SCHEMA billing FROM {role}",
    ),
    (
        "GRANT CREATE ON DATABASE {database} TO {role}",
        "create schemas in the database {database}",
        "REVOKE CREATE ON DATABASE {database} FROM {role}",
    ),
    (
        "GRANT EXECUTE ON FUNCTION bump() TO {role}",
        "the function bump(), which runs with the rights of its owner",
        "REVOKE EXECUTE ON FUNCTION bump() FROM {role}",
    ),
];

#[tokio::test]
async fn every_way_to_write_is_refused_by_its_name() {
    let database = Database::with("refused", TABLES);
    database.make_reading_role("users", "id,plan");
    let role = database.reading_role();
    assert_eq!(reading(&database).await, RoleReport::default());
    for (grant, named, revoke) in REFUSED {
        let [grant, named, revoke] = [grant, named, revoke].map(|it| it.replace("{role}", &role));
        database.sql(&grant);
        let report = reading(&database).await;
        assert_eq!(report.standing(), Standing::Alarm, "{grant}");
        let found = report.refused.iter().any(|it| it.contains(&named));
        assert!(found, "{grant}: {report:?}");
        let writable = database.inspector().await.writable().await.unwrap();
        assert!(!writable.is_empty(), "{grant}");
        database.sql(&revoke);
        assert_eq!(reading(&database).await, RoleReport::default(), "{revoke}");
    }
}

#[tokio::test]
async fn ways_around_are_told_by_name_and_do_not_stop_a_run() {
    let database = Database::with("told", TABLES);
    database.make_reading_role("users", "id,plan");
    let role = database.reading_role();
    for (grant, named, revoke) in TOLD {
        let [grant, named, revoke] = [grant, named, revoke]
            .map(|it| it.replace("{role}", &role).replace("{database}", "told"));
        database.sql(&grant);
        let report = reading(&database).await;
        assert_eq!(report.standing(), Standing::Warning, "{grant}: {report:?}");
        let [told] = report.warned.as_slice() else {
            panic!("{grant}: {report:?}")
        };
        assert!(told.contains(&named), "{grant}: {told}");
        let writable = database.inspector().await.writable().await.unwrap();
        assert_eq!(writable, Vec::<String>::new(), "{grant}");
        database.sql(&revoke);
        assert_eq!(reading(&database).await, RoleReport::default(), "{revoke}");
    }
}

#[tokio::test]
async fn a_run_is_told_what_could_be_written_in_few_words() {
    let database = Database::with("few_words", TABLES);
    database.make_reading_role("users", "id,plan");
    let role = database.reading_role();
    database.sql(&format!(
        "GRANT UPDATE (sum) ON orders TO {role}; GRANT INSERT ON open_orders TO {role}"
    ));
    let writable = database.inspector().await.writable().await.unwrap();
    assert_eq!(writable, ["public.open_orders", "public.orders"]);
    database.sql(&format!("ALTER ROLE {role} SUPERUSER BYPASSRLS"));
    let writable = database.inspector().await.writable().await.unwrap();
    assert_eq!(
        writable,
        [
            "SUPERUSER of role few_words_read",
            "BYPASSRLS of role few_words_read"
        ]
    );
}

#[tokio::test]
async fn a_repair_role_may_update_the_repaired_columns_and_nothing_else() {
    let database = Database::with("repairs_only", TABLES);
    database.make_repair_role("users", "id,plan,email", "plan,email");
    let url = database.url(&database.repair_role());
    let role = database.repair_role();
    let repairing = async |columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|&it| it.to_owned()).collect();
        let scope = RepairScope {
            schema: "public",
            table: "users",
            columns: &columns,
        };
        probe().probe_repair_role(&url, scope).await.unwrap()
    };
    assert_eq!(repairing(&["plan", "email"]).await, RoleReport::default());
    assert_eq!(
        repairing(&["plan"]).await.refused,
        ["this role can write public.users: UPDATE (email)"]
    );
    let lacking = repairing(&["plan", "email", "seats"]).await;
    assert_eq!(
        lacking.missing,
        ["the right UPDATE on the column seats of public.users"]
    );
    assert_eq!(lacking.standing(), Standing::Alarm);
    for (grant, named, revoke) in REFUSED {
        let [grant, revoke] = [grant, revoke].map(|it| it.replace("{role}", &role));
        if grant.contains("UPDATE ON users") || grant.contains("REVOKE ALL") {
            continue;
        }
        database.sql(&grant);
        let report = repairing(&["plan", "email"]).await;
        assert!(!report.refused.is_empty(), "{grant}: {named}");
        database.sql(&revoke);
    }
}

#[tokio::test]
async fn the_probe_of_a_large_schema_is_one_quick_query() {
    let database = Database::with("large_schema", TABLES);
    database.sql(
        "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (a int, b int)', i); \
         END LOOP; END $$",
    );
    database.make_reading_role("users", "id,plan");
    let role = database.reading_role();
    let before = database.statements(&role).len();
    let begun = std::time::Instant::now();
    assert_eq!(reading(&database).await, RoleReport::default());
    let took = begun.elapsed();
    assert!(took.as_secs() < 5, "{took:?}");
    let all = database.statements(&role);
    let asked = all.iter().skip(before).filter(|it| it.contains("pg_class"));
    assert_eq!(asked.count(), 1);
    let literal = all.iter().find(|it| it.contains('\''));
    assert_eq!(literal, None);
}
