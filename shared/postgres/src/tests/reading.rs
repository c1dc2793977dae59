//! Reading: types, statements, caps, refusals.

use crate::{Limits, Network, PgDatabase, PostgresError};
use counterfoil_core::cell::Cell;
use counterfoil_core::mapping::ColumnType;
use counterfoil_core::ports::{AppDatabase, Completeness, PortErrorKind};

use crate::tests::support::{Database, cause, list, rows, shape, text, time};

const TYPES: &str = "\
CREATE EXTENSION citext;
CREATE TYPE plan AS ENUM ('free', 'pro');
CREATE DOMAIN short AS varchar(20) CHECK (value <> '');
CREATE DOMAIN tags AS text[];
CREATE TABLE things (
  id uuid PRIMARY KEY, flag boolean, small smallint, normal integer, big bigint, words text,
  bounded varchar(10), padded char(6), folded citext, kind plan, narrow short, moment timestamptz,
  local timestamp, day date, names text[], more varchar[], ids uuid[], kinds plan[], domained tags,
  password_hash text DEFAULT 'never read');
INSERT INTO things VALUES (
  '0123abcd-0000-4000-a000-00000000002f', true, -1, 70000, 5000000000, E'it''s\\n\"x\" \u{2713}',
  'short', 'pad', 'MixedCase', 'pro', 'narrow', '2026-11-23 01:00:00.123456+01',
  '2026-11-23 00:00:00', '2026-11-23', '{\"a,b\",NULL,c}', '{}', '{0123abcd-0000-4000-a000-00000000002f}',
  '{pro,free}', '{x}');
INSERT INTO things (id) VALUES ('ffffffff-0000-4000-a000-000000000000');
INSERT INTO things (id, moment, local, day) VALUES
  ('eeeeeeee-0000-4000-a000-000000000000', 'infinity', '-infinity', '1969-12-31');";

const COLUMNS: [&str; 18] = [
    "flag", "small", "normal", "big", "words", "bounded", "padded", "folded", "kind", "narrow",
    "moment", "local", "day", "names", "more", "ids", "kinds", "domained",
];

fn types(name: &'static str) -> Database {
    let database = Database::with(name, TYPES);
    database.make_reading_role("things", &format!("id,{}", COLUMNS.join(",")));
    database
}

#[tokio::test]
async fn every_supported_type_is_read_alike_by_scan_and_lookup() {
    let database = types("types");
    let (inspector, shape) = (database.inspector().await, shape("things", "id", &COLUMNS));
    let (scanned, completeness) = rows(&*inspector, &shape).await.unwrap();
    assert_eq!(completeness, Completeness::Complete);
    let [full, empty, odd] = scanned.as_slice() else {
        panic!("three rows")
    };

    let id = "0123abcd-0000-4000-a000-00000000002f";
    assert_eq!(full.key, text(id));
    assert_eq!(
        full.cells,
        [
            Cell::Bool(true),
            Cell::Int(-1),
            Cell::Int(70_000),
            Cell::Int(5_000_000_000),
            text("it's\n\"x\" \u{2713}"),
            text("short"),
            text("pad"),
            text("MixedCase"),
            text("pro"),
            text("narrow"),
            time("2026-11-23T00:00:00.123Z"),
            time("2026-11-23T00:00:00Z"),
            time("2026-11-23T00:00:00Z"),
            list(&["a,b", "c"]),
            list(&[]),
            list(&[id]),
            list(&["pro", "free"]),
            list(&["x"]),
        ]
    );
    assert!(empty.cells.iter().all(|cell| *cell == Cell::Null));
    let [_, _, _, _, _, _, _, _, _, _, forever, never, before, ..] = odd.cells.as_slice() else {
        panic!("18 cells")
    };
    let Cell::Time(forever) = forever else {
        panic!("a time")
    };
    assert_eq!(forever.as_millis(), 9_007_199_254_740_991);
    assert_eq!(
        (never, before),
        (&time("1970-01-01T00:00:00Z"), &time("1970-01-01T00:00:00Z"))
    );

    for row in &scanned {
        let found = inspector
            .rows_where(&shape, "id", &[row.key.text()], false)
            .await
            .unwrap();
        assert_eq!(found, std::slice::from_ref(row));
    }
}

