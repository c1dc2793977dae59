//! How fast a full export in folder form is verified, strictly: `cargo bench -p counterfoil-evidence`.
//!
//! The rate is in entries per second of one core. Beside it stand what cannot be gone below, SHA-256
//! over the same lines, and the verifier in plain Python on the same folder.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a benchmark reads the clock and prints ratios"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, digest_string, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::folder;
use counterfoil_evidence::seal::{self, DEFAULT_PREFIX, Seal, SealBody, SealKey};
use counterfoil_evidence::stream::{Draft, Head, RunHead, extend};
use counterfoil_evidence::verify::{Trust, verify_members};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};

const RUNS: u64 = 24_000;
/// One seal for so many runs.
const SEALED: u64 = 200;
const START: u64 = 1_795_392_000_000;

fn main() {
    let (files, trust, entries) = export();
    // `-- --out FOLDER` keeps the export, for a look at memory.
    let mut arguments = std::env::args().skip_while(|argument| argument != "--out");
    if let Some(folder) = arguments.nth(1) {
        write_out(Path::new(&folder), &files);
    }
    let bytes: usize = files.values().map(Vec::len).sum();
    println!("full export: {entries} entries, {bytes} bytes in folder form");
    let floor = best(|| {
        for name in ["headers.jsonl", "parts.jsonl"] {
            for line in files[name].split(|byte| *byte == b'\n') {
                black_box(sha256(line));
            }
        }
    });
    let verified = best(|| {
        let verdict = verify_members(&files, &trust, None).unwrap();
        assert!(verdict.is_accepted(), "{verdict}");
    });
    let rate = |time: Duration| entries as f64 / time.as_secs_f64();
    println!("SHA-256 of every line: {:>9.0} entries/s", rate(floor));
    println!("verified strictly:     {:>9.0} entries/s", rate(verified));
    let ratio = verified.as_secs_f64() / floor.as_secs_f64();
    println!("that is {ratio:.2} times the time of the hashes alone");
    let python = python(&files, &trust);
    println!("the Python verifier:   {:>9.0} entries/s", rate(python));
    let ratio = python.as_secs_f64() / verified.as_secs_f64();
    println!("verified {ratio:.1} times as fast as by the Python verifier");
}

