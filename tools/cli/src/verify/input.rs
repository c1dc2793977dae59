//! A package as it lies on disk: a document, a folder, an archive, a compressed archive. Files are
//! opened and read as streams; only a document is held in memory.
//!
//! Of a delivery the `evidence.tar` in it is the package, and it is read where it lies.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_core::usecases::Inputs;
use counterfoil_evidence::code::{Code, Fault};
use counterfoil_evidence::package::{gzip, tar};
use counterfoil_evidence::verify::{
    Members, Package, TimestampAuthority, Trust, Unreadable, Verdict, seals_of, seals_of_members,
    verify_members, verify_with,
};
use tempfile::NamedTempFile;

use super::outer::{EVIDENCE, Kind, Listing, MANIFEST, Span, is_run};
use crate::replay::{self, Outcome};

const BUFFER: usize = 1 << 16;

/// A file of the folder form; a folder without any of them is no package.
const OWN: [&str; 5] = [
    "package.json",
    "descriptor.json",
    "headers.jsonl",
    "parts.jsonl",
    "seals.jsonl",
];

/// A package that can be read.
pub(crate) struct Input {
    body: Body,
    of_delivery: bool,
}

enum Body {
    /// One JSON document.
    Document(Vec<u8>),
    /// The files of the folder form.
    Files(Files),
    /// A package over the limit, or an archive that breaks a rule of archives.
    Refused(Fault),
}

impl From<Body> for Input {
    fn from(body: Body) -> Self {
        Self {
            body,
            of_delivery: false,
        }
    }
}

impl Input {
    /// Opens a package.
    ///
    /// # Errors
    /// When it cannot be read, or is no package.
    pub(crate) fn open(path: &Path, trust: &Trust) -> Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let kind = fs::metadata(path).with_context(unreadable)?;
        if kind.is_dir() {
            return Self::folder(path, trust);
        }
        ensure!(
            kind.is_file(),
            "{} is neither a file nor a folder",
            path.display()
        );
        let mut file = File::open(path).with_context(unreadable)?;
        let mut start = Vec::new();
        file.by_ref()
            .take(512)
            .read_to_end(&mut start)
            .with_context(unreadable)?;
        file.rewind().with_context(unreadable)?;
        match Package::of_file(&start) {
            Package::Tar(_) => Self::archive(path, None, trust),
            Package::Gzip(_) => Self::compressed(path, file, trust),
            _ => Self::document(path, file, &start, trust),
        }
    }

    fn document(path: &Path, file: File, start: &[u8], trust: &Trust) -> Result<Self> {
        if let Some(what) = no_document(start) {
            bail!(
                "{} is not an evidence package: {what}. Give a run package (JSON), evidence.tar, its \
                 folder, or the delivery that holds it",
                path.display()
            );
        }
        let most = trust.limits.max_bytes;
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let is_over = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most;
        let body = if is_over {
            Body::Refused(over(most))
        } else {
            Body::Document(bytes)
        };
        Ok(body.into())
    }

    fn folder(path: &Path, trust: &Trust) -> Result<Self> {
        let is_file = |name: &str| {
            let kind = path.join(name).symlink_metadata();
            kind.is_ok_and(|kind| kind.is_file())
        };
        if is_file(EVIDENCE) && is_file(MANIFEST) {
            let mut inner = Self::archive(&path.join(EVIDENCE), None, trust)?;
            inner.of_delivery = true;
            return Ok(inner);
        }
        if is_file(MANIFEST) && !is_file(EVIDENCE) {
            let runs = list(&path.join("runs")).unwrap_or_default();
            let has_runs = runs.iter().any(|(name, _)| is_run(&format!("runs/{name}")));
            ensure!(
                !has_runs,
                "{} is a customer's ledger; verify each runs/*.json in it",
                path.display()
            );
        }
        ensure!(
            OWN.iter().any(|name| path.join(name).exists()),
            "{} is not an evidence package: no file of one is in it. Give the folder with package.json, \
             or an unpacked delivery with evidence.tar and manifest.json",
            path.display()
        );
        let files = Files::folder(path)?;
        let most = trust.limits.max_bytes;
        if files.bytes() > most {
            return Ok(Body::Refused(over(most)).into());
        }
        Ok(Body::Files(files).into())
    }

    /// An archive, or that in a delivery.
    fn archive(path: &Path, unpacked: Option<NamedTempFile>, trust: &Trust) -> Result<Self> {
        let at = unpacked.as_ref().map_or(path, NamedTempFile::path);
        let unreadable = || format!("{} cannot be read", path.display());
        let mut file = File::open(at).with_context(unreadable)?;
        let whole = Span {
            offset: 0,
            size: file.metadata().with_context(unreadable)?.len(),
        };
        let most = trust.limits.max_files.saturating_add(1);
        let listing = Listing::of(&mut file, whole, most).with_context(unreadable)?;
        let (place, listing) = match listing.kind() {
            Kind::Other => (whole, listing),
            Kind::Delivery(inner) => {
                let listing = Listing::of(&mut file, inner, most).with_context(unreadable)?;
                (inner, listing)
            }
            Kind::Ledger => bail!(
                "{} is a customer's ledger; unpack it and verify each runs/*.json",
                path.display()
            ),
        };
        let body = if listing.bytes() > trust.limits.max_bytes {
            Body::Refused(over(trust.limits.max_bytes))
        } else {
            let mut read = Files::archive(at, place, trust);
            if let Ok(files) = &mut read {
                files.unpacked = unpacked;
            }
            refused(read).with_context(unreadable)?
        };
        Ok(Self {
            body,
            of_delivery: place != whole,
        })
    }

    /// Unpacks into a temporary file, because members are read more than once; never more than the
    /// limit.
    fn compressed(path: &Path, file: File, trust: &Trust) -> Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let most = trust.limits.max_bytes;
        let mut unpacked = NamedTempFile::new().context("making a temporary file")?;
        let packed = BufReader::with_capacity(BUFFER, file);
        let beyond = most.saturating_add(1);
        let mut bounded = gzip::bounded(packed, beyond).take(beyond);
        match io::copy(&mut bounded, unpacked.as_file_mut()) {
            Ok(bytes) if bytes > most => Ok(Body::Refused(over(most)).into()),
            Ok(_) => Self::archive(path, Some(unpacked), trust),
            Err(error) => {
                let body = refused(Err(error.into())).with_context(unreadable)?;
                Ok(body.into())
            }
        }
    }

    /// Whether the package is the `evidence.tar` of a delivery.
    pub(crate) const fn is_of_delivery(&self) -> bool {
        self.of_delivery
    }

    /// Verifies it.
    pub(crate) fn verify(
        &self,
        trust: &Trust,
        authority: Option<&dyn TimestampAuthority>,
    ) -> Result<Verdict> {
        match &self.body {
            Body::Document(bytes) => Ok(verify_with(Package::Document(bytes), trust, authority)),
            Body::Files(files) => {
                verify_members(files, trust, authority).context("the package cannot be read")
            }
            Body::Refused(fault) => Ok(Verdict::refused(fault.clone(), trust.level)),
        }
    }

    /// Derives an accepted package again from kept inputs.
    pub(crate) fn replay(&self, inputs: Inputs<'_>, trust: &Trust) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        match &self.body {
            Body::Document(bytes) => runtime.block_on(replay::document(bytes, inputs, trust)),
            Body::Files(files) => runtime.block_on(replay::members(files, inputs, trust)),
            Body::Refused(_) => bail!("a refused package is not replayed"),
        }
    }

    /// The seals in it, not verified.
    pub(crate) fn seals(&self, trust: &Trust) -> Result<Vec<String>, Unreadable> {
        match &self.body {
            Body::Document(bytes) => seals_of(Package::Document(bytes), trust),
            Body::Files(files) => seals_of_members(files, trust),
            Body::Refused(fault) => Err(fault.clone().into()),
        }
    }
}

