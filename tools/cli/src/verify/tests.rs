use std::io::Write as _;
use std::process::Command;

use clap::Parser;
use counterfoil_evidence::package::tar;
use counterfoil_evidence::seal::Seal;
use counterfoil_evidence::verify::{Package, verify};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// A folder for one test, and the packages of the format's worked example.
struct Desk {
    folder: tempfile::TempDir,
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evidence/tests/vectors")
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(vectors().join(name)).unwrap()
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The files of the example's folder form.
    fn files() -> std::collections::BTreeMap<String, Vec<u8>> {
        let names = [
            "package.json",
            "descriptor.json",
            "headers.jsonl",
            "parts.jsonl",
            "seals.jsonl",
        ];
        let file = |name: &str| (name.to_owned(), vector(&format!("example/{name}")));
        names.map(file).into()
    }
}

/// Verifies with the key and stream of the example.
fn decide(package: &str, more: &[&str]) -> Result<Verdict> {
    let key = vectors().join("example-run/sealer.pem");
    let stream = String::from_utf8(vector("example-run/stream.txt")).unwrap();
    let line = [
        "verify",
        package,
        "--key",
        key.to_str().unwrap(),
        "--stream",
        stream.trim(),
    ];
    run(&Line::parse_from(line.iter().chain(more)).args).map(|decided| decided.verdict)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn first_line(verdict: &Verdict) -> String {
    verdict.first_line()
}

#[test]
fn every_form_of_a_package_on_disk_gets_the_verdict_of_the_library() {
    let desk = Desk::new();
    let files = Desk::files();
    for (name, content) in &files {
        desk.file(&format!("folder/{name}"), content);
    }
    let folder = desk.folder.path().join("folder");
    let archive = tar::write(&files);
    let document = desk.file("document.json", &vector("example/package.json"));
    let forms = [
        folder.to_str().unwrap().to_owned(),
        desk.file("package.tar", &archive),
        desk.file("package.tar.gz", &gzip(&archive)),
    ];
    let trust = trust(
        &Line::parse_from([
            "verify",
            &document,
            "--key",
            vectors().join("example-run/sealer.pem").to_str().unwrap(),
            "--stream",
            String::from_utf8(vector("example-run/stream.txt"))
                .unwrap()
                .trim(),
        ])
        .args,
    )
    .unwrap();
    let expected = verify(Package::Folder(&files), &trust);
    assert!(expected.is_accepted(), "{expected}");
    for form in forms {
        assert_eq!(decide(&form, &[]).unwrap(), expected, "{form}");
    }
    let run = vectors().join("example-run/run.json");
    assert!(decide(run.to_str().unwrap(), &[]).unwrap().is_accepted());
}

#[test]
fn a_bomb_and_a_package_over_the_limit_are_refused() {
    let desk = Desk::new();
    let bomb = desk.file("bomb.tar.gz", &gzip(&vec![0; 30_000_000]));
    let verdict = decide(&bomb, &["--max-bytes", "1000000"]).unwrap();
    assert!(
        first_line(&verdict).starts_with("FAIL E_LIMIT"),
        "{verdict}"
    );
    let run = vectors().join("example-run/run.json");
    let verdict = decide(run.to_str().unwrap(), &["--max-bytes", "100"]).unwrap();
    assert!(
        first_line(&verdict).starts_with("FAIL E_LIMIT"),
        "{verdict}"
    );
    let cut = &tar::write(&Desk::files())[..2000];
    let verdict = decide(&desk.file("cut.tar", cut), &[]).unwrap();
    assert!(
        first_line(&verdict).starts_with("FAIL E_LIMIT"),
        "{verdict}"
    );
}

#[test]
fn what_cannot_be_used_is_not_decided_and_named() {
    let desk = Desk::new();
    let run = vectors().join("example-run/run.json");
    let run = run.to_str().unwrap();
    let says = |package: &str, more: &[&str], text: &str| {
        let error = format!("{:#}", decide(package, more).unwrap_err());
        assert!(error.contains(text), "{error}");
    };
    says("no-such-file", &[], "no-such-file cannot be read");
    says(
        run,
        &["--quorum", "1"],
        "quorum 1 is more than the 0 witnesses",
    );
    says(run, &["--witness", "name+00000000+AA=="], "name+id+key");
    says(run, &["--origin", "elsewhere"], "end in /s/");
    says(run, &["--cap", "1=2"], "64 hexadecimal digits");
    says(run, &["--tsa-ca", "none.pem"], "none.pem");
    let trust = desk.file(
        "trust.json",
        b"{\"format\":\"counterfoil.trust/1\",\"max_sise\":1}",
    );
    let line = ["verify", run, "--trust", &trust];
    let error = super::run(&Line::parse_from(line).args).unwrap_err();
    assert!(
        format!("{error:#}").contains("max_sise is not a field"),
        "{error:#}"
    );
}

#[test]
fn a_trust_file_stands_for_the_options() {
    let desk = Desk::new();
    let run = vectors().join("example-run/run.json");
    let pem = String::from_utf8(vector("example-run/sealer.pem")).unwrap();
    let spki: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let stream = String::from_utf8(vector("example-run/stream.txt")).unwrap();
    let text = format!(
        "{{\"format\":\"counterfoil.trust/1\",\"keys\":[{{\"spki\":\"{spki}\"}}],\"level\":3,\"stream\":\"{}\"}}",
        stream.trim()
    );
    let trust = desk.file("trust.json", text.as_bytes());
    let line = ["verify", run.to_str().unwrap(), "--trust", &trust];
    let verdict = super::run(&Line::parse_from(line).args).unwrap().verdict;
    assert_eq!(verdict.exit_status(), 2, "no anchor was given: {verdict}");
    assert!(verdict.is_short_of_level());
}

#[test]
fn contradicting_seals_are_kept_once_in_a_file_that_holds_both() {
    let desk = Desk::new();
    let folder = desk.folder.path();
    let name = keep(folder, "one\n", "other\n").unwrap();
    assert_eq!(keep(folder, "one\n", "other\n").unwrap(), name);
    let text = fs::read_to_string(folder.join(&name)).unwrap();
    assert!(text.contains("first seal ----\none\n") && text.contains("second seal ----\nother\n"));
    assert_ne!(keep(folder, "one\n", "third\n").unwrap(), name);
}

/// Runs `openssl` in the folder; `false` where it is not installed.
fn openssl(desk: &Desk, line: &str) -> bool {
    let done = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(desk.folder.path())
        .output();
    done.is_ok_and(|output| {
        assert!(
            output.status.success(),
            "openssl {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        true
    })
}

const AUTHORITY: &str = "[tsa]
default_tsa = a
[a]
serial = serial
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

#[test]
fn a_token_is_checked_by_the_openssl_command_and_gives_level_4_with_an_anchor() {
    let desk = Desk::new();
    let run = String::from_utf8(vector("example-run/run.json")).unwrap();
    let package = Json::parse_document(run.as_bytes()).unwrap();
    let note = package.get("seals").unwrap().as_array().unwrap()[0]
        .as_str()
        .unwrap();
    let seal = Seal::parse(note).unwrap();
    desk.file("note", seal.reduced().as_bytes());
    desk.file("config", AUTHORITY.as_bytes());
    desk.file("serial", b"01");
    let made = openssl(
        &desk,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.pem \
         -subj /CN=tsa -days 2 -addext extendedKeyUsage=critical,timeStamping",
    );
    if !made {
        return;
    }
    openssl(&desk, "ts -query -data note -sha256 -cert -out query");
    openssl(
        &desk,
        "ts -reply -config config -queryfile query -signer tsa.pem -inkey tsa.key -out reply",
    );
    let token = fs::read(desk.folder.path().join("reply")).unwrap();
    let stamped = |token: &[u8]| {
        use base64::Engine as _;
        let token = base64::engine::general_purpose::STANDARD.encode(token);
        let stamp = format!(
            "],\"timestamps\":[{{\"seal\":\"{}\",\"tsr\":\"{token}\"}}]}}",
            seal.seal_hash()
        );
        format!("{}{stamp}", run.strip_suffix("]}").unwrap())
    };
    let good = desk.file("good.json", stamped(&token).as_bytes());
    let anchor = desk.file("anchor", note.as_bytes());
    let certificate = desk.folder.path().join("tsa.pem");
    let certificate = certificate.to_str().unwrap();

    let unchecked = decide(&good, &["--min-seal", &anchor]).unwrap();
    assert!(unchecked.first_line().starts_with("OK L3"), "{unchecked}");
    assert!(unchecked.to_string().contains("openssl ts -verify"));

    let more = [
        "--min-seal",
        anchor.as_str(),
        "--tsa-ca",
        certificate,
        "--level",
        "4",
    ];
    let checked = decide(&good, &more).unwrap();
    assert!(checked.first_line().starts_with("OK L4"), "{checked}");

    let mut damaged = token;
    *damaged.last_mut().unwrap() ^= 1;
    let bad = desk.file("bad.json", stamped(&damaged).as_bytes());
    let refused = decide(&bad, &more).unwrap();
    assert!(
        refused.first_line().starts_with("FAIL E_TIMESTAMP"),
        "{refused}"
    );
}

#[test]
fn a_replay_needs_the_folder_of_a_delivery_and_says_what_is_not_kept() {
    let desk = Desk::new();
    let package = vectors().join("example-run/run.json");
    let package = package.to_str().unwrap();
    let folder = desk.folder.path().join("delivery");
    fs::create_dir_all(&folder).unwrap();
    let replay = ["--replay", folder.to_str().unwrap()];
    let error = decide(package, &replay).unwrap_err().to_string();
    assert!(error.contains("no folder `inputs` in it"), "{error}");

    fs::create_dir_all(folder.join("inputs")).unwrap();
    let key = vectors().join("example-run/sealer.pem");
    let stream = String::from_utf8(vector("example-run/stream.txt")).unwrap();
    let line = ["verify", package, "--key", key.to_str().unwrap()];
    let line = line.into_iter().chain(["--stream", stream.trim()]);
    let decided = run(&Line::parse_from(line.chain(replay)).args).unwrap();
    assert!(decided.verdict.is_accepted());
    let replayed = decided.replayed.unwrap().unwrap();
    assert_eq!((replayed.findings, replayed.decisions), (0, 0));
    assert_eq!(replayed.not_rederivable.values().sum::<u64>(), 1);
    let lines = replay::lines(&Ok(replayed));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("not re-derivable: 1 decisions: ")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("verified")));
}

