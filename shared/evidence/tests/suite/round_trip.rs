//! The crate's own writer, sealer and packager against its own verifier.

use std::collections::BTreeMap;

use counterfoil_evidence::code::Code;
use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::{ExportPackage, RangePackage, RunPackage, tar};
use counterfoil_evidence::part::PartName;
use counterfoil_evidence::seal::{
    self, DEFAULT_PREFIX, Seal, SealBody, SegmentCheck, SegmentEntry, SegmentPart,
};
use counterfoil_evidence::stream::{Draft, Entry, Head, RunHead, extend};
use counterfoil_evidence::tree::{NodeId, inclusion_nodes, inclusion_proof};
use counterfoil_evidence::verify::{Package, Trust, Verdict, verify};
use proptest::prelude::*;

use crate::forge::{START, Sealer, with};
use crate::rules::{
    closing, decision, everything, hold, opening, party, resolution, step, subject,
};

/// A store in memory: what an adapter keeps.
struct Store {
    descriptor: Descriptor,
    head: Head,
    runs: BTreeMap<String, RunHead>,
    entries: Vec<Entry>,
    /// Subjects that were erased, by entry.
    erased: BTreeMap<u64, u64>,
    seals: Vec<String>,
    sealer: Sealer,
    now: u64,
    drawn: u64,
}

impl Store {
    fn new() -> Self {
        let sealer = Sealer::new(3);
        let descriptor = Descriptor::for_owner("prj_1", [5; 32], START, vec![sealer.key.hash()]);
        let mut store = Self {
            head: Head::new(descriptor.stream_id()),
            descriptor,
            runs: BTreeMap::new(),
            entries: Vec::new(),
            erased: BTreeMap::new(),
            seals: Vec::new(),
            sealer,
            now: START,
            drawn: 0,
        };
        let facts = object([("descriptor", store.descriptor.to_json())]);
        store.append(&[Draft::new(Kind::Genesis, facts)]);
        store
    }

    fn append(&mut self, drafts: &[Draft]) -> Vec<Hash> {
        self.now += 13;
        let drawn = &mut self.drawn;
        let mut salt = || {
            *drawn += 1;
            *sha256(&drawn.to_be_bytes()).as_bytes()
        };
        let done = extend(&self.head, &self.runs, drafts, self.now, &mut salt).unwrap();
        self.head = done.head;
        self.runs.extend(done.runs);
        let leaves = done.entries.iter().map(|entry| entry.leaf).collect();
        self.entries.extend(done.entries);
        leaves
    }

