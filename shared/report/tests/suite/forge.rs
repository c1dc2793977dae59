//! Packages for the tests, built from the primitives of the format: headers, commitments, a tree, a
//! seal.

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, commitment, leaf, node, sha256};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::{DEFAULT_PREFIX, SealBody, SealKey, note, origin};
use counterfoil_evidence::verify::Trust;
use counterfoil_report::About;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;

pub const RUN: &str = "run_01M8A2H98X987W94EW39J2QV4E";
const START: u64 = 1_795_634_537_759;

pub fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub fn about() -> About {
    About {
        workspace: "Acme GmbH".to_owned(),
        project: "billing-prod".to_owned(),
        report: "exp_01M8A2HAHX45KQ4XNHG9XSJ49V".to_owned(),
        issued_at: START + 60_000,
    }
}

struct Entry {
    header: Json,
    parts: Vec<(&'static str, Json)>,
    leaf: Hash,
}

/// A stream with one run.
pub struct Stream {
    descriptor: Descriptor,
    secret: SigningKey,
    key: SealKey,
    entries: Vec<Entry>,
    run: (u64, Hash),
}

impl Stream {
    pub fn new() -> Self {
        let secret = SigningKey::from_slice(&[7; 32]).unwrap();
        let der = secret.verifying_key().to_public_key_der().unwrap();
        let key = SealKey::from_der(der.as_bytes()).unwrap();
        let descriptor = Descriptor::for_owner("prj_1", [5; 32], START, vec![key.hash()]);
        let facts = object([("descriptor", descriptor.to_json())]);
        let run = (0, descriptor.stream_id());
        let mut stream = Self {
            descriptor,
            secret,
            key,
            entries: Vec::new(),
            run,
        };
        stream.push("genesis", false, facts, None);
        stream
    }

    pub fn trust(&self) -> Trust {
        Trust::new(self.key.clone(), self.descriptor.stream_id())
    }

    pub fn key(&self) -> Hash {
        self.key.hash()
    }

    fn seq(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    fn push(&mut self, kind: &str, of_run: bool, facts: Json, subject: Option<Json>) -> Hash {
        let seq = self.seq();
        let stream = self.descriptor.stream_id();
        let mut commitments = Vec::new();
        let mut parts = Vec::new();
        let all = [("facts", Some(facts)), ("subject", subject)];
        for (name, part) in all {
            let Some(part) = part else { continue };
            let salt = sha256(format!("{seq}{name}").as_bytes());
            let commit = commitment(salt.as_bytes(), &part.canonical());
            commitments.push((name, Json::from(commit)));
            parts.push((name, object([("d", part), ("s", salt.into())])));
        }
        let prev = self.entries.last().map_or(stream, |entry| entry.leaf);
        let mut header = vec![
            ("alg", Json::from("sha256")),
            ("at", Json::uint(START + 13 * seq)),
            ("kind", kind.into()),
            ("parts", object(commitments)),
            ("prev", prev.into()),
            ("seq", Json::uint(seq)),
            ("stream", stream.into()),
            ("v", Json::uint(1)),
        ];
        if of_run {
            let (n, prev) = self.run;
            let run = [
                ("id", RUN.into()),
                ("n", Json::uint(n)),
                ("prev", prev.into()),
            ];
            header.push(("run", object(run)));
        }
        let header = object(header);
        let leaf = leaf(&header.canonical());
        if of_run {
            self.run = (self.run.0 + 1, leaf);
        }
        self.entries.push(Entry {
            header,
            parts,
            leaf,
        });
        leaf
    }

    /// An entry of the run.
    pub fn record(&mut self, kind: &str, facts: &str, subject: Option<Json>) -> Hash {
        let facts = Json::parse(facts.as_bytes()).unwrap();
        self.push(kind, true, facts, subject)
    }

    pub fn open(&mut self, actor: &str) -> Hash {
        let fields = format!(
            r#"{{"actor":{{"id":{},"type":"user","via":"key_1"}},"artifact":"{}","flow":"{}",
            "inputs":[{{"bytes":4096,"hash":"{}","ref":"snapshots/2026-11-25/0001"}}],
            "policy_bundles":["{}","{}"],"purpose":"repair"}}"#,
            Json::from(actor).canonical_text(),
            digest('a'),
            digest('b'),
            digest('c'),
            digest('1'),
            digest('d'),
        );
        self.record("run.open", &fields, None)
    }