/// The CPU time of the other verifier on the same folder, start included.
fn python(files: &BTreeMap<String, Vec<u8>>, trust: &Trust) -> Duration {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify-bench");
    write_out(&folder.join("package"), files);
    let key = folder.join("key.pem");
    let pinned = VerifyingKey::from_public_key_der(trust.keys[0].key.spki()).unwrap();
    let pem = pinned.to_public_key_pem(LineEnding::LF).unwrap();
    std::fs::write(&key, pem).unwrap();
    let script = "../../tools/verify-python/counterfoil_verify.py";
    let before = of_children();
    let said = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .arg(folder.join("package"))
        .arg("--key")
        .arg(&key)
        .args(["--stream", &trust.stream.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
    of_children().saturating_sub(before)
}

/// CPU time of the processes that this one has waited for (proc(5), `cutime` and `cstime`), in
/// hundredths of a second.
fn of_children() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(13).take(2);
    Duration::from_millis(
        10 * ticks
            .map(|field| field.parse::<u64>().unwrap())
            .sum::<u64>(),
    )
}

fn write_out(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

/// The best of seven, because other load only makes it slower.
fn best(mut work: impl FnMut()) -> Duration {
    let clock = Instant::now();
    let now = || on_core().unwrap_or_else(|| clock.elapsed());
    let times = (0..7).map(|_| {
        let start = now();
        work();
        now().saturating_sub(start)
    });
    times.min().unwrap_or_default()
}

/// Time that this thread has spent on a core, where Linux tells it.
fn on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// A stream under construction.
struct Writer {
    head: Head,
    runs: BTreeMap<String, RunHead>,
    files: BTreeMap<String, Vec<u8>>,
    key: SigningKey,
    public: SealKey,
    prev: Hash,
    drawn: u64,
}

impl Writer {
    fn append(&mut self, drafts: &[Draft]) -> Vec<Hash> {
        let drawn = &mut self.drawn;
        let mut salt = || {
            *drawn = drawn.wrapping_add(1);
            *sha256(&drawn.to_be_bytes()).as_bytes()
        };
        let now = self.head.at.max(START).wrapping_add(7);
        let done = extend(&self.head, &self.runs, drafts, now, &mut salt).unwrap();
        self.head = done.head;
        self.runs.extend(done.runs);
        for entry in &done.entries {
            let stored = entry.as_stored();
            let add = |files: &mut BTreeMap<String, Vec<u8>>, name: &str, line: Vec<u8>| {
                files.entry(name.to_owned()).or_default().extend(line);
            };
            add(
                &mut self.files,
                "headers.jsonl",
                folder::header_line(&stored),
            );
            let lines = folder::part_lines(&stored).unwrap();
            add(&mut self.files, "parts.jsonl", lines);
        }
        done.entries.iter().map(|entry| entry.leaf).collect()
    }

    fn seal(&mut self) {
        let body = SealBody {
            origin: seal::origin(DEFAULT_PREFIX, self.head.stream),
            size: self.head.size,
            root: self.head.frontier.root(),
            at: self.head.at,
            head: self.head.prev,
            prev: self.prev,
        };
        let signature: Signature = self.key.sign(&body.bytes());
        let der = signature.to_der().to_bytes().to_vec();
        let note = seal::note(&body, &[(self.public.clone(), der)]);
        self.prev = Seal::parse(&note).unwrap().seal_hash();
        let line = folder::seal_line(&note).unwrap();
        self.files
            .entry("seals.jsonl".to_owned())
            .or_default()
            .extend(line);
    }

    /// A governed repair: five entries, two with personal data.
    fn run(&mut self, number: u64) {
        let id = format!("run_{number:08}");
        let action = digest_string(id.as_bytes());
        let digest = |text: &str| Json::from(digest_string(text.as_bytes()));
        let personal = || {
            object([
                (
                    "after",
                    Json::Array(vec![object([
                        ("column", "plan".into()),
                        ("value", "pro".into()),
                    ])]),
                ),
                ("customer", format!("cus_{number}").into()),
                ("note", "caf\u{e9}".into()),
            ])
        };
        let opening = object([
            ("artifact", digest("artifact")),
            ("flow", digest("flow")),
            ("inputs", Json::Array(Vec::new())),
            ("policy_bundles", Json::Array(vec![digest("baseline")])),
        ]);
        self.append(&[Draft::new(Kind::RunOpen, opening).in_run(&id)]);
        let decision = object([
            ("action", Json::from("repair.execute")),
            ("action_hash", action.as_str().into()),
            ("baseline", digest("baseline")),
            ("effect", "ALLOW".into()),
            ("policy", digest("policy")),
            ("reason", "matched base.permit.single-row".into()),
            ("rule", "base.permit.single-row".into()),
        ]);
        let draft = Draft::new(Kind::RunDecision, decision).in_run(&id);
        let decided = self.append(&[draft.subject(personal())]);
        let step = object([
            ("action_hash", Json::from(action.as_str())),
            ("decision", decided[0].into()),
        ]);
        let started = Draft::new(Kind::RepairStarted, step.clone()).in_run(&id);
        let executed = Draft::new(Kind::RepairExecuted, step).in_run(&id);
        let counts = ["allow", "decisions"].map(|name| (name, Json::Int(1)));
        let none = ["deny", "overrides", "require", "unresolved"].map(|name| (name, Json::Int(0)));
        let rest = [
            ("outputs", Json::Array(Vec::new())),
            ("status", "completed".into()),
        ];
        let closing = object(counts.into_iter().chain(none).chain(rest));
        let close = Draft::new(Kind::RunClose, closing).in_run(&id);
        self.append(&[started, executed.subject(personal()), close]);
        self.runs.clear();
    }
}

fn export() -> (BTreeMap<String, Vec<u8>>, Trust, u64) {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let der = key.verifying_key().to_public_key_der().unwrap();
    let public = SealKey::from_der(der.as_bytes()).unwrap();
    let descriptor = Descriptor::for_owner("prj_bench", [5; 32], START, vec![public.hash()]);
    let stream = descriptor.stream_id();
    let mut writer = Writer {
        head: Head::new(stream),
        runs: BTreeMap::new(),
        files: BTreeMap::from([
            ("package.json".to_owned(), folder::export_document()),
            (
                "descriptor.json".to_owned(),
                descriptor.to_json().canonical(),
            ),
        ]),
        key,
        public: public.clone(),
        prev: Hash::ZERO,
        drawn: 0,
    };
    let facts = object([("descriptor", descriptor.to_json())]);
    writer.append(&[Draft::new(Kind::Genesis, facts)]);
    for number in 0..RUNS {
        writer.run(number);
        if number % SEALED == SEALED - 1 {
            writer.seal();
        }
    }
    (writer.files, Trust::new(public, stream), writer.head.size)
}
