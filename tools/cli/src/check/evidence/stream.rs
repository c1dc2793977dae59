//! A stream in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::hash::{self, Hash};
use counterfoil_core::evidence::json::{Json, object};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::package::ExportPackage;
use counterfoil_core::evidence::part::PartName;
use counterfoil_core::evidence::seal::{
    DEFAULT_PREFIX, Seal, SealBody, SegmentEntry, SegmentPart, note, origin,
};
use counterfoil_core::evidence::stream::{Draft, Head, RunHead, extend};
use counterfoil_core::evidence::verify::{Package, Trust, Verdict, verify};
use counterfoil_core::ids::ProjectId;
use counterfoil_core::time::Timestamp;

use super::beside;
use super::key::{LocalKey, random, random_bits};

/// An entry with its parts, each payload and salt.
#[derive(Debug)]
struct Stored {
    header: Vec<u8>,
    parts: BTreeMap<PartName, (Vec<u8>, [u8; 32])>,
}

/// The whole stream in memory: three entries for each check.
#[derive(Debug)]
pub(super) struct LocalStream {
    descriptor: Descriptor,
    head: Head,
    runs: BTreeMap<String, RunHead>,
    entries: Vec<Stored>,
    seals: Vec<String>,
}

impl LocalStream {
    /// Reads the stream of a folder, or begins a new one where there is no folder.
    pub(super) fn open(folder: &Path, key: &LocalKey, now: Timestamp) -> Result<Self> {
        if folder.exists() {
            Self::read(folder, key)
        } else {
            Self::create(key, now)
        }
    }

    fn create(key: &LocalKey, now: Timestamp) -> Result<Self> {
        let owner = ProjectId::new(now, random_bits()?).to_string();
        let sealers = vec![key.public().hash()];
        let descriptor = Descriptor::for_owner(&owner, random()?, now.as_millis(), sealers);
        let genesis = object([("descriptor", descriptor.to_json())]);
        let mut stream = Self {
            head: Head::new(descriptor.stream_id()),
            descriptor,
            runs: BTreeMap::new(),
            entries: Vec::new(),
            seals: Vec::new(),
        };
        stream.append(&[Draft::new(Kind::Genesis, genesis)], now)?;
        Ok(stream)
    }

    /// Reads and verifies; a stream that does not verify is never continued.
    fn read(folder: &Path, key: &LocalKey) -> Result<Self> {
        let files = files(folder)?;
        let file = |name: &str| {
            let file = files.get(name).map(Vec::as_slice);
            file.with_context(|| format!("{} is not there", folder.join(name).display()))
        };
        let json = Json::parse_canonical(file("descriptor.json")?).map_err(broken)?;
        let descriptor = Descriptor::from_json(&json).map_err(broken)?;
        let trust = Trust::new(key.public().clone(), descriptor.stream_id());
        let verdict = verify(Package::Folder(&files), &trust);
        ensure!(
            verdict.is_accepted(),
            "the evidence that is there does not verify ({}): keep it, and name a new folder",
            verdict.first_line()
        );
        let mut parts = parts(file("parts.jsonl")?)?;
        let mut head = Head::new(descriptor.stream_id());
        let mut entries = Vec::new();
        for header in lines(file("headers.jsonl")?) {
            let leaf = hash::leaf(header);
            head.frontier.push(leaf);
            head.prev = leaf;
            head.at = Json::parse_canonical(header)
                .map_err(broken)?
                .get("at")
                .and_then(Json::as_uint)
                .context("a header without a time")?;
            let parts = parts.remove(&head.size).unwrap_or_default();
            entries.push(Stored {
                header: header.to_vec(),
                parts,
            });
            head.size += 1;
        }
        let mut seals = Vec::new();
        for line in lines(file("seals.jsonl")?) {
            let line = Json::parse_canonical(line).map_err(broken)?;
            let note = line
                .get("note")
                .and_then(Json::as_str)
                .context("a seal without a note")?;
            head.floor = Seal::parse(note).map_err(broken)?.body.at;
            seals.push(note.to_owned());
        }
        // Every run of this command is closed before the folder is written.
        Ok(Self {
            descriptor,
            head,
            runs: BTreeMap::new(),
            entries,
            seals,
        })
    }

    pub(super) const fn id(&self) -> Hash {
        self.head.stream
    }

