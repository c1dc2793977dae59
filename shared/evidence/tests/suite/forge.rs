//! A writer without conscience: it links, commits and seals whatever it is told, with the genuine
//! key. A second implementation beside the crate's own, so that both must agree.

use std::collections::BTreeMap;

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, commitment, leaf, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::{self, DEFAULT_PREFIX, Seal, SealBody, SealKey};
use counterfoil_evidence::tree::{Frontier, NodeId, consistency_proof, inclusion_proof};
use counterfoil_evidence::verify::{Package, Trust, Verdict};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;

use crate::second::verify;

pub const START: u64 = 1_795_392_000_000;

/// A sealing key pair made from one byte.
#[derive(Clone)]
pub struct Sealer {
    secret: SigningKey,
    pub key: SealKey,
}

impl Sealer {
    pub fn new(seed: u8) -> Self {
        let secret = SigningKey::from_slice(&[seed; 32]).unwrap();
        let der = secret.verifying_key().to_public_key_der().unwrap();
        Self {
            key: SealKey::from_der(der.as_bytes()).unwrap(),
            secret,
        }
    }

    pub fn signature(&self, body: &SealBody) -> Signature {
        self.secret.sign(&body.bytes())
    }

    pub fn der(&self, body: &SealBody) -> Vec<u8> {
        self.signature(body).to_der().to_bytes().to_vec()
    }
}

/// A part: content and salt, or the redact entry that explains its absence.
#[derive(Clone)]
pub enum Part {
    Present(Json, Hash),
    Absent(u64),
}

#[derive(Clone)]
pub struct Entry {
    pub header: Json,
    pub parts: BTreeMap<&'static str, Part>,
    pub leaf: Hash,
}

impl Entry {
    pub fn json(&self) -> Json {
        let parts = self.parts.iter().map(|(name, part)| {
            let part = match part {
                Part::Present(content, salt) => {
                    object([("d", content.clone()), ("s", Json::from(*salt))])
                }
                Part::Absent(by) => object([("x", Json::uint(*by))]),
            };
            (*name, part)
        });
        object([("h", self.header.clone()), ("p", object(parts))])
    }

    pub fn at(&self) -> u64 {
        self.header.get("at").unwrap().as_uint().unwrap()
    }

    pub fn commit(&self, part: &str) -> Json {
        self.header.get("parts").unwrap().get(part).unwrap().clone()
    }
}

#[derive(Clone)]
pub struct Forge {
    pub descriptor: Descriptor,
    pub stream: Hash,
    pub sealers: Vec<Sealer>,
    pub entries: Vec<Entry>,
    pub seals: Vec<String>,
    pub nodes: Vec<Vec<Hash>>,
    pub tree: Frontier,
    runs: BTreeMap<String, (u64, Hash)>,
    pub at: u64,
    salts: u64,
}

impl Forge {
    /// A stream with its genesis.
    pub fn new(owner: &str, sealer: &Sealer) -> Self {
        let hash = sealer.key.hash();
        let nonce = sha256(owner.as_bytes());
        Self::with(
            Descriptor::for_owner(owner, *nonce.as_bytes(), START, vec![hash]),
            sealer,
        )
    }

    pub fn with(descriptor: Descriptor, sealer: &Sealer) -> Self {
        let mut forge = Self::empty(descriptor, sealer);
        let facts = object([("descriptor", forge.descriptor.to_json())]);
        forge.add("genesis", None, facts, None);
        forge
    }

    pub fn empty(descriptor: Descriptor, sealer: &Sealer) -> Self {
        Self {
            stream: descriptor.stream_id(),
            descriptor,
            sealers: vec![sealer.clone()],
            entries: Vec::new(),
            seals: Vec::new(),
            nodes: Vec::new(),
            tree: Frontier::new(),
            runs: BTreeMap::new(),
            at: START,
            salts: 0,
        }
    }

    fn salt(&mut self) -> Hash {
        self.salts += 1;
        sha256(&self.salts.to_be_bytes())
    }