/// Why the beginning of a file cannot be that of a document.
fn no_document(start: &[u8]) -> Option<&'static str> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    match start.iter().find(|byte| !is_space(byte)) {
        None if start.len() < 512 => Some("it is empty"),
        None | Some(b'{') => None,
        Some(_) if start.starts_with(b"%PDF") => Some("it is a PDF, which is for people"),
        Some(_) => Some("it is neither a JSON object nor an archive"),
    }
}

fn over(limit: u64) -> Fault {
    let what = format!("the package has more than {limit} bytes; --max-bytes N sets the limit");
    Fault::new(Code::Limit, what)
}

/// What is refused is a body as well; what cannot be read is none.
fn refused(read: Result<Files, Unreadable>) -> io::Result<Body> {
    match read {
        Ok(files) => Ok(Body::Files(files)),
        Err(Unreadable::Refused(fault)) => Ok(Body::Refused(fault)),
        Err(Unreadable::Io(error)) => Err(error),
    }
}

/// Where a file of the folder form lies.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    offset: u64,
    size: u64,
}

/// The files of the folder form on disk.
#[derive(Debug)]
pub(crate) struct Files {
    places: BTreeMap<String, Place>,
    /// The archive that a compressed one was unpacked to; deleted at the end.
    unpacked: Option<NamedTempFile>,
}

impl Members for Files {
    fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let places = self.places.iter();
        Ok(places
            .map(|(name, place)| (name.clone(), place.size))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        let place = self.places.get(name).ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::open(&place.path)?;
        file.seek(SeekFrom::Start(place.offset))?;
        Ok(Box::new(BufReader::with_capacity(
            BUFFER,
            file.take(place.size),
        )))
    }
}

impl Files {
    fn folder(folder: &Path) -> Result<Self> {
        let mut places = BTreeMap::new();
        for (name, path) in list(folder)? {
            if path.symlink_metadata()?.is_dir() {
                for (inner, path) in list(&path)? {
                    places.insert(format!("{name}/{inner}"), place(path)?);
                }
            } else {
                places.insert(name, place(path)?);
            }
        }
        Ok(Self {
            places,
            unpacked: None,
        })
    }

    fn bytes(&self) -> u64 {
        let sizes = self.places.values().map(|place| place.size);
        sizes.fold(0, u64::saturating_add)
    }

    fn archive(path: &Path, archive: Span, trust: &Trust) -> Result<Self, Unreadable> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(archive.offset))?;
        let bytes = BufReader::with_capacity(BUFFER, file.take(archive.size));
        let members = tar::index(bytes, trust.limits)?;
        let places = members.into_iter().map(|member| {
            let place = Place {
                path: path.to_owned(),
                offset: archive.offset.saturating_add(member.offset),
                size: member.size,
            };
            (member.name, place)
        });
        Ok(Self {
            places: places.collect(),
            unpacked: None,
        })
    }
}

fn place(path: PathBuf) -> Result<Place> {
    let kind = path.symlink_metadata()?;
    ensure!(
        kind.is_file(),
        "{} is no regular file; a package holds nothing else",
        path.display()
    );
    Ok(Place {
        path,
        offset: 0,
        size: kind.len(),
    })
}

/// The names in a folder, sorted.
pub(crate) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let listed = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in listed {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            bail!("{} has a file whose name is not text", folder.display());
        };
        files.push((name, entry.path()));
    }
    files.sort();
    Ok(files)
}
