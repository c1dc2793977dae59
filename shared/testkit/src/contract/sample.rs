//! Streams and entries to write.

use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::hash::{Hash, digest_string, sha256};
use counterfoil_core::evidence::json::{Json, object};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{Batch, EntryRef, EvidenceAppend, StoredEntry};

/// A stream that is named, so that it is another one in every test.
#[derive(Debug, Clone)]
pub struct Sample {
    descriptor: Descriptor,
}

impl Sample {
    /// The stream called `name`.
    pub fn named(name: &str) -> Self {
        let nonce = *sha256(name.as_bytes()).as_bytes();
        let sealers = vec![sha256(b"a sealer")];
        let created = 1_795_392_000_000;
        Self {
            descriptor: Descriptor::for_owner("prj_sample", nonce, created, sealers),
        }
    }

    /// The same, to be sealed with this key.
    #[must_use]
    pub fn sealed_by(mut self, key: Hash) -> Self {
        self.descriptor.sealers = vec![key];
        self
    }

    /// Its id.
    pub fn id(&self) -> Hash {
        self.descriptor.stream_id()
    }

    /// Its first entry.
    pub fn genesis(&self) -> Draft {
        let facts = object([("descriptor", self.descriptor.to_json())]);
        Draft::new(Kind::Genesis, facts)
    }

    /// The stream with its first entry.
    pub async fn begun(name: &str, store: &impl EvidenceAppend) -> Self {
        Self::named(name).begin(store).await
    }

    /// Appends its first entry.
    pub async fn begin(self, store: &impl EvidenceAppend) -> Self {
        let batch = Batch::of([self.genesis()]);
        store
            .append(self.id(), batch)
            .await
            .expect("a new stream begins with its genesis");
        self
    }

    /// Something that was seen, told apart by `id`.
    pub fn seen(id: &str) -> Draft {
        let target = object([("id", id.into()), ("type", "sample".into())]);
        let facts = object([
            ("result", "ok".into()),
            ("target", target),
            ("topic", "sample.seen".into()),
        ]);
        Draft::new(Kind::ObservationRecorded, facts)
    }

    /// The id that [`Sample::seen`] was told apart by.
    pub fn id_of(facts: &Json) -> Option<&str> {
        facts.get("target")?.get("id")?.as_str()
    }

    /// The same with an erasable part of about `bytes` bytes.
    pub fn seen_with(id: &str, bytes: usize) -> Draft {
        let note = object([("note", "x".repeat(bytes).into())]);
        Self::seen(id).subject(note)
    }

    /// `redact`: the subject of an entry was lost.
    pub fn redact(of: &EntryRef, stored: &StoredEntry) -> Draft {
        let header = Json::parse_canonical(&stored.header).expect("a stored header is canonical");
        let commit = header.get("parts").and_then(|parts| parts.get("subject"));
        let facts = object([
            ("commit", commit.expect("it has a subject").clone()),
            ("entry", of.leaf.as_str().into()),
            ("part", "subject".into()),
            ("reason", "lost".into()),
            ("seq", Json::uint(of.seq)),
        ]);
        Draft::new(Kind::Redact, facts)
    }

    /// `run.open`.
    pub fn open(run: &str) -> Draft {
        let facts = object([
            ("artifact", digest_string(b"an artifact").into()),
            ("flow", digest_string(b"a flow").into()),
            ("inputs", Json::Array(Vec::new())),
            ("policy_bundles", Json::Array(Vec::new())),
        ]);
        Draft::new(Kind::RunOpen, facts).in_run(run)
    }

    /// `run.decision`: REQUIRE.
    pub fn require(run: &str) -> Draft {
        let facts = object([
            ("action", "sample.act".into()),
            ("action_hash", digest_string(b"an action").into()),
            ("approvals", Json::uint(1)),
            ("baseline", digest_string(b"a baseline").into()),
            ("effect", "REQUIRE".into()),
            ("policy", digest_string(b"a policy").into()),
            ("reason", "somebody has to look at it".into()),
            ("rule", "sample.require".into()),
        ]);
        Draft::new(Kind::RunDecision, facts).in_run(run)
    }

    /// `run.resolution` of the decision that is draft number `decision` of the same batch.
    pub fn allow(run: &str, decision: usize) -> Draft {
        let facts = object([
            ("approver", "usr_sample".into()),
            ("effect", "ALLOW".into()),
        ]);
        let draft = Draft::new(Kind::RunResolution, facts).in_run(run);
        draft.cite("decision", decision)
    }

    /// `run.close` of a run with `decided` approved decisions.
    pub fn close(run: &str, decided: u64) -> Draft {
        let facts = object([
            ("allow", Json::uint(0)),
            ("decisions", Json::uint(decided)),
            ("deny", Json::uint(0)),
            ("outputs", Json::Array(Vec::new())),
            ("overrides", Json::uint(0)),
            ("require", Json::uint(decided)),
            ("status", "completed".into()),
            ("unresolved", Json::uint(0)),
        ]);
        Draft::new(Kind::RunClose, facts).in_run(run)
    }

    /// Appends and returns the references.
    pub async fn append(&self, store: &impl EvidenceAppend, batch: Batch) -> Vec<EntryRef> {
        let appended = store.append(self.id(), batch).await;
        appended.expect("a valid batch is appended")
    }
}