    /// Appends an entry and returns its leaf.
    pub fn add(
        &mut self,
        kind: &str,
        run: Option<&str>,
        facts: Json,
        subject: Option<Json>,
    ) -> Hash {
        let mut parts = BTreeMap::from([("facts", Part::Present(facts, self.salt()))]);
        if let Some(subject) = subject {
            let salt = self.salt();
            parts.insert("subject", Part::Present(subject, salt));
        }
        let commits = parts.iter().map(|(name, part)| match part {
            Part::Present(content, salt) => (
                *name,
                commitment(salt.as_bytes(), &content.canonical()).into(),
            ),
            Part::Absent(_) => panic!("new parts are present"),
        });
        self.at += 37;
        let prev = self.entries.last().map_or(self.stream, |entry| entry.leaf);
        let mut fields = vec![
            ("alg", "sha256".into()),
            ("at", Json::uint(self.at)),
            ("kind", kind.into()),
            ("parts", object(commits.collect::<Vec<_>>())),
            ("prev", prev.into()),
            ("seq", Json::uint(self.entries.len() as u64)),
            ("stream", self.stream.into()),
            ("v", Json::Int(1)),
        ];
        if let Some(id) = run {
            let (n, prev) = self.runs.get(id).copied().unwrap_or((0, self.stream));
            let place = object([
                ("id", id.into()),
                ("n", Json::uint(n)),
                ("prev", prev.into()),
            ]);
            fields.push(("run", place));
        }
        let header = object(fields);
        self.put(header, parts, run)
    }

    /// Appends an entry with a header of the caller's making.
    pub fn put(
        &mut self,
        header: Json,
        parts: BTreeMap<&'static str, Part>,
        run: Option<&str>,
    ) -> Hash {
        let hash = leaf(&header.canonical());
        if let Some(id) = run {
            let n = self.runs.get(id).map_or(0, |(n, _)| *n);
            self.runs.insert(id.to_owned(), (n + 1, hash));
        }
        self.nodes.push(self.tree.push(hash));
        self.entries.push(Entry {
            header,
            parts,
            leaf: hash,
        });
        hash
    }

    pub fn next_body(&self) -> SealBody {
        let prev = self
            .seals
            .last()
            .map(|note| Seal::parse(note).unwrap().seal_hash());
        SealBody {
            origin: seal::origin(DEFAULT_PREFIX, self.stream),
            size: self.entries.len() as u64,
            root: self.tree.root(),
            at: self.at + 10,
            head: self.entries.last().unwrap().leaf,
            prev: prev.unwrap_or(Hash::ZERO),
        }
    }

    pub fn sign(&self, body: &SealBody) -> String {
        let lines: Vec<_> = self
            .sealers
            .iter()
            .map(|sealer| (sealer.key.clone(), sealer.der(body)))
            .collect();
        seal::note(body, &lines)
    }

    /// Seals the present size.
    pub fn seal(&mut self) {
        let body = self.next_body();
        self.seal_as(&body);
    }

    /// Seals what the caller says.
    pub fn seal_as(&mut self, body: &SealBody) {
        self.at = self.at.max(body.at);
        self.seals.push(self.sign(body));
    }

    /// Erases the subject of an entry by a redact entry.
    pub fn redact(&mut self, seq: usize, reason: &str) -> u64 {
        let facts = self.redact_facts(seq, reason);
        let by = self.entries.len() as u64;
        self.add("redact", None, facts, None);
        self.entries[seq].parts.insert("subject", Part::Absent(by));
        by
    }

    pub fn redact_facts(&self, seq: usize, reason: &str) -> Json {
        let target = &self.entries[seq];
        object([
            ("commit", target.commit("subject")),
            ("entry", target.leaf.into()),
            ("part", "subject".into()),
            ("reason", reason.into()),
            ("seq", Json::uint(seq as u64)),
        ])
    }

    pub fn trust(&self) -> Trust {
        Trust::of(
            self.sealers.iter().map(|s| s.key.clone().into()).collect(),
            self.stream,
        )
    }

    pub fn lookup(&self, level: u32, index: u64) -> Option<Hash> {
        let seq = usize::try_from(NodeId { level, index }.entry()).unwrap();
        self.nodes.get(seq)?.get(level as usize).copied()
    }

