//! A store in memory that writes, seals and packs with the crate's own functions.

use std::collections::BTreeMap;

use counterfoil_evidence::code::Code;
use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::{ExportPackage, RangePackage, RunPackage, tar};
use counterfoil_evidence::seal::{
    self, DEFAULT_PREFIX, Seal, SealBody, SegmentCheck, SegmentEntry, SegmentPart,
};
use counterfoil_evidence::stream::{Draft, Entry, Head, RunHead, extend};
use counterfoil_evidence::tree::{Frontier, NodeId, inclusion_nodes, inclusion_proof};
use counterfoil_evidence::verify::{Package, Trust, Verdict};

use crate::forge::{START, Sealer};
use crate::second::verify;

/// A store in memory: what an adapter keeps.
pub struct Store {
    pub descriptor: Descriptor,
    pub head: Head,
    pub runs: BTreeMap<String, RunHead>,
    pub entries: Vec<Entry>,
    /// Subjects that were erased, by entry.
    pub erased: BTreeMap<u64, u64>,
    pub seals: Vec<String>,
    pub sealer: Sealer,
    pub now: u64,
    pub drawn: u64,
}

impl Store {
    pub fn new() -> Self {
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

    pub fn append(&mut self, drafts: &[Draft]) -> Vec<Hash> {
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

    pub fn stored(&self, seq: u64) -> SegmentEntry<'_> {
        let mut entry = self.entries[seq as usize].as_stored();
        if let Some(by) = self.erased.get(&seq) {
            entry.subject = Some(SegmentPart::Erased(*by));
        }
        entry
    }

    pub fn check(&self, from: u64) -> SegmentCheck {
        let stream = self.head.stream;
        match self.seals.last() {
            None => SegmentCheck::from_genesis(stream),
            Some(note) => {
                let body = Seal::parse(note).unwrap().body;
                let mut tree = Frontier::new();
                for entry in &self.entries[..from as usize] {
                    tree.push(entry.leaf);
                }
                SegmentCheck::after(stream, from, body.head, tree).not_before(body.at)
            }
        }
    }

    /// What the sealer does: recompute, compare, sign.
    pub fn seal(&mut self) {
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
    pub fn proof(&self, index: u64, size: u64) -> Vec<Hash> {
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

    pub fn export(&self) -> ExportPackage {
        let mut package = ExportPackage::new(&self.descriptor);
        for seq in 0..self.head.size {
            package.add(&self.stored(seq)).unwrap();
        }
        for note in &self.seals {
            package.seal(note).unwrap();
        }
        package
    }

    pub fn run(&self, id: &str) -> Vec<u8> {
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

    pub fn range(&self, from: u64) -> Vec<u8> {
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

    pub fn verify(&self, package: Package<'_>) -> Verdict {
        verify(
            package,
            &Trust::new(self.sealer.key.clone(), self.head.stream),
        )
    }

    pub fn redact(&mut self, seq: u64) {
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

    pub fn assert_accepted(&self) {
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