#[tokio::test]
async fn lookups_compare_as_text_whatever_the_type() {
    let database = types("lookups");
    let (inspector, shape) = (database.inspector().await, shape("things", "id", &COLUMNS));
    let count = async |column: &str, value: &str, ignore_case| {
        let values = [value.to_owned(), "another".to_owned()];
        inspector
            .rows_where(&shape, column, &values, ignore_case)
            .await
            .unwrap()
            .len()
    };
    for (column, value) in [
        ("words", "it's\n\"x\" \u{2713}"),
        ("bounded", "short"),
        ("folded", "MixedCase"),
        ("kind", "pro"),
        ("narrow", "narrow"),
        ("normal", "70000"),
        ("big", "5000000000"),
        ("small", "-1"),
    ] {
        assert_eq!(count(column, value, false).await, 1, "{column}");
    }
    for (column, value) in [
        ("words", "x' OR '1'='1"),
        ("normal", "070000"),
        ("normal", "70000; DROP TABLE things"),
        ("big", "99999999999999999999"),
        ("id", "0123ABCD-0000-4000-A000-00000000002F"),
        ("id", "' OR true --"),
        ("bounded", "SHORT"),
        ("folded", "mixedcase"),
    ] {
        assert_eq!(count(column, value, false).await, 0, "{column} {value}");
    }
    assert_eq!(count("bounded", "SHORT", true).await, 1);
    assert_eq!(count("folded", "mixedcase", true).await, 1);
    assert!(
        inspector
            .rows_where(&shape, "words", &[], false)
            .await
            .unwrap()
            .is_empty()
    );

    let refused = inspector
        .rows_where(&shape, "password_hash", &[], false)
        .await
        .unwrap_err();
    assert!(matches!(cause(&refused), PostgresError::NotMapped { .. }));
}

#[tokio::test]
async fn every_statement_is_read_only_and_has_no_literal_and_no_other_column() {
    let database = types("statements");
    let (inspector, shape) = (
        database.inspector().await,
        shape("things", "id", &["kind", "day"]),
    );
    inspector.columns("public", "things").await.unwrap();
    inspector.writable().await.unwrap();
    rows(&*inspector, &shape).await.unwrap();
    inspector
        .rows_where(&shape, "kind", &["pro'; --".to_owned()], true)
        .await
        .unwrap();

    let statements = database.statements(&database.reading_role());
    let begun = statements
        .iter()
        .filter(|it| it.starts_with("START TRANSACTION"))
        .count();
    assert_eq!(begun, 4);
    for statement in &statements {
        assert!(!statement.contains('\''), "{statement}");
        assert!(!statement.contains("password_hash"), "{statement}");
        let known = [
            "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "SET default_transaction_read_only TO on",
            "ROLLBACK",
        ];
        let reads = ["SELECT ", "WITH ", "COPY (SELECT "];
        assert!(
            known.contains(&statement.as_str()) || reads.iter().any(|it| statement.starts_with(it)),
            "{statement}"
        );
    }
    let copy = "COPY (SELECT \"id\", \"kind\", \"day\" FROM \"public\".\"things\") TO STDOUT \
                (FORMAT binary)";
    assert_eq!(statements.iter().filter(|it| *it == copy).count(), 1);
}

#[tokio::test]
async fn a_type_that_cannot_be_compared_is_refused_by_name() {
    let database = Database::with(
        "unsupported",
        "CREATE TABLE users (id int PRIMARY KEY, flags jsonb, price numeric, bytes bytea, ints int[])",
    );
    database.make_reading_role("users", "id,flags,price,bytes,ints");
    let inspector = database.inspector().await;
    for (column, data_type) in [
        ("flags", "jsonb"),
        ("price", "numeric"),
        ("bytes", "bytea"),
        ("ints", "_int4"),
    ] {
        let error = rows(&*inspector, &shape("users", "id", &[column]))
            .await
            .unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Refused);
        let PostgresError::UnsupportedType {
            column: named,
            data_type: shown,
        } = cause(&error)
        else {
            panic!("{error:?}")
        };
        assert_eq!((named.as_str(), shown.as_str()), (column, data_type));
    }
}

