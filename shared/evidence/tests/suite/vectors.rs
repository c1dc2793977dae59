//! Vectors of other projects and packages written by another implementation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_evidence::hash::{Hash, leaf};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::seal::{Seal, SealKey};
use counterfoil_evidence::tree::{Frontier, check_consistency, check_inclusion};
use counterfoil_evidence::verify::{Governance, HoldStatus, Package, Trust, Verdict};

use crate::second::verify;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name)
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
    verdict
        .result
        .as_ref()
        .unwrap_or_else(|fault| panic!("{fault}"))
}

fn rich_trust() -> Trust {
    let keys = ["packages/sealer-1.pem", "packages/sealer-2.pem"].map(|name| key(name).into());
    Trust::of(keys.to_vec(), stream("packages/rich.stream.txt"))
}

#[test]
fn the_example_run_is_accepted() {
    let trust = Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    );
    let document = read("example-run/run.json");
    let verdict = verify(Package::of_file(&document), &trust);
    let accepted = accepted(&verdict);
    assert_eq!(accepted.level, 2);
    assert_eq!(accepted.hold_status, HoldStatus::Unchecked);
    assert_eq!(
        accepted.governance,
        BTreeMap::from([("run_1".to_owned(), Governance::Clean)])
    );
    assert!(verdict.first_line().starts_with("OK L2 "));
    assert_eq!(verdict.exit_status(), 0);
}

#[test]
fn the_example_folder_is_accepted() {
    let trust = Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    );
    let verdict = verify(Package::Folder(&folder("example")), &trust);
    assert_eq!(accepted(&verdict).entries, 4);
    assert_eq!(accepted(&verdict).hold_status, HoldStatus::Kept);
}

#[test]
fn the_rich_packages_are_accepted_in_every_form() {
    let trust = rich_trust();
    let (json, tar) = (
        read("packages/rich.export.json"),
        read("packages/rich.export.tar"),
    );
    let run = read("packages/rich.run.json");
    let range = read("packages/rich.range.json");
    let whole = verify(Package::of_file(&json), &trust);
    let archive = verify(Package::of_file(&tar), &trust);
    assert_eq!(whole, archive);
    let whole = accepted(&whole);
    let results: Vec<_> = whole
        .governance
        .iter()
        .map(|(id, is)| (id.as_str(), is.name()))
        .collect();
    assert_eq!(
        results,
        [("r_a", "clean"), ("r_b", "unresolved"), ("r_c", "clean")]
    );
    assert_eq!((whole.entries, whole.size, whole.level), (27, 27, 2));
    assert!(whole.open.is_empty() && whole.holds.is_empty());
    let run = verify(Package::of_file(&run), &trust);
    assert_eq!(accepted(&run).governance["r_a"], Governance::Clean);
    let range = verify(Package::of_file(&range), &trust);
    let range = accepted(&range);
    assert_eq!(range.governance["r_a"], Governance::Unknown);
    assert_eq!(range.governance["r_b"], Governance::Unresolved);
    assert_eq!(range.open, ["r_c"]);
}

#[test]
fn the_restricted_subset_reads_every_case_as_listed() {
    let cases = serde_json::from_slice::<serde_json::Value>(&read("canonical/cases.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let bytes = hex::decode(case["hex"].as_str().unwrap()).unwrap();
        let got = match Json::parse_canonical(&bytes) {
            Ok(value) => {
                assert_eq!(value.canonical(), bytes, "{case}");
                assert_eq!(
                    case["leaf"].as_str().unwrap(),
                    leaf(&bytes).to_string(),
                    "{case}"
                );
                "ok"
            }
            Err(fault) => fault.code.name(),
        };
        assert_eq!(got, case["want"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn general_json_outside_the_subset_is_refused() {
    for name in ["arrays", "french", "structures", "values"] {
        assert!(
            Json::parse(&read(&format!("jcs/input/{name}.json"))).is_err(),
            "{name}"
        );
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn base64_hash(text: &serde_json::Value) -> Option<Hash> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.as_str()?)
        .ok()?;
    Hash::from_slice(&bytes).ok()
}

/// A proof of the vectors, or nothing if a hash is not 32 bytes long.
fn proof(case: &serde_json::Value) -> Option<Vec<Hash>> {
    case["proof"]
        .as_array()
        .into_iter()
        .flatten()
        .map(base64_hash)
        .collect()
}

fn checks(case: &serde_json::Value) -> Option<bool> {
    let number = |name: &str| case[name].as_u64();
    if case["leafHash"].is_null() {
        let (size1, size2) = (number("size1")?, number("size2")?);
        let (root1, root2) = (base64_hash(&case["root1"])?, base64_hash(&case["root2"])?);
        return Some(check_consistency(size1, root1, size2, root2, &proof(case)?).is_ok());
    }
    let (index, size) = (number("leafIdx")?, number("treeSize")?);
    let (leaf, root) = (base64_hash(&case["leafHash"])?, base64_hash(&case["root"])?);
    Some(check_inclusion(leaf, index, size, &proof(case)?, root).is_ok())
}

#[test]
fn rfc_6962_proofs_are_judged_as_listed() {
    let files = files_below(&path("rfc6962"));
    let mut judged = 0;
    for file in files
        .iter()
        .filter(|file| !file.ends_with("roots-8leaves.json"))
    {
        let case: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let good = checks(&case).unwrap_or(false);
        assert_eq!(
            good,
            !case["wantErr"].as_bool().unwrap(),
            "{}",
            file.display()
        );
        judged += 1;
    }
    assert_eq!(judged, 130);
}

#[test]
fn rfc_6962_roots_are_reproduced() {
    let listed: serde_json::Value =
        serde_json::from_slice(&read("rfc6962/roots-8leaves.json")).unwrap();
    let mut tree = Frontier::new();
    let roots = listed["roots_by_size"].as_object().unwrap();
    for input in listed["leaf_inputs_hex"].as_array().unwrap() {
        if let Some(root) = roots.get(&tree.size().to_string()) {
            assert_eq!(tree.root().to_string(), root.as_str().unwrap());
        }
        tree.push(leaf(&hex::decode(input.as_str().unwrap()).unwrap()));
    }
}

#[test]
fn notes_of_other_logs_are_notes_but_no_seals() {
    for name in [
        "c2sp-checkpoint-example.txt",
        "c2sp-cosigned-checkpoint-example.txt",
        "c2sp-signed-note-example.txt",
        "go-note-peter.txt",
    ] {
        let fault = Seal::parse(&text(&format!("notes/{name}"))).unwrap_err();
        assert_eq!(fault.code.name(), "E_NOTE_LINES", "{name}");
    }
}
