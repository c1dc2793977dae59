//! A package as it lies on disk: a document, a folder, an archive, a compressed archive. Files are
//! opened and read as streams; only a document is held in memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_core::usecases::Inputs;
use counterfoil_evidence::code::Fault;
use counterfoil_evidence::package::{gzip, tar};
use counterfoil_evidence::verify::{
    Members, Package, TimestampAuthority, Trust, Unreadable, Verdict, seals_of, seals_of_members,
    verify_members, verify_with,
};
use tempfile::NamedTempFile;

use crate::replay::{self, Outcome};

const BUFFER: usize = 1 << 16;

/// A package that can be read.
pub(crate) enum Input {
    /// One JSON document.
    Document(Vec<u8>),
    /// The files of the folder form.
    Files(Files),
    /// An archive that breaks a rule of archives.
    Refused(Fault),
}

impl Input {
    /// Opens a package.
    pub(crate) fn open(path: &Path, trust: &Trust) -> Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let kind = fs::metadata(path).with_context(unreadable)?;
        if kind.is_dir() {
            return Files::folder(path).map(Self::Files);
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
        let read = match Package::of_file(&start) {
            Package::Tar(_) => Files::archive(path, None, trust),
            Package::Gzip(_) => Files::compressed(file, trust),
            _ => {
                let mut bytes = Vec::new();
                let most = trust.limits.max_bytes.saturating_add(1);
                file.take(most)
                    .read_to_end(&mut bytes)
                    .with_context(unreadable)?;
                return Ok(Self::Document(bytes));
            }
        };
        match read {
            Ok(files) => Ok(Self::Files(files)),
            Err(Unreadable::Refused(fault)) => Ok(Self::Refused(fault)),
            Err(Unreadable::Io(error)) => Err(error).with_context(unreadable),
        }
    }

    /// Verifies it.
    pub(crate) fn verify(
        &self,
        trust: &Trust,
        authority: Option<&dyn TimestampAuthority>,
    ) -> Result<Verdict> {
        match self {
            Self::Document(bytes) => Ok(verify_with(Package::Document(bytes), trust, authority)),
            Self::Files(files) => {
                verify_members(files, trust, authority).context("the package cannot be read")
            }
            Self::Refused(fault) => Ok(Verdict::refused(fault.clone(), trust.level)),
        }
    }

    /// Derives an accepted package again from kept inputs.
    pub(crate) fn replay(&self, inputs: Inputs<'_>) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        match self {
            Self::Document(bytes) => runtime.block_on(replay::document(bytes, inputs)),
            Self::Files(files) => runtime.block_on(replay::members(files, inputs)),
            Self::Refused(_) => bail!("a refused package is not replayed"),
        }
    }

    /// The seals in it, not verified.
    pub(crate) fn seals(&self, trust: &Trust) -> Result<Vec<String>, Unreadable> {
        match self {
            Self::Document(bytes) => seals_of(Package::Document(bytes), trust),
            Self::Files(files) => seals_of_members(files, trust),
            Self::Refused(fault) => Err(fault.clone().into()),
        }
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
    _unpacked: Option<NamedTempFile>,
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
            _unpacked: None,
        })
    }

    fn archive(
        path: &Path,
        unpacked: Option<NamedTempFile>,
        trust: &Trust,
    ) -> Result<Self, Unreadable> {
        let archive = BufReader::with_capacity(BUFFER, File::open(path)?);
        let members = tar::index(archive, trust.limits)?;
        let places = members.into_iter().map(|member| {
            let place = Place {
                path: path.to_owned(),
                offset: member.offset,
                size: member.size,
            };
            (member.name, place)
        });
        Ok(Self {
            places: places.collect(),
            _unpacked: unpacked,
        })
    }

    /// Unpacks into a temporary file, because members are read more than once; never more than the
    /// limit.
    fn compressed(file: File, trust: &Trust) -> Result<Self, Unreadable> {
        let mut unpacked = NamedTempFile::new()?;
        let packed = BufReader::with_capacity(BUFFER, file);
        io::copy(
            &mut gzip::bounded(packed, trust.limits.max_bytes),
            unpacked.as_file_mut(),
        )?;
        let path = unpacked.path().to_owned();
        Self::archive(&path, Some(unpacked), trust)
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
