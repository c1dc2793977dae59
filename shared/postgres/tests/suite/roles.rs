//! The probe: a reading role that could write is found out, and what it could write is named.

use crate::support::Database;

const TABLES: &str = "CREATE TABLE users (id int PRIMARY KEY, plan text); \
                      CREATE TABLE orders (id int PRIMARY KEY, sum int); \
                      CREATE VIEW open_orders AS SELECT * FROM orders";

async fn writable(name: &'static str, grants: &str) -> Vec<String> {
    let database = Database::with(name, TABLES);
    database.make_reading_role("users", "id,plan");
    if !grants.is_empty() {
        database.sql(&grants.replace("{role}", &database.reading_role()));
    }
    database.inspector().await.writable().await.unwrap()
}

#[tokio::test]
async fn the_role_of_the_script_can_write_nothing() {
    assert_eq!(writable("proper", "").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_single_column_of_another_table_is_named() {
    let grants = "GRANT UPDATE (sum) ON orders TO {role}; GRANT INSERT ON open_orders TO {role}";
    assert_eq!(
        writable("one_column", grants).await,
        ["public.open_orders", "public.orders"]
    );
}

#[tokio::test]
async fn deleting_and_truncating_are_writing() {
    assert_eq!(
        writable("deletes", "GRANT DELETE ON users TO {role}").await,
        ["public.users"]
    );
    assert_eq!(
        writable("truncates", "GRANT TRUNCATE ON users TO {role}").await,
        ["public.users"]
    );
}

#[tokio::test]
async fn what_everybody_may_write_counts() {
    assert_eq!(
        writable("public_grant", "GRANT UPDATE ON users TO PUBLIC").await,
        ["public.users"]
    );
}

#[tokio::test]
async fn an_owner_can_write() {
    assert_eq!(
        writable("owner", "ALTER TABLE orders OWNER TO {role}").await,
        ["public.orders"]
    );
}

#[tokio::test]
async fn what_the_role_can_become_counts_although_it_does_not_inherit() {
    let grants =
        "CREATE ROLE app_group; GRANT UPDATE ON users TO app_group; GRANT app_group TO {role}";
    assert_eq!(writable("becomes", grants).await, ["public.users"]);
}

#[tokio::test]
async fn rights_over_everything_are_named_by_their_name() {
    assert_eq!(
        writable("super", "ALTER ROLE {role} SUPERUSER BYPASSRLS").await,
        [
            "SUPERUSER of role super_read",
            "BYPASSRLS of role super_read"
        ]
    );
    assert_eq!(
        writable("bypass", "ALTER ROLE {role} BYPASSRLS").await,
        ["BYPASSRLS of role bypass_read"]
    );
    assert_eq!(
        writable("write_all", "GRANT pg_write_all_data TO {role}").await,
        ["every table (member of pg_write_all_data)"]
    );
}
