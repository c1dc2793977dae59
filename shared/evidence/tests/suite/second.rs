//! Every verdict twice: the verifier of this crate and the one in `tools/verify-python`, which was
//! written from the format alone, must agree on acceptance, code, level and results.
//!
//! One Python process serves the whole test binary; it takes one JSON request a line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::{Package, Trust, Verdict};
use serde_json::{Value, json};

use crate::forge::{Forge, Part, at, with};
use crate::rules::{base, subject};
use crate::vectors::{folder, key, path, read, stream};

struct Python {
    _process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

fn tools(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tools")
        .join(name)
}

static PYTHON: Mutex<Option<Python>> = Mutex::new(None);

impl Python {
    fn start() -> Self {
        let mut process = Command::new("python3")
            .arg(tools("verify-python/counterfoil_verify.py"))
            .arg("--batch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("install Python 3.9 or newer as `python3`: the second verifier needs it");
        Self {
            requests: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            _process: process,
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the second verifier takes no request");
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("the second verifier ended; its message is above. It needs Python 3.9 or newer")
        })
    }
}

/// The verdict of this crate, after the second verifier gave the same one.
pub fn verify(package: Package<'_>, trust: &Trust) -> Verdict {
    verify_witnessed(package, trust, &[])
}

/// The same for a trust with witnesses, whose keys are given once more as text.
pub fn verify_witnessed(package: Package<'_>, trust: &Trust, witnesses: &[String]) -> Verdict {
    let (verdict, difference) = ask(package, trust, witnesses);
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    verdict
}

fn ask(package: Package<'_>, trust: &Trust, witnesses: &[String]) -> (Verdict, Option<String>) {
    let request = request(&package, trust, witnesses);
    let verdict = counterfoil_evidence::verify::verify(package, trust);
    let answer = PYTHON
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get_or_insert_with(Python::start)
        .ask(&request);
    let difference = difference(&verdict, &answer);
    let difference = difference
        .map(|what| format!("the verifiers differ in {what}\nfirst:  {verdict}\nsecond: {answer}"));
    (verdict, difference)
}

/// The same for damage of single bits: the second verifier is asked about every 97th.
pub fn sampled(number: usize, package: Package<'_>, trust: &Trust) -> Verdict {
    if number.is_multiple_of(97) {
        verify(package, trust)
    } else {
        counterfoil_evidence::verify::verify(package, trust)
    }
}

fn request(package: &Package<'_>, trust: &Trust, witnesses: &[String]) -> Value {
    let keys = trust.keys.iter().map(
        |pinned| json!({"spki": STANDARD.encode(pinned.key.spki()), "max_size": pinned.max_size}),
    );
    let outputs = trust
        .outputs
        .iter()
        .map(|(name, digest)| json!([name, digest.to_string()]));
    let mut request = json!({
        "keys": keys.collect::<Value>(),
        "stream": trust.stream.to_string(),
        "prefix": trust.prefix,
        "anchors": trust.anchors,
        "versions": trust.versions,
        "outputs": outputs.collect::<Value>(),
        "witnesses": witnesses,
        "quorum": trust.quorum,
        "level": trust.level,
        "max_bytes": trust.limits.max_bytes,
        "max_files": trust.limits.max_files,
        "tar": matches!(package, Package::Tar(_)),
    });
    match package {
        Package::Document(bytes) | Package::Tar(bytes) | Package::Gzip(bytes) => {
            request["bytes"] = STANDARD.encode(bytes).into();
        }
        Package::Folder(files) => {
            let files = files
                .iter()
                .map(|(name, content)| (name.clone(), Value::from(STANDARD.encode(content))));
            request["files"] = files.collect::<serde_json::Map<_, _>>().into();
        }
    }
    request
}

/// What the two verdicts do not share.
fn difference(verdict: &Verdict, answer: &Value) -> Option<String> {
    let mut second = answer.clone();
    if answer["exit"] != verdict.exit_status() {
        return Some("the exit status".to_owned());
    }
    let first: Value = serde_json::from_str(&verdict.to_json().canonical_text()).unwrap();
    let names: &[&str] = if first["result"] == "ok" {
        &[
            "anchors",
            "format",
            "governance",
            "hold_status",
            "holds",
            "level",
            "lost_under_hold",
            "open",
            "seal_hash",
            "sealed_at",
            "size",
            "stream",
            "timestamp",
            "witnesses",
        ]
    } else {
        &["code"]
    };
    if first["code"] != second["code"] && ambiguous(&first["code"], &second["code"]) {
        second["code"] = first["code"].clone();
    }
    let differ = names.iter().find(|name| first[**name] != second[**name]);
    differ.map(|name| format!("{name}: {} and {}", first[*name], second[*name]))
}

/// Pairs of codes between which the format leaves the choice.
fn ambiguous(first: &Value, second: &Value) -> bool {
    let pair = [first, second].map(|code| code.as_str().unwrap_or_default());
    [
        // Step 2 lists codes, not their order: `2.` is no JSON, and no integer either.
        ["E_FLOAT", "E_JSON"],
        // Section 14 does not say whether a value that should be an entry, a header or an `x` and
        // is of another JSON type is a wrong entry, a wrong header, a missing part, or E_FORMAT.
        ["E_ENTRY_FIELDS", "E_FORMAT"],
        ["E_HDR_FIELDS", "E_FORMAT"],
        ["E_PART_MISSING", "E_FORMAT"],
        // Step 9, range: the link to `before` is one of the links, or one of the neighbours' rules.
        ["E_TIME", "E_PREV"],
    ]
    .contains(&pair)
}

/// Runs `tools/verify-shell/verify.sh` on the example's folder with this `headers.jsonl`, or on a
/// run package; answers its exit status.
fn shell(package: &Path, files: Option<&BTreeMap<String, Vec<u8>>>) -> i32 {
    if let Some(files) = files {
        let _ = fs::remove_dir_all(package);
        fs::create_dir_all(package).unwrap();
        for (name, content) in files {
            fs::write(package.join(name), content).unwrap();
        }
    }
    let done = Command::new("sh")
        .arg(tools("verify-shell/verify.sh"))
        .arg(package)
        .arg(stream("example-run/stream.txt").to_string())
        .arg(path("example-run/sealer.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(!said.starts_with("install "), "{said}");
    done.status.code().unwrap()
}

#[test]
fn the_shell_check_agrees_on_the_example_and_on_edited_and_cut_headers() {
    let trust = Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    );
    let run = path("example-run/run.json");
    assert_eq!(shell(&run, None), 0);
    let good = folder("example");
    let headers = String::from_utf8(good["headers.jsonl"].clone()).unwrap();
    let without = |skip: usize| {
        let mut lines: Vec<_> = headers.lines().collect();
        lines.remove(skip);
        lines.join("\n") + "\n"
    };
    let edited = [
        headers.clone(),
        headers.replace("run_1", "run_2"),
        headers.replace("1795392000148", "1795392000149"),
        headers.trim_end().to_owned(),
        without(1),
        without(3),
        format!("{headers}{}\n", headers.lines().last().unwrap()),
    ];
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-check");
    for text in edited {
        let mut files = good.clone();
        files.insert("headers.jsonl".to_owned(), text.clone().into_bytes());
        let verdict = verify(Package::Folder(&files), &trust);
        assert_eq!(
            shell(&place, Some(&files)),
            i32::from(verdict.exit_status()),
            "{text}"
        );
    }
}

#[test]
fn the_shell_check_refuses_an_edited_run_package() {
    let document = String::from_utf8(read("example-run/run.json")).unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-check.json");
    for (from, to) in [
        ("caf\u{e9}", "cafe"),
        ("\"pro\"", "\"max\""),
        ("nBVI", "nBVJ"),
    ] {
        fs::write(&place, document.replacen(from, to, 1)).unwrap();
        assert_eq!(shell(&place, None), 3, "{from}");
    }
}

/// The paths of all values below a value.
fn paths(json: &Json, here: &str, found: &mut Vec<String>) {
    let mut below = |step: &str, inner: &Json| {
        let path = format!("{here}/{step}");
        found.push(path.clone());
        paths(inner, &path, found);
    };
    match json {
        Json::Object(fields) => fields.iter().for_each(|(name, inner)| below(name, inner)),
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                below(&index.to_string(), inner);
            }
        }
        _ => {}
    }
}

