//! The local cloud started for real: emulator, stack, Postgres, and their end.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_local::{
    Deploy, Emulator, EmulatorOptions, LocalCloud, Options, Postgres, new_account,
};
use serde_json::Value;

const QUIET: &dyn Fn(&str) = &|_| {};

fn sql_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sql")
        .join(name)
}

/// Waits until `done` or fails after half a minute.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        thread::sleep(Duration::from_millis(50));
    }
}

/// GET of the emulator's S3, unsigned: without AUTH everybody may read.
fn get(endpoint: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    io::read_to_string(stream)
}

#[test]
fn the_stack_has_every_output_and_the_locked_bucket_keeps_what_it_gets() {
    let cloud = LocalCloud::start(&Options::default(), QUIET).unwrap();
    for output in [
        "EvidenceTable",
        "EvidenceHeadTable",
        "EvidencePartsTable",
        "SealsTable",
        "StateTable",
        "DataKeysTable",
        "DataBucket",
        "LockedBucket",
        "ChecksQueueUrl",
        "ScansQueueUrl",
        "ExportsQueueUrl",
        "SecretsKeyId",
        "SealKeyId",
        "SealOriginPrefix",
        "ApiUrl",
    ] {
        assert!(
            cloud.deployment.output(output).is_ok(),
            "no output {output}"
        );
    }
    assert!(
        cloud.deployment.output("RepairFunction").is_err(),
        "no function was deployed"
    );
    assert_eq!(
        cloud.settings()["EVIDENCE_TABLE"],
        cloud.outputs["EvidenceTable"]
    );
    assert!(
        cloud
            .sdk_env()
            .contains(&("AWS_ENDPOINT_URL".into(), cloud.endpoint.clone()))
    );

    let bucket = cloud.deployment.output("LockedBucket").unwrap();
    let lock = get(&cloud.endpoint, &format!("/{bucket}?object-lock")).unwrap();
    assert!(lock.contains("<Mode>COMPLIANCE</Mode>"), "{lock}");
    assert!(lock.contains("<Days>2557</Days>"), "{lock}");
}

#[test]
fn accounts_share_an_emulator_without_seeing_each_other() {
    let emulator = Emulator::start(&EmulatorOptions::default(), QUIET).unwrap();
    let deploy = || Deploy {
        account: Some(new_account()),
        ..Deploy::default()
    };
    let one = emulator.deploy(&deploy(), QUIET).unwrap();
    let other = emulator.deploy(&deploy(), QUIET).unwrap();
    assert_ne!(one.account, other.account);
    assert_ne!(one.outputs["StateTable"], other.outputs["StateTable"]);
    assert_ne!(one.outputs["LockedBucket"], other.outputs["LockedBucket"]);
}

#[test]
fn postgres_answers_and_logs_what_it_was_asked() {
    let mut postgres = Postgres::start(QUIET).unwrap();
    assert_eq!(postgres.sql("postgres", "SELECT 1").unwrap().trim(), "1");
    let url = postgres.create_database("shop").unwrap();
    assert!(url.ends_with(&format!("@127.0.0.1:{}/shop", postgres.port())));
    let log = fs::read_to_string(postgres.log_path()).unwrap();
    assert!(log.contains("SELECT 1"), "{log}");
    assert!(postgres.create_database("shop\"; DROP").is_err());
    assert!(postgres.is_running().unwrap());
    let admin = postgres.admin_url();
    let password = admin.split([':', '@']).nth(2).unwrap();
    assert!(password.len() == 32 && !format!("{postgres:?}").contains(password));
}

#[test]
fn postgres_ends_when_dropped_and_removes_its_folder() {
    let postgres = Postgres::start(QUIET).unwrap();
    let (port, log) = (postgres.port(), postgres.log_path());
    drop(postgres);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!log.exists());
}

#[test]
fn the_role_scripts_grant_the_named_columns_and_no_more() {
    let postgres = Postgres::start(QUIET).unwrap();
    postgres.create_database("shop").unwrap();
    let table = "CREATE TABLE users (id text PRIMARY KEY, plan text, email text, secret text);
        INSERT INTO users VALUES ('u1', 'free', 'a@example.com', 's')";
    postgres.sql("shop", table).unwrap();
    let password = [("COUNTERFOIL_ROLE_PASSWORD", "it's \"one\"")];
    let read = [
        ("role", "cf_read"),
        ("schema", "public"),
        ("table", "users"),
        ("columns", "id, plan"),
    ];
    let repair = [
        ("role", "cf_repair"),
        ("schema", "public"),
        ("table", "users"),
        ("columns", "id,plan"),
        ("update_columns", "plan"),
    ];
    for _ in 0..2 {
        // Running a script again changes nothing.
        postgres
            .script("shop", &sql_file("read-role.sql"), &read, &password)
            .unwrap();
        postgres
            .script("shop", &sql_file("repair-role.sql"), &repair, &password)
            .unwrap();
    }
    let may = |role: &str, column: &str, right: &str| {
        let ask = format!("SELECT has_column_privilege('{role}', 'users', '{column}', '{right}')");
        postgres.sql("shop", &ask).unwrap().trim() == "t"
    };
    let writes = |role: &str| {
        let ask = format!(
            "SELECT has_table_privilege('{role}', 'users', 'INSERT,DELETE,TRUNCATE,REFERENCES,TRIGGER')"
        );
        postgres.sql("shop", &ask).unwrap().trim() == "t"
    };
    for role in ["cf_read", "cf_repair"] {
        assert!(
            may(role, "id", "SELECT") && may(role, "plan", "SELECT"),
            "{role} reads"
        );
        assert!(
            !may(role, "secret", "SELECT") && !may(role, "email", "SELECT"),
            "{role} reads only that"
        );
        assert!(
            !may(role, "id", "UPDATE") && !writes(role),
            "{role} writes nothing else"
        );
    }
    assert!(!may("cf_read", "plan", "UPDATE"));
    assert!(may("cf_repair", "plan", "UPDATE"));
    let settings = postgres
        .sql(
            "shop",
            "SELECT rolconfig FROM pg_roles WHERE rolname = 'cf_read'",
        )
        .unwrap();
    assert!(
        settings.contains("default_transaction_read_only=on"),
        "{settings}"
    );
    let reading = postgres.url("cf_read", "it%27s%20%22one%22", "shop");
    let output = Command::new("psql")
        .args([&reading, "-Atc", "SELECT plan FROM users"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "free");
}

#[test]
fn nothing_is_left_when_the_owner_is_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_counterfoil-local"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let port = |address: &str| -> u16 {
        let after = address.rsplit_once("127.0.0.1:").unwrap().1;
        after.split('/').next().unwrap().parse().unwrap()
    };
    let emulator = port(
        addresses["environment"]["AWS_ENDPOINT_URL"]
            .as_str()
            .unwrap(),
    );
    let postgres = port(addresses["postgres"].as_str().unwrap());
    owner.kill().unwrap();
    owner.wait().unwrap();
    for port in [emulator, postgres] {
        until("the server ends", || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        });
    }
}