#[test]
fn a_replay_says_who_put_which_rules_in_force_and_which_came_with_the_delivery() {
    use counterfoil_core::usecases::{InForce, Replayed};
    let bundle = InForce {
        rules: "bundle sha256:22".to_owned(),
        since: 1_795_392_000_000,
        stream: "ab12".to_owned(),
        seq: 31,
        by: Some("usr_2".to_owned()),
        proposed_by: Some("usr_1".to_owned()),
        uploaded_by: None,
        approvals: vec!["usr_2".to_owned()],
        signer: Some("sha256:33".to_owned()),
    };
    let outcome = Ok(Replayed {
        findings: 1,
        decisions: 7,
        votes: 2,
        by_delivered: [("baseline sha256:11".to_owned(), 4)].into(),
        not_rederivable: [(
            "the delivery does not hold baseline sha256:10".to_owned(),
            2,
        )]
        .into(),
        in_force: vec![bundle],
        not_checked: Vec::new(),
    });
    let said = replay::lines(&outcome);
    let expected = [
        "replayed: the findings of 1 runs and 7 decisions follow from their inputs, and so do 2 answers of people to what waited",
        "in force: bundle sha256:22 since 2026-11-23T00:00:00Z, proposed by usr_1, activated by usr_2, approved by usr_2; its signature is by the key that this entry names, sha256:33; entry 31 of stream ab12, the workspace's",
        "rules from the delivery: 4 decisions were judged again by the baseline sha256:11, whose text came with the delivery and is not in this program; what vouches for it is that they cite its digest",
        "not re-derivable: 2 decisions: the delivery does not hold baseline sha256:10",
    ];
    assert_eq!(said, expected);
    let json = replay::to_json(&outcome).canonical_text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["in_force"][0]["signer"], "sha256:33");
    assert_eq!(json["not_rederivable"][0]["decisions"], 2);
    assert_eq!(json["votes"], 2);
}
