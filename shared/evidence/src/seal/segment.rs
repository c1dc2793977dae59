//! The sealer's recomputation (evidence-format section 19, step 4): whatever is sealed stays for
//! ever, so everything a verifier will check is checked on the bytes read, before any signature.

use std::collections::BTreeMap;

use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::header::{Header, RunRef};
use crate::json::{Json, View};
use crate::kind::Kind;
use crate::part::{PartName, check_length};
use crate::recorded::Recorded;
use crate::runs::Replay;
use crate::stream::{Head, RunHead};
use crate::tree::Frontier;

/// A stored part.
#[derive(Clone, Copy)]
pub enum SegmentPart<'a> {
    /// Payload and salt.
    Present {
        /// Canonical bytes.
        bytes: &'a [u8],
        /// Salt of the commitment.
        salt: &'a [u8; 32],
    },
    /// Erased by the redact entry with this `seq`.
    Erased(u64),
}

impl std::fmt::Debug for SegmentPart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present { bytes, .. } => write!(f, "Present({} bytes)", bytes.len()),
            Self::Erased(by) => write!(f, "Erased({by})"),
        }
    }
}

/// A stored entry as it was read.
#[derive(Debug, Clone, Copy)]
pub struct SegmentEntry<'a> {
    /// Position under which it is stored.
    pub seq: u64,
    /// Header bytes.
    pub header: &'a [u8],
    /// Persisted nodes, level 0 first.
    pub nodes: &'a [Hash],
    /// `facts`, unless the store lost it.
    pub facts: Option<SegmentPart<'a>>,
    /// `subject`, where there is one.
    pub subject: Option<SegmentPart<'a>>,
}

/// Recomputes a segment entry by entry. Every fault has the code `E_SEALER_MISMATCH`; the detail
/// says what differs.
#[derive(Debug, Clone)]
pub struct SegmentCheck {
    stream: Hash,
    start: u64,
    size: u64,
    leaf: Hash,
    at: u64,
    frontier: Frontier,
    closed: bool,
    rotation: Option<(Hash, Hash)>,
    rotated: bool,
    runs: BTreeMap<String, RunHead>,
    /// The runs that begin in the segment: their rules can be checked whole.
    replay: Replay,
}

impl SegmentCheck {
    /// A check that begins with the first entry of a stream.
    pub fn from_genesis(stream: Hash) -> Self {
        Self::after(stream, 0, stream, Frontier::new())
    }

    /// A check that goes on after a sealed size, whose last leaf and tree state are given. Whether
    /// its last entry was `stream.close` the caller has to know.
    pub fn after(stream: Hash, size: u64, leaf: Hash, frontier: Frontier) -> Self {
        Self {
            stream,
            start: size,
            size,
            leaf,
            at: 0,
            frontier,
            closed: false,
            rotation: None,
            rotated: false,
            runs: BTreeMap::new(),
            replay: Replay::from_start(),
        }
    }

    /// No entry may be older than this, ms: the time of the last seal.
    #[must_use]
    pub fn not_before(mut self, at: u64) -> Self {
        self.at = at;
        self
    }

    /// The keys that a `key.rotate` of this segment must retire and add. Without them any rotation
    /// is refused, and so is a second one.
    #[must_use]
    pub fn with_rotation(mut self, retire: Hash, add: Hash) -> Self {
        self.rotation = Some((retire, add));
        self
    }

    /// Whether the segment holds the rotation: its seal is the handover seal.
    pub const fn rotated(&self) -> bool {
        self.rotated
    }

    /// Number of entries up to here.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Leaf of the last entry.
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Tree state up to here.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The run whose earlier entries have to be given to [`SegmentCheck::know_run`] before this
    /// entry can be checked.
    ///
    /// # Errors
    /// When the header is not valid.
    pub fn run_needed(&self, entry: &SegmentEntry<'_>) -> Result<Option<String>, Fault> {
        let header = Header::parse(entry.header, self.stream).map_err(|f| self.mismatch(&f))?;
        let unknown = |run: &RunRef| self.start > 0 && !self.runs.contains_key(&run.id);
        Ok(header.run.filter(unknown).map(|run| run.id))
    }