/// What one change makes of a value; nothing: the value is taken out.
fn changes(json: &Json) -> Vec<Option<Json>> {
    let mut changes = vec![
        None,
        Some(Json::Null),
        Some(Json::from(true)),
        Some(Json::Int(-1)),
        Some(Json::Int(7)),
        Some(Json::from("")),
        Some(Json::Array(vec![])),
        Some(object([("d", Json::Null)])),
    ];
    match json {
        Json::Int(int) => changes.extend([Some(Json::Int(int + 1)), Some(Json::Int(int - 1))]),
        Json::Str(text) => changes.extend([
            Some(format!("{text}x").into()),
            Some(text.chars().rev().collect::<String>().as_str().into()),
        ]),
        Json::Array(items) => {
            if let Some(last) = items.last() {
                let longer = [items.as_slice(), std::slice::from_ref(last)].concat();
                changes.push(Some(Json::Array(longer)));
            }
        }
        Json::Object(_) => changes.push(Some(with(json.clone(), "extra", Json::Null))),
        _ => {}
    }
    changes
}

fn changed(package: &Json, path: &str, change: Option<Json>) -> Json {
    let mut package = package.clone();
    let (above, last) = path.rsplit_once('/').unwrap();
    let above = match above.trim_start_matches('/') {
        "" => &mut package,
        above => at(&mut package, above),
    };
    match (above, change) {
        (Json::Object(fields), Some(change)) => {
            fields.insert(last.to_owned(), change);
        }
        (Json::Object(fields), None) => {
            fields.remove(last);
        }
        (Json::Array(items), change) => {
            let index: usize = last.parse().unwrap();
            items.splice(index..=index, change);
        }
        _ => panic!("{path} is not inside anything"),
    }
    package
}