    fn notes(&self) -> Json {
        Json::Array(self.seals.iter().map(|note| note.as_str().into()).collect())
    }

    pub fn export(&self) -> Json {
        object([
            ("descriptor", self.descriptor.to_json()),
            (
                "entries",
                Json::Array(self.entries.iter().map(Entry::json).collect()),
            ),
            ("format", "counterfoil.export/1".into()),
            ("seals", self.notes()),
        ])
    }

    pub fn proven(&self, seq: usize, size: u64) -> Json {
        let proof = inclusion_proof(seq as u64, size, |l, i| self.lookup(l, i)).unwrap();
        with(self.entries[seq].json(), "proof", hashes(&proof))
    }

    pub fn last_size(&self) -> u64 {
        Seal::parse(self.seals.last().unwrap()).unwrap().body.size
    }

    /// The run package of a run under the last seal.
    pub fn run(&self, id: &str) -> Json {
        let size = self.last_size();
        let named: Vec<u64> = self
            .of_run(id)
            .filter_map(|seq| match self.entries[seq].parts.get("subject") {
                Some(Part::Absent(by)) => Some(*by),
                _ => None,
            })
            .collect();
        let rotations = (0..size as usize).filter(|seq| self.kind(*seq) == "key.rotate");
        let named = named.into_iter().map(|seq| seq as usize);
        let mut seqs: Vec<usize> = self.of_run(id).chain(named).chain(rotations).collect();
        seqs.sort_unstable();
        self.run_of(id, &seqs)
    }

    /// A run package of the entries named.
    pub fn run_of(&self, id: &str, seqs: &[usize]) -> Json {
        let size = self.last_size();
        let entries = seqs.iter().map(|seq| self.proven(*seq, size)).collect();
        object([
            ("descriptor", self.descriptor.to_json()),
            ("entries", Json::Array(entries)),
            ("format", "counterfoil.run/1".into()),
            ("run", id.into()),
            (
                "seals",
                Json::Array(vec![self.seals.last().unwrap().as_str().into()]),
            ),
        ])
    }

    /// Lets the next entry of a run begin it anew.
    pub fn forget_run(&mut self, id: &str) {
        self.runs.remove(id);
    }

    pub fn kind(&self, seq: usize) -> &str {
        self.entries[seq]
            .header
            .get("kind")
            .unwrap()
            .as_str()
            .unwrap()
    }

    fn of_run<'a>(&'a self, id: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.entries.len()).filter(move |seq| {
            let run = self.entries[*seq].header.get("run");
            run.is_some_and(|run| run.get("id").unwrap().as_str() == Some(id))
        })
    }

    /// A range export with everything that belongs to it.
    pub fn range(&self, from: usize, to: usize) -> Json {
        let sizes: Vec<u64> = self
            .seals
            .iter()
            .map(|note| Seal::parse(note).unwrap().body.size)
            .collect();
        let cover = sizes.iter().position(|size| *size >= to as u64).unwrap();
        let covering = sizes[cover];
        let seals = (0..=cover).filter(|index| sizes[*index] > from as u64);
        let seals = seals
            .map(|index| self.seals[index].as_str().into())
            .collect();
        let entries = (from..to).map(|seq| {
            if seq == from || seq + 1 == to {
                self.proven(seq, covering)
            } else {
                self.entries[seq].json()
            }
        });
        let named: Vec<usize> = (from..to)
            .filter_map(|seq| match self.entries[seq].parts.get("subject") {
                Some(Part::Absent(by)) if *by >= to as u64 => Some(*by as usize),
                _ => None,
            })
            .collect();
        let outside = |seq: &usize| !(from..to).contains(seq);
        let rotations = (0..covering as usize)
            .filter(outside)
            .filter(|seq| self.kind(*seq) == "key.rotate");
        let mut extra: Vec<usize> = named.into_iter().chain(rotations).collect();
        extra.sort_unstable();
        let extra = extra
            .into_iter()
            .map(|seq| self.proven(seq, covering))
            .collect();
        let mut fields = vec![
            ("descriptor", self.descriptor.to_json()),
            ("entries", Json::Array(entries.collect())),
            ("extra", Json::Array(extra)),
            ("format", "counterfoil.range/1".into()),
            ("from", Json::uint(from as u64)),
            ("seals", Json::Array(seals)),
            ("to", Json::uint(to as u64)),
        ];
        if from > 0 {
            fields.push((
                "before",
                object([("h", self.entries[from - 1].header.clone())]),
            ));
        }
        if (to as u64) < covering {
            let after = self.proven(to, covering);
            fields.push(("after", without(after, "p")));
        }
        object(fields)
    }

    pub fn link(&self, first: u64, second: u64) -> Json {
        let proof = consistency_proof(first, second, |l, i| self.lookup(l, i)).unwrap();
        hashes(&proof)
    }
}

