//! One Postgres for the whole binary, a database and a fake Stripe per test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use counterfoil_core::time::Timestamp;
use counterfoil_local::Postgres;
use counterfoil_testkit::stripe::{Expected, FakeStripe, Sample, Shop, insert_users};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

const PASSWORD: &str = "s3cret-of-the-role";
/// When everything happens.
pub(crate) const NOW: &str = "2026-11-23T00:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(&|_| {}).unwrap())
}

/// A folder, a database with a reading role, and a Stripe account.
pub(crate) struct Stage {
    name: &'static str,
    pub(crate) stripe: FakeStripe,
    folder: TempDir,
}

/// What the command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl Stage {
    pub(crate) async fn new(name: &'static str, schema: &str, shop: Shop) -> Self {
        server().create_database(name).unwrap();
        let stage = Self {
            name,
            stripe: FakeStripe::start(shop).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        stage.sql(schema);
        stage.sql(&format!(
            "CREATE ROLE {name}_read LOGIN PASSWORD '{PASSWORD}'; \
             GRANT USAGE ON SCHEMA public TO {name}_read; \
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}_read"
        ));
        stage
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        server().sql(self.name, statements).unwrap()
    }

    /// Puts the sample's rows into `app_users`.
    pub(crate) fn insert(&self, sample: &Sample) {
        let file = self.write("users.sql", &insert_users(&sample.users));
        server().script(self.name, &file, &[], &[]).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `counterfoil` in the folder, with the key and the address of the fake Stripe.
    pub(crate) async fn run(&self, words: &[&str]) -> Answer {
        let answer = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(words)
            .args(["--stripe-url", self.stripe.base_url()])
            .env("STRIPE_KEY", self.stripe.restricted_key())
            .env_remove("DATABASE_URL")
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap();
        Answer {
            status: answer.status.code().unwrap(),
            out: String::from_utf8(answer.stdout).unwrap(),
            err: String::from_utf8(answer.stderr).unwrap(),
        }
    }

    /// The same, with the address of the database.
    pub(crate) async fn run_with_database(&self, words: &[&str]) -> Answer {
        let role = format!("{}_read", self.name);
        let url = server().url(&role, PASSWORD, self.name);
        let words: Vec<&str> = words
            .iter()
            .copied()
            .chain(["--database-url", &url])
            .collect();
        self.run(&words).await
    }

    /// Kind and subject of each finding in a file of findings.
    pub(crate) fn findings(&self, name: &str) -> BTreeSet<(String, String)> {
        self.lines(name)
            .iter()
            .map(|it| (text(it, "kind"), text(it, "subject")))
            .collect()
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        let lines = self.read(name);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

/// What a check of the sample must find.
pub(crate) fn expected(sample: &Sample) -> BTreeSet<(String, String)> {
    let one = |it: &Expected| (it.kind.to_owned(), it.subject.clone());
    sample.expected.iter().map(one).collect()
}

pub(crate) fn config(path: &Path) -> &str {
    path.to_str().unwrap()
}
