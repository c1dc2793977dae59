//! What is in a package, and that an auditor accepts exactly it.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::tar;
use counterfoil_core::export::{ExportScope, ExportState};
use counterfoil_core::ports::Clock;
use counterfoil_core::usecases::{WorkError, Worked};

use super::super::incidents::{done, ignore, incidents};
use super::super::world::World;
use super::desk::{Desk, manifest, unpack};
use super::requests::some_run;

#[tokio::test]
async fn a_run_becomes_a_package_and_a_report() {
    let desk = Desk::new().await;
    let run_id = some_run(&desk).await;
    let fetched = desk.export(ExportScope::Run { run_id }).await;
    let made = fetched.export.made.as_ref().unwrap();
    assert_eq!(made.files[0].format, "counterfoil.run/1");
    assert_eq!(made.files[0].filename, format!("{run_id}.json"));
    let accepted = desk.verify(&fetched.bytes).await.unwrap();
    assert_eq!(accepted.entries, made.entries);
    assert_eq!(accepted.size, made.seal.size);
    let report = desk
        .fetch_part(&fetched.export.id.to_string(), "report")
        .await;
    assert_eq!(report, format!("%PDF run {}", fetched.export.id).as_bytes());
    let issued = desk.world.count("export.issued");
    assert_eq!(issued, 1);
}