    fn stored(&self, seq: u64) -> SegmentEntry<'_> {
        let entry = &self.entries[seq as usize];
        let part = |name: PartName| {
            let part = entry.parts.iter().find(|part| part.name == name)?;
            Some(match self.erased.get(&seq) {
                Some(by) if name == PartName::Subject => SegmentPart::Erased(*by),
                _ => SegmentPart::Present {
                    bytes: &part.bytes,
                    salt: &part.salt,
                },
            })
        };
        SegmentEntry {
            seq,
            header: &entry.bytes,
            nodes: &entry.nodes,
            facts: part(PartName::Facts),
            subject: part(PartName::Subject),
        }
    }

    fn check(&self, from: u64) -> SegmentCheck {
        let stream = self.head.stream;
        match self.seals.last() {
            None => SegmentCheck::from_genesis(stream),
            Some(note) => {
                let body = Seal::parse(note).unwrap().body;
                let mut tree = counterfoil_evidence::tree::Frontier::new();
                for entry in &self.entries[..from as usize] {
                    tree.push(entry.leaf);
                }
                SegmentCheck::after(stream, from, body.head, tree).not_before(body.at)
            }
        }
    }

    /// What the sealer does: recompute, compare, sign.
    fn seal(&mut self) {
        let from = self
            .seals
            .last()
            .map_or(0, |note| Seal::parse(note).unwrap().body.size);
        let mut check = self.check(from);
        self.head.floor = self.now + 1;
        for seq in from..self.head.size {
            let entry = self.stored(seq);
            if let Some(run) = check.run_needed(&entry).unwrap() {
                let of_run = self.entries.iter().filter(|entry| {
                    entry
                        .header
                        .run
                        .as_ref()
                        .is_some_and(|place| place.id == run)
                });
                let of_run: Vec<_> = of_run.map(|entry| self.stored(entry.seq())).collect();
                check.know_run(&run, &of_run).unwrap();
            }
            check.push(&entry).unwrap();
        }
        check.finish(&self.head).unwrap();
        let prev = self
            .seals
            .last()
            .map(|note| Seal::parse(note).unwrap().seal_hash());
        let body = SealBody {
            origin: seal::origin(DEFAULT_PREFIX, self.head.stream),
            size: self.head.size,
            root: self.head.frontier.root(),
            at: self.head.floor,
            head: self.head.prev,
            prev: prev.unwrap_or(Hash::ZERO),
        };
        let signature = self.sealer.der(&body);
        self.seals
            .push(seal::note(&body, &[(self.sealer.key.clone(), signature)]));
    }

    /// A proof from point reads of exactly the nodes that were asked for.
    fn proof(&self, index: u64, size: u64) -> Vec<Hash> {
        let read: BTreeMap<(u32, u64), Hash> = inclusion_nodes(index, size)
            .into_iter()
            .map(|node: NodeId| {
                let nodes = &self.entries[node.entry() as usize].nodes;
                ((node.level, node.index), nodes[node.level as usize])
            })
            .collect();
        inclusion_proof(index, size, |level, index| {
            read.get(&(level, index)).copied()
        })
        .unwrap()
    }

    fn export(&self) -> ExportPackage {
        let mut package = ExportPackage::new(&self.descriptor);
        for seq in 0..self.head.size {
            package.add(&self.stored(seq)).unwrap();
        }
        for note in &self.seals {
            package.seal(note).unwrap();
        }
        package
    }

    fn run(&self, id: &str) -> Vec<u8> {
        let mut package = RunPackage::new(id, &self.descriptor, self.seals.last().unwrap());
        let add = |package: &mut RunPackage, seq: u64| {
            package
                .add(&self.stored(seq), &self.proof(seq, self.head.size))
                .unwrap();
        };
        for entry in &self.entries {
            if entry.header.run.as_ref().is_some_and(|run| run.id == id) {
                add(&mut package, entry.seq());
            }
        }
        for seq in package.missing() {
            add(&mut package, seq);
        }
        assert!(package.missing().is_empty());
        package.document()
    }

    fn range(&self, from: u64) -> Vec<u8> {
        let to = self.head.size;
        let mut package = RangePackage::new(&self.descriptor, from, to);
        for seq in from..to {
            let border = seq == from || seq + 1 == to;
            let proof = border.then(|| self.proof(seq, to));
            package.add(&self.stored(seq), proof.as_deref()).unwrap();
        }
        if from > 0 {
            package.before(&self.entries[from as usize - 1].bytes);
        }
        for note in &self.seals {
            if Seal::parse(note).unwrap().body.size > from {
                package.seal(note);
            }
        }
        package.document()
    }

    fn verify(&self, package: Package<'_>) -> Verdict {
        verify(
            package,
            &Trust::new(self.sealer.key.clone(), self.head.stream),
        )
    }

    fn redact(&mut self, seq: u64) {
        let entry = &self.entries[seq as usize];
        let facts = object([
            ("commit", Json::from(entry.header.subject.unwrap())),
            ("entry", entry.leaf.into()),
            ("part", "subject".into()),
            ("reason", "erasure_request".into()),
            ("seq", Json::uint(seq)),
        ]);
        self.erased.insert(seq, self.head.size);
        self.append(&[Draft::new(Kind::Redact, facts)]);
    }

    fn assert_accepted(&self) {
        let export = self.export();
        let document = self.verify(Package::Document(&export.document()));
        assert!(document.is_accepted(), "{document}");
        assert_eq!(document, self.verify(Package::Folder(&export.folder())));
        assert_eq!(
            document,
            self.verify(Package::of_file(&tar::write(&export.folder())))
        );
        for (id, run) in &self.runs {
            let verdict = self.verify(Package::Document(&self.run(id)));
            match verdict.result {
                Ok(_) => assert!(run.closed),
                Err(fault) => {
                    assert!(!run.closed, "{id}: {fault}");
                    assert_eq!(fault.code, Code::RunIncomplete);
                }
            }
        }
        let range = self.verify(Package::Document(&self.range(self.head.size / 2)));
        assert!(range.is_accepted(), "{range}");
    }
}