#[tokio::test]
async fn what_is_missing_or_forbidden_is_named() {
    let database = Database::with(
        "refusals",
        "CREATE TABLE users (id int PRIMARY KEY, plan text, email text); \
         CREATE SCHEMA hidden; CREATE TABLE hidden.users (id int)",
    );
    database.make_reading_role("users", "id,plan");
    let inspector = database.inspector().await;
    let refused = async |shape| {
        let error = rows(&*inspector, &shape).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Refused);
        cause(&error)
    };
    let table = "public.users".to_owned();
    assert_eq!(
        refused(shape("users", "id", &["plan", "seats", "flags"])).await,
        PostgresError::NoColumn {
            table: table.clone(),
            columns: "seats, flags".to_owned()
        }
    );
    assert_eq!(
        refused(shape("users", "id", &["plan", "email"])).await,
        PostgresError::MayNotRead {
            table,
            columns: "email".to_owned()
        }
    );
    assert_eq!(
        refused(shape("user", "id", &["plan"])).await,
        PostgresError::NoTable {
            table: "public.user".to_owned()
        }
    );
    let mut hidden = shape("users", "id", &[]);
    "hidden".clone_into(&mut hidden.schema);
    assert!(matches!(
        refused(hidden).await,
        PostgresError::MayNotRead { .. } | PostgresError::NoTable { .. }
    ));
    assert!(matches!(
        refused(shape("users\"; DROP TABLE users; --", "id", &["plan"])).await,
        PostgresError::Name { .. }
    ));
    let left = rows(&*inspector, &shape("users", "id", &["plan"]))
        .await
        .unwrap();
    assert_eq!(left, (vec![], Completeness::Complete));
}

#[tokio::test]
async fn a_scan_beyond_its_cap_says_so_and_the_connection_stays_good() {
    let database = Database::with(
        "caps",
        "CREATE TABLE users (id int PRIMARY KEY, name text); \
         INSERT INTO users SELECT n, repeat('x', 100) FROM generate_series(1, 300000) n",
    );
    database.make_reading_role("users", "id,name");
    let url = database.url(&database.reading_role());
    let shape = shape("users", "id", &["name"]);
    for (limits, expected) in [
        (
            Limits {
                rows: 1_000,
                ..Limits::default()
            },
            1_000,
        ),
        (
            Limits {
                rows: 300_000,
                ..Limits::default()
            },
            300_000,
        ),
        (
            Limits {
                bytes: 118_000,
                ..Limits::default()
            },
            1_000,
        ),
    ] {
        let inspector = PgDatabase::new()
            .within(Network::loopback())
            .with_limits(limits)
            .inspect(&url)
            .await
            .unwrap();
        let (rows, completeness) = rows(&*inspector, &shape).await.unwrap();
        let whole = expected == 300_000;
        assert_eq!(completeness == Completeness::Complete, whole);
        assert!(rows.len().abs_diff(expected) < 50, "{}", rows.len());
        let found = inspector
            .rows_where(&shape, "id", &["7".to_owned()], false)
            .await
            .unwrap();
        assert_eq!(found.len(), 1);
    }
    let limits = Limits {
        found: 10,
        ..Limits::default()
    };
    let inspector = PgDatabase::new()
        .within(Network::loopback())
        .with_limits(limits)
        .inspect(&url)
        .await
        .unwrap();
    let wanted = ["x".repeat(100)];
    let error = inspector
        .rows_where(&shape, "name", &wanted, false)
        .await
        .unwrap_err();
    assert!(matches!(
        cause(&error),
        PostgresError::TooManyRows { limit: 10, .. }
    ));
}