pub fn hashes(proof: &[Hash]) -> Json {
    use base64::Engine as _;
    let encode = |hash: &Hash| base64::engine::general_purpose::STANDARD.encode(hash.as_bytes());
    Json::Array(proof.iter().map(|hash| encode(hash).into()).collect())
}

pub fn with(mut json: Json, name: &str, value: Json) -> Json {
    fields(&mut json).insert(name.to_owned(), value);
    json
}

pub fn without(mut json: Json, name: &str) -> Json {
    fields(&mut json).remove(name);
    json
}

pub fn fields(json: &mut Json) -> &mut BTreeMap<String, Json> {
    match json {
        Json::Object(fields) => fields,
        other => panic!("{other:?} is not an object"),
    }
}

pub fn items(json: &mut Json) -> &mut Vec<Json> {
    match json {
        Json::Array(items) => items,
        other => panic!("{other:?} is not an array"),
    }
}

/// The value at a path like `entries/3/h/at`.
pub fn at<'a>(json: &'a mut Json, path: &str) -> &'a mut Json {
    path.split('/').fold(json, |json, step| match json {
        Json::Object(fields) => fields.get_mut(step).unwrap_or_else(|| panic!("no {step}")),
        Json::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        other => panic!("{step} of {other:?}"),
    })
}

pub fn check(package: &Json, trust: &Trust) -> Verdict {
    verify(Package::Document(&package.canonical()), trust)
}

/// The code of a refusal, or the first line of an acceptance.
pub fn outcome(verdict: &Verdict) -> String {
    match &verdict.result {
        Ok(_) => verdict.first_line(),
        Err(fault) => fault.code.name().to_owned(),
    }
}

/// Recomputes every `seq`, `prev` and run link after a change: an insider without the key.
pub fn relink(package: &mut Json) {
    let stream = package.get("descriptor").unwrap().canonical();
    let stream = counterfoil_evidence::hash::stream_id(&stream);
    let mut prev = stream;
    let mut runs: BTreeMap<String, (u64, Hash)> = BTreeMap::new();
    for (seq, entry) in items(at(package, "entries")).iter_mut().enumerate() {
        let header = fields(at(entry, "h"));
        header.insert("seq".to_owned(), Json::uint(seq as u64));
        header.insert("prev".to_owned(), prev.into());
        let run = header.get_mut("run");
        let id = run.map(|run| {
            let id = run.get("id").unwrap().as_str().unwrap().to_owned();
            let (n, prev) = runs.get(&id).copied().unwrap_or((0, stream));
            fields(run).insert("n".to_owned(), Json::uint(n));
            fields(run).insert("prev".to_owned(), prev.into());
            (id, n)
        });
        prev = leaf(&at(entry, "h").canonical());
        if let Some((id, n)) = id {
            runs.insert(id, (n + 1, prev));
        }
    }
}

/// Commits again to every part that is present.
pub fn recommit(entry: &mut Json) {
    let parts = entry.get("p").unwrap().clone();
    for (name, part) in parts.as_object().unwrap() {
        if let (Some(content), Some(salt)) = (part.get("d"), part.get("s")) {
            let salt: Hash = salt.as_str().unwrap().parse().unwrap();
            let commit = commitment(salt.as_bytes(), &content.canonical());
            fields(at(entry, "h/parts")).insert(name.clone(), commit.into());
        }
    }
}