#[test]
fn a_governed_repair_from_proposal_to_verification_is_accepted_in_every_form() {
    let mut store = Store::new();
    let held = with(decision("REQUIRE", "act"), "approvals", Json::uint(1));
    let leaves = store.append(&[
        Draft::new(Kind::RunOpen, opening()).in_run("propose"),
        Draft::new(Kind::RunDecision, held)
            .in_run("propose")
            .subject(subject("a").unwrap()),
        Draft::new(Kind::RunClose, closing([1, 0, 1, 0, 1, 0])).in_run("propose"),
    ]);
    store.seal();
    let cause = object([("entry", Json::from(leaves[1])), ("seq", Json::uint(2))]);
    let without_decision = crate::forge::without(step(Hash::ZERO, "act"), "decision");
    let vote = resolution(leaves[1], "usr_2", "ALLOW");
    let leaves = store.append(&[
        Draft::new(Kind::RunOpen, with(opening(), "cause", cause)).in_run("execute"),
        Draft::new(Kind::RunResolution, vote).in_run("execute"),
        Draft::new(Kind::RunDecision, decision("ALLOW", "act")).in_run("execute"),
        Draft::new(Kind::RepairStarted, without_decision)
            .in_run("execute")
            .cite("decision", 2),
    ]);
    store.seal();
    let done = step(leaves[2], "act");
    let executed = store.append(&[Draft::new(Kind::RepairExecuted, done)
        .in_run("execute")
        .subject(subject("b").unwrap())]);
    let verified = object([
        ("repair", Json::from(executed[0])),
        ("result", "match".into()),
    ]);
    let resolved = object([("actor", party("a")), ("target", party("b"))]);
    store.append(&[
        Draft::new(Kind::RepairVerified, verified).in_run("execute"),
        Draft::new(Kind::IncidentResolved, resolved).in_run("execute"),
        Draft::new(Kind::RunClose, closing([1, 1, 0, 0, 0, 0])).in_run("execute"),
    ]);
    store.redact(2);
    store.seal();
    store.assert_accepted();
    let verdict = store.verify(Package::Document(&store.export().document()));
    let results = verdict.result.unwrap().governance;
    assert_eq!(results["propose"].name(), "unresolved");
    assert_eq!(results["execute"].name(), "clean");
}