#[tokio::test]
async fn a_table_is_described_as_far_as_the_role_sees_it() {
    let database = types("described");
    database.sql(
        "CREATE TABLE pairs (a int, b int UNIQUE, c int NOT NULL UNIQUE, d int, PRIMARY KEY (a, b)); \
         CREATE UNIQUE INDEX ON pairs (d) WHERE d > 0; \
         CREATE VIEW seen AS SELECT id, kind FROM things; \
         GRANT SELECT ON pairs, seen TO described_read",
    );
    let inspector = database.inspector().await;
    let things = inspector
        .columns("public", "things")
        .await
        .unwrap()
        .unwrap();
    let named = |name: &str| things.columns.iter().find(|column| column.name == name);
    let id = named("id").unwrap();
    assert!(id.primary_key && id.unique && !id.nullable);
    assert_eq!(id.data_type, ColumnType::Uuid);
    let kind = named("kind").unwrap();
    assert!(kind.nullable && !kind.primary_key && !kind.unique);
    assert_eq!(
        kind.data_type,
        ColumnType::Enum(vec!["free".to_owned(), "pro".to_owned()])
    );
    assert_eq!(named("folded").unwrap().data_type, ColumnType::Text);
    assert_eq!(named("day").unwrap().data_type, ColumnType::Date);
    assert_eq!(named("domained").unwrap().data_type, ColumnType::List);
    assert!(named("password_hash").is_none());

    let pairs = inspector.columns("public", "pairs").await.unwrap().unwrap();
    let keys: Vec<(bool, bool)> = pairs
        .columns
        .iter()
        .map(|column| (column.primary_key, column.unique))
        .collect();
    assert_eq!(
        keys,
        [(false, false), (false, true), (false, true), (false, false)]
    );
    assert_eq!(
        inspector
            .columns("public", "seen")
            .await
            .unwrap()
            .unwrap()
            .columns
            .len(),
        2
    );
    assert_eq!(inspector.columns("public", "nothing").await.unwrap(), None);
    assert_eq!(inspector.columns("nowhere", "things").await.unwrap(), None);
}

#[tokio::test]
async fn what_the_database_fills_and_how_long_a_text_may_be_is_described() {
    let database = Database::with(
        "filled",
        "CREATE TABLE accounts (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            number int GENERATED BY DEFAULT AS IDENTITY,
            plan varchar(20),
            code char(3),
            premium boolean GENERATED ALWAYS AS (plan IS NOT NULL) STORED,
            name varchar,
            sum numeric(10, 2)
        )",
    );
    database.make_reading_role("accounts", "id,number,plan,code,premium,name,sum");
    let inspector = database.inspector().await;
    let accounts = inspector.columns("public", "accounts").await.unwrap();
    let described: Vec<(String, bool, Option<u32>)> = accounts
        .unwrap()
        .columns
        .into_iter()
        .map(|column| (column.name, column.generated, column.max_chars))
        .collect();
    let expected = [
        ("id", true, None),
        ("number", true, None),
        ("plan", false, Some(20)),
        ("code", false, Some(3)),
        ("premium", true, None),
        ("name", false, None),
        ("sum", false, None),
    ];
    assert_eq!(
        described,
        expected.map(|(name, generated, chars)| (name.to_owned(), generated, chars))
    );
}

#[tokio::test]
async fn the_tables_that_the_role_may_see_are_listed() {
    let database = Database::with(
        "listed",
        "CREATE TABLE users (id int PRIMARY KEY, plan text); \
         CREATE TABLE secrets (id int); CREATE TABLE \"odd name\" (id int); \
         CREATE SCHEMA hidden; CREATE TABLE hidden.users (id int)",
    );
    database.make_reading_role("users", "id,plan");
    database.sql("GRANT SELECT ON \"odd name\", hidden.users TO listed_read");
    let tables = database.inspector().await.tables().await.unwrap();
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["public.users"]);
}
