//! Evidence-format section 22, byte for byte: what this crate writes from the example's inputs.

use std::collections::BTreeMap;

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, commitment};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::{ExportPackage, RunPackage};
use counterfoil_evidence::seal::{DEFAULT_PREFIX, Seal, SealBody, origin, verify_note};
use counterfoil_evidence::stream::{Draft, Entry, Head, extend};
use counterfoil_evidence::tree::inclusion_proof;

use crate::vectors::{folder, key, read, stream, text};

const NONCE: &str = "f2c880d082b8cfbe6bfda2aa376d1f9836c8f6ea72cbf8804766284c6ad0d5f3";
const LEAVES: [&str; 4] = [
    "a4e704e3d3258891298346784a8595b1e910b19d3b64592861ed62c3b8746fe5",
    "18348aa2b1fbda37c7996ae30cbaa9a261d714489a3a03598b6b4d3e8b1e51ef",
    "a2a3e22097240d5533d8021fb12f07377c7682d383f40c1ea51fb4fa158324a3",
    "9c1548a3bbbdb7ef936cdb003fc1f9edfa34f26bc4186089bd28af15b25c1532",
];
const NODE_1: &str = "5c5f0c6c059dd2866bcaa6f0aa581e2bb95673d9fc6328d670619bbababc011a";
const ROOT: &str = "2185bb5636179da1dae9bb872d378958561bb83085c077f3d99fbafac247442a";
const SEAL_HASH: &str = "5e085a48400ef56eb2ebbd6288ea7812a965a4a1423f5b463f0415a506089060";

fn descriptor() -> Descriptor {
    let nonce: Hash = NONCE.parse().unwrap();
    let sealer = key("example-run/sealer.pem").hash();
    Descriptor::for_owner(
        "ws_example",
        *nonce.as_bytes(),
        1_795_392_000_000,
        vec![sealer],
    )
}

/// The parts of the example, as lines `(seq, part)` to content and salt.
fn parts() -> BTreeMap<(u64, String), (Json, Hash)> {
    let lines = text("example/parts.jsonl");
    lines
        .lines()
        .map(|line| {
            let line = Json::parse(line.as_bytes()).unwrap();
            let text = |name: &str| line.get(name).unwrap().as_str().unwrap().to_owned();
            let key = (line.get("seq").unwrap().as_uint().unwrap(), text("part"));
            (
                key,
                (line.get("d").unwrap().clone(), text("s").parse().unwrap()),
            )
        })
        .collect()
}

/// The four entries, written one by one.
fn entries() -> (Vec<Entry>, Head) {
    let parts = parts();
    let mut head = Head::new(descriptor().stream_id());
    let mut runs = BTreeMap::new();
    let mut entries = Vec::new();
    for (seq, kind) in [
        Kind::Genesis,
        Kind::RunOpen,
        Kind::RunDecision,
        Kind::RunClose,
    ]
    .into_iter()
    .enumerate()
    {
        let seq = seq as u64;
        let part = |name: &str| parts.get(&(seq, name.to_owned()));
        let mut draft = Draft::new(kind, part("facts").unwrap().0.clone());
        if kind != Kind::Genesis {
            draft = draft.in_run("run_1");
        }
        if let Some((content, _)) = part("subject") {
            draft = draft.subject(content.clone());
        }
        let mut salts = ["facts", "subject"]
            .iter()
            .filter_map(|name| part(name))
            .map(|p| p.1);
        let now = 1_795_392_000_037 + 37 * seq;
        let mut salt = || *salts.next().unwrap().as_bytes();
        let done = extend(&head, &runs, &[draft], now, &mut salt).unwrap();
        head = done.head;
        runs.extend(done.runs);
        entries.extend(done.entries);
    }
    (entries, head)
}

fn note() -> String {
    let line = text("example/seals.jsonl");
    let line = Json::parse(line.as_bytes()).unwrap();
    line.get("note").unwrap().as_str().unwrap().to_owned()
}

#[test]
fn descriptor_and_stream_id() {
    let bytes = descriptor().to_json().canonical();
    assert_eq!(bytes, read("example/descriptor.json"));
    assert_eq!(bytes.len(), 264);
    assert_eq!(descriptor().stream_id(), stream("example-run/stream.txt"));
    assert!(descriptor().is_owned_by("ws_example") && !descriptor().is_owned_by("ws_other"));
    assert_eq!(
        Descriptor::from_json(&descriptor().to_json()).unwrap(),
        descriptor()
    );
}