#[test]
fn the_sealer_refuses_what_does_not_recompute() {
    let mut store = Store::new();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    let refusal = |change: &dyn Fn(&mut SegmentEntry<'_>)| {
        let mut check = SegmentCheck::from_genesis(store.head.stream);
        check.push(&store.stored(0)).unwrap();
        let mut entry = store.stored(1);
        change(&mut entry);
        let fault = check.push(&entry).unwrap_err();
        assert_eq!(fault.code, Code::SealerMismatch);
        fault.detail
    };
    let flipped: Vec<Vec<u8>> = (0..store.entries[1].bytes.len())
        .map(|at| {
            let mut bytes = store.entries[1].bytes.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    for bytes in &flipped {
        // One flipped bit between hashing and writing.
        let mut check = SegmentCheck::from_genesis(store.head.stream);
        check.push(&store.stored(0)).unwrap();
        let entry = SegmentEntry {
            header: bytes,
            ..store.stored(1)
        };
        assert_eq!(check.push(&entry).unwrap_err().code, Code::SealerMismatch);
    }
    assert!(refusal(&|entry| entry.facts = None).contains("E_FACTS_PROTECTED"));
    assert!(refusal(&|entry| entry.nodes = &[]).contains("nodes"));
    assert!(refusal(&|entry| entry.seq = 5).contains("E_SEQ"));
    let other = SegmentPart::Present {
        bytes: b"{}",
        salt: &[0; 32],
    };
    assert!(refusal(&move |entry| entry.facts = Some(other)).contains("E_PART_HASH"));
    assert!(refusal(&move |entry| entry.subject = Some(other)).contains("E_PART_SET"));
    let mut short = SegmentCheck::from_genesis(store.head.stream);
    short.push(&store.stored(0)).unwrap();
    assert_eq!(
        short.finish(&store.head).unwrap_err().code,
        Code::SealerMismatch
    );
}

#[test]
fn the_sealer_refuses_a_second_run_under_one_id_and_an_unknown_rotation() {
    let mut store = Store::new();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    store.append(&[Draft::new(Kind::RunClose, closing([0; 6])).in_run("a")]);
    store.seal();
    store.runs.clear();
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run("a")]);
    let mut check = store.check(3);
    let entry = store.stored(3);
    assert!(
        check
            .clone()
            .push(&entry)
            .unwrap_err()
            .detail
            .contains("not looked up")
    );
    assert_eq!(check.run_needed(&entry).unwrap().as_deref(), Some("a"));
    let of_run = [1, 2, 3].map(|seq| store.stored(seq));
    check.know_run("a", &of_run).unwrap();
    assert!(
        check
            .push(&entry)
            .unwrap_err()
            .detail
            .contains("E_RUN_AFTER_CLOSE")
    );

    let mut store = Store::new();
    let next = Sealer::new(4);
    let rotation = crate::controls::rotation(&next, &store.sealer);
    store.append(&[Draft::new(Kind::KeyRotate, rotation)]);
    let mut check = SegmentCheck::from_genesis(store.head.stream);
    check.push(&store.stored(0)).unwrap();
    let mut told = check.clone().with_next_key(next.key.hash());
    assert!(
        check
            .push(&store.stored(1))
            .unwrap_err()
            .detail
            .contains("E_KEY_ROTATE")
    );
    told.push(&store.stored(1)).unwrap();
}

/// What a random history does next.
#[derive(Debug, Clone)]
enum Move {
    Run {
        decisions: Vec<(u8, u8)>,
        close: bool,
    },
    Hold,
    Observe(String),
    Redact(u8),
    Seal,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let decisions = prop::collection::vec((0..3_u8, 0..3_u8), 0..4);
    let one = prop_oneof![
        4 => (decisions, any::<bool>()).prop_map(|(decisions, close)| Move::Run { decisions, close }),
        1 => Just(Move::Hold),
        1 => "[ -~\u{80}-\u{2ff}]{0,20}".prop_map(Move::Observe),
        1 => any::<u8>().prop_map(Move::Redact),
        2 => Just(Move::Seal),
    ];
    prop::collection::vec(one, 0..12)
}

fn play(store: &mut Store, number: usize, next: Move) {
    match next {
        Move::Run { decisions, close } => {
            play_run(store, &format!("run_{number}"), &decisions, close)
        }
        Move::Hold => {
            let name = format!("hold_{number}");
            let set = Draft::new(Kind::HoldSet, hold(&name, everything()));
            let release = object([("hold", name.as_str().into())]);
            store.append(&[set, Draft::new(Kind::HoldRelease, release)]);
        }
        Move::Observe(text) => {
            let facts = object([
                ("result", Json::from("ok")),
                ("target", party("t")),
                ("topic", "probe.database_role".into()),
            ]);
            let draft = Draft::new(Kind::ObservationRecorded, facts);
            store.append(&[draft.subject(object([("text", text.into())]))]);
        }
        Move::Redact(pick) => {
            let open: Vec<u64> = store
                .entries
                .iter()
                .filter(|entry| entry.header.subject.is_some())
                .map(Entry::seq)
                .filter(|seq| !store.erased.contains_key(seq))
                .collect();
            if !open.is_empty() {
                store.redact(open[usize::from(pick) % open.len()]);
            }
        }
        Move::Seal => store.seal(),
    }
}