    pub fn decide(&mut self, digit: char, effect: &str, rule: &str, reason: &str) -> Hash {
        self.decide_asked((digit, effect), rule, reason, None)
    }

    /// The same, asked for with words.
    pub fn decide_asked(
        &mut self,
        (digit, effect): (char, &str),
        rule: &str,
        reason: &str,
        words: Option<&str>,
    ) -> Hash {
        let approvals = if effect == "REQUIRE" {
            r#","approvals":1"#
        } else {
            ""
        };
        let fields = format!(
            r#"{{"action":"repair.execute","action_hash":"{}","baseline":"{}","effect":"{effect}",
            "policy":"{}","reason":{},"rule":{}{approvals}}}"#,
            digest(digit),
            digest('1'),
            digest('d'),
            Json::from(reason).canonical_text(),
            Json::from(rule).canonical_text(),
        );
        let subject = words.map(|words| object([("comment", Json::from(words))]));
        self.record("run.decision", &fields, subject)
    }

    /// A decision about a repair with the contents that the product writes.
    pub fn decide_repair(&mut self, act: &str, minor: i64) -> Hash {
        let facts = format!(
            r#"{{"act":"{act}","action":"repair.execute","action_hash":"{}","baseline":"{}","effect":"ALLOW",
            "phase":"execute","policy":"{}","reason":"One row only.","rule":"base.permit.single-row"}}"#,
            digest('2'),
            digest('1'),
            digest('d'),
        );
        let subject = format!(
            r#"{{"after":[{{"column":"plan","value":{{"type":"text","value":"pro"}}}}],
            "before":[{{"column":"plan","value":{{"type":"text","value":"free"}}}}],
            "customer":"cus_TestJane",
            "difference":{{"at_risk":{{"currency":"usd","minor":{minor}}},"granted":"free","kind":"paid_no_access","promised":"pro"}},
            "key":{{"type":"text","value":"user-4711"}},"plan_salt":"{}","table":"public.app_users"}}"#,
            "5".repeat(64),
        );
        let subject = Json::parse(subject.as_bytes()).unwrap();
        self.record("run.decision", &facts, Some(subject))
    }

    pub fn answer(&mut self, decision: Hash, approver: &str, more: &str, comment: &str) -> Hash {
        let fields = format!(
            r#"{{"approver":{},"decision":"{decision}","effect":"ALLOW"{more}}}"#,
            Json::from(approver).canonical_text(),
        );
        let subject = object([("comment", Json::from(comment))]);
        self.record("run.resolution", &fields, Some(subject))
    }

    /// A repair of `plan`, from start to finish.
    pub fn repair(&mut self, decision: Hash, digit: char, before: &str, after: &str) {
        let fields = format!(
            r#"{{"action_hash":"{}","decision":"{decision}"}}"#,
            digest(digit)
        );
        self.record("repair.started", &fields, None);
        let side = |value: &str| {
            let row = [("column", Json::from("plan")), ("value", value.into())];
            Json::Array(vec![object(row)])
        };
        let subject = object([("after", side(after)), ("before", side(before))]);
        let executed = self.record("repair.executed", &fields, Some(subject));
        let fields = format!(r#"{{"repair":"{executed}","result":"match"}}"#);
        self.record("repair.verified", &fields, None);
    }

    /// Counts are those of the decisions so far.
    pub fn close(&mut self, unresolved: u64, overrides: u64) {
        let effects: Vec<String> = self
            .entries
            .iter()
            .filter_map(|entry| {
                let facts = entry.parts.first()?.1.get("d")?;
                let decided = entry.header.get("kind")?.as_str()? == "run.decision";
                decided.then(|| facts.get("effect").unwrap().as_str().unwrap().to_owned())
            })
            .collect();
        let of = |effect: &str| effects.iter().filter(|is| is.as_str() == effect).count();
        let fields = format!(
            r#"{{"allow":{},"decisions":{},"deny":{},"require":{},"unresolved":{unresolved},
            "overrides":{overrides},"status":"completed",
            "outputs":[{{"bytes":6,"hash":"{}","ref":"out/report"}}]}}"#,
            of("ALLOW"),
            effects.len(),
            of("DENY"),
            of("REQUIRE"),
            digest('e'),
        );
        self.record("run.close", &fields, None);
    }

    /// Erases the contents of the last entry that has the kind.
    pub fn erase(&mut self, kind: &str) -> (u64, u64) {
        let by = self.seq();
        let target = self
            .entries
            .iter_mut()
            .rfind(|entry| entry.header.get("kind").unwrap().as_str() == Some(kind))
            .unwrap();
        let seq = target.header.get("seq").unwrap().as_uint().unwrap();
        let commit = target
            .header
            .get("parts")
            .unwrap()
            .get("subject")
            .unwrap()
            .clone();
        let subject = target.parts.iter_mut().find(|(name, _)| *name == "subject");
        subject.unwrap().1 = object([("x", Json::uint(by))]);
        let facts = object([
            ("commit", commit),
            ("entry", target.leaf.into()),
            ("part", "subject".into()),
            ("reason", "erasure_request".into()),
            ("seq", Json::uint(seq)),
        ]);
        self.push("redact", false, facts, None);
        (seq, by)
    }

    fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| entry.leaf).collect()
    }

    /// The one seal.
    pub fn seal(&self) -> String {
        let stream = self.descriptor.stream_id();
        let body = SealBody {
            origin: origin(DEFAULT_PREFIX, stream),
            size: self.seq(),
            root: root(&self.leaves()),
            at: START + 13 * self.seq() + 1,
            head: self.entries.last().unwrap().leaf,
            prev: Hash::ZERO,
        };
        let signature: Signature = self.secret.sign(&body.bytes());
        let der = signature.to_der().to_bytes().to_vec();
        note(&body, &[(self.key.clone(), der)])
    }

    fn document(&self, format: &str, skip: usize, run: bool) -> Vec<u8> {
        let leaves = self.leaves();
        let entries = self.entries.iter().enumerate().skip(skip);
        let entries = entries.map(|(index, entry)| {
            let mut fields = vec![
                ("h", entry.header.clone()),
                ("p", object(entry.parts.clone())),
            ];
            if run {
                let proof = proof(&leaves, index).into_iter();
                let proof = proof.map(|hash| base64(hash.as_bytes()).into());
                fields.push(("proof", Json::Array(proof.collect())));
            }
            object(fields)
        });
        let mut members = vec![
            ("descriptor", self.descriptor.to_json()),
            ("entries", Json::Array(entries.collect())),
            ("format", format.into()),
            ("seals", Json::Array(vec![self.seal().into()])),
        ];
        if run {
            members.push(("run", RUN.into()));
        }
        object(members).canonical()
    }

    /// The run package.
    pub fn run(&self) -> Vec<u8> {
        self.document("counterfoil.run/1", 1, true)
    }

    /// The full export.
    pub fn export(&self) -> Vec<u8> {
        self.document("counterfoil.export/1", 0, false)
    }
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Hash]) -> Hash {
    if let [one] = leaves {
        return *one;
    }
    let (left, right) = leaves.split_at(left_of(leaves.len()));
    node(&root(left), &root(right))
}

fn proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(left_of(leaves.len()));
    let (mut path, other) = if index < left.len() {
        (proof(left, index), root(right))
    } else {
        (proof(right, index - left.len()), root(left))
    };
    path.push(other);
    path
}

fn left_of(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let mut group = [0; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            let used = chunk.len();
            (0..4).map(move |place| {
                let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
                let pad = usize::try_from(place).unwrap() > used;
                if pad { '=' } else { char::from(DIGITS[digit]) }
            })
        })
        .collect()
}
