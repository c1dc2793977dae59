use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::evidence::verify::{Package, Trust, Verdict, verify};
use counterfoil_core::mapping::{Mapping, compile};

use super::*;

const MAPPING: &str = r#"
[match]
table = "public.users"
primary_key = "id"
keys = [{ stripe = "customer.id", column = "stripe_customer_id" }]
[access]
plan = { column = "plan" }
[[plans]]
name = "pro"
rank = 1
match = { price = ["price_1"] }
"#;

fn artifact() -> Artifact {
    compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap()
}

fn outcome() -> Outcome {
    Outcome {
        findings: Vec::new(),
        customers: 3,
        subscriptions: 2,
        rows: 4,
        unread_customers: 0,
        incomplete_subscriptions: 0,
        undecided: Vec::new(),
    }
}

fn record(folder: &Path) -> Result<Recorded> {
    Recording::begin(folder, &artifact(), Timestamp::from_secs(1_795_392_000))?.finish(&outcome())
}

fn verdict(recorded: &Recorded) -> Verdict {
    let key = SealKey::from_pem(&std::fs::read_to_string(&recorded.key).unwrap()).unwrap();
    let stream: Hash = recorded.stream.parse().unwrap();
    let files = stream::files(&recorded.folder).unwrap();
    verify(Package::Folder(&files), &Trust::new(key, stream))
}

#[test]
fn checks_continue_one_stream_that_verifies() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("evidence");
    let first = record(&folder).unwrap();
    let second = record(&folder).unwrap();
    assert_eq!(first.stream, second.stream);
    let verdict = verdict(&second);
    let accepted = verdict.result.unwrap();
    assert_eq!((accepted.entries, accepted.size), (5, 5));
    assert_eq!(accepted.governance.len(), 2);
    assert!(second.findings.is_file());
    assert!(second.text().contains(&second.stream));
}

#[test]
fn a_check_that_failed_is_recorded_too() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("evidence");
    let as_of = Timestamp::from_secs(1_795_392_000);
    Recording::begin(&folder, &artifact(), as_of)
        .unwrap()
        .fail()
        .unwrap();
    let parts = std::fs::read_to_string(folder.join("parts.jsonl")).unwrap();
    assert!(parts.contains(r#""status":"failed""#), "{parts}");
    let recorded = record(&folder).unwrap();
    assert!(verdict(&recorded).is_accepted());
}

#[test]
fn evidence_that_was_changed_is_not_continued() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("evidence");
    record(&folder).unwrap();
    let path = folder.join("parts.jsonl");
    let changed = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"rows\":4", "\"rows\":5");
    std::fs::write(&path, changed).unwrap();
    let error = format!("{:#}", record(&folder).unwrap_err());
    assert!(error.contains("does not verify"), "{error}");
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_anything_is_read() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let as_of = Timestamp::from_secs(0);
    let error = Recording::begin(&file.join("evidence"), &artifact(), as_of).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("no evidence can be written to "),
        "{error:#}"
    );
}

#[test]
fn the_private_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("evidence");
    record(&folder).unwrap();
    let private = beside(&folder, "private.pem");
    let mode = std::fs::metadata(&private).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
    std::fs::remove_file(private).unwrap();
    let error = format!("{:#}", record(&folder).unwrap_err());
    assert!(error.contains("name a new folder"), "{error}");
}