    /// Takes the stored entries of a run; only those before the current position count.
    ///
    /// # Errors
    /// When the newest of them is not a valid header of this run.
    pub fn know_run(&mut self, run: &str, entries: &[SegmentEntry<'_>]) -> Result<(), Fault> {
        let before = entries.iter().filter(|entry| entry.seq < self.size);
        let head = match before.max_by_key(|entry| entry.seq) {
            None => RunHead::new(run, self.stream),
            Some(last) => self
                .run_head(run, last)
                .map_err(|fault| self.mismatch(&fault))?,
        };
        self.runs.insert(run.to_owned(), head);
        Ok(())
    }

    /// Checks the next entry and takes it in.
    ///
    /// # Errors
    /// When anything of it would be refused by a verifier, or its persisted nodes are not those
    /// that follow from the bytes.
    pub fn push(&mut self, entry: &SegmentEntry<'_>) -> Result<(), Fault> {
        self.take(entry).map_err(|fault| self.mismatch(&fault))
    }

    /// Compares the result with the head that is to be sealed.
    ///
    /// # Errors
    /// When size, last leaf or tree state differ.
    pub fn finish(&self, head: &Head) -> Result<(), Fault> {
        let same = head.stream == self.stream
            && head.size == self.size
            && head.prev == self.leaf
            && head.frontier == self.frontier;
        if same {
            return Ok(());
        }
        let what = format!(
            "the head says size {} after {}, the entries give size {} after {}",
            head.size, head.prev, self.size, self.leaf
        );
        Err(Fault::new(Code::SealerMismatch, what))
    }

    fn mismatch(&self, fault: &Fault) -> Fault {
        Fault::new(
            Code::SealerMismatch,
            format!("entry {}: {fault}", self.size),
        )
    }

    fn run_head(&self, run: &str, last: &SegmentEntry<'_>) -> Result<RunHead, Fault> {
        let header = Header::parse(last.header, self.stream)?;
        let foreign = || {
            Fault::new(
                Code::RunLink,
                format!("entry {} is not of the run", last.seq),
            )
        };
        let place = header
            .run
            .filter(|place| place.id == run)
            .ok_or_else(foreign)?;
        Ok(RunHead {
            id: place.id,
            next: place.n.saturating_add(1),
            prev: hash::leaf(last.header),
            closed: header.kind == Kind::RunClose,
        })
    }

    fn take(&mut self, entry: &SegmentEntry<'_>) -> Result<(), Fault> {
        if self.frontier.size() != self.size {
            return Err(Fault::new(Code::Root, "the tree state is not of this size"));
        }
        let header = Header::parse(entry.header, self.stream)?;
        self.check_place(entry, &header)?;
        let facts = check_parts(entry, &header)?;
        self.check_meaning(&header, &facts)?;
        let leaf = hash::leaf(entry.header);
        let run = header
            .run
            .as_ref()
            .map(|run| self.check_run(&header, run, leaf))
            .transpose()?;
        let mut frontier = self.frontier.clone();
        if frontier.push(leaf) != entry.nodes {
            return Err(Fault::new(Code::Root, "the persisted nodes differ"));
        }
        self.replay.take_if_begun(&Recorded {
            header: &header,
            leaf,
            facts: View::Tree(&facts),
        })?;
        if let Some(run) = run {
            self.runs.insert(run.id.clone(), run);
        }
        self.frontier = frontier;
        self.leaf = leaf;
        self.at = header.at;
        self.size = self.size.saturating_add(1);
        self.closed = header.kind == Kind::StreamClose;
        Ok(())
    }

    fn check_place(&self, entry: &SegmentEntry<'_>, header: &Header) -> Result<(), Fault> {
        if header.seq != self.size || entry.seq != self.size {
            return Err(Fault::new(Code::Seq, "seq is not the next one"));
        }
        if header.prev != self.leaf {
            return Err(Fault::new(
                Code::Prev,
                "prev is not the leaf of the entry before",
            ));
        }
        if header.at < self.at {
            return Err(Fault::new(
                Code::Time,
                "older than the entry or the seal before",
            ));
        }
        if (header.kind == Kind::Genesis) != (self.size == 0) {
            return Err(Fault::new(
                Code::Genesis,
                "genesis is entry 0 and nowhere else",
            ));
        }
        if self.closed {
            return Err(Fault::new(Code::AfterClose, "the stream was closed"));
        }
        Ok(())
    }

    fn check_meaning(&mut self, header: &Header, facts: &Json) -> Result<(), Fault> {
        header.kind.check_facts(facts)?;
        match header.kind {
            Kind::Genesis => {
                let descriptor = facts
                    .get("descriptor")
                    .map(Json::canonical)
                    .unwrap_or_default();
                if hash::stream_id(&descriptor) != self.stream {
                    return Err(Fault::new(
                        Code::Genesis,
                        "the descriptor is of another stream",
                    ));
                }
            }
            Kind::KeyRotate => {
                let key = |name| facts.get(name).and_then(Json::as_str)?.parse::<Hash>().ok();
                let stated = key("retire").zip(key("add"));
                // Taken, so that a second rotation in the segment is refused.
                self.rotated = stated.is_some() && stated == self.rotation.take();
                if !self.rotated {
                    return Err(Fault::new(
                        Code::KeyRotate,
                        "not the key this sealer goes over to",
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_run(&self, header: &Header, place: &RunRef, leaf: Hash) -> Result<RunHead, Fault> {
        let run = match self.runs.get(&place.id) {
            Some(run) => run.clone(),
            None if self.start == 0 => RunHead::new(&place.id, self.stream),
            None => return Err(Fault::new(Code::RunLink, "its run was not looked up")),
        };
        if run.closed {
            return Err(Fault::new(Code::RunAfterClose, "its run is closed"));
        }
        if (header.kind == Kind::RunOpen) != (place.n == 0) {
            return Err(Fault::new(
                Code::RunOpen,
                "run.open is exactly the entry with n 0",
            ));
        }
        if place.n != run.next || place.prev != run.prev {
            return Err(Fault::new(Code::RunLink, "it does not continue its run"));
        }
        Ok(RunHead {
            id: run.id,
            next: run.next.saturating_add(1),
            prev: leaf,
            closed: header.kind == Kind::RunClose,
        })
    }
}

/// Checks the parts against the commitments and returns the facts.
fn check_parts(entry: &SegmentEntry<'_>, header: &Header) -> Result<Json, Fault> {
    let facts = match entry.facts {
        Some(SegmentPart::Present { bytes, salt }) => {
            present(PartName::Facts, bytes, salt, header.facts)?
        }
        Some(SegmentPart::Erased(_)) | None => {
            return Err(Fault::new(Code::FactsProtected, "facts are absent"));
        }
    };
    match (entry.subject, header.subject) {
        (None, None) => {}
        (Some(SegmentPart::Present { bytes, salt }), Some(commitment)) => {
            present(PartName::Subject, bytes, salt, commitment)?;
        }
        (Some(SegmentPart::Erased(by)), Some(_)) if by > header.seq => {}
        (Some(SegmentPart::Erased(_)), Some(_)) => {
            return Err(Fault::new(
                Code::PartMissing,
                "subject is explained by no later entry",
            ));
        }
        _ => {
            return Err(Fault::new(
                Code::PartSet,
                "the parts are not those of the header",
            ));
        }
    }
    Ok(facts)
}

fn present(name: PartName, bytes: &[u8], salt: &[u8; 32], commitment: Hash) -> Result<Json, Fault> {
    check_length(name, bytes.len())?;
    let part = Json::parse_canonical(bytes).map_err(|fault| fault.at(name))?;
    if part.as_object().is_none() {
        return Err(Fault::new(Code::Format, format!("{name} is not an object")));
    }
    if hash::commitment(salt, bytes) != commitment {
        return Err(Fault::new(
            Code::PartHash,
            format!("{name} does not match its commitment"),
        ));
    }
    Ok(part)
}