fn play_run(store: &mut Store, id: &str, decisions: &[(u8, u8)], close: bool) {
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run(id)]);
    let mut counts = [0; 6];
    for (index, (effect, then)) in decisions.iter().enumerate() {
        let action = format!("{id}/{index}");
        let effect = ["ALLOW", "REQUIRE", "DENY"][usize::from(*effect)];
        let draft = Draft::new(Kind::RunDecision, decision(effect, &action)).in_run(id);
        let decided = store.append(&[draft.subject(subject(&action).unwrap())])[0];
        counts[0] += 1;
        let mut allowed = effect == "ALLOW";
        match (effect, then) {
            ("ALLOW", _) => counts[1] += 1,
            ("REQUIRE", 0) => {
                counts[2] += 1;
                counts[4] += 1;
            }
            ("REQUIRE", _) => {
                counts[2] += 1;
                allowed = *then == 1;
                let vote = if allowed { "ALLOW" } else { "DENY" };
                let facts = resolution(decided, "usr_1", vote);
                store.append(&[Draft::new(Kind::RunResolution, facts).in_run(id)]);
            }
            _ => counts[3] += 1,
        }
        if allowed {
            let facts = step(decided, &action);
            store.append(&[Draft::new(Kind::RepairStarted, facts.clone()).in_run(id)]);
            store.append(&[Draft::new(Kind::RepairExecuted, facts).in_run(id)]);
        }
    }
    if close {
        store.append(&[Draft::new(Kind::RunClose, closing(counts)).in_run(id)]);
    }
}

fn json() -> impl Strategy<Value = Json> {
    let text = "[\u{1}-\u{7e}\u{80}-\u{d7ff}\u{e000}-\u{10ffff}]{0,8}";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-9_007_199_254_740_991..=9_007_199_254_740_991_i64).prop_map(Json::Int),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::btree_map("[a-z][a-z0-9_]{0,8}", inner, 0..5).prop_map(Json::Object),
        ]
    })
}

/// serde_json keeps object keys sorted (its map is a `BTreeMap` without the feature
/// `preserve_order`), so its compact form is a second opinion on the canonical one.
fn to_serde(json: &Json) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::Int(int) => (*int).into(),
        Json::Str(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(to_serde).collect(),
        Json::Object(fields) => {
            let sorted: std::collections::BTreeMap<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), to_serde(value)))
                .collect();
            serde_json::Value::Object(sorted.into_iter().collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_that_was_written_is_accepted(moves in moves()) {
        let mut store = Store::new();
        for (number, next) in moves.into_iter().enumerate() {
            play(&mut store, number, next);
        }
        store.seal();
        store.assert_accepted();
    }
}

proptest! {
    #[test]
    fn canonical_json_reads_back_and_agrees_with_another_writer(value in json()) {
        let bytes = value.canonical();
        prop_assert_eq!(&Json::parse(&bytes).unwrap(), &value);
        prop_assert_eq!(&Json::parse_canonical(&bytes).unwrap(), &value);
        let other = serde_json::to_vec(&to_serde(&value)).unwrap();
        prop_assert_eq!(&bytes, &other);
        let pretty = serde_json::to_vec_pretty(&to_serde(&value)).unwrap();
        prop_assert_eq!(&Json::parse(&pretty).unwrap(), &value);
        prop_assert!(value.check(16).is_ok());
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::parse(&bytes);
        let _ = Seal::parse(&String::from_utf8_lossy(&bytes));
        let trust = Trust::new(Sealer::new(1).key, Hash::ZERO);
        prop_assert_eq!(verify(Package::of_file(&bytes), &trust).exit_status(), 3);
        prop_assert_eq!(verify(Package::Tar(&bytes), &trust).exit_status(), 3);
    }
}
