//! Every verdict twice: the verifier of this crate and the one in `tools/verify-python`, which was
//! written from the format alone, must agree on acceptance, code, level and results.
//!
//! One Python process serves the whole test binary; it takes one JSON request a line.

mod changes;
mod shell;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::verify::{Package, Trust, Verdict};
use serde_json::{Value, json};

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
