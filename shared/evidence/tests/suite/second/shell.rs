//! The check with openssl and jq, as a script (`tools/verify-shell`) and as a page
//! (`docs/verify-by-hand.md`), against the verifiers: what is forged all of them refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::{Package, Trust};
use serde_json::{Value, json};

use super::{tools, verify};
use crate::vectors::{folder, key, path, read, stream, text};

type Files = BTreeMap<String, Vec<u8>>;

fn trust() -> Trust {
    Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    )
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Exit status and message of the script.
fn script(package: &Path, stream: &str, keys: &[PathBuf]) -> (i32, String) {
    let done = Command::new("sh")
        .arg(tools("verify-shell/verify.sh"))
        .arg(package)
        .arg(stream.trim())
        .args(keys)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!said.starts_with("install "), "{said}");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{said}");
    (done.status.code().unwrap(), said)
}

fn shell(package: &Path) -> (i32, String) {
    let key = path("example-run/sealer.pem");
    script(package, &text("example-run/stream.txt"), &[key])
}

/// What all blocks of the page print, with this package in place of one of the page's two.
fn page(variable: &str, example: &str, package: &Path) -> String {
    let root = tools("..");
    let page = fs::read_to_string(root.join("docs/verify-by-hand.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let commands: String = blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect();
    let usual = format!("{variable}=shared/evidence/tests/vectors/{example}\n");
    assert!(commands.contains(&usual), "{usual}");
    let commands = commands.replace(&usual, &format!("{variable}={}\n", package.display()));
    let done = Command::new("sh")
        .args(["-c", &commands])
        .current_dir(root)
        .output()
        .unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn write(folder: &Path, files: &Files) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

fn document() -> Value {
    serde_json::from_slice(&read("example-run/run.json")).unwrap()
}

/// A forged run package is refused by all.
fn refused(name: &str, forged: &[u8]) {
    let verdict = verify(Package::Document(forged), &trust());
    assert_eq!(verdict.exit_status(), 3, "{name}: the verifier");
    let file = place("shell-forged.json");
    fs::write(&file, forged).unwrap();
    let (status, said) = shell(&file);
    assert_eq!(status, 3, "{name}: {said}");
    assert!(said.starts_with("FAIL "), "{name}: {said}");
    let said = page("P", "example-run/run.json", &file);
    assert!(said.contains("FAIL"), "{name}: the page says {said}");
}

fn refused_folder(name: &str, files: &Files) {
    let verdict = verify(Package::Folder(files), &trust());
    assert_eq!(verdict.exit_status(), 3, "{name}: the verifier");
    let folder = place("shell-forged");
    write(&folder, files);
    let (status, said) = shell(&folder);
    assert_eq!(status, 3, "{name}: {said}");
    assert!(said.starts_with("FAIL "), "{name}: {said}");
    let said = page("E", "example", &folder);
    assert!(said.contains("FAIL"), "{name}: the page says {said}");
}

#[test]
fn the_script_accepts_good_packages_and_the_page_has_nothing_against_them() {
    let run = path("example-run/run.json");
    let again = place("shell-again.json");
    fs::write(&again, document().to_string()).unwrap();
    for package in [&run, &again, &path("example")] {
        let (status, said) = shell(package);
        assert_eq!(status, 0, "{said}");
    }
    for (variable, example) in [("P", "example-run/run.json"), ("E", "example")] {
        let said = page(variable, example, &path(example));
        assert!(!said.contains("FAIL"), "{said}");
        assert_eq!(said.matches("is in the sealed tree").count(), 3, "{said}");
        assert_eq!(said.matches("OK facts of entry").count(), 7, "{said}");
        assert!(said.contains("OK the same history up to 4"), "{said}");
    }
    let published = tools("../examples/evidence");
    let pin = fs::read_to_string(published.join("stream.txt")).unwrap();
    let (status, said) = script(
        &published.join("run.json"),
        &pin,
        &[published.join("key.pem")],
    );
    assert_eq!(status, 0, "{said}");
}

#[test]
fn the_script_accepts_a_stream_with_an_erasure_and_two_keys_and_says_what_it_did_not_follow() {
    let archive = read("packages/rich.export.tar");
    let limits = trust().limits;
    let files = counterfoil_evidence::package::tar::read(&archive, limits).unwrap();
    let folder = place("shell-rich");
    write(&folder, &files);
    let run = place("shell-rich.json");
    let rich = Json::parse_document(&read("packages/rich.run.json")).unwrap();
    fs::write(&run, rich.canonical()).unwrap();
    let pin = text("packages/rich.stream.txt");
    let keys = ["packages/sealer-1.pem", "packages/sealer-2.pem"].map(path);
    for package in [&folder, &run] {
        let (status, said) = script(package, &pin, &keys);
        assert_eq!(status, 0, "{said}");
        assert_eq!(said.contains("was not checked"), package == &folder);
        assert_eq!(script(package, &pin, &keys[..1]).0, 3);
    }
}

#[test]
fn forged_run_packages_are_refused_by_the_script_and_by_the_page() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 14] = [
        ("facts of another type", |p| {
            p["entries"][2]["p"]["facts"]["d"] = json!([{ "effect": "ALLOW" }]);
        }),
        ("facts changed", |p| {
            p["entries"][2]["p"]["facts"]["d"]["allow"] = json!(2);
        }),
        ("facts removed", |p| {
            p["entries"][1]["p"]
                .as_object_mut()
                .unwrap()
                .remove("facts");
        }),
        ("subject removed", |p| {
            p["entries"][1]["p"]
                .as_object_mut()
                .unwrap()
                .remove("subject");
        }),
        ("facts declared erased", |p| {
            p["entries"][1]["p"]["facts"] = json!({ "x": 9 });
        }),
        ("salt removed", |p| {
            let part = &mut p["entries"][1]["p"]["facts"];
            part.as_object_mut().unwrap().remove("s");
        }),
        ("a part more", |p| {
            p["entries"][0]["p"]["subject"] = p["entries"][1]["p"]["subject"].clone();
        }),
        ("parts swapped", |p| {
            let first = p["entries"][0]["p"]["facts"].take();
            let second = p["entries"][1]["p"]["facts"].take();
            p["entries"][0]["p"]["facts"] = second;
            p["entries"][1]["p"]["facts"] = first;
        }),
        ("descriptor changed", |p| {
            p["descriptor"]["created"] = json!(1);
        }),
        ("header changed", |p| {
            p["entries"][1]["h"]["at"] = json!(1_795_392_000_112_u64);
        }),
        ("entries swapped", |p| {
            p["entries"].as_array_mut().unwrap().swap(0, 1);
        }),
        ("entry removed", |p| {
            p["entries"].as_array_mut().unwrap().remove(1);
        }),
        ("proof cut", |p| {
            p["entries"][1]["proof"].as_array_mut().unwrap().pop();
        }),
        ("time of the seal changed", |p| {
            let note = p["seals"][0]
                .as_str()
                .unwrap()
                .replace("at 1795392001111", "at 1795392001112");
            p["seals"][0] = json!(note);
        }),
    ];
    for (name, change) in changes {
        let mut forged = document();
        change(&mut forged);
        assert_ne!(forged, document(), "{name} changes nothing");
        refused(name, forged.to_string().as_bytes());
    }
}

#[test]
fn forged_folders_are_refused_by_the_script_and_by_the_page() {
    type Change = fn(&str) -> String;
    let changes: [(&str, &str, Change); 10] = [
        ("parts edited", "parts.jsonl", |t| {
            t.replacen("\"pro\"", "\"max\"", 1)
        }),
        ("parts are junk", "parts.jsonl", |_| "junk\n".to_owned()),
        ("parts are gone", "parts.jsonl", |_| String::new()),
        ("a part is gone", "parts.jsonl", |t| {
            let mut lines: Vec<_> = t.lines().collect();
            lines.remove(2);
            lines.join("\n") + "\n"
        }),
        ("a part twice", "parts.jsonl", |t| {
            format!("{t}{}\n", t.lines().last().unwrap())
        }),
        ("a space in a part", "parts.jsonl", |t| {
            t.replacen("{\"d\":", "{ \"d\":", 1)
        }),
        ("descriptor edited", "descriptor.json", |t| {
            t.replace("1795392000000", "1795392000001")
        }),
        ("header edited", "headers.jsonl", |t| {
            t.replace("1795392000148", "1795392000149")
        }),
        ("headers cut", "headers.jsonl", |t| {
            t.lines().take(3).collect::<Vec<_>>().join("\n") + "\n"
        }),
        ("seal edited", "seals.jsonl", |t| {
            t.replace("at 1795392001111", "at 1795392001112")
        }),
    ];
    for (name, file, change) in changes {
        let mut forged = folder("example");
        let text = String::from_utf8(forged[file].clone()).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text, "{name} changes nothing");
        forged.insert(file.to_owned(), changed.into_bytes());
        refused_folder(name, &forged);
    }
}
