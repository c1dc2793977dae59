//! Vectors of other projects and packages written by another implementation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_evidence::hash::{Hash, leaf};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::seal::{Seal, SealKey};
use counterfoil_evidence::tree::{Frontier, check_consistency, check_inclusion};
use counterfoil_evidence::verify::{Governance, HoldStatus, Package, Trust, Verdict, verify};

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

pub fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap()
}

pub fn key(name: &str) -> SealKey {
    SealKey::from_pem(&text(name)).unwrap()
}

pub fn stream(name: &str) -> Hash {
    text(name).trim().parse().unwrap()
}

pub fn folder(name: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(path(name)).unwrap().map(Result::unwrap);
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect()
}

fn accepted(verdict: &Verdict) -> &counterfoil_evidence::verify::Accepted {
    verdict.result.as_ref().unwrap_or_else(|fault| panic!("{fault}"))
}

fn rich_trust() -> Trust {
    let keys = ["packages/sealer-1.pem", "packages/sealer-2.pem"].map(|name| key(name).into());
    Trust::of(keys.to_vec(), stream("packages/rich.stream.txt"))
}

#[test]
fn the_example_run_is_accepted() {
    let trust = Trust::new(key("example-run/sealer.pem"), stream("example-run/stream.txt"));
    let document = read("example-run/run.json");
    let verdict = verify(Package::of_file(&document), &trust);
    let accepted = accepted(&verdict);
    assert_eq!(accepted.level, 2);
    assert_eq!(accepted.hold_status, HoldStatus::Unchecked);
    assert_eq!(accepted.governance, BTreeMap::from([("run_1".to_owned(), Governance::Clean)]));
    assert!(verdict.first_line().starts_with("OK L2 "));
    assert_eq!(verdict.exit_status(), 0);
}

#[test]
fn the_example_folder_is_accepted() {
    let trust = Trust::new(key("example-run/sealer.pem"), stream("example-run/stream.txt"));
    let verdict = verify(Package::Folder(&folder("example")), &trust);
    assert_eq!(accepted(&verdict).entries, 4);
    assert_eq!(accepted(&verdict).hold_status, HoldStatus::Kept);
}

#[test]
fn the_rich_packages_are_accepted_in_every_form() {
    let trust = rich_trust();
    let (json, tar) = (read("packages/rich.export.json"), read("packages/rich.export.tar"));
    let run = read("packages/rich.run.json");
    let range = read("packages/rich.range.json");
    let whole = verify(Package::of_file(&json), &trust);
    let archive = verify(Package::of_file(&tar), &trust);
    assert_eq!(whole, archive);
    let whole = accepted(&whole);
    let results: Vec<_> = whole.governance.iter().map(|(id, is)| (id.as_str(), is.name())).collect();
    assert_eq!(results, [("r_a", "overridden"), ("r_b", "unresolved"), ("r_c", "clean")]);
    assert_eq!((whole.entries, whole.size, whole.level), (27, 27, 2));
    assert!(whole.open.is_empty() && whole.holds.is_empty());
    let run = verify(Package::of_file(&run), &trust);
    assert_eq!(accepted(&run).governance["r_a"], Governance::Overridden);
    let range = verify(Package::of_file(&range), &trust);
    let range = accepted(&range);
    assert_eq!(range.governance["r_a"], Governance::Unknown);
    assert_eq!(range.governance["r_b"], Governance::Unresolved);
    assert_eq!(range.open, ["r_c"]);
}