#[test]
fn headers_leaves_and_nodes() {
    let (entries, head) = entries();
    let lines: Vec<u8> = entries
        .iter()
        .flat_map(|entry| [&entry.bytes[..], b"\n"].concat())
        .collect();
    assert_eq!(lines, read("example/headers.jsonl"));
    let leaves: Vec<_> = entries.iter().map(|entry| entry.leaf.to_string()).collect();
    assert_eq!(leaves, LEAVES);
    let nodes = |seq: usize| {
        entries[seq]
            .nodes
            .iter()
            .map(Hash::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(nodes(1), [LEAVES[1], NODE_1]);
    assert_eq!(nodes(2), [LEAVES[2]]);
    assert_eq!(nodes(3).last().unwrap(), ROOT);
    assert_eq!(head.frontier.root().to_string(), ROOT);
    assert_eq!(head.frontier.to_bytes().len(), 32);
}

#[test]
fn parts_and_commitments() {
    let salt: Hash = "f3167db4f2c149df28226f93a76a5e2287eace9e30c9a9417f2b5c9a3581e23b"
        .parse()
        .unwrap();
    let bytes = r#"{"after":[{"column":"plan","value":"pro"}],"before":[{"column":"plan","value":"free"}],"customer":"cus_1","note":"café"}"#;
    let commit = "50e618450a71b992b483186857761a04fdfbec0528bcfdc469d5a94c8449440a";
    assert_eq!(
        commitment(salt.as_bytes(), bytes.as_bytes()).to_string(),
        commit
    );
    let (entries, _) = entries();
    assert_eq!(entries[2].parts[1].bytes, bytes.as_bytes());
    assert_eq!(entries[2].header.subject.unwrap().to_string(), commit);
}

#[test]
fn seal_body_note_and_hash() {
    let (_, head) = entries();
    let body = SealBody {
        origin: origin(DEFAULT_PREFIX, head.stream),
        size: head.size,
        root: head.frontier.root(),
        at: 1_795_392_001_111,
        head: head.prev,
        prev: Hash::ZERO,
    };
    let (signed, _) = note()
        .split_once("\n\n")
        .map(|(b, s)| (format!("{b}\n"), s.len()))
        .unwrap();
    assert_eq!(body.bytes(), signed.as_bytes());
    let seal = verify_note(&note(), &body.origin, &[key("example-run/sealer.pem")]).unwrap();
    assert_eq!(seal.seal_hash().to_string(), SEAL_HASH);
    let signature = Seal::parse(&note()).unwrap().lines[0].signature.clone();
    let again =
        counterfoil_evidence::seal::note(&body, &[(key("example-run/sealer.pem"), signature)]);
    assert_eq!(again, note());
}

#[test]
fn inclusion_proof_of_entry_2() {
    let (entries, _) = entries();
    let lookup = |level: u32, index: u64| {
        let seq = counterfoil_evidence::tree::NodeId { level, index }.entry();
        entries
            .get(seq as usize)?
            .nodes
            .get(level as usize)
            .copied()
    };
    let proof = inclusion_proof(2, 4, lookup).unwrap();
    assert_eq!(
        proof.iter().map(Hash::to_string).collect::<Vec<_>>(),
        [LEAVES[3], NODE_1]
    );
}

#[test]
fn packages_are_written_byte_for_byte() {
    let (entries, _) = entries();
    let mut export = ExportPackage::new(&descriptor());
    let mut run = RunPackage::new("run_1", &descriptor(), note());
    let lookup = |level: u32, index: u64| {
        let seq = counterfoil_evidence::tree::NodeId { level, index }.entry();
        entries
            .get(seq as usize)?
            .nodes
            .get(level as usize)
            .copied()
    };
    for entry in &entries {
        export.add(&entry.as_stored()).unwrap();
        if entry.header.run.is_some() {
            let proof = inclusion_proof(entry.seq(), 4, lookup).unwrap();
            run.add(&entry.as_stored(), &proof).unwrap();
        }
    }
    export.seal(&note()).unwrap();
    assert_eq!(export.folder(), folder("example"));
    assert!(run.missing().is_empty());
    assert_eq!(run.document(), read("example-run/run.json"));
}