    /// Appends entries, in memory.
    pub(super) fn append(&mut self, drafts: &[Draft], now: Timestamp) -> Result<()> {
        // A failing random source must not end in a predictable salt.
        let mut failed = false;
        let mut salt = || {
            random().unwrap_or_else(|_| {
                failed = true;
                [0; 32]
            })
        };
        let extension = extend(&self.head, &self.runs, drafts, now.as_millis(), &mut salt)?;
        ensure!(!failed, "the system has no random source");
        self.head = extension.head;
        self.runs.extend(extension.runs);
        for entry in extension.entries {
            let parts = entry
                .parts
                .into_iter()
                .map(|part| (part.name, (part.bytes, part.salt)));
            self.entries.push(Stored {
                header: entry.bytes,
                parts: parts.collect(),
            });
        }
        Ok(())
    }

    /// Seals everything appended so far.
    pub(super) fn seal(&mut self, key: &LocalKey, now: Timestamp) -> Result<String> {
        let prev = match self.seals.last() {
            Some(note) => Seal::parse(note).map_err(broken)?.seal_hash(),
            None => Hash::ZERO,
        };
        let at = now.as_millis().max(self.head.at).max(self.head.floor);
        let body = SealBody {
            origin: origin(DEFAULT_PREFIX, self.head.stream),
            size: self.head.size,
            root: self.head.frontier.root(),
            at,
            head: self.head.prev,
            prev,
        };
        let signature = key.sign(&body.bytes());
        let note = note(&body, &[(key.public().clone(), signature)]);
        self.head.floor = at;
        self.seals.push(note.clone());
        Ok(note)
    }

    /// Makes the place where the next state is put together.
    pub(super) fn prepare(folder: &Path) -> Result<()> {
        let staging = beside(folder, "new");
        if staging.exists() {
            std::fs::remove_dir_all(&staging)?;
        }
        std::fs::create_dir(&staging)?;
        Ok(())
    }

    /// Replaces the folder by the stream as it is now, and verifies what was written.
    pub(super) fn write(&self, folder: &Path, key: &LocalKey) -> Result<Verdict> {
        let mut package = ExportPackage::new(&self.descriptor);
        for (seq, entry) in (0_u64..).zip(&self.entries) {
            let part = |name: PartName| {
                let part = entry.parts.get(&name);
                part.map(|(bytes, salt)| SegmentPart::Present { bytes, salt })
            };
            package.add(&SegmentEntry {
                seq,
                header: &entry.header,
                nodes: &[],
                facts: part(PartName::Facts),
                subject: part(PartName::Subject),
            })?;
        }
        for note in &self.seals {
            package.seal(note)?;
        }
        let staging = beside(folder, "new");
        for (name, bytes) in package.folder() {
            std::fs::write(staging.join(name), bytes)?;
        }
        let trust = Trust::new(key.public().clone(), self.head.stream);
        let verdict = verify(Package::Folder(&files(&staging)?), &trust);
        if verdict.is_accepted() {
            swap(&staging, folder)?;
        }
        Ok(verdict)
    }
}

/// Puts `staging` in the place of `folder`. A crash in between leaves `DIR.old`.
fn swap(staging: &Path, folder: &Path) -> Result<()> {
    let old: PathBuf = beside(folder, "old");
    if folder.exists() {
        if old.exists() {
            std::fs::remove_dir_all(&old)?;
        }
        std::fs::rename(folder, &old)?;
    }
    std::fs::rename(staging, folder)?;
    if old.exists() {
        std::fs::remove_dir_all(&old)?;
    }
    Ok(())
}

/// The files of a folder.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| anyhow!("an unreadable name"))?;
        if !entry.file_type()?.is_file() {
            bail!("{} is not a file", entry.path().display());
        }
        files.insert(name, std::fs::read(entry.path())?);
    }
    Ok(files)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

type Parts = BTreeMap<u64, BTreeMap<PartName, (Vec<u8>, [u8; 32])>>;

fn parts(bytes: &[u8]) -> Result<Parts> {
    let mut parts = Parts::new();
    for line in lines(bytes) {
        let line = Json::parse_canonical(line).map_err(broken)?;
        let part = || {
            let name = PartName::from_name(line.get("part")?.as_str()?)?;
            let salt: Hash = line.get("s")?.as_str()?.parse().ok()?;
            let content = line.get("d")?.canonical();
            Some((
                line.get("seq")?.as_uint()?,
                name,
                (content, *salt.as_bytes()),
            ))
        };
        let (seq, name, content) = part().context("a part that is not there any more")?;
        parts.entry(seq).or_default().insert(name, content);
    }
    Ok(parts)
}

fn broken(fault: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the evidence that is there cannot be read: {fault}")
}