#[tokio::test]
async fn everything_is_one_archive_whose_manifest_names_every_file() {
    let desk = Desk::new().await;
    let size = desk.world.kinds().len() + 3;
    let fetched = desk.export(ExportScope::All).await;
    let members = unpack(&fetched.bytes);
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let key = format!("keys/{}.pem", {
        use counterfoil_core::ports::SealSigner;
        desk.world.signer.key().await.unwrap().hash()
    });
    let policy = |name: &str| {
        let mut bundles = counterfoil_core::policy::builtin_bundles().into_iter();
        let has = |files: &[(&str, &str)]| files.iter().any(|(path, _)| *path == name);
        let (digest, _) = bundles.find(|(_, files)| has(files)).unwrap();
        format!("{}/{name}", digest.replace("sha256:", "policy/"))
    };
    let mut expected: Vec<String> = counterfoil_policy::baseline_files()
        .map(|(path, _)| policy(path))
        .collect();
    expected.push(policy("policies/default.cedar"));
    let baseline = counterfoil_policy::baseline_digest().replace("sha256:", "");
    expected.push(format!("workspace/{baseline}.json"));
    expected.push(key);
    expected.extend(
        [
            "README.txt",
            "evidence.tar",
            "index.csv",
            "manifest.json",
            "report.pdf",
        ]
        .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(names, expected);
    let accepted = desk.verify(&members["evidence.tar"]).await.unwrap();
    assert_eq!(usize::try_from(accepted.entries).unwrap(), size);
    let manifest = manifest(&members).unwrap();
    let count = |name: &str| manifest.get("counts").unwrap().get(name).unwrap().as_uint();
    assert_eq!(count("entries"), Some(accepted.entries));
    assert_eq!(count("seals"), Some(1));
    let index = String::from_utf8(members["index.csv"].clone()).unwrap();
    assert_eq!(index.matches("\r\n").count(), size + 1);
    let readme = String::from_utf8(members["README.txt"].clone()).unwrap();
    assert!(readme.contains(&desk.world.project.stream));
    assert!(
        !readme.contains('{') || readme.contains("awk '/^— /{print"),
        "{readme}"
    );
}

#[tokio::test]
async fn a_dropped_row_is_refused() {
    let desk = Desk::new().await;
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    assert!(manifest(&members).is_some());
    let limits = tar::TarLimits {
        max_bytes: 1 << 20,
        max_files: 9,
    };
    let good = tar::read(&members["evidence.tar"], limits).unwrap();
    assert!(desk.verify(&tar::write(&good)).await.is_ok());
    for file in ["headers.jsonl", "parts.jsonl", "seals.jsonl"] {
        let lines: Vec<&[u8]> = good[file].split_inclusive(|byte| *byte == b'\n').collect();
        for dropped in 0..lines.len() {
            let mut bad = good.clone();
            let kept = lines.iter().enumerate().filter(|(at, _)| *at != dropped);
            let kept: Vec<u8> = kept.flat_map(|(_, line)| line.to_vec()).collect();
            bad.insert(file.to_owned(), kept);
            let refused = desk.verify(&tar::write(&bad)).await;
            assert!(refused.is_err(), "{file}, line {dropped}");
        }
    }
    let mut bad = members.clone();
    let index = bad.get_mut("index.csv").unwrap();
    let end = index.len() - 2;
    let begin = index[..end]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    index.truncate(begin);
    assert!(manifest(&bad).is_none(), "a row less in the index");
}

#[tokio::test]
async fn exports_of_a_longer_history_carry_every_seal() {
    let desk = Desk::new().await;
    for _ in 0..3 {
        desk.export(ExportScope::All).await;
        desk.world.clock.advance(Duration::from_mins(1));
    }
    let fetched = desk.export(ExportScope::All).await;
    let members = unpack(&fetched.bytes);
    desk.verify(&members["evidence.tar"]).await.unwrap();
    let manifest = manifest(&members).unwrap();
    let seals = manifest.get("counts").unwrap().get("seals").unwrap();
    assert_eq!(seals.as_uint(), Some(4));
}

#[tokio::test]
async fn a_customers_ledger_is_the_runs_about_them() {
    let desk = Desk::new().await;
    let customer = "cus_1".to_owned();
    let fetched = desk.export(ExportScope::Customer { customer }).await;
    let members = unpack(&fetched.bytes);
    let manifest = manifest(&members).unwrap();
    let runs: Vec<_> = members
        .keys()
        .filter(|name| name.starts_with("runs/"))
        .collect();
    assert!(!runs.is_empty());
    for run in &runs {
        desk.verify(&members[*run]).await.unwrap();
    }
    let counted = manifest.get("counts").unwrap().get("runs").unwrap();
    assert_eq!(counted.as_uint(), u64::try_from(runs.len()).ok());
    let issued = desk.world.store.stream(desk.world.stream());
    let facts = issued.iter().filter_map(|entry| match &entry.facts {
        Some(counterfoil_core::ports::StoredPart::Present { bytes, .. }) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    });
    assert!(facts.into_iter().all(|facts| !facts.contains("cus_1")));
}

/// The runs of which an entry of this kind is.
fn runs_with(world: &World, kind: &str) -> Vec<String> {
    let entries = world.store.stream(world.stream()).into_iter();
    let headers = entries.map(|entry| Json::parse(&entry.header).unwrap());
    let of_kind = headers.filter(|header| header.get("kind").and_then(Json::as_str) == Some(kind));
    let run = |header: Json| header.get("run")?.get("id")?.as_str().map(str::to_owned);
    of_kind.filter_map(run).collect()
}

/// What a person did at once has no action, and what found the difference first is not what saw it last.
#[tokio::test]
async fn a_customers_ledger_holds_what_people_did_and_its_earlier_lives() {
    let world = World::new().await;
    world.scan().await;
    let first = world.incident().await.opened_by.to_string();
    let id = world.incident().await.id.to_string();
    let act = ignore(&world, 7);
    done(incidents(&world).act(&world.ann, &id, "k1", &act).await);
    let ignored = runs_with(&world, "incident.ignored").remove(0);
    for granted in [true, false] {
        world.set_row("u1", granted);
        world.clock.advance(Duration::from_hours(1));
        world.scan().await;
    }
    let incident = world.incident().await;
    assert_ne!(incident.opened_by.to_string(), first);
    let desk = Desk::of(world);
    let customer = "cus_1".to_owned();
    let fetched = desk.export(ExportScope::Customer { customer }).await;
    let members = unpack(&fetched.bytes);
    for run in [first, ignored] {
        let run = members
            .get(&format!("runs/{run}.json"))
            .expect("the run is there");
        desk.verify(run).await.unwrap();
    }
}

/// A name of 64 letters is the longest that a bundle's file may have (docs/policies.md).
#[tokio::test]
async fn a_delivery_holds_rules_whose_file_has_a_long_name() {
    let world = World::new().await;
    let name = format!("policies/{}.cedar", "a".repeat(64));
    let rule =
        "@id(\"ws.permit.long\") @why(\"a long name\")\npermit (principal, action, resource);\n";
    let digest = world.activated_with(&name, rule).await;
    world.scan().await;
    let desk = Desk::of(world);
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    manifest(&members).expect("the manifest names every file");
    let folder = digest.replace("sha256:", "policy/");
    assert_eq!(members[&format!("{folder}/{name}")], rule.as_bytes());
    assert_eq!(desk.replay(&members).await.unwrap().decisions, 1);
}

#[tokio::test]
async fn evidence_that_was_tampered_with_is_never_offered() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    // Sealed before: the sealer itself would refuse otherwise.
    desk.world.sealer().seal(desk.world.stream()).await.unwrap();
    desk.world.store.tamper(desk.world.stream(), 2);
    let worked = desk.deliver().await.remove(0);
    assert!(matches!(worked, Err(WorkError::Alarm(_))), "{worked:?}");
    let export = desk.find(&id).await;
    assert_eq!(export.state, ExportState::Failed);
    assert_eq!(export.failure.unwrap().code, "evidence-not-verifiable");
    assert!(export.made.is_none());
}

#[tokio::test]
async fn a_message_that_comes_again_changes_nothing() {
    let desk = Desk::new().await;
    let id = desk.ask(ExportScope::All).await;
    let message = desk.world.mail.take_exports().remove(0);
    assert_eq!(desk.exports.work(&message).await.unwrap(), Worked::Ready);
    let made = desk.find(&id).await;
    assert_eq!(desk.exports.work(&message).await.unwrap(), Worked::Nothing);
    assert_eq!(desk.find(&id).await, made);
    assert_eq!(desk.world.count("export.issued"), 1);
    assert!(made.made.unwrap().at <= desk.world.clock.now());
}