#[test]
fn the_verifiers_agree_on_packages_with_one_changed_value() {
    let forge = base();
    let sample: usize = std::env::var("SAMPLE").map_or(11, |s| s.parse().unwrap());
    let (mut number, mut differences) = (0_usize, Vec::new());
    for package in [forge.export(), forge.run("r1"), forge.range(2, 13)] {
        let mut found = Vec::new();
        paths(&package, "", &mut found);
        for path in found {
            let value = at(&mut package.clone(), path.trim_start_matches('/')).clone();
            for change in changes(&value) {
                number += 1;
                if !number.is_multiple_of(sample) {
                    continue;
                }
                let what = format!("{path} becomes {change:?}");
                let document = changed(&package, &path, change).canonical();
                let (_, difference) = ask(Package::Document(&document), &forge.trust(), &[]);
                differences.extend(difference.map(|text| format!("{what}: {text}")));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Old hashes in a value become new ones.
fn mapped(json: &Json, names: &BTreeMap<String, String>) -> Json {
    match json {
        Json::Str(text) => names.get(text).unwrap_or(text).as_str().into(),
        Json::Array(items) => Json::Array(items.iter().map(|item| mapped(item, names)).collect()),
        Json::Object(fields) => object(
            fields
                .iter()
                .map(|(name, inner)| (name.as_str(), mapped(inner, names))),
        ),
        other => other.clone(),
    }
}

/// The base stream written again with other facts of one entry, linked and sealed by the genuine
/// key; what names an entry by its hash follows.
fn rewritten(forge: &Forge, order: &[usize], seq: usize, facts: Option<&Json>) -> Forge {
    let mut again = Forge::empty(forge.descriptor.clone(), &forge.sealers[0]);
    let mut names = BTreeMap::new();
    for old in order {
        let entry = &forge.entries[*old];
        let content = match &entry.parts["facts"] {
            Part::Present(content, _) => content,
            Part::Absent(_) => panic!("facts are present"),
        };
        let content = if *old == seq {
            facts.unwrap_or(content)
        } else {
            content
        };
        let subject = entry.parts.get("subject").map(|part| match part {
            Part::Present(content, _) => content.clone(),
            Part::Absent(_) => subject("erased"),
        });
        let run = entry
            .header
            .get("run")
            .and_then(|run| run.get("id")?.as_str());
        let hash = again.add(forge.kind(*old), run, mapped(content, &names), subject);
        names.insert(entry.leaf.to_string(), hash.to_string());
        let written = again.entries.last_mut().unwrap();
        if let Some(Part::Absent(by)) = entry.parts.get("subject") {
            written.parts.insert("subject", Part::Absent(*by));
            let commits = [entry, &*written].map(|entry| entry.commit("subject"));
            let [old, new] = commits.map(|commit| commit.as_str().unwrap().to_owned());
            names.insert(old, new);
        }
        if [6, 12].contains(&again.entries.len()) {
            again.seal();
        }
    }
    again.seal();
    again
}

fn compare_all(forge: &Forge, what: &str, differences: &mut Vec<String>) {
    let mut packages = vec![forge.export()];
    for id in ["r1", "r2"] {
        packages.push(forge.run(id));
    }
    if forge.entries.len() > 13 {
        packages.extend([forge.range(0, 13), forge.range(3, 14)]);
    }
    for package in packages {
        let (_, difference) = ask(Package::Document(&package.canonical()), &forge.trust(), &[]);
        differences.extend(difference.map(|text| format!("{what}: {text}")));
    }
}

#[test]
fn the_verifiers_agree_on_what_the_operator_wrote_and_sealed() {
    let forge = base();
    let sample: usize = std::env::var("SAMPLE").map_or(13, |s| s.parse().unwrap());
    let all: Vec<usize> = (0..forge.entries.len()).collect();
    let (mut number, mut differences) = (0_usize, Vec::new());
    for seq in 1..all.len() {
        let Part::Present(facts, _) = &forge.entries[seq].parts["facts"] else {
            panic!("facts are present")
        };
        let mut found = Vec::new();
        paths(facts, "", &mut found);
        for path in found {
            let value = at(&mut facts.clone(), path.trim_start_matches('/')).clone();
            let words = ["ALLOW", "DENY", "REQUIRE", "lost", "mismatch"].map(|w| Some(w.into()));
            for change in changes(&value).into_iter().chain(words) {
                number += 1;
                if number.is_multiple_of(sample) {
                    let what = format!("facts of {seq}, {path} becomes {change:?}");
                    let facts = changed(facts, &path, change);
                    let again = rewritten(&forge, &all, seq, Some(&facts));
                    compare_all(&again, &what, &mut differences);
                }
            }
        }
    }
    for seq in 0..all.len() {
        let (mut gone, mut twice, mut swapped) = (all.clone(), all.clone(), all.clone());
        gone.remove(seq);
        twice.insert(seq, seq);
        swapped.swap(seq, seq.saturating_sub(1));
        for order in [gone, twice, swapped] {
            let again = rewritten(&forge, &order, usize::MAX, None);
            compare_all(&again, &format!("order {order:?}"), &mut differences);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
